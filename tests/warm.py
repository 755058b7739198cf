"""Commands, ours and those of peers, run by a process that has imported what they need and forks for each of them.

A start takes half a second to a second of a core, a peer's three, most of it for imports, of which a test of anything else
learns nothing. Tests of starts, of interrupted starts and of memory run the installed commands themselves.
"""

import atexit
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

_IMPORTED = (
    "duckdb",
    "file_cdk.cli.connector",
    "file_cdk.cli.explain",
    "file_cdk.cli.ls",
    "file_cdk.cli.status",
    "file_cdk.cli.sync",
    "file_cdk.destinations.duckdb.destination",
    "file_cdk.pipeline.read",
    "file_cdk.pipeline.transfer",
    "pyarrow",
)
_MAX_REQUEST_BYTES = 150_000
_LOCK = threading.Lock()


def run(
    command: str,
    *arguments: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdout: IO[bytes],
    stderr: IO[bytes],
    timeout_s: float = 120,
    python: str = sys.executable,
    imported: tuple[str, ...] = _IMPORTED,
    folder: Path | None = None,
) -> int:
    """The command's exit code, as subprocess has it; its stdin is empty. command: one that a package of this interpreter
    installs, or `module:function`. imported: modules that it needs. folder: of modules that are
    not installed. Raises TimeoutError, after it was killed."""
    environment = dict(os.environ if env is None else env)
    request = {"argv": [command, *map(str, arguments)], "cwd": str(cwd or Path.cwd()), "env": environment}
    ours, theirs = socket.socketpair()
    with ours, theirs, open(os.devnull, "rb") as nothing:
        descriptors = [nothing.fileno(), stdout.fileno(), stderr.fileno(), theirs.fileno()]
        with _LOCK:
            server = _server(os.getpid(), python, imported, folder)
        socket.send_fds(server, [json.dumps(request).encode()], descriptors)
        theirs.close()
        with ours.makefile("r") as answers:
            pid = int(answers.readline())
            ours.settimeout(timeout_s)
            try:
                return int(answers.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise


def completed(command: str, *arguments: str | Path, **options: Any) -> "subprocess.CompletedProcess[str]":
    """What it printed, as subprocess gives it. options: of `run`."""
    with TemporaryFile() as stdout, TemporaryFile() as stderr:
        code = run(command, *arguments, stdout=stdout, stderr=stderr, **options)
        said = [_text(stream) for stream in (stdout, stderr)]
    return subprocess.CompletedProcess([command, *map(str, arguments)], code, *said)


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode().replace("\r\n", "\n")


@cache
def _server(_: int, python: str, imported: tuple[str, ...], folder: Path | None) -> socket.socket:
    """One for each process that asks: of a test run's workers, too."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = dict(os.environ)
    if folder is not None:
        environment["PYTHONPATH"] = os.pathsep.join([str(folder), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    process = subprocess.Popen(
        [python, __file__, str(theirs.fileno()), *imported], pass_fds=[theirs.fileno()], env=environment
    )
    theirs.close()
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
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.data is not None:
                    selector.unregister(key.fd)
                    _tell_end(key.fd, *key.data)
                    continue
                message, descriptors, _, _ = socket.recv_fds(connection, _MAX_REQUEST_BYTES, 4)
                if not message:
                    return
                pid = os.fork()
                if pid == 0:
                    selector.close()
                    connection.close()
                    _become(json.loads(message), descriptors, points)
                reply = socket.socket(fileno=descriptors.pop())
                for descriptor in descriptors:
                    os.close(descriptor)
                reply.sendall(f"{pid}\n".encode())
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, reply))


def _tell_end(pid_descriptor: int, pid: int, reply: socket.socket) -> None:
    os.close(pid_descriptor)
    _, status = os.waitpid(pid, 0)
    with reply:
        reply.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _become(request: Mapping[str, Any], descriptors: Sequence[int], points: Mapping[str, Any]) -> None:
    """Does not return."""
    code: Any = 1
    try:
        for number, descriptor in enumerate(descriptors[:3]):
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
            setattr(sys, name, stream)
        os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["cwd"])
        name, *arguments = request["argv"]
        sys.argv = [str(Path(sys.executable).with_name(name)), *arguments]
        code = (points.get(name) or EntryPoint(name, name, "console_scripts")).load()()
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


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
