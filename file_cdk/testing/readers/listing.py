"""Conformance of listings: every file once, under its own name, with its size and version."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from file_cdk.core.errors import AccessError, FileCdkError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import StreamReader
from file_cdk.engine.listing import list_matching
from file_cdk.readers.globbing import GlobPatterns
from file_cdk.testing.checks import error_of, require, require_error, wrong
from file_cdk.testing.odd_keys import NEAR_MISSES, ODD_KEYS
from file_cdk.testing.readers.checks import find, listed, put_all, read_whole, require_uris, shown, some
from file_cdk.testing.readers.storage import MissingRoot, Storage

_SHELF = {
    uri: uri.encode()
    for uri in (
        "2024/01/a.csv",
        "2024/01/b.csv",
        "2024/02/a.csv",
        "2024/02/a.csv.gz",
        "2024-summary.csv",
        "2025/a.jsonl",
        "top.csv",
    )
}
_PREFIXES = {
    "": set(_SHELF),
    "2024/": {"2024/01/a.csv", "2024/01/b.csv", "2024/02/a.csv", "2024/02/a.csv.gz"},
    "2024/0": {"2024/01/a.csv", "2024/01/b.csv", "2024/02/a.csv", "2024/02/a.csv.gz"},
    "202": set(_SHELF) - {"top.csv"},
    "2024/02/a.csv": {"2024/02/a.csv", "2024/02/a.csv.gz"},
    "top.csv": {"top.csv"},
    "2024/01": {"2024/01/a.csv", "2024/01/b.csv"},
    "2024/01/a.csv/": set(),
    "2023/": set(),
    "/2024": set(),
    "TOP": set(),
}
_GLOBS = {
    ("**",): set(_SHELF),
    ("*.csv",): {"2024-summary.csv", "top.csv"},
    ("**/*.csv",): {"2024/01/a.csv", "2024/01/b.csv", "2024/02/a.csv", "2024-summary.csv", "top.csv"},
    ("2024/*/a.csv",): {"2024/01/a.csv", "2024/02/a.csv"},
    ("2024*/**",): {"2024/01/a.csv", "2024/01/b.csv", "2024/02/a.csv", "2024/02/a.csv.gz"},
    ("2025/**", "top.csv"): {"2025/a.jsonl", "top.csv"},
    ("2024/0[12]/?.csv", "!**/b.csv"): {"2024/01/a.csv", "2024/02/a.csv"},
    ("{2025/*,2024/02/*.gz}",): {"2025/a.jsonl", "2024/02/a.csv.gz"},
    ("nothing/**",): set(),
}
_CLOCKS_DIFFER = timedelta(minutes=5)


class ListingConformance:
    many_files: ClassVar[int] = 2_500
    """So many files take more than one page of a listing."""

    refused_keys: ClassVar[frozenset[str] | None] = None
    """Which of odd_keys.ODD_KEYS the store does not take; None: it is not known, but one must be taken."""

    def test_an_empty_root_lists_nothing(self, storage: Storage) -> None:
        require_uris(listed(storage.reader()), (), "list_files('') of an empty root")

    def test_prefixes_are_texts_not_folders(self, storage: Storage) -> None:
        put_all(storage, _SHELF)
        reader = storage.reader()
        for prefix, expected in _PREFIXES.items():
            require_uris(listed(reader, prefix), expected, f"list_files({prefix!r})")

    def test_globs_find_what_they_match(self, storage: Storage) -> None:
        put_all(storage, _SHELF)
        reader = storage.reader()
        for globs, expected in _GLOBS.items():
            found = [file.uri for file in list_matching(reader, GlobPatterns(globs))]
            require_uris(found, expected, f"a stream with globs {list(globs)}")
            require(
                len(found) == len(set(found)), f"a stream with globs {list(globs)} gets a file twice: {some(found)}"
            )

    def test_many_files_are_each_listed_once(self, storage: Storage) -> None:
        names = [f"{folder}/part-{number:05}.csv" for number in range(self.many_files // 2) for folder in ("a", "b")]
        put_all(storage, {name: b"%d" % at for at, name in enumerate(names)})
        reader = storage.reader()
        files = listed(reader)
        require_uris(files, names, f"list_files('') of {len(names)} files")
        sizes = {name: len(str(at)) for at, name in enumerate(names)}
        if differ := [uri for uri, file in files.items() if file.size_bytes != sizes[uri]]:
            wrong(f"list_files('') gives a wrong size_bytes for {len(differ)} files: {some(differ)}")
        half = [name for name in names if name.startswith("b/")]
        require_uris(listed(reader, "b/part"), half, f"list_files('b/part') of {len(names)} files")
        require(
            next(iter(reader.list_files("b/")), None) is not None, "a listing that is given up gives no file at all"
        )

    def test_sizes_times_and_versions(self, storage: Storage) -> None:
        sizes = {"empty.csv": 0, "one.csv": 1, "some.csv": 12_345}
        before = datetime.now(UTC)
        put_all(storage, {uri: b"x" * size for uri, size in sizes.items()})
        files = listed(storage.reader())
        require_uris(files, sizes, "list_files('')")
        for uri, file in files.items():
            require(
                file.size_bytes == sizes[uri], f"size_bytes of {uri!r} is {file.size_bytes} instead of {sizes[uri]}"
            )
            require(
                file.modified_at.utcoffset() == timedelta(0),
                f"modified_at of {uri!r} is not in UTC: {file.modified_at.isoformat()}",
            )
            require(
                before - _CLOCKS_DIFFER < file.modified_at < datetime.now(UTC) + _CLOCKS_DIFFER,
                f"modified_at of {uri!r}, which was stored just now, is {file.modified_at.isoformat()}",
            )
        again = listed(storage.reader())
        if differ := [uri for uri in files if again[uri] != files[uri]]:
            wrong(f"nothing changed, and yet a second listing gives other versions of {some(differ)}")

    def test_keys_that_stand_for_folders_are_not_files(self, storage: Storage) -> None:
        storage.put("folder/file.csv", b"x")
        refusal = error_of(lambda: storage.put("folder/", b""))
        found = listed(storage.reader())
        stored = "" if refusal else ", with a key 'folder/' in it"
        require_uris(found, ["folder/file.csv"], f"list_files('') of a root{stored}")

    def test_odd_keys_are_listed_and_read(
        self, storage: Storage, record_property: Callable[[str, object], None]
    ) -> None:
        stored, refused = _put_odd_keys(storage)
        record_property("refused_keys", sorted(refused))
        report = [shown(uri) for uri in sorted(refused)]
        print(f"the store refuses {len(refused)} of {len(ODD_KEYS)} odd keys: {report}")  # noqa: T201  pytest -rP shows it
        if len(refused) == len(ODD_KEYS):
            pytest.fail(f"the storage refuses all odd keys, the last with: {refused[ODD_KEYS[-1]]!r}", pytrace=False)
        if self.refused_keys is not None:
            require(
                set(refused) == self.refused_keys,
                f"refused_keys should be {sorted(refused)}, as the store now takes "
                f"{some(self.refused_keys - set(refused))} and refuses {some(set(refused) - self.refused_keys)}",
            )
        reader = storage.reader()
        files = listed(reader)
        require_uris(files, stored, "list_files('') of a root with odd keys")
        for uri, data in stored.items():
            require(
                files[uri].size_bytes == len(data), f"size_bytes of {shown(uri)} is {files[uri].size_bytes}: {data!r}"
            )
        contents = {uri: _contents(reader, files[uri]) for uri in stored}
        faults = [f"{shown(uri)} {contents[uri]!r}" for uri, data in stored.items() if contents[uri] != data]
        require(not faults, "opened as they were listed, these keys are read as something else: " + "; ".join(faults))

    def test_odd_keys_are_found_by_their_own_prefix(self, storage: Storage) -> None:
        stored, _ = _put_odd_keys(storage)
        reader = storage.reader()
        for uri in stored:
            below = [other for other in stored if other.startswith(uri)]
            require_uris(listed(reader, uri), below, f"list_files({uri!r})")

    def test_a_file_that_is_put_or_deleted_is_seen_by_the_next_listing(self, storage: Storage) -> None:
        put_all(storage, {"a.csv": b"a", "b.csv": b"b"})
        require_uris(listed(storage.reader()), ["a.csv", "b.csv"], "list_files('')")
        storage.delete("a.csv")
        storage.put("c.csv", b"c")
        require_uris(listed(storage.reader()), ["b.csv", "c.csv"], "list_files('') after a deletion and an upload")
        find(storage.reader(), "c.csv")

    def test_a_missing_root_is_an_access_error(self, storage: Storage) -> None:
        if not isinstance(storage, MissingRoot):
            pytest.skip("the storage has no missing_root_reader")
        error = error_of(lambda: listed(storage.missing_root_reader()))
        require_error(error, (AccessError,), "listing a root that does not exist")
        require(bool(str(error).strip()), "the AccessError for a root that does not exist says nothing")


def _put_odd_keys(storage: Storage) -> tuple[dict[str, bytes], dict[str, Exception]]:
    """The files that are there now, and why the other keys were refused. No two files have the same bytes."""
    stored: dict[str, bytes] = {}
    refused: dict[str, Exception] = {}
    for uri in ODD_KEYS:
        data = f"the bytes of {uri}".encode()
        error = error_of(lambda uri=uri, data=data: storage.put(uri, data))  # type: ignore[misc]
        if error is None:
            stored[uri] = data
        else:
            refused[uri] = error
    plain = {uri: f"not odd: {uri}".encode() for uri in NEAR_MISSES}
    put_all(storage, plain)
    return stored | plain, refused


def _contents(reader: StreamReader, file: RemoteFile) -> bytes | FileCdkError:
    try:
        return read_whole(reader, file)
    except FileCdkError as exc:
        return exc
