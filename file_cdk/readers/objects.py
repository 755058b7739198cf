"""A reader over any store that answers two requests: a page of a listing, and a range of a file's bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import field
from functools import partial
from typing import IO, Any, Protocol, cast

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import FileAccessError
from file_cdk.core.files import RemoteFile
from file_cdk.core.system.memory import DEFAULT_MEMORY
from file_cdk.readers.ranges import RangedFile, RangeReads
from file_cdk.readers.retries import RetryPolicy


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a listing. next_token: what gets the next page; None after the last one."""

    files: Sequence[RemoteFile]
    next_token: str | None = None


class ObjectStore(Protocol):
    """One bucket, container or server. Holds configuration only, and pickles; clients are made when first used, and are
    used by several threads at a time. Tries nothing again: that is the reader's to do."""

    @property
    def origin(self) -> str:
        """What files are relative to, without secrets, such as `s3://bucket`; names it in errors and in the log."""

    def list_page(self, prefix: str, token: str | None) -> Page:
        """Files whose uri starts with `prefix`; token: None for the first page.

        Keys that stand for folders (empty, and ending with a slash) are left out. Raises AccessError (missing, forbidden,
        wrong region, expired credentials: with the remedy), TransientError (throttled, 5xx, time-out, reset).
        """

    def get(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes | bytearray | memoryview]:
        """Bytes `[start, end)` of exactly this version of the file, in pieces of any size; start < end <= size.

        Stopping early is fine, and so is closing the generator: what has arrived is kept and the rest asked for again.
        Raises FileAccessError (gone, forbidden), FileChangedError (another version by now), AccessError,
        TransientError; no vendor's error.
        """


@dataclass(frozen=True, slots=True)
class ObjectReader:
    """Lists and opens the files of a store; implements core.ports.StreamReader and core.ports.Prefetching.

    Every request is tried again as `retries` says; a body that breaks off is asked for again from the byte reached.
    ahead_bytes: maximum size of what a process fetches ahead, in bytes.
    """

    store: ObjectStore
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    ahead_bytes: int = DEFAULT_MEMORY.ahead_bytes
    _reads: list[RangeReads] = field(default_factory=list, init=False, repr=False, compare=False)

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        """Page by page, in the store's order."""
        token: str | None = None
        what = f"listing {self.store.origin}"
        while True:
            page = self.retries.run(partial(self.store.list_page, prefix, token), what)
            yield from page.files
            token = page.next_token
            if token is None:
                return

    def prefetch(self, file: RemoteFile, start: int, end: int) -> None:
        """Begins to fetch `[start, end)`, or as much of it as there is room for; never waits."""
        if 0 <= start < end <= file.size_bytes:
            self._shared_reads().prefetch(file, start, end)

    def stop_fetching(self) -> None:
        """See core.ports.stop_fetching. What is opened from now on is fetched by new threads."""
        while self._reads:
            self._reads.pop().stop()

    def fetching_ahead(self, max_bytes: int) -> "ObjectReader":
        """See core.memory_ports.FetchesAhead."""
        return ObjectReader(self.store, self.retries, max_bytes)

    def open(self, file: RemoteFile) -> IO[bytes]:
        """Does no request of its own: errors come with the first read."""
        if "\0" in file.uri:
            raise FileAccessError("the uri has a null character in it", uri=file.uri)
        return cast(IO[bytes], RangedFile(self._shared_reads(), file))

    def _shared_reads(self) -> RangeReads:
        if not self._reads:
            self._reads.append(RangeReads(self.store.get, self.retries, self.ahead_bytes))
        return self._reads[0]

    def __reduce__(self) -> tuple[Any, ...]:
        return ObjectReader, (self.store, self.retries, self.ahead_bytes)
