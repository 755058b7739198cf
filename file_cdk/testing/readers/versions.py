"""Conformance of `open` for files that are not any more what was listed: an error of the right kind, never other bytes."""

from contextlib import closing
from typing import ClassVar

import pytest

from file_cdk.core.errors import FileAccessError, FileChangedError, FileError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import StreamReader
from file_cdk.testing.checks import error_of, require, require_error, wrong
from file_cdk.testing.readers.checks import find, noise, read_up_to, read_whole, require_bytes, stored
from file_cdk.testing.readers.storage import Storage

_MB = 1 << 20


class VersionConformance:
    pins_versions: ClassVar[bool] = True
    """Whether a listed file tells its version (by etag or modified_at), and `open` gives that or nothing."""

    def test_a_file_deleted_since_it_was_listed_is_an_access_error(self, storage: Storage) -> None:
        reader, file = stored(storage, "a.csv", b"1,2\n")
        storage.delete("a.csv")
        error = error_of(lambda: read_whole(reader, file))
        require_error(error, (FileAccessError,), "opening and reading a file that is gone")
        _require_uri(error, file)

    def test_a_replaced_file_has_another_version(self, storage: Storage) -> None:
        self._need_versions()
        storage.put("a.csv", b"old")
        before = find(storage.reader(), "a.csv")
        storage.put("a.csv", b"new")
        after = find(storage.reader(), "a.csv")
        require(
            (after.modified_at, after.etag) != (before.modified_at, before.etag),
            f"a file that was replaced is listed with the modified_at and etag that it had before: {before.etag!r}",
        )

    def test_a_file_replaced_by_one_of_its_size_is_not_read(self, storage: Storage) -> None:
        self._need_versions()
        old, new = noise(50_000, "old"), noise(50_000, "new")
        reader, file = stored(storage, "a.csv", old)
        storage.put("a.csv", new)
        _require_old_or_changed(reader, file, old)
        fresh = storage.reader()
        require_bytes(read_whole(fresh, find(fresh, "a.csv")), new, "a replaced file, listed anew,")

    @pytest.mark.parametrize("new_size", [0, 10, 60_000])
    def test_a_file_replaced_by_one_of_another_size_is_not_read(self, storage: Storage, new_size: int) -> None:
        self._need_versions()
        old = noise(50_000, "old")
        reader, file = stored(storage, "a.csv", old)
        storage.put("a.csv", noise(new_size, "new"))
        _require_old_or_changed(reader, file, old)

    def test_a_file_replaced_while_it_is_read_is_never_mixed(self, storage: Storage) -> None:
        self._need_versions()
        old, new = noise(12 * _MB, "old"), noise(12 * _MB, "new")
        reader, file = stored(storage, "a.bin", old)
        with closing(reader.open(file)) as stream:
            begun = read_up_to(stream, 1_000)
            storage.put("a.bin", new)
            try:
                rest = read_up_to(stream, len(old))
            except FileChangedError:
                return
        if new[-_MB:] == rest[-_MB:]:
            wrong("a file that was replaced while it was read gives bytes of the old version and then of the new one")
        require_bytes(begun + rest, old, "a file that was replaced while it was read")

    def test_a_file_replaced_between_two_streams_is_noticed_by_the_second(self, storage: Storage) -> None:
        """As when a worker has read one part of a file, and reads the next one."""
        self._need_versions()
        old, new = noise(3 * _MB, "old"), noise(3 * _MB, "new")
        reader, file = stored(storage, "a.bin", old)
        with closing(reader.open(file)) as stream:
            require_bytes(read_up_to(stream, 1_000), old[:1_000], "the beginning of a file")
        storage.put("a.bin", new)
        _require_old_or_changed(reader, file, old)

    def _need_versions(self) -> None:
        if not self.pins_versions:
            pytest.skip("the store has no versions")


def _require_old_or_changed(reader: StreamReader, file: RemoteFile, old: bytes) -> None:
    """The old bytes are right too: a store may keep them, or the reader have them already."""
    try:
        found = read_whole(reader, file)
    except FileChangedError as exc:
        _require_uri(exc, file)
        return
    except FileError as exc:
        wrong(f"opening and reading a file that was replaced: {type(exc).__name__} instead of FileChangedError: {exc}")
    if found != old:
        wrong(
            "a file that was replaced after it was listed is read as it is now: "
            "open, or a read, has to raise FileChangedError"
        )


def _require_uri(error: Exception | None, file: RemoteFile) -> None:
    uri = error.uri if isinstance(error, FileError) else None
    require(uri == file.uri, f"the error for {file.uri!r} has uri={uri!r}, so that nobody knows which file it is about")
