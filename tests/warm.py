"""Python, run by a process that has imported what commands need, ours or a peer's, and forks for each of them.

A start takes half a second to a second of a core, a peer's three, most of it for imports, of which a test of anything else
learns nothing. Tests of starts, of interrupted starts and of memory run the installed commands themselves.
"""

import atexit
import contextlib
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from tempfile import TemporaryFile
from types import ModuleType
from typing import IO, Any, Self

PIPE = subprocess.PIPE
DEVNULL = subprocess.DEVNULL
PYTHON = "python"
"""For a command: the interpreter itself."""

_IMPORTED = (
    "duckdb",
    "file_cdk.cli.beginning.init",
    "file_cdk.cli.beginning.preview",
    "file_cdk.cli.beginning.schema",
    "file_cdk.cli.check",
    "file_cdk.cli.command",
    "file_cdk.cli.connector",
    "file_cdk.cli.destination",
    "file_cdk.cli.explain",
    "file_cdk.cli.ls",
    "file_cdk.cli.manifest_sync",
    "file_cdk.cli.pipe",
    "file_cdk.cli.rejects",
    "file_cdk.cli.state",
    "file_cdk.cli.status",
    "file_cdk.cli.sync",
    "file_cdk.destinations.duckdb.destination",
    "file_cdk.destinations.files.destination",
    "file_cdk.destinations.sqlite.destination",
    "file_cdk.engine.workers.pool",
    "file_cdk.formats.csv.pieces",
    "file_cdk.formats.csv.sniff.format",
    "file_cdk.formats.csv.table",
    "file_cdk.formats.jsonl.table",
    "file_cdk.formats.parquet.reading",
    "file_cdk.pipeline.checking",
    "file_cdk.pipeline.drafting.document",
    "file_cdk.pipeline.read",
    "file_cdk.pipeline.tables.explaining",
    "file_cdk.pipeline.tables.sync",
    "file_cdk.pipeline.transfer",
    "file_cdk.pipeline.writing.write",
    "pyarrow",
    "pyarrow.csv",
    "pyarrow.parquet",
    "source_local.source",
    "yaml",
)
_SDKS = (
    "obstore.store",
    "source_azure_blob_storage.sdk",
    "source_gcs.sdk",
    "source_http.sdk",
    "source_s3.sdk",
    "source_sftp.sdk",
    "source_smart_open.sdk",
)
_MAX_REQUEST_BYTES = 150_000
_MAX_REPLY_BYTES = 32
_DESCRIPTORS = 4
"""Of the standard streams, and of the socket for replies."""
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Forks:
    """A process that forks for commands, one for all that ask for the same. python: the interpreter, whose environment has the
    commands. imported: modules that they need. folder: of modules that are not installed."""

    python: str = sys.executable
    imported: tuple[str, ...] = _IMPORTED
    folder: Path | None = None


OURS = Forks()
STORES = Forks(imported=(*_IMPORTED, *_SDKS))
"""For commands that read from stores, whose vendors' libraries take a third to one second of a core each."""


class Process:
    """One that runs, with as much of subprocess.Popen as tests ask for."""

    def __init__(
        self,
        program: str | Path,
        *arguments: str | Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: IO[Any] | int = DEVNULL,
        stdout: IO[Any] | int | None = None,
        stderr: IO[Any] | int | None = None,
        text: bool = False,
        own_group: bool = False,
        by: Forks = OURS,
    ) -> None:
        """program: a command that a package installs, `module:function`, or PYTHON, whose first argument is `-c` or a script.
        text: of our ends of pipes. own_group: it leads a process group of its own."""
        self.args = [*map(str, (program, *arguments))]
        request = {
            "argv": self.args,
            "cwd": str(cwd or Path.cwd()),
            "env": dict(os.environ if env is None else env),
            "own_group": own_group,
        }
        self.returncode: int | None = None
        self._readers: list[Future[Any] | None] = []
        self._replies, replies_to = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ExitStack() as its:
            its.callback(replies_to.close)
            ends = [_ends(number, stream, text, its) for number, stream in enumerate((stdin, stdout, stderr))]
            with _LOCK:
                server = _server(os.getpid(), by)
            descriptors = [*(descriptor for descriptor, _ in ends), replies_to.fileno()]
            socket.send_fds(server, [json.dumps(request).encode()], descriptors)
        self.stdin, self.stdout, self.stderr = (ours for _, ours in ends)
        self.pid = int(self._replies.recv(_MAX_REPLY_BYTES))

    def poll(self) -> int | None:
        """The exit code, as subprocess has it; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Raises TimeoutExpired."""
        if self.returncode is None:
            self._replies.settimeout(timeout)
            try:
                self.returncode = int(self._replies.recv(_MAX_REPLY_BYTES))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._replies.close()
        return self.returncode

    def send_signal(self, signum: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signum)

    def send_signal_to_group(self, signum: int) -> None:
        """Of `own_group`; nothing where all of it has ended, which leaves no zombie to take the signal."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signum)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[Any, Any]:
        """What comes from stdout and stderr until they end, and it does. Raises TimeoutExpired, after which it may be called
        again."""
        until = None if timeout is None else time.monotonic() + timeout

        def left() -> float | None:
            return None if until is None else max(0, until - time.monotonic())

        if not self._readers:
            self._readers = [None if stream is None else _read_all(stream) for stream in (self.stdout, self.stderr)]
        try:
            said = [reader and reader.result(left()) for reader in self._readers]
        except TimeoutError:
            raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
        self.wait(left())
        return said[0], said[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self.wait()


def run(
    program: str | Path,
    *arguments: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: IO[bytes] | int = DEVNULL,
    stdout: IO[bytes],
    stderr: IO[bytes],
    timeout_s: float = 120,
    by: Forks = OURS,
) -> int:
    """The exit code. Raises subprocess.TimeoutExpired, after it was killed."""
    with Process(program, *arguments, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr, by=by) as process:
        try:
            return process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def captured(
    program: str | Path,
    *arguments: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 120,
    by: Forks = OURS,
) -> "subprocess.CompletedProcess[str]":
    """`run`, and what was printed."""
    with TemporaryFile() as stdout, TemporaryFile() as stderr:
        code = run(program, *arguments, cwd=cwd, env=env, stdout=stdout, stderr=stderr, timeout_s=timeout_s, by=by)
        said = [_text(stream) for stream in (stdout, stderr)]
    return subprocess.CompletedProcess([*map(str, (program, *arguments))], code, *said)


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode().replace("\r\n", "\n")  # as subprocess gives it


def _ends(number: int, stream: IO[Any] | int | None, text: bool, its: ExitStack) -> tuple[int, IO[Any] | None]:
    """Of its standard stream of that number: the descriptor that it gets, closed with `its`, and our end where it is a pipe."""
    if stream is None:
        return number, None
    if stream == DEVNULL:
        return its.enter_context(open(os.devnull, "r+b", buffering=0)).fileno(), None
    if stream == PIPE:
        reading, writing = os.pipe()
        theirs, ours, mode = (reading, writing, "w") if number == 0 else (writing, reading, "r")
        its.callback(os.close, theirs)
        return theirs, open(ours, mode if text else f"{mode}b")
    return (stream if isinstance(stream, int) else stream.fileno()), None


def _read_all(stream: IO[Any]) -> "Future[Any]":
    found: Future[Any] = Future()

    def read() -> None:
        with stream:
            found.set_result(stream.read())

    threading.Thread(target=read, daemon=True).start()
    return found


@cache
def _server(_: int, forks: Forks) -> socket.socket:
    """One for each process that asks: of a test run's workers, too."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = dict(os.environ)
    if forks.folder is not None:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(forks.folder), os.environ.get("PYTHONPATH")]))
    with theirs:
        command = [forks.python, __file__, str(theirs.fileno()), *forks.imported]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment)
    atexit.register(_end, ours, process)
    return ours


def _end(connection: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    connection.close()
    process.wait(timeout=10)


def _serve(connection: socket.socket, imported: Sequence[str]) -> None:
    """Until whoever asks is gone."""
    points = {point.name: point for point in entry_points(group="console_scripts")}
    for name in imported:
        import_module(name)
    gc.freeze()  # a collection in a fork would copy every page that has an object
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.data is not None:
                    selector.unregister(key.fd)
                    _tell_end(key.fd, *key.data)
                    continue
                message, descriptors, _, _ = socket.recv_fds(connection, _MAX_REQUEST_BYTES, _DESCRIPTORS)
                if not message:
                    return
                request = json.loads(message)
                replies_to = socket.socket(fileno=descriptors.pop())
                pid = os.fork()
                if pid == 0:
                    selector.close()
                    connection.close()
                    replies_to.close()
                    _become(request, descriptors, points)
                if request["own_group"]:
                    os.setpgid(pid, pid)  # before anybody can ask for it
                for descriptor in descriptors:
                    os.close(descriptor)
                _reply(replies_to, pid)
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, replies_to))


def _tell_end(pid_descriptor: int, pid: int, replies_to: socket.socket) -> None:
    os.close(pid_descriptor)
    _, status = os.waitpid(pid, 0)
    with replies_to:
        _reply(replies_to, os.waitstatus_to_exitcode(status))


def _reply(to: socket.socket, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody asks any more
        to.sendall(str(number).encode())


def _become(request: Mapping[str, Any], descriptors: Sequence[int], points: Mapping[str, Any]) -> None:
    """Does not return."""
    code: Any = 1
    try:
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
        for descriptor in descriptors:
            os.close(descriptor)
        for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
            # As long as the process lives.
            stream = open(  # noqa: SIM115
                number,
                mode,
                closefd=False,
                encoding="utf-8",
                errors="surrogateescape" if number < 2 else "backslashreplace",
            )
            for each in (name, f"__{name}__"):
                setattr(sys, each, stream)
        os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["cwd"])
        program, *arguments = request["argv"]
        if program == PYTHON:
            code = _python(arguments)
        else:
            code = _command(points.get(program) or EntryPoint(program, program, "console_scripts"), arguments)
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    finally:
        if not isinstance(code, int | None):
            print(code, file=sys.stderr)
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)


def _command(point: EntryPoint, arguments: Sequence[str]) -> Any:
    sys.argv = [str(Path(sys.executable).with_name(point.name)), *arguments]
    return point.load()()


def _python(arguments: Sequence[str]) -> int:
    match arguments:
        case ["-c", code, *rest]:
            sys.argv, sys.path[0] = ["-c", *rest], ""
            main = sys.modules["__main__"] = ModuleType("__main__")
            exec(compile(code, "<string>", "exec"), main.__dict__)
        case [script, *rest]:
            sys.argv, sys.path[0] = [script, *rest], str(Path(script).parent)
            runpy.run_path(script, run_name="__main__")
    return 0


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
