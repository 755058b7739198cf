"""What glibc's allocator does with memory that is freed; elsewhere nothing is changed."""

import ctypes
import sys
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

KEPT_BYTES = 512 << 20
"""For a process that needs as much again at once: pages given back and faulted in again for every batch cost two to four times
the system time."""

GIVEN_BACK_BYTES = 128 << 10
"""What the allocator begins with; by itself it raises that with each large block that is freed, and what is freed then stays."""


def set_allocator(given_back_bytes: int) -> None:
    """Gives back what is freed from that size on, and has threads share one arena: each would keep what its largest block took,
    1.3 times the memory in all where threads fetch."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            libc = ctypes.CDLL(None)
            libc.mallopt(_M_MMAP_THRESHOLD, given_back_bytes)
            libc.mallopt(_M_TRIM_THRESHOLD, given_back_bytes)
            libc.mallopt(_M_ARENA_MAX, 1)
