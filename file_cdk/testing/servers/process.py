"""A server as a child process: free ports, start, wait until it answers, stop with everything it started."""

import contextlib
import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

from file_cdk.core.errors import FileCdkError

_WATCHDOG = Path(__file__).with_name("watchdog.py")
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 5.0
_ATTEMPTS = 3
_LOG_TAIL_BYTES = 4000


class ServerStartError(FileCdkError):
    """A test server is not installed or did not come up. The message holds the end of what it printed."""


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on. They lie below the range from which the system gives ports to outgoing
    connections, because a server binds its port some time after it was found free here."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.randrange(12_000, 32_000)  # noqa: S311  spreads parallel test processes, hides nothing
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


def http_status(port: int, path: str = "/") -> int | None:
    """The status of a plain GET, or None while nothing answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start one server. folder: its working folder, deleted with it. answers: has it come up?
    leftovers: files that it leaves elsewhere when it is killed. env: added to the environment. timeout_s: for coming up."""

    name: str
    command: Sequence[str]
    folder: Path
    answers: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    leftovers: Sequence[Path] = ()
    timeout_s: float = _START_TIMEOUT_S


class ServerProcess:
    """A running server. `stop` kills the whole process group (its data is temporary, so it need not wind up) and deletes
    its folder; should this process die first, a watchdog does the same."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        remove = [str(launch.folder), *(str(path) for path in launch.leftovers)]
        watchdog = [sys.executable, "-I", "-S", str(_WATCHDOG), str(os.getpid()), *remove, "--"]
        with (launch.folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own command line, no shell
                [*watchdog, *launch.command],
                cwd=launch.folder,
                env={**os.environ, **launch.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def group_id(self) -> int:
        """Id of the process group, which is also that of the watchdog."""
        return self._process.pid

    @property
    def folder(self) -> Path:
        return self._launch.folder

    @property
    def leftovers(self) -> Sequence[Path]:
        return self._launch.leftovers

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + self._launch.timeout_s
        while not self._launch.answers():
            if self._process.poll() is not None:
                raise ServerStartError(f"{self._launch.name} ended with code {self._process.returncode}: {self.log()}")
            if time.monotonic() > deadline:
                raise ServerStartError(
                    f"{self._launch.name} did not answer in {self._launch.timeout_s:.0f} s: {self.log()}"
                )
            time.sleep(0.02)

    def log(self) -> str:
        """The end of what the server printed."""
        return (self._launch.folder / "server.log").read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace").strip()

    def stop(self) -> None:
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_TIMEOUT_S)  # the watchdog ends when it has buried the server
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self._launch.folder, ignore_errors=True)
        for path in self._launch.leftovers:
            path.unlink(missing_ok=True)


def start(plan: Callable[[Path], Launch]) -> ServerProcess:
    """Start what `plan` describes for a fresh folder and wait until it answers. `plan` picks the ports; when the server
    ends at once it is asked again, because another process may have taken one of them meanwhile.

    Raises ServerStartError.
    """
    for attempt in range(_ATTEMPTS):
        folder = Path(tempfile.mkdtemp(prefix="file_cdk-server-"))
        try:
            process = ServerProcess(plan(folder))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        try:
            process.wait_until_up()
            return process
        except ServerStartError:
            process.stop()
            if attempt + 1 == _ATTEMPTS:
                raise
        except BaseException:
            process.stop()
            raise
    raise AssertionError("unreachable")


class ChildServer:
    """What the servers that run as child processes share. A subclass says in `_plan` what to run."""

    _scheme: ClassVar[str] = "http"

    def __init__(self) -> None:
        self._process: ServerProcess | None = None
        self._port = 0

    def start(self) -> None:
        """Raises ServerStartError when the server is not installed or does not come up."""
        if self._process is not None:
            raise RuntimeError(f"{type(self).__name__} is running already")
        self._process = start(self._plan_on_free_port)

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        if not self._port:
            raise RuntimeError(f"{type(self).__name__} has not been started")
        return self._port

    @property
    def process(self) -> ServerProcess:
        """The child process, for its id and its log."""
        if self._process is None:
            raise RuntimeError(f"{type(self).__name__} is not running")
        return self._process

    def _plan_on_free_port(self, folder: Path) -> Launch:
        [self._port] = free_ports(1)
        return self._plan(folder)

    def _plan(self, folder: Path) -> Launch:
        """Describe the process, which is to listen on `self.port`. `folder` is fresh and empty."""
        raise NotImplementedError


def missing(what: str, remedy: str) -> ServerStartError:
    return ServerStartError(f"{what} is not installed", remedy=remedy)
