"""Starting worker processes: the fork server, what it imports before, and the pipes between a worker and the parent."""

import contextlib
import fcntl
import multiprocessing
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import os
import pickle
import select
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from types import ModuleType

from file_cdk.core.errors import SystemLimitError
from file_cdk.core.system.run_folder import run_folder
from file_cdk.engine import worker as worker_process
from file_cdk.engine.executor import MAX_BLOCK_BYTES
from file_cdk.engine.work import Job
from file_cdk.engine.worker import AtWork

PRELOAD = ("file_cdk.engine.worker", "pyarrow", "pyarrow.compute")
"""Modules that the fork server imports once, so that every worker starts with them."""

_FORK_SERVER_ENDS_S = 0.2
_DESCRIPTORS_TO_START = 14
"""Maximum number of files that are open at once while a process is started: pipes, sockets, modules."""
_LONGEST_TEMPDIR = 53
"""Maximum length, in bytes, of a folder for temporary files whose sockets move to the run's folder: a socket's path has at most
107 bytes, and the names of the two folders and of the socket take 54."""
_LONGEST_OF_SOCKETS = 75
"""Maximum length, in bytes, of a folder for temporary files that sockets fit into, in a folder of multiprocessing's own."""
_SHORT_TEMPDIR = "/tmp"  # noqa: S108 - multiprocessing makes a folder of its own in it, which none else may enter


def start_fork_server(preload: tuple[str, ...]) -> None:
    """Starts the process that workers are forked from, unless it runs. preload: what it imports besides PRELOAD."""
    _context(preload)
    _check_descriptors()
    multiprocessing.resource_tracker.ensure_running()  # first: it unblocks SIGINT once it runs
    with _sigint_blocked(), _sockets_in_run_folder():
        multiprocessing.forkserver.ensure_running()


def _check_descriptors() -> None:
    """Before something is half started. Raises OSError where not as many files more can be opened as that may take."""
    opened: list[int] = []
    try:
        while len(opened) < _DESCRIPTORS_TO_START:
            opened.append(os.dup(2))
    finally:
        for each in opened:
            os.close(each)


def _context(preload: tuple[str, ...]) -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOAD, *preload])
    return context


def start_worker(job: Job, preload: tuple[str, ...]) -> tuple[BaseProcess, Connection, Connection, int, AtWork]:
    """A process for such jobs, the connections for orders and for output, the latter's capacity in bytes, and what it is at.

    Raises SystemLimitError when the system refuses to start one.
    """
    context = _context(preload)
    _check_descriptors()
    control, its_control = context.Pipe()
    data, its_data = context.Pipe(duplex=False)
    pipe_bytes = _grow_pipe(data.fileno())
    at_work = AtWork.nobody()
    process = context.Process(
        target=worker_process.main,
        args=(its_control, its_data, pipe_bytes, at_work),
        name="file_cdk-worker",
        daemon=True,
    )
    with contextlib.nullcontext() if _is_of_main(job) else _no_main():
        _start_surely(process)
    its_control.close()
    its_data.close()
    return process, control, data, pipe_bytes, at_work


def _start_surely(process: BaseProcess) -> None:
    """Starts the process; if the fork server has died, with a new one, once. Raises SystemLimitError."""
    try:
        process.start()
    except (EOFError, ConnectionError):
        time.sleep(_FORK_SERVER_ENDS_S)  # until the old one counts as ended, by which multiprocessing starts another
        try:
            process.start()
        except (EOFError, ConnectionError) as exc:
            raise SystemLimitError(
                "worker processes cannot be started: the process that they are forked from was killed, and so was the next",
                remedy="There may be too little memory, or a limit on processes (ulimit -u); or run without them (--workers 0)",
            ) from exc


def _is_of_main(job: Job) -> bool:
    """Whether the reader or format is defined in the script that runs, which a worker then has to import."""
    try:
        return b"__main__" in pickle.dumps(job)
    except (TypeError, AttributeError, pickle.PicklingError):
        return False  # it cannot be sent, which is said when it is


@contextlib.contextmanager
def _no_main() -> Iterator[None]:
    """Processes started here do not import the script that runs: it may come from a pipe, be a console command, or call us
    without a guard, and only its own classes would need it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _sockets_in_run_folder() -> Iterator[None]:
    """multiprocessing keeps its sockets in a folder that it makes once, with a name of its own, in that for temporary files:
    when this process is killed it stays. In the run's folder the next run finds and removes it."""
    before = tempfile.gettempdir()
    length = len(os.fsencode(before))
    if length <= _LONGEST_TEMPDIR:
        tempfile.tempdir = str(run_folder())
    elif length > _LONGEST_OF_SOCKETS:
        tempfile.tempdir = _SHORT_TEMPDIR
    try:
        yield
    finally:
        tempfile.tempdir = before


@contextlib.contextmanager
def _sigint_blocked() -> Iterator[None]:
    """What is started here keeps SIGINT blocked. Ctrl-C reaches the fork server too, which ignores it only once it has
    imported what it preloads, and would print a traceback until then."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _grow_pipe(fd: int) -> int:
    """The capacity the pipe ends up with; a system that allows no more leaves it as it is."""
    with contextlib.suppress(OSError, AttributeError):
        return fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, MAX_BLOCK_BYTES)
    return select.PIPE_BUF
