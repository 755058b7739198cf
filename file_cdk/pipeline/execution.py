"""Which executor a run gets."""

import os

from file_cdk.engine.executor import Executor, InlineExecutor
from file_cdk.engine.pool import ProcessPool

INLINE_BYTES = 8 << 20
"""Below this, starting processes (about 0.3 s) costs more than they save."""


def cpu_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def executor_for(pending_bytes: int, workers: int | None) -> Executor:
    """`workers` processes; 0 means none, in this process; None leaves the choice to the size of the work."""
    if workers == 0 or (workers is None and pending_bytes < INLINE_BYTES):
        return InlineExecutor()
    return ProcessPool(workers or cpu_count())
