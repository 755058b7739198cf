"""A source's process: started without a shell, in a process group of its own, and ended with us, however we end.

Should we be killed, the system tells the source (Linux), and elsewhere its pipe is closed, which it learns when it next writes.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO

from file_cdk.core.errors import ConfigError, SystemLimitError

_STOP_S = 5.0
"""How long a source that is to stop may take before it is killed, in seconds."""

_END_S = 60.0
"""How long a source may take to exit once it has closed its output, in seconds."""

_START = """\
import ctypes, os, signal, sys
prctl = getattr(ctypes.CDLL(None), "prctl", None)
if prctl is not None:
    prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as exc:
    sys.exit(f"cannot be started: {exc.strerror}")
"""
"""Asks for SIGTERM when its parent ends, and becomes the source. Between fork and exec of a process with threads that would not
be safe."""


class SourceProcess:
    """said: called, by another thread, with each line of its stderr. To be stopped by the thread that started it."""

    def __init__(self, words: Sequence[str], said: Callable[[str], None]) -> None:
        """Raises ConfigError where there is no such program, and SystemLimitError."""
        if shutil.which(words[0]) is None:
            raise ConfigError(
                f"the source's program {os.path.basename(words[0])!r} is not found, or may not be executed",  # noqa: PTH119
                remedy="Install it, or name it with its folder",
            )
        start = [sys.executable, "-I", "-S", "-c", _START, str(os.getpid()), *words]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the command is the user's
                start,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as exc:
            raise SystemLimitError(f"the source cannot be started: {exc.strerror}") from exc
        self._said = threading.Thread(target=self._say, args=[said], name="file_cdk-source-stderr", daemon=True)
        self._said.start()

    @property
    def stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _say(self, said: Callable[[str], None]) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                said(line.decode("utf-8", "replace").rstrip("\r\n"))

    def wait(self, patience_s: float = _END_S) -> int | None:
        """The exit code, negative where a signal ended it, once its output has ended; None where it does not exit so soon."""
        try:
            code = self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            return None
        self._said.join(_STOP_S)
        return code

    def stop(self) -> None:
        """With all that it started; nothing where it has exited."""
        if self._process.poll() is not None:
            return
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._said.join(_STOP_S)

    def _signal(self, which: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, which)
