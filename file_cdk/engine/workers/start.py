"""Starting worker processes: by the fork server, with pipes between each worker and the parent."""

import contextlib
import fcntl
import os
import pickle
import select
import sys
from pathlib import Path
from typing import Any, NamedTuple

from file_cdk.core.system.connection import Connection
from file_cdk.engine.executor import MAX_BLOCK_BYTES
from file_cdk.engine.work import Job
from file_cdk.engine.workers.forkserver import WorkerRequest, fork_server, start_fork_server
from file_cdk.engine.workers.pipes import WorkerPipe
from file_cdk.engine.workers.process import WorkerProcess
from file_cdk.engine.workers.worker import AtWork


class Started(NamedTuple):
    """A worker: its process, the connection for orders and events, the pipe its output comes from, and what it is at."""

    process: WorkerProcess
    control: Connection
    pipe: WorkerPipe
    at_work: AtWork


def start_worker(job: Job, preload: tuple[str, ...], outbox_bytes: int) -> Started:
    """A process for such jobs, which need not have begun when this returns. outbox_bytes: maximum output that it keeps in
    memory. Raises OSError."""
    folder, main = str(Path.cwd()), _main() if _is_of_main(job) else None
    start_fork_server(preload)
    control, its_control = Connection.pair()
    data_fd, its_data_fd = os.pipe()
    pipe_bytes = _grow_pipe(data_fd)
    at_work = AtWork.nobody()
    request = WorkerRequest(folder, sys.path, pipe_bytes, outbox_bytes, main)
    process = fork_server().start(request, [its_control.fileno(), its_data_fd, at_work.fd])
    its_control.close()
    os.close(its_data_fd)
    return Started(process, control, WorkerPipe(data_fd, pipe_bytes), at_work)


def _is_of_main(job: Job) -> bool:
    """Whether the reader or format is defined in the script that runs. Other workers do not import that: it may come from a
    pipe, be a console command, or call us without a guard."""
    try:
        return b"__main__" in pickle.dumps(job)
    except (TypeError, AttributeError, pickle.PicklingError):
        return False  # it cannot be sent, which is said when it is


def _main() -> dict[str, Any]:
    """How to import the script that runs."""
    from multiprocessing import spawn

    found = spawn.get_preparation_data("file_cdk-worker")
    found.pop("authkey", None)  # which is for processes that multiprocessing itself starts
    return found


def _grow_pipe(fd: int) -> int:
    """The capacity the pipe ends up with; a system that allows no more leaves it as it is."""
    with contextlib.suppress(OSError, AttributeError):
        return fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, MAX_BLOCK_BYTES)
    return select.PIPE_BUF
