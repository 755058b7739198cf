"""Files read by ranges: windows that grow while a file is read in sequence, fetched ahead by threads, resumed where they
broke off.

Bytes held per process: `ahead_bytes` fetched and not yet asked for, and of each open file the window it is read from.
"""

import io
import queue
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import field

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import TransientError
from file_cdk.core.files import RemoteFile
from file_cdk.core.streams import ByteStream
from file_cdk.core.system.memory import DEFAULT_MEMORY
from file_cdk.readers.retries import RetryPolicy

WINDOW_BYTES = 8 << 20
"""Maximum size of the range of one request, in bytes, except for ranges that are announced whole."""

ANNOUNCED_BYTES = 17 << 20
"""Maximum size of what is fetched when a range is announced, in bytes; the rest is fetched when it is read."""

FIRST_WINDOW_BYTES = 128 << 10
"""Minimum size of the range of one request, in bytes: a few milliseconds on a line of 1 Gbit/s. Windows double in size while a
file is read in sequence."""

THREADS = 16

_WINDOWS_AHEAD = 4
"""Maximum number of ranges on their way at a time for one file that is read in sequence."""

_READ_AHEAD_FROM_BYTES = 1 << 20
_PROGRESS_BYTES = 256 << 10

Piece = bytes | bytearray | memoryview
Get = Callable[[RemoteFile, int, int], Iterator[Piece]]


def _locked() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class Window:
    """Bytes `[start, end)` of one version of a file, on their way or here.

    held_bytes: what it takes of what may be fetched ahead. A plain lock in place of a Future, since small files get a window
    each.
    """

    file: RemoteFile
    start: int
    end: int
    held_bytes: int
    begun: bool = False
    """Whether a thread has taken it up; set, like `wanted`, under the lock of its RangeReads."""
    wanted: bool = True
    dropped: bool = False
    """Whether nobody will ask for it: then it is not tried again."""
    _data: Piece | None = None
    _error: BaseException | None = None
    _done: threading.Lock = field(default_factory=_locked)

    def result(self) -> Piece:
        """Waits for it. Raises what fetching it raised."""
        with self._done:
            if self._error is not None:
                raise self._error
            assert self._data is not None
            return self._data

    def fetch(self, get: "Callable[[RemoteFile, int, int, Window], Piece]") -> None:
        try:
            self._data = get(self.file, self.start, self.end, self)
        except BaseException as exc:  # noqa: BLE001 - it reaches whoever reads the window
            self._error = exc
        finally:
            self._done.release()


@dataclass(slots=True, eq=False)
class RangeReads:
    """The requests of one reader in one process: made by threads, ahead of who reads, tried again. Thread-safe.

    ahead_bytes: maximum size of what is fetched ahead; by default three announced ranges, as a worker has waiting.
    """

    get: Get
    retries: RetryPolicy
    ahead_bytes: int = DEFAULT_MEMORY.ahead_bytes
    _announced: "OrderedDict[tuple[str, int], Window]" = field(default_factory=OrderedDict)
    """By uri and start, in the order of their announcement."""
    _held_bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _requests: "queue.SimpleQueue[Window | None]" = field(default_factory=queue.SimpleQueue)
    _threads: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def window_bytes(self) -> int:
        """Maximum size of a window: what is fetched ahead has room for a few."""
        return min(WINDOW_BYTES, max(self.ahead_bytes // _WINDOWS_AHEAD, FIRST_WINDOW_BYTES))

    def prefetch(self, file: RemoteFile, start: int, end: int) -> None:
        """Begins to fetch the first ANNOUNCED_BYTES of `[start, end)`, if there is room."""
        with self._lock:
            if (file.uri, start) in self._announced:
                return
            if (window := self._begin(file, start, min(end, start + ANNOUNCED_BYTES))) is not None:
                self._announced[file.uri, start] = window

    def ahead(self, file: RemoteFile, start: int, end: int) -> Window | None:
        """Begins to fetch a window for whoever keeps it; None when there is no room. To be given to `release`."""
        with self._lock:
            return self._begin(file, start, end)

    def take(self, file: RemoteFile, position: int) -> Window | None:
        """The announced window that holds `position`, if there is one."""
        with self._lock:
            wanted = next((window for window in self._announced.values() if _holds(window, file, position)), None)
            # Files are read in the order of announcement: what was announced before this one is wanted no more.
            while wanted is not None:
                _, window = self._announced.popitem(last=False)
                self._release(window)
                if window is wanted:
                    break
                window.dropped = True
            return wanted

    def release(self, window: Window) -> None:
        with self._lock:
            self._release(window)

    def drop(self, window: Window) -> None:
        """Releases what nobody will ask for."""
        window.dropped = True
        self.release(window)

    def stop(self) -> None:
        """Nothing is fetched ahead or tried again any more, and threads end, at the latest when their requests are answered."""
        with self._lock:
            self._stopped.set()
            while self._announced:
                _, window = self._announced.popitem()
                window.dropped = True
                self._release(window)
            for _ in range(self._threads):
                self._requests.put(None)

    def fetch(self, file: RemoteFile, start: int, end: int, window: Window | None = None) -> Piece:
        """Exactly the bytes asked for, `start` < `end`. Raises what `get` does, TransientError once retries are used up. window:
        which they are for, where a thread fetches it."""
        whole: Piece | None = None
        reached = tried_from = start
        waits = self.retries.waits()
        while reached < end:
            asked_at = reached
            try:
                for piece in self.get(file, reached, end):
                    if reached + len(piece) > end:
                        # Then this may not be what was asked for at all.
                        reached = asked_at
                        raise TransientError("the server sent more than was asked for", uri=file.uri)
                    if len(piece) == end - start:
                        whole = piece
                    else:
                        if not isinstance(whole, bytearray):
                            whole = bytearray(end - start)  # and no list of pieces, which would take as much again
                        whole[reached - start : reached - start + len(piece)] = piece
                    reached += len(piece)
                if reached < end:
                    raise TransientError("the server's answer ended early", uri=file.uri)
            except TransientError as exc:
                if reached - tried_from >= _PROGRESS_BYTES:
                    waits = self.retries.waits()
                    tried_from = reached
                exc.uri = exc.uri or file.uri
                if self._is_over(window):
                    raise
                self.retries.wait(exc, waits, f"reading {file.uri!r} from byte {reached}", self._stopped.wait)
                if self._is_over(window):
                    raise
        assert whole is not None
        return whole

    def _is_over(self, window: Window | None) -> bool:
        return self._stopped.is_set() or (window is not None and window.dropped)

    def _begin(self, file: RemoteFile, start: int, end: int) -> Window | None:
        size = end - start
        if self._stopped.is_set() or self._held_bytes + size > self.ahead_bytes:
            return None
        self._held_bytes += size
        window = Window(file, start, end, size)
        self._requests.put(window)
        if self._threads < THREADS and self._threads < len(self._announced) + _WINDOWS_AHEAD:
            self._threads += 1
            # Daemons: nothing of what they fetch is worth waiting for when the process ends.
            threading.Thread(target=self._work, name="file_cdk-fetch", daemon=True).start()
        return window

    def _release(self, window: Window) -> None:
        self._held_bytes -= window.held_bytes
        window.held_bytes = 0
        # Nothing comes of that once a thread has begun; who takes it otherwise fetches it at once.
        window.wanted = False

    def _work(self) -> None:
        while (window := self._requests.get()) is not None:
            with self._lock:
                window.begun = window.wanted
            if window.begun:
                window.fetch(self.fetch)


def _holds(window: Window, file: RemoteFile, position: int) -> bool:
    return window.start <= position < window.end and window.file.uri == file.uri and window.file == file


class RangedFile(ByteStream):
    """One version of a file as a seekable stream; `read` returns all that was asked for, unless the file ends.

    Reads raise what `ObjectStore.get` does.
    """

    def __init__(self, reads: RangeReads, file: RemoteFile) -> None:
        super().__init__()
        self._reads = reads
        self._file = file
        self._position = 0
        self._start = 0
        self._data: memoryview = memoryview(b"")
        self._step = FIRST_WINDOW_BYTES
        self._ahead: deque[Window] = deque()

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size_bytes}[whence]
        if origin + offset < 0:
            raise ValueError("cannot seek before the beginning")
        self._position = origin + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        if self.closed:
            raise ValueError("the file is closed")
        left = max(self._file.size_bytes - self._position, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        parts = []
        while wanted:
            part = self._piece(wanted)
            self._position += len(part)
            wanted -= len(part)
            parts.append(part)
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def readall(self) -> bytes:
        return self.read()

    def close(self) -> None:
        while self._ahead:
            self._reads.drop(self._ahead.popleft())
        self._data = memoryview(b"")
        super().close()

    def _piece(self, wanted: int) -> memoryview:
        """Some of the bytes at the position, at least one, at most `wanted`."""
        offset = self._position - self._start
        if not 0 <= offset < len(self._data):
            self._fill(wanted)
            offset = self._position - self._start
        return self._data[offset : offset + wanted]

    def _fill(self, wanted: int) -> None:
        """Makes the window hold the position."""
        in_sequence = self._position == self._start + len(self._data) and len(self._data) > 0
        doubled = min(max(self._step * 2, FIRST_WINDOW_BYTES), self._reads.window_bytes)
        self._step = doubled if in_sequence else FIRST_WINDOW_BYTES
        self._data = memoryview(b"")  # before the next one comes, so that there are never two
        self._start, self._data = self._fetched(wanted, in_sequence)
        rest = wanted - (self._start + len(self._data) - self._position)
        if rest >= FIRST_WINDOW_BYTES or (in_sequence and self._step >= _READ_AHEAD_FROM_BYTES):
            self._read_ahead(rest)

    def _fetched(self, wanted: int, in_sequence: bool) -> tuple[int, memoryview]:
        if (window := self._ahead_here()) is not None:
            return window.start, memoryview(self._result(window))
        # Behind its own range a reader only wants the end of a record: what is announced there is for the next one.
        if not in_sequence and (window := self._reads.take(self._file, self._position)) is not None:
            self._step = 0  # what is read beyond a range that was announced whole is mostly the end of one record
            return window.start, memoryview(self._result(window))
        start = self._position
        end = min(start + min(max(wanted, self._step), self._reads.window_bytes), self._file.size_bytes)
        return start, memoryview(self._reads.fetch(self._file, start, end))

    def _result(self, window: Window) -> Piece:
        if not window.begun:
            return self._reads.fetch(window.file, window.start, window.end)
        return window.result()

    def _ahead_here(self) -> Window | None:
        while self._ahead:
            window = self._ahead.popleft()
            self._reads.release(window)
            if _holds(window, self._file, self._position):
                return window
            window.dropped = True
        return None

    def _read_ahead(self, wanted: int) -> None:
        """One window after those there are, and more where `wanted` bytes after the one at hand take more."""
        start = self._start + len(self._data)
        wanted_end = start + wanted
        if self._ahead:
            start = self._ahead[-1].end
        while len(self._ahead) < _WINDOWS_AHEAD and start < self._file.size_bytes:
            if self._ahead and start >= wanted_end:
                return
            size = min(max(self._step, wanted_end - start), self._reads.window_bytes)
            window = self._reads.ahead(self._file, start, min(start + size, self._file.size_bytes))
            if window is None:
                return
            self._ahead.append(window)
            start = window.end
