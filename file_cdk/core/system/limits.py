"""What the machine, or a limit set for this process, refused: told from what it raised, whichever library raised it.

A defect is reported as a defect only when it is none of these.
"""

import errno
import re
from pathlib import Path

from file_cdk.core.errors import SystemLimitError

_MEMORY_SIGNS = (
    r"Cannot allocate memory|cannot allocate memory|failed to map segment|bad.alloc|"
    r"(?:malloc|realloc|posix_memalign|allocat\w+) of (?:size )?(\d+)|out of memory"
)
_THREAD_SIGNS = ("can't start new thread", "Resource temporarily unavailable", "thread constructor failed")
_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the quota of the disk is used up"}


def limit_reached(cause: BaseException) -> SystemLimitError | None:
    """None for anything else. Says how much was asked for, where that is known."""
    if isinstance(cause, SystemLimitError):
        return cause
    text = str(cause)
    if isinstance(cause, OSError) and (found := _of_errno(cause)) is not None:
        return found
    sign = re.search(_MEMORY_SIGNS, text, re.IGNORECASE)
    if isinstance(cause, MemoryError) or sign:
        asked = int(sign[1]) if sign and sign[1] else None
        return _memory(asked)
    if "Too many open files" in text:
        return _files()
    if any(each in text for each in _THREAD_SIGNS):
        return _processes()
    return None


def reason_and_remedy(cause: OSError) -> tuple[str, str | None]:
    """What there is to say of something that could not be read or written."""
    if cause.errno == errno.EBADF:
        return "it is closed", None
    limit = limit_reached(cause)
    return (cause.strerror or type(cause).__name__, None) if limit is None else (limit.message, limit.remedy)


def _of_errno(cause: OSError) -> SystemLimitError | None:
    match cause.errno:
        case errno.ENOMEM:
            return _memory(None)
        case errno.EMFILE | errno.ENFILE:
            return _files()
        case errno.EAGAIN if not isinstance(cause.filename, str):
            return _processes()
        case errno.ENOSPC | errno.EDQUOT:
            where = f" (writing {cause.filename!r})" if cause.filename else ""
            return SystemLimitError(f"{_FULL[cause.errno]}{where}", remedy="Free some space and run again")
        case errno.EFBIG:
            return SystemLimitError(
                f"a file would become larger than the limit{_limit('RLIMIT_FSIZE', 'ulimit -f')}",
                remedy="Raise it and run again",
            )
        case errno.ENOENT if "No usable temporary directory" in str(cause):
            return SystemLimitError(
                "there is no folder for temporary files that can be written to",
                remedy="Name one in the environment variable TMPDIR",
            )
        case errno.ENOENT if cause.filename is None and _folder_is_gone():
            return SystemLimitError(
                "the folder in which the program was started is gone", remedy="Change to one that exists and run again"
            )
        case _:
            return None


def _memory(asked_bytes: int | None) -> SystemLimitError:
    asked = "" if asked_bytes is None else f": {asked_bytes:,} bytes more were asked for"
    return SystemLimitError(
        f"there is not enough memory{asked}{_limit('RLIMIT_AS', 'ulimit -v')}",
        remedy="Raise the limit, free some, or run with fewer worker processes (--workers 1)",
    )


def _files() -> SystemLimitError:
    return SystemLimitError(
        f"too many files are open at once{_limit('RLIMIT_NOFILE', 'ulimit -n')}",
        remedy="Raise the limit to 64 or more, or run with fewer worker processes (--workers 1)",
    )


def _processes() -> SystemLimitError:
    return SystemLimitError(
        f"no more processes or threads can be started{_limit('RLIMIT_NPROC', 'ulimit -u')}",
        remedy="Raise the limit, or run with fewer worker processes (--workers 1)",
    )


def _limit(name: str, command: str) -> str:
    try:
        import resource  # only where a limit was met, and maybe one that lets no module be opened
    except ImportError:
        return ""
    soft, _ = resource.getrlimit(getattr(resource, name))
    if soft == resource.RLIM_INFINITY:
        return ""
    amount = f"{soft >> 10:,} KiB" if name in ("RLIMIT_AS", "RLIMIT_FSIZE") else f"{soft:,}"
    return f"; the limit ({command}) is {amount}"


def _folder_is_gone() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False
