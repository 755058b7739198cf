"""What glibc's allocator does with memory that is freed; elsewhere nothing is changed."""

import ctypes
import sys
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_KEPT_BYTES = 512 << 20


def keep_what_is_freed() -> None:
    """For a process that needs as much again at once: pages given back and faulted in again for every batch cost two to four
    times the system time."""
    _set(_M_MMAP_THRESHOLD, _KEPT_BYTES)
    _set(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def share_an_arena() -> None:
    """Has threads share one: each would keep what its largest block took, 1.3 times the memory in all where threads fetch."""
    _set(_M_ARENA_MAX, 1)


def _set(parameter: int, value: int) -> None:
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(parameter, value)
