"""The two nouns that travel the whole way, a remote file and a split of it, and what a job remembers of them."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from operator import is_not
from typing import Any, Generic, TypeVar

from file_cdk.core.dataclass import dataclass
from file_cdk.core.instants import EPOCH, microseconds

MODIFIED_COLUMN = "_ab_source_file_last_modified"
URL_COLUMN = "_ab_source_file_url"
FILE_COLUMNS: Mapping[str, Mapping[str, str]] = {MODIFIED_COLUMN: {"type": "string"}, URL_COLUMN: {"type": "string"}}
"""The columns that every record of the protocol gets about its file, last and in this order, and the JSON schema of each.

A column of that name in the file gives way, with a warning where the column is known before the records are read. In
records that already are JSON, the key is found as it is spelled here, not with escapes in it.
"""

_Read = TypeVar("_Read")


def gives_way(column: str) -> str:
    """What is said of a file's own column of the name of one of FILE_COLUMNS."""
    return f"column {column!r} gives way to the one that every record gets from its file"


@dataclass(frozen=True, slots=True, init=False)
class RemoteFile:
    """One version of one file, as a listing saw it.

    uri: key or path relative to the bucket, container or root, `/`-separated, never starting with the root itself.
    size_bytes: size at listing time. modified_at: aware UTC, microseconds. etag: the store's version tag, if it has one.
    fault: why the listing could not say so of this one file, in words such as `a link that leads nowhere`; it is skipped for
    that reason, and size and time mean nothing. Of a folder that cannot be looked into, the uri is the folder's, with a slash
    at its end.
    """

    uri: str
    size_bytes: int
    modified_at: datetime
    etag: str | None = None
    fault: str | None = None

    def __init__(
        self, uri: str, size_bytes: int, modified_at: datetime, etag: str | None = None, fault: str | None = None
    ) -> None:
        if modified_at.tzinfo is None:
            raise ValueError(f"modified_at of {uri!r} must be an aware datetime")
        # In half the time that a dataclass takes by itself, and a listing has many.
        _set_uri(self, uri)
        _set_size_bytes(self, size_bytes)
        _set_modified_at(self, modified_at)
        _set_etag(self, etag)
        _set_fault(self, fault)

    def __reduce__(self) -> tuple[Any, ...]:
        # A few times faster than what dataclasses do by themselves, which matters where files are small and many.
        facts = (self.uri, self.size_bytes, self.modified_at, self.etag)
        return RemoteFile, facts if self.fault is None else (*facts, self.fault)

    @classmethod
    def unusable(cls, uri: str, fault: str) -> "RemoteFile":
        """An entry of a listing that is there and is no file to read."""
        return cls(uri, 0, EPOCH, None, fault)

    @property
    def is_closed_folder(self) -> bool:
        """A folder that cannot be looked into: any file may be below."""
        return self.fault is not None and self.uri.endswith("/")

    @property
    def sort_key(self) -> tuple[datetime, str]:
        """Files are read in this order; determinism rests on nothing else."""
        return self.modified_at, self.uri

    @property
    def modified_us(self) -> int:
        """See core.instants.microseconds."""
        return microseconds(self.modified_at)


_set_uri, _set_size_bytes, _set_modified_at, _set_etag, _set_fault = (
    vars(RemoteFile)[field].__set__ for field in ("uri", "size_bytes", "modified_at", "etag", "fault")
)


@dataclass(frozen=True, slots=True)
class Split:
    """A half-open byte range `[start, end)` of one file: the records that begin in it belong to this split.

    For row-oriented formats a record begins at its first byte; for Parquet a row group begins at its first column chunk.
    Ranges of one file are contiguous, so every record belongs to exactly one split.

    at_record: `start` is known to be the beginning of a record, so the format need not search for one.
    sequential: all the rest of the file in one go, because where records begin could not be told from its middle.
    """

    file: RemoteFile
    ordinal: int
    start: int
    end: int
    at_record: bool = False
    sequential: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        return Split, (self.file, self.ordinal, self.start, self.end, self.at_record, self.sequential)

    @property
    def is_first(self) -> bool:
        return self.start == 0

    @property
    def is_last(self) -> bool:
        return self.end >= self.file.size_bytes

    @property
    def size_bytes(self) -> int:
        return max(self.end - self.start, 0)

    def restarted_at(self, start: int) -> "Split":
        """The same split, beginning at a position now known to be a record's; beyond `end`, no record begins in it."""
        return replace(self, start=start, at_record=True)

    def rest_of_file(self, start: int) -> "Split":
        """Everything from `start` on, to be read in sequence."""
        return replace(self, start=start, end=self.file.size_bytes, at_record=True, sequential=True)


class FileCache(Generic[_Read]):
    """The last `max_files` results, by file version. Belongs to a job, since uris and versions of one root say nothing of
    another's; and to a process: a copy that travels to another one is empty."""

    def __init__(self, max_files: int) -> None:
        self._max_files = max_files
        self._results: OrderedDict[RemoteFile, _Read] = OrderedDict()

    def get(self, file: RemoteFile, read: Callable[[], _Read]) -> _Read:
        known = self._results.get(file)
        if known is not None:
            self._results.move_to_end(file)
            return known
        result = self._results[file] = read()
        if len(self._results) > self._max_files:
            self._results.popitem(last=False)
        return result

    def __reduce__(self) -> tuple[type["FileCache[_Read]"], tuple[int]]:
        return type(self), (self._max_files,)


class Latest(Generic[_Read]):
    """The last result, for as long as it is asked for with the very same objects. Belongs to a process, as FileCache does."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._result: _Read | None = None

    def get(self, key: tuple[object, ...], make: Callable[[], _Read]) -> _Read:
        if self._result is None or len(key) != len(self._key) or any(map(is_not, key, self._key)):
            self._result, self._key = make(), key
        return self._result

    def __reduce__(self) -> tuple[type["Latest[_Read]"], tuple[()]]:
        return type(self), ()
