"""List a stream's files and hand them out in (modified_at, uri) order, without holding a large listing in memory."""

import contextlib
import heapq
import marshal
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import field
from datetime import datetime
from itertools import islice
from operator import attrgetter
from typing import IO, Any

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import AccessError
from file_cdk.core.files import RemoteFile
from file_cdk.core.instants import of_microseconds
from file_cdk.core.ports import Matcher, StreamReader

CHUNK_FILES = 20_000
"""Files that the rules are asked of at a time."""

RUN_FILES = 100_000
"""Maximum number of files held as Python objects while listing (some 30 MB); sorted runs beyond that wait in temporary files."""

MAX_RUNS = 128
"""Temporary files open at a time."""

MAX_LISTINGS = 8
"""Prefixes listed at a time."""

_WRITTEN_TOGETHER = 1000
"""Files written to a run, and read from it, at a time."""

_LISTED_TOGETHER = 1000
"""Files handed from the thread that lists to the one that reads, at a time."""

BEFORE_START_DATE = "modified before start_date"
ALREADY_LOADED = "already loaded"

Decide = Callable[[Sequence[RemoteFile]], Sequence[str | None]]
"""For each file of a chunk: why it is skipped, or None to read it."""


def reason_to_skip(file: RemoteFile, rules: Sequence[Decide]) -> str | None:
    """The first reason that one of the rules has, of one file; of many, see `reasons_to_skip` and `select`."""
    return next((reason for rule in rules for reason in rule([file]) if reason is not None), None)


def reasons_to_skip(files: Sequence[RemoteFile], rules: Sequence[Decide]) -> list[str | None]:
    """For each file the first reason that one of the rules has; a rule is asked of those files that none before skips."""
    reasons: list[str | None] = [None] * len(files)
    left: Sequence[int] = range(len(files))
    asked = files
    for rule in rules:
        found = rule(asked)
        if not any(found):
            continue  # as most rules of most listings
        for index, reason in zip(left, found, strict=True):
            reasons[index] = reason
        left = [index for index in left if reasons[index] is None]
        asked = [files[index] for index in left]
    return reasons


def list_matching(reader: StreamReader, matcher: Matcher, *, in_order: bool = False) -> Iterator[RemoteFile]:
    """Every file that the stream wants, each once, prefix by prefix in the order the store lists them.

    Several prefixes are listed at the same time, and then files of one come between those of another, unless `in_order`.
    """
    prefixes = matcher.prefixes
    listed = _listed if in_order or len(prefixes) < 2 else _listed_together
    matches = matcher.matches
    try:
        for prefix, files in listed(reader, prefixes):
            for file in files:
                uri = file.uri
                if (not prefix or uri.startswith(prefix)) and (matches(uri) or file.is_closed_folder):
                    yield file
    except OSError as exc:
        raise AccessError(f"the files cannot be listed: {exc.strerror or type(exc).__name__}") from exc


def _listed(reader: StreamReader, prefixes: Iterable[str]) -> Iterator[tuple[str, Iterable[RemoteFile]]]:
    return ((prefix, reader.list_files(prefix)) for prefix in prefixes)


def _listed_together(reader: StreamReader, prefixes: Sequence[str]) -> Iterator[tuple[str, Iterable[RemoteFile]]]:
    found: queue.Queue[_Found] = queue.Queue(MAX_LISTINGS)
    waiting = queue.SimpleQueue[str]()
    stopped = threading.Event()
    for prefix in prefixes:
        waiting.put(prefix)
    for _ in range(min(MAX_LISTINGS, len(prefixes))):
        # Daemons: should the listing be given up, nobody waits for a page of it.
        arguments = (reader, waiting, found, stopped)
        threading.Thread(target=_list_into, args=arguments, name="file_cdk-list", daemon=True).start()
    left = len(prefixes)
    try:
        while left:
            match found.get():
                case (prefix, [*files]):
                    yield prefix, files
                case (_, None):
                    left -= 1
                case (_, BaseException() as error):
                    raise error
    finally:
        stopped.set()


_Found = tuple[str, list[RemoteFile] | BaseException | None]
"""Files of a prefix, the error that ended its listing, or None for its end."""


def _list_into(
    reader: StreamReader, waiting: "queue.SimpleQueue[str]", found: "queue.Queue[_Found]", stopped: threading.Event
) -> None:
    while not stopped.is_set():
        try:
            prefix = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            files = iter(reader.list_files(prefix))
            while part := list(islice(files, _LISTED_TOGETHER)):
                _hand_over((prefix, part), found, stopped)
                if stopped.is_set():
                    return
        except BaseException as exc:  # noqa: BLE001 - raised again where the files are taken
            _hand_over((prefix, exc), found, stopped)
            return
        _hand_over((prefix, None), found, stopped)


def _hand_over(item: _Found, found: "queue.Queue[_Found]", stopped: threading.Event) -> None:
    while not stopped.is_set():
        with contextlib.suppress(queue.Full):
            found.put(item, timeout=0.1)
            return


def newer_than(start_at: datetime | None) -> Decide:
    """Also skips entries that the listing found at fault."""

    def decide(files: Sequence[RemoteFile]) -> list[str | None]:
        if start_at is None:
            return [file.fault for file in files]
        return [file.fault or (BEFORE_START_DATE if file.modified_at < start_at else None) for file in files]

    return decide


SortKey = Callable[[RemoteFile], Any]
BY_TIME: SortKey = attrgetter("sort_key")
BY_URI: SortKey = attrgetter("uri")


@dataclass(slots=True)
class Selection:
    """The files to read, sorted, and a count of the others by reason. Close it to drop its temporary files."""

    key: SortKey = BY_TIME
    files: int = 0
    size_bytes: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    _runs: list[IO[bytes]] = field(default_factory=list)
    _last: list[RemoteFile] = field(default_factory=list)
    _open: ExitStack = field(default_factory=ExitStack)

    def __iter__(self) -> Iterator[RemoteFile]:
        """May be iterated again after it was exhausted, not twice at once."""
        if not self._runs:
            return iter(self._last)
        return heapq.merge(self._last, *map(_read_run, self._runs), key=self.key)

    def latest(self, count: int) -> list[RemoteFile]:
        """The most recently modified files, latest first."""
        return heapq.nlargest(count, self, key=BY_TIME)

    def close(self) -> None:
        self._open.close()

    def _add(self, files: list[RemoteFile]) -> None:
        self.files += len(files)
        self.size_bytes += sum([file.size_bytes for file in files])
        self._last.extend(files)

    def _sort(self) -> None:
        if self.key is not BY_TIME:
            self._last.sort(key=self.key)
            return
        # Those of the same time stay by uri: a third of the time that a sort by both at once takes.
        self._last.sort(key=BY_URI)
        self._last.sort(key=attrgetter("modified_at"))

    def _spill(self) -> None:
        self._sort()
        self._runs.append(self._written(self._last))
        self._last = []
        if len(self._runs) == MAX_RUNS:
            self._merge_runs()

    def _merge_runs(self) -> None:
        """All runs so far become one, so that open files stay few."""
        merged, opened = self._runs, self._open
        self._open = ExitStack()
        with opened:
            self._runs = [self._written(heapq.merge(*map(_read_run, merged), key=self.key))]

    def _written(self, files: Iterable[RemoteFile]) -> IO[bytes]:
        import tempfile  # takes long, and few listings are so large

        run = tempfile.TemporaryFile(prefix="file_cdk-listing-")  # noqa: SIM115 - close() closes it
        self._open.enter_context(run)
        remaining = iter(files)
        # marshal is of this process's Python alone, as the file is; pickling takes ten times as long.
        while part := [
            (file.uri, file.size_bytes, file.modified_us, file.etag, file.fault)
            for file in islice(remaining, _WRITTEN_TOGETHER)
        ]:
            marshal.dump(part, run)
        return run


def _read_run(run: IO[bytes]) -> Iterator[RemoteFile]:
    run.seek(0)
    with contextlib.suppress(EOFError):
        while True:
            for uri, size_bytes, modified_us, etag, fault in marshal.load(run):  # noqa: S302 - what `_written` wrote
                yield RemoteFile(uri, size_bytes, of_microseconds(modified_us), etag, fault)


def select(
    files: Iterable[RemoteFile],
    rules: Sequence[Decide],
    chunk_files: int = CHUNK_FILES,
    run_files: int = RUN_FILES,
    key: SortKey = BY_TIME,
) -> Selection:
    """Applies the rules in turn to chunks of the listing; the first rule with a reason skips the file."""
    selection = Selection(key)
    remaining = iter(files)
    while chunk := list(islice(remaining, chunk_files)):
        for rule in rules:
            reasons = rule(chunk)
            selection.skipped.update(reason for reason in reasons if reason is not None)
            chunk = [file for file, reason in zip(chunk, reasons, strict=True) if reason is None]
        if selection._last and len(selection._last) + len(chunk) > run_files:
            selection._spill()
        selection._add(chunk)
    selection._sort()
    return selection
