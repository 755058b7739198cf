"""Which run has a database open: a file beside it that says so, and that its process holds a lock on.

DuckDB locks the database itself, and that lock decides. But it tells no more than a process id, and of one in another container
not even that. And it is taken only after DuckDB has looked whether the database is there: of two runs that find none, the second
would begin a new one over what the first has committed meanwhile. Both locks end with their process: one that was killed holds
nobody up.
"""

import errno
import fcntl
import json
import os
import re
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import DestinationInUseError

_MAX_NOTICE_BYTES = 4096

_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW

_TRIES, _AGAIN_AFTER_S = 5, 0.01
"""Who asks for whom a run would wait holds the lock too, for an instant."""

_held: set[int] = set()
"""Descriptors that hold locks."""


def _close_held() -> None:
    for lock in _held:
        with suppress(OSError):
            os.close(lock)
    _held.clear()


# A forked child shares the locks, and may outlive its parent.
os.register_at_fork(after_in_child=_close_held)


@dataclass(frozen=True, slots=True)
class Holder:
    """A run that has a database open. pid: as its own host, or container, counts."""

    run: str
    program: str
    pid: int
    host: str
    since: str

    @classmethod
    def this(cls, run: str) -> Self:
        # Of the command line only the program's name: arguments may hold secrets.
        program = Path(sys.argv[0] if sys.argv else "").name or "python"
        return cls(run, program, os.getpid(), os.uname().nodename, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%SZ}")

    @classmethod
    def parse(cls, notice: bytes) -> Self | None:
        """None for anything else than a notice."""
        try:
            facts = json.loads(notice)
            texts = [str(facts[name])[:200] for name in ("run", "program", "host", "since")]
            return cls(texts[0], texts[1], int(facts["pid"]), *texts[2:])
        except (ValueError, TypeError, KeyError):
            return None

    def __str__(self) -> str:
        if self.pid == os.getpid() and self.host == os.uname().nodename:
            return f"another run in this process, since {self.since} (run {self.run})"
        return f"another run: process {self.pid} ({self.program}) on host {self.host!r}, since {self.since} (run {self.run})"


@dataclass(frozen=True, slots=True)
class RunLock:
    """lock: the descriptor that holds it; None where the file cannot be written, and DuckDB's own lock has to do."""

    path: Path
    lock: int | None

    @classmethod
    def hold(cls, database: str, run: str, kind: str = "DuckDB") -> Self:
        """Before the database is touched. kind: what it is, as people call it. Raises DestinationInUseError, and OSError when
        too many files are open."""
        path = _lock_path(database)
        while True:
            try:
                lock = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o666)
            except OSError as exc:
                if exc.errno in (errno.EMFILE, errno.ENFILE):
                    raise
                return cls(path, None)
            _held.add(lock)
            held = cls(path, lock)
            is_ours = False
            try:
                is_ours = _locked(lock)
                if not is_ours:
                    held._let_go()
                    raise in_use_by_run(database, kind) or in_use_by_other(database, kind=kind)
                if held._is_in_place():  # else its holder of before has just removed it
                    held._write(Holder.this(run))
                    return held
            except OSError:  # a file system without locks
                held._let_go()
                return cls(path, None)
            except BaseException:  # an interruption, too
                if is_ours and held._is_in_place():
                    held.close()
                held._let_go()
                raise
            held._let_go()

    def close(self) -> None:
        """After the database was closed."""
        if self.lock is not None:
            with suppress(OSError):
                self.path.unlink()
            self._let_go()

    def _let_go(self) -> None:
        if self.lock in _held:
            _held.discard(self.lock)
            os.close(self.lock)

    def _is_in_place(self) -> bool:
        assert self.lock is not None
        try:
            return os.path.samestat(os.fstat(self.lock), self.path.lstat())
        except FileNotFoundError:
            return False

    def _write(self, holder: Holder) -> None:
        """In place, since the lock is on this file; whoever reads half of it takes it for no notice."""
        assert self.lock is not None
        with suppress(OSError):  # a full disk: the lock holds all the same
            os.ftruncate(self.lock, 0)
            os.pwrite(self.lock, json.dumps(asdict(holder)).encode() + b"\n", 0)


def holds_lock(database: str) -> bool:
    """Whether this process has the database's RunLock."""
    try:
        status = _lock_path(database).stat()
    except OSError:
        return False
    return any(os.path.samestat(os.fstat(lock), status) for lock in _held)


def _lock_path(database: str) -> Path:
    """The same by whatever link or relative path the database is named."""
    real = Path(os.path.realpath(database))
    return real.with_name(real.name + ".lock")


def _locked(lock: int) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_AGAIN_AFTER_S)
        else:
            return True
    return False


def _holder_of(database: str) -> Holder | None:
    try:
        notice = os.open(_lock_path(database), os.O_RDONLY | _FLAGS)
    except OSError:
        return None
    try:
        fcntl.flock(notice, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return Holder.parse(os.read(notice, _MAX_NOTICE_BYTES))
    except OSError:
        return None
    finally:
        os.close(notice)
    return None


_HELD_IN = re.compile(r"held in (?:(\S.*) \(PID (\d+)\)|PID (\d+))")


def in_use_by_run(database: str, kind: str = "DuckDB") -> DestinationInUseError | None:
    """None where no run holds the lock; what a killed one has left is nobody's."""
    holder = _holder_of(database)
    if holder is None:
        return None
    return DestinationInUseError(
        f"{kind} database {database!r} is in use by {holder}",
        remedy="Wait until it ends (file-cdk sync --wait SECONDS does), or end it, and run again",
    )


def in_use_by_other(database: str, words: str = "", kind: str = "DuckDB") -> DestinationInUseError:
    """words: DuckDB's, if it was its lock that could not be had."""
    return DestinationInUseError(
        f"{kind} database {database!r} is in use by another process{_process_in(words)}",
        remedy=f"Close whatever has it open (a {kind} shell, a notebook, another sync) and run again",
    )


def _process_in(words: str) -> str:
    found = _HELD_IN.search(words)
    if found is None:
        return ""
    program, pid, bare = found.groups()
    if pid is not None:
        return f": {pid} ({Path(program).name})"
    return f": {bare}" if int(bare) > 0 else " (in another container, or on another host)"


def own_descriptor(path: str) -> int | None:
    """This process's own, if it has the file open: then it must not open and close it once more, by which the system would take
    all of its locks on the file (see fcntl(2)), DuckDB's too."""
    try:
        wanted = Path(path).stat()
        descriptors = [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    except OSError:
        return None
    for descriptor in descriptors:
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), wanted):
                return descriptor
    return None
