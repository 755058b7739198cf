"""The process that workers are forked from: an interpreter of its own with one thread, which imports what they need once.

`ForkServer` is the parent's side, `serve` is what runs in the process. A socket between them carries what to import and which
workers to start; when the parent ends, the process reads the end of it and ends too. All is sent without waiting for an
answer, so that the parent goes on while modules are imported. Little is imported here: a command starts this first of all.
"""

import _thread
import contextlib
import gc
import os
import pickle
import select
import signal
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from file_cdk.engine.workers.process import NUMBER_BYTES, WorkerProcess

PRELOAD = ("file_cdk.engine.workers.worker",)
"""Modules that every worker starts with. Arrow is not one: it takes as long as all else, and JSON Lines do without."""

_WORKER = "file_cdk.engine.workers.worker"
_MAX_REQUEST_BYTES = 1 << 18
_DESCRIPTORS_OF_A_WORKER = 4
"""Of its connection, its pipe, its AtWork and its status."""
_DESCRIPTORS_TO_START = 14
"""Maximum number of files that are open at once while a process is started: pipes, sockets, modules."""
_ITS_SOCKET = 3
_ABOVE_ANY_DESCRIPTOR = (1 << 31) - 1


class WorkerRequest(NamedTuple):
    """folder: the parent's, for paths that are relative. search_path: of modules. main: how to import the script that runs, as
    multiprocessing has it, where a task needs a class of it."""

    folder: str
    search_path: list[str]
    pipe_bytes: int
    outbox_bytes: int
    main: dict[str, Any] | None


class ForkServer:
    """The process, as its parent sees it."""

    __slots__ = ("_asked", "_listens", "_parent", "_pid", "_socket")

    def __init__(self, *, forks: bool = False) -> None:
        """Starts it. forks: see `start_fork_server`. Raises OSError."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self._pid = _fork_off(its.fileno()) if forks and _has_one_thread() else _spawn(its.fileno())
        self._socket = ours
        self._parent = os.getpid()
        self._asked: set[str] = set()
        self._listens = True

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def lives(self) -> bool:
        """Not for a process that was forked from the one that started it."""
        # One that is being killed closes its socket some time before it counts as ended.
        if self._parent != os.getpid() or not self._listens:
            return False
        try:
            return os.waitpid(self._pid, os.WNOHANG) == (0, 0)
        except ChildProcessError:  # somebody else waited for it
            return False

    def preload(self, modules: Iterable[str]) -> None:
        """Has it import what it was not asked for before. One that cannot be imported is left to whom it is needed by."""
        new = [module for module in modules if module not in self._asked]
        if new:
            self._asked.update(new)
            self._send(new, ())

    def start(self, request: WorkerRequest, descriptors: Sequence[int]) -> WorkerProcess:
        """descriptors: what the worker gets besides, duplicated: those of its connection, its pipe and its AtWork."""
        reading, writing = os.pipe()
        try:
            self._send(request, [*descriptors, writing])
        finally:
            os.close(writing)
        return WorkerProcess(reading)

    def stop(self) -> None:
        """At once; workers that it started go on."""
        self._socket.close()
        if self._parent == os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, 0)

    def _send(self, message: object, descriptors: Sequence[int]) -> None:
        try:
            socket.send_fds(self._socket, [pickle.dumps(message, pickle.HIGHEST_PROTOCOL)], descriptors)
        except (BrokenPipeError, ConnectionResetError):
            self._listens = False  # what it was to start is found to have never begun


_server: ForkServer | None = None
_starting = _thread.allocate_lock()


def _start_anew() -> None:
    """In a forked process: a thread that was starting one is not there."""
    global _starting
    _starting = _thread.allocate_lock()


os.register_at_fork(after_in_child=_start_anew)


def fork_server(*, forks: bool = False) -> ForkServer:
    """This process's, started unless it runs; the same for all threads. forks: see `start_fork_server`. Raises OSError."""
    global _server
    with _starting:
        if _server is None or not _server.lives:
            if _server is not None:
                _server.stop()
            _server = ForkServer(forks=forks)
            _server.preload(PRELOAD)
        return _server


def start_fork_server(preload: Iterable[str], *, forks: bool = False) -> None:
    """Starts the process that workers are forked from, unless it runs.

    preload: what it imports besides what it always does.
    forks: this process is a command's own and has hardly begun, so it may be forked in place of starting an interpreter, which
    would have to import the same.
    Raises OSError.
    """
    _check_descriptors()
    fork_server(forks=forks).preload(preload)


def _check_descriptors() -> None:
    """Before something is half started. Raises OSError where not as many files more can be opened as that may take."""
    opened: list[int] = []
    try:
        while len(opened) < _DESCRIPTORS_TO_START:
            opened.append(os.dup(2))
    finally:
        for each in opened:
            os.close(each)


def stop_fork_server() -> None:
    """Where there is one."""
    global _server
    if _server is not None:
        _server.stop()
        _server = None


def _spawn(its_socket: int) -> int:
    """Its stdin is empty and its stdout is our stderr: what a module prints when it is imported is no output of ours.

    SIGINT is blocked, for it and for the workers: Ctrl-C reaches them all, and the parent decides.
    """
    code = f"import sys; sys.path[:] = {sys.path!r}; from file_cdk.engine.workers.forkserver import serve; serve()"
    return os.posix_spawn(
        sys.executable,
        [sys.executable, *interpreter_options(), "-c", code],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, its_socket, _ITS_SOCKET),
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, 2, 1),
        ],
        setsigmask=[*signal.pthread_sigmask(signal.SIG_BLOCK, ()), signal.SIGINT],
    )


def _has_one_thread() -> bool:
    """As far as the system tells. Others, of native libraries among them, would be missing in a forked process."""
    try:
        return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - a start of pathlib takes 5 ms
    except OSError:
        return False


def _fork_off(its_socket: int) -> int:
    """What `_spawn` makes, out of this process: its streams, its signals, and no descriptor besides."""
    ours = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ours)
    try:
        pid = os.fork()
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return pid
    with _process():
        for signum in ours:
            if signal.getsignal(signum) is not signal.SIG_IGN:
                signal.signal(signum, signal.SIG_DFL)
        sys.unraisablehook = sys.__unraisablehook__
        os.dup2(its_socket, _ITS_SOCKET)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        signal.pthread_sigmask(signal.SIG_SETMASK, [*before, signal.SIGINT])
        serve()
    raise AssertionError("the process has ended")


@contextlib.contextmanager
def _process() -> Iterator[None]:
    """All that a forked process does; it ends with this."""
    code = 1
    try:
        yield
        code = 0
    except Exception:  # noqa: BLE001 - the process's boundary
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(code)


def interpreter_options() -> list[str]:
    flags = sys.flags
    options = {"-I": flags.isolated, "-E": flags.ignore_environment, "-s": flags.no_user_site, "-S": flags.no_site}
    return [option for option, is_set in options.items() if is_set] + [f"-W{each}" for each in sys.warnoptions]


def serve() -> None:
    """Runs in the process, until the parent ends."""
    gc.disable()  # modules are no garbage
    os.closerange(_ITS_SOCKET + 1, _ABOVE_ANY_DESCRIPTOR)
    parent = socket.socket(fileno=_ITS_SOCKET)
    woken, wakes = os.pipe()
    for fd in (woken, wakes):
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    statuses: dict[int, int] = {}
    waiting = select.poll()
    for fd in (_ITS_SOCKET, woken):
        waiting.register(fd, select.POLLIN)
    while True:
        ready = [fd for fd, _ in waiting.poll()]
        if woken in ready:
            os.read(woken, 4096)
            _bury(statuses)
        if _ITS_SOCKET not in ready:
            continue
        try:
            data, descriptors, _, _ = socket.recv_fds(parent, _MAX_REQUEST_BYTES, _DESCRIPTORS_OF_A_WORKER)
        except ConnectionResetError:
            return
        if not data:
            return
        message = pickle.loads(data)
        if isinstance(message, WorkerRequest):
            _fork(message, descriptors, statuses, [_ITS_SOCKET, woken, wakes])
        else:
            _import(message)


def _import(modules: Iterable[str]) -> None:
    parent = select.poll()
    parent.register(_ITS_SOCKET, 0)
    for module in modules:
        if parent.poll(0):
            return  # it has ended, which is looked for in between: on a busy machine all of them take seconds
        # Whoever needs it meets the error again, where it is told of.
        with contextlib.suppress(ImportError, OSError, MemoryError):
            import_module(module)


def _fork(request: WorkerRequest, descriptors: list[int], statuses: dict[int, int], own: list[int]) -> None:
    if len(descriptors) < _DESCRIPTORS_OF_A_WORKER:  # a limit on open files let no more through
        _close(descriptors)
        return
    status = descriptors[-1]
    try:
        pid = os.fork()
    except OSError as exc:
        _tell(status, -(exc.errno or 1))
        _close(descriptors)
        return
    if not pid:
        _become_worker(request, descriptors[:-1], [*own, status, *statuses.values()])
    _close(descriptors[:-1])
    statuses[pid] = status
    _tell(status, pid)


def _become_worker(request: WorkerRequest, descriptors: list[int], of_the_server: list[int]) -> None:
    """Does not return."""
    with _process():
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        gc.freeze()  # what is not gone through stays in memory that all have in common
        gc.enable()
        _close(of_the_server)
        os.chdir(request.folder)
        sys.path[:] = request.search_path
        if request.main is not None:
            from multiprocessing import spawn

            spawn.prepare(request.main)
        import_module(_WORKER).main(*descriptors, request.pipe_bytes, request.outbox_bytes)


def _close(descriptors: Iterable[int]) -> None:
    for fd in descriptors:
        os.close(fd)


def _bury(statuses: dict[int, int]) -> None:
    while statuses:
        pid, ended = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        if (status := statuses.pop(pid, None)) is not None:
            _tell(status, os.waitstatus_to_exitcode(ended))
            os.close(status)


def _tell(status: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody asks any more
        os.write(status, number.to_bytes(NUMBER_BYTES, "little", signed=True))
