"""Files that are there whole or not at all: written under another name, made durable, then given theirs."""

import os
import stat
from contextlib import suppress
from pathlib import Path

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def write_whole(path: Path, data: bytes) -> None:
    """Whoever opens `path`, also after a crash, finds what was there before or all of `data`. Raises OSError.

    Where a link is, what it points to is replaced. What is no file of its own (`is_stream`) is written to as it is.
    """
    if is_stream(path):
        with path.open("ab") as stream:
            stream.write(data)
        return
    target = _target(path)
    draft = target.with_name(f".file_cdk-{os.urandom(6).hex()}.part")
    try:
        with os.fdopen(os.open(draft, _NEW, 0o666), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _make_names_durable(target.parent)


def remove_old(path: Path) -> None:
    """Removes what `write_whole` would replace, if there is anything. Raises OSError."""
    if not is_stream(path):
        _target(path).unlink(missing_ok=True)


def is_stream(path: Path) -> bool:
    """Whether there is something that cannot be replaced by a file: a pipe, a device, or this process's stdout or stderr
    (`/dev/stdout`), which may well be a file that others hold open."""
    try:
        found = path.stat()
    except OSError:
        return False
    if stat.S_ISDIR(found.st_mode):
        return False
    return not stat.S_ISREG(found.st_mode) or any(_is_descriptor(found, fd) for fd in (1, 2))


def _target(path: Path) -> Path:
    return Path(os.path.realpath(path))  # which, unlike Path.resolve, has an answer for links that go round in a circle


def _is_descriptor(found: os.stat_result, fd: int) -> bool:
    try:
        return os.path.samestat(found, os.fstat(fd))
    except OSError:  # it is closed
        return False


def _make_names_durable(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot, or do not let everybody open the folder
        fd = os.open(folder, _FOLDER)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
