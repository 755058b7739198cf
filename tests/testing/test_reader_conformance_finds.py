"""The conformance suite fails for readers that are wrong in one way each, and says in which."""

import io
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import IO
from urllib.parse import unquote

import pytest

from file_cdk.core.errors import FileAccessError, FileChangedError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import StreamReader
from file_cdk.testing.reader_conformance import ODD_KEYS, ReaderConformance, Storage


@dataclass
class Shelf:
    """A store in memory that is right in everything but what needs another process. Keys are looked up through `name`."""

    files: dict[str, tuple[bytes, RemoteFile]] = field(default_factory=dict)
    puts: int = 0
    name: Callable[[str], str] = str

    def put(self, uri: str, data: bytes) -> None:
        self.puts += 1
        self.files[uri] = (data, RemoteFile(uri, len(data), datetime.now(UTC), str(self.puts)))

    def delete(self, uri: str) -> None:
        del self.files[uri]

    def reader(self) -> StreamReader:
        return ShelfReader(self)


@dataclass(frozen=True)
class ShelfReader:
    shelf: Shelf

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        for uri, (_, file) in self.shelf.files.items():
            if uri.startswith(prefix) and not uri.endswith("/"):
                yield file

    def open(self, file: RemoteFile) -> IO[bytes]:
        data, now = self._find(file)
        if now.etag != file.etag:
            raise FileChangedError("changed", uri=file.uri)
        return io.BytesIO(data)

    def prefetch(self, file: RemoteFile, start: int, end: int) -> None:
        pass

    def _find(self, file: RemoteFile) -> tuple[bytes, RemoteFile]:
        uri = self.shelf.name(file.uri)
        if uri not in self.shelf.files:
            raise FileAccessError("gone", uri=file.uri)
        return self.shelf.files[uri]


class ListsTwice(ShelfReader):
    """As where two pages overlap."""

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        files = list(super().list_files(prefix))
        yield from [*files[:1_000], *files[999:]]


class OnePage(ShelfReader):
    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        yield from list(super().list_files(prefix))[:1_000]


class FolderPrefixes(ShelfReader):
    """As where a prefix means a whole segment."""

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        for file in super().list_files(prefix):
            if not prefix or file.uri == prefix or file.uri.startswith(prefix.rstrip("/") + "/"):
                yield file


class ListsFolders(ShelfReader):
    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        yield from [file for _, file in self.shelf.files.values() if file.uri.startswith(prefix)]


class NormalNames(ShelfReader):
    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        for file in super().list_files(prefix):
            yield replace(file, uri=unicodedata.normalize("NFC", file.uri))


class StripsSlashes(ShelfReader):
    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        for file in super().list_files(prefix):
            yield replace(file, uri=file.uri.strip("/"))


class WrongTime(ShelfReader):
    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        for file in super().list_files(prefix):
            yield replace(file, modified_at=file.modified_at + timedelta(hours=2))


class AnyVersion(ShelfReader):
    def open(self, file: RemoteFile) -> IO[bytes]:
        return io.BytesIO(self._find(file)[0])


class OtherError(ShelfReader):
    def open(self, file: RemoteFile) -> IO[bytes]:
        return io.BytesIO(self.shelf.files[file.uri][0])


class NamelessError(ShelfReader):
    def open(self, file: RemoteFile) -> IO[bytes]:
        if file.uri not in self.shelf.files:
            raise FileAccessError("gone")
        return super().open(file)


class _Mixing(io.RawIOBase):
    """Asks for each range by name alone."""

    def __init__(self, shelf: Shelf, uri: str) -> None:
        self.shelf, self.uri, self.at = shelf, uri, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data = self.shelf.files[self.uri][0][self.at :][: size if size >= 0 else None]
        self.at += len(data)
        return data


class Mixes(ShelfReader):
    def open(self, file: RemoteFile) -> IO[bytes]:
        super().open(file).close()
        return _Mixing(self.shelf, file.uri)  # type: ignore[return-value]


class CutsShort(ShelfReader):
    def open(self, file: RemoteFile) -> IO[bytes]:
        return io.BytesIO(super().open(file).read()[: 16 << 20])


class LosesLastByte(ShelfReader):
    def open(self, file: RemoteFile) -> IO[bytes]:
        return io.BytesIO(super().open(file).read()[:-1])


class OneStream(ShelfReader):
    """As where a connection is shared that has one position."""

    streams: dict[str, IO[bytes]] = {}  # noqa: RUF012 - that it is shared is what is wrong

    def open(self, file: RemoteFile) -> IO[bytes]:
        key = f"{id(self.shelf)}:{file.etag}"
        stream = self.streams.setdefault(key, super().open(file))
        stream.seek(0)
        return stream


class PrefetchRaises(ShelfReader):
    def prefetch(self, file: RemoteFile, start: int, end: int) -> None:
        self._find(file)


class PicklesClient(ShelfReader):
    def __reduce__(self) -> tuple[type[StreamReader], tuple[Shelf]]:
        raise TypeError("cannot pickle 'socket' object")


class LeavesOpen(ShelfReader):
    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        warnings.warn("unclosed socket", ResourceWarning, stacklevel=2)
        yield from super().list_files(prefix)


Check = Callable[[ReaderConformance, Storage], object]


def check(name: str) -> Check:
    def run(suite: ReaderConformance, storage: Storage) -> object:
        more = {"record_property": lambda *_: None} if "odd_keys_are_listed" in name else {}
        return getattr(suite, f"test_{name}")(storage, **more)

    return run


FINDS = [
    (ListsTwice, "many_files_are_each_listed_once", "more than once"),
    (OnePage, "many_files_are_each_listed_once", "lacks 1500 of 2500 files"),
    (FolderPrefixes, "prefixes_are_texts_not_folders", "list_files('2024/0') lacks"),
    (FolderPrefixes, "globs_find_what_they_match", "'2024/0[12]/?.csv'"),
    (ListsFolders, "keys_that_stand_for_folders_are_not_files", "'folder/'"),
    (NormalNames, "odd_keys_are_listed_and_read", "more than once: 'composed-é.csv'"),
    (StripsSlashes, "odd_keys_are_listed_and_read", "more than once: 'lead.csv'"),
    (WrongTime, "sizes_times_and_versions", "stored just now"),
    (AnyVersion, "a_file_replaced_by_one_of_its_size_is_not_read", "is read as it is now"),
    (AnyVersion, "a_file_replaced_between_two_streams_is_noticed_by_the_second", "is read as it is now"),
    (Mixes, "a_file_replaced_while_it_is_read_is_never_mixed", "and then of the new one"),
    (
        OtherError,
        "a_file_deleted_since_it_was_listed_is_an_access_error",
        "KeyError is raised instead of FileAccessError",
    ),
    (NamelessError, "a_file_deleted_since_it_was_listed_is_an_access_error", "has uri=None"),
    (CutsShort, "a_large_file_is_read_to_its_last_byte", "gives 16777216 bytes instead of 20971521"),
    (LosesLastByte, "threads_share_a_reader", "gives 1999"),
    (LosesLastByte, "the_stream_reads_and_seeks_as_a_file_does", "gives 989 bytes instead of 990"),
    (LosesLastByte, "random_reads_give_the_slices_of_the_file", "bytes from"),
    (OneStream, "two_streams_of_a_file_do_not_share_their_position", "two open streams"),
    (PrefetchRaises, "prefetching_changes_no_byte", "prefetch raises"),
    (PicklesClient, "a_pickled_reader_reads_the_same", "cannot be pickled"),
    (LeavesOpen, "nothing_is_left_open", "unclosed socket"),
]


@pytest.mark.parametrize(("wrong", "name", "message"), FINDS, ids=lambda value: getattr(value, "__name__", None))
def test_what_is_wrong_is_found(
    wrong: type[ShelfReader], name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = ReaderConformance()
    check(name)(suite, Shelf())  # nothing is found where nothing is wrong
    monkeypatch.setattr(Shelf, "reader", lambda shelf: wrong(shelf))
    with pytest.raises(pytest.fail.Exception) as caught:
        check(name)(suite, Shelf())
    assert message in str(caught.value)


def plus_is_a_blank(uri: str) -> str:
    return uri.replace("+", " ")


def without_query(uri: str) -> str:
    return uri.partition("?")[0]


def composed(uri: str) -> str:
    return unicodedata.normalize("NFC", uri)


def without_dots(uri: str) -> str:
    return uri.removeprefix("./")


@pytest.mark.parametrize(
    "name", [unquote, plus_is_a_blank, without_query, composed, without_dots, str.strip, str.lower]
)
def test_a_key_that_is_read_as_another_is_found(name: Callable[[str], str]) -> None:
    with pytest.raises(pytest.fail.Exception, match="these keys are read as something else"):
        check("odd_keys_are_listed_and_read")(ReaderConformance(), Shelf(name=name))


def test_a_store_that_refuses_all_odd_keys_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    put = Shelf.put

    def refuse(shelf: Shelf, uri: str, data: bytes) -> None:
        if uri in ODD_KEYS:
            raise OSError("invalid name")
        put(shelf, uri, data)

    monkeypatch.setattr(Shelf, "put", refuse)
    with pytest.raises(pytest.fail.Exception, match="refuses all odd keys, the last with: OSError"):
        check("odd_keys_are_listed_and_read")(ReaderConformance(), Shelf())


def test_refused_keys_that_are_declared_must_be_right() -> None:
    suite = ReaderConformance()
    suite.refused_keys = frozenset({"a//b.csv"})  # type: ignore[misc]
    with pytest.raises(pytest.fail.Exception, match=r"takes 'a//b\.csv'"):
        check("odd_keys_are_listed_and_read")(suite, Shelf())


def test_a_suite_without_a_storage_says_what_it_needs(tmp_path: object) -> None:
    with pytest.raises(NotImplementedError, match="make_storage"):
        ReaderConformance().make_storage(tmp_path)  # type: ignore[arg-type]
