"""How a command ends: exit codes, what is said of an error, signals as one clean way out, and the process's end."""

import atexit
import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Any, NamedTuple, NoReturn, Self

from file_cdk.core.exit_codes import ExitCode, known_error, of_error

_OF_SIGNALS = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.HUNG_UP,
}

_AGAIN_AFTER_S = 0.01


class Interruption:
    """While entered, the first such signal raises KeyboardInterrupt, so that every `with` and `finally` runs; the second
    ends the process as by default.

    process_ends: the process does, after this: signals that come while the interpreter is taken down change its exit code no
    more.

    The signal is remembered in `received`, because native code may turn the exception into one of its own (DuckDB makes
    a RuntimeError of it): whoever ends the command asks here before it believes any other cause.
    """

    def __init__(self, *, process_ends: bool = False) -> None:
        self.process_ends = process_ends
        self.received: signal.Signals | None = None
        self._pid = os.getpid()
        self._previous: dict[signal.Signals, Any] = {}
        self._previous_hook: Any = None

    def __enter__(self) -> Self:
        self._previous_hook, sys.unraisablehook = sys.unraisablehook, self._swallowed
        for signum in _OF_SIGNALS:
            # A process started with the signal ignored (nohup, a background job of a script) goes on ignoring it.
            if signal.getsignal(signum) is not signal.SIG_IGN:
                self._previous[signum] = signal.signal(signum, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        sys.unraisablehook = self._previous_hook
        for signum, handler in self._previous.items():
            signal.signal(signum, signal.SIG_IGN if self.process_ends else handler)
        self._previous.clear()

    @property
    def exit_code(self) -> ExitCode | None:
        """130, 143 or 129 once a signal came, else None."""
        return None if self.received is None else _OF_SIGNALS[self.received]

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        for other in self._previous:
            signal.signal(other, signal.SIG_DFL)
        if os.getpid() != self._pid:
            # A forked child inherited the handler, but the clean way out is its parent's.
            os.kill(os.getpid(), signum)
            return
        self.received = signal.Signals(signum)
        self._raise(frame)

    def _raise(self, frame: FrameType | None) -> None:
        if _is_loading(frame):
            self._raise_later()
        else:
            raise KeyboardInterrupt

    def _raise_later(self) -> None:
        signal.signal(signal.SIGALRM, self._again)
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_AFTER_S)

    def _swallowed(self, unraisable: Any) -> None:
        """An exception that Python cannot raise: the signal came during a destructor or the like, which swallows it."""
        if self.received is None or unraisable.exc_type is not KeyboardInterrupt:
            self._previous_hook(unraisable)
            return
        self._raise_later()

    def _again(self, _signum: int, frame: FrameType | None) -> None:
        self._raise(frame)


def _is_loading(frame: FrameType | None) -> bool:
    """Whether a module in C is about to begin. Some call Python then (DuckDB's makes enumerations), and abort the process over an
    exception in it."""
    while frame is not None:
        if frame.f_code.co_name in ("create_module", "exec_module"):
            # By its name: what the class is imported from takes longer than all else that `--help` needs.
            loader = type(frame.f_locals.get("self")).__name__
            if loader == "ExtensionFileLoader":
                return True
        frame = frame.f_back
    return False


class Failure(NamedTuple):  # not a dataclass, whose import would take longer than all else that `--help` needs
    """What ended a command. message: for a person, without values of records. trace: the traceback, for who asked for it."""

    code: ExitCode
    message: str
    trace: str

    def lines(self, *, verbose: bool) -> Iterator[str]:
        """What a person is told: nothing of an interruption, but for the traceback that `verbose` asks for."""
        if not self.code.is_interruption:
            kind = "internal error" if self.code is ExitCode.INTERNAL_ERROR else "error"
            yield f"{kind}: {self.message}"
        if verbose:
            yield from self.trace.splitlines()


def failure_of(error: BaseException, interruption: Interruption) -> Failure:
    """Of whatever reached the command's boundary. A signal that came counts more than what it was turned into."""
    trace = "".join(traceback.format_exception(error))
    if interruption.exit_code is not None or isinstance(error, KeyboardInterrupt):
        return Failure(interruption.exit_code or ExitCode.INTERRUPTED, "interrupted", trace)
    error = known_error(error)
    return Failure(of_error(error), str(error), trace)


def leave(code: int) -> NoReturn:
    """Ends the process of a console script as `sys.exit` does, but without taking down the interpreter, which frees piece by
    piece what the system frees at once.

    All that is to run at exit does run, whoever asked for it (coverage, logging), and what was printed is flushed. Where a
    debugger or a profiler watches, a thread is still to be waited for, or something cannot be flushed, it is `sys.exit`.
    """
    if not (_is_watched() or _has_threads()):
        atexit._run_exitfuncs()
        with contextlib.suppress(OSError, ValueError):  # which sys.exit meets again, and tells of
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            os._exit(code)
    sys.exit(code)


def _is_watched() -> bool:
    return sys.gettrace() is not None or sys.getprofile() is not None or bool(sys.flags.inspect)


def _has_threads() -> bool:
    """Whether one is left that an interpreter waits for when it ends."""
    threading = sys.modules.get("threading")
    if threading is None:
        return False
    main = threading.main_thread()
    return any(thread is not main and not thread.daemon for thread in threading.enumerate())
