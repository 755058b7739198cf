"""What worker processes are forked from, started before a command's own imports and listing: little is imported here."""

import os
from collections.abc import Iterable

from file_cdk.engine.workers.forkserver import start_fork_server, stop_fork_server
from file_cdk.formats.registry import module_of

RECORD_ENCODING = "file_cdk.protocol.record_encoding"
TABLE_ENCODING = "file_cdk.destinations.arrow_ipc"
"""Modules that turn what was decoded into bytes, for worker processes to import ahead."""

EVERY_JOB = ("file_cdk.formats.unpacking", "file_cdk.compression.plain", "file_cdk.readers.archives.reader")

_started_early = False


def cpu_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start_early(filetypes: Iterable[str], workers: int | None) -> None:
    """Starts the process that workers are forked from, before the caller's own imports and listing.

    Both take about as long, on two cores at the same time. Should the work turn out to be little (see `Executors.for_work`),
    a moment of the other core was wasted; so it is not done where there is none.
    """
    global _started_early
    if workers != 0 and cpu_count() > 1:
        _started_early = True
        modules = (module for filetype in filetypes if (module := module_of(filetype)))
        start_fork_server((RECORD_ENCODING, *EVERY_JOB, *modules))


def stop_early() -> None:
    """Ends what `start_early` started: at once, also while it imports."""
    global _started_early
    if _started_early:
        _started_early = False
        stop_fork_server()
