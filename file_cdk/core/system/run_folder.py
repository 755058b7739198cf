"""A folder for temporary files that have names, one per process, and the removal of those that killed processes left.

A process that is killed removes nothing. Its lock on a file in the folder ends with it, though, whatever ended it: a folder
whose lock can be had belongs to nobody. Files without a name need none of this.
"""

import atexit
import fcntl
import os
import sys
from contextlib import suppress
from pathlib import Path

PREFIX = "file_cdk-run-"
_LOCK = "lock"
_own: tuple[int, Path, int] | None = None
"""Process, folder, and the descriptor that holds the lock."""


def run_folder() -> Path:
    """This process's own, made when it is first asked for and removed when the process ends. Raises OSError."""
    global _own
    if _own is None or _own[0] != os.getpid() or not _own[1].is_dir():
        root = _temporary_files()
        remove_abandoned(root)
        _own = (os.getpid(), *_made(root))
    return _own[1]


def remove_abandoned(root: Path | None = None) -> None:
    """Removes the folders of processes that live no more. What cannot be removed, or is another user's, stays. root: where
    temporary files are, by default."""
    with suppress(OSError):
        root = root or _likely_temporary_files()
        for folder in root.glob(f"{PREFIX}*") if root else ():
            _remove_if_abandoned(folder)


def _remove_if_abandoned(folder: Path) -> None:
    try:
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return
        # Created where it is missing: whoever was killed while it made the folder, or removed it, left none.
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return  # another has removed it
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(folder)
    except OSError:
        return  # its process lives
    finally:
        os.close(lock)


def _temporary_files() -> Path:
    import tempfile  # takes long, as does shutil, and many commands need no such folder

    return Path(tempfile.gettempdir())


def _likely_temporary_files() -> Path | None:
    """Where `tempfile` has them, but where a disk is full; without its import."""
    if "tempfile" in sys.modules:  # the program may have told it where
        return _temporary_files()
    named = map(os.environ.get, ("TMPDIR", "TEMP", "TMP"))
    for folder in map(Path, filter(None, (*named, "/tmp", "/var/tmp", "/usr/tmp"))):  # noqa: S108 nothing is made there
        if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None


def _made(root: Path) -> tuple[Path, int]:
    while True:
        folder = root / f"{PREFIX}{os.urandom(8).hex()}"
        atexit.register(_remove_own, os.getpid(), folder)  # before it is there: a signal may come at any moment
        folder.mkdir(mode=0o700)
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # as below
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # one that removes what is abandoned was faster
            os.close(lock)
            continue
        except OSError:  # a file system without locks: nobody can tell that it is abandoned, so nobody removes it
            return folder, lock
        if (folder / _LOCK).exists():
            return folder, lock
        os.close(lock)


def _remove_own(pid: int, folder: Path) -> None:
    if pid == os.getpid():  # not in a process forked from it
        _remove(folder)
        remove_abandoned(folder.parent)  # again: workers of a run that was killed may have used its folder meanwhile


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
