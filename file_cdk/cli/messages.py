"""What the commands of sources and of destinations share: messages on stdout, errors as messages, files of JSON."""

import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NoReturn

from file_cdk.cli.ending import Interruption, leave
from file_cdk.cli.parser import Parser
from file_cdk.cli.screen.display import PlainDisplay, log_level, logs_to
from file_cdk.cli.screen.stdout import fill_standard_descriptors
from file_cdk.core.errors import ConfigError, InternalError, OutputClosedError
from file_cdk.core.exit_codes import ExitCode, known_error
from file_cdk.core.system.output import write_all
from file_cdk.core.uris import redacted

_log = logging.getLogger(__name__)

_MAX_CONFIGURATION_BYTES = 8 << 20
"""Maximum size of a configuration, in bytes: a larger file is something else. Catalogs and states have no maximum."""


def execute(
    command: Callable[[int], int], *, interrupted: str, debug: bool, process_ends: bool, ends_process: bool
) -> NoReturn:
    """command: takes the descriptor to write messages to, and returns the exit code. interrupted: what a person is told then."""
    logs = logs_to(PlainDisplay(sys.stderr).line, log_level(quiet=False, verbose=debug))
    with Interruption(process_ends=process_ends) as interruption, logs, _stdout_for_messages() as out_fd:
        code = _run(command, out_fd, interruption, interrupted)
    if ends_process:
        leave(code)
    sys.exit(code)


def write_rest(line: bytes) -> NoReturn:
    """What could not be written at once of a message, in a console script."""
    fill_standard_descriptors()
    execute(
        lambda out_fd: write([line], out_fd),
        interrupted="nothing was done",
        debug=False,
        process_ends=True,
        ends_process=True,
    )


def add_commands(parser: Parser, config: str) -> tuple[Callable[..., Parser], Parser]:
    """What adds a command to a parser, and the parent of those that take a configuration. config: what that is."""
    common = Parser(add_help=False)
    common.add_argument("--debug", action="store_true", help="debug messages and tracebacks on stderr")
    configured = Parser(add_help=False)
    configured.add_argument("--config", metavar="FILE", required=True, help=config)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, command: Any, text: str, *parents: Parser) -> Parser:
        added = commands.add_parser(name, help=text, description=text, parents=[common, *parents])
        added.set_defaults(command=command)
        return added

    return add, configured


def resolved(connector: Any) -> Any:
    """The connector itself, or what stands at a place `package.module:name`."""
    if not isinstance(connector, str):
        return connector
    module, _, name = connector.partition(":")
    return getattr(import_module(module), name)


def _run(command: Callable[[int], int], out_fd: int, interruption: Interruption, interrupted: str) -> int:
    try:
        return interruption.exit_code or command(out_fd)
    except OutputClosedError as exc:
        _log.error("%s", exc)
        return ExitCode.INTERNAL_ERROR
    except (KeyboardInterrupt, Exception) as exc:  # noqa: BLE001 - the command's boundary, the one place that may
        if interruption.exit_code is not None or isinstance(exc, KeyboardInterrupt):
            PlainDisplay(sys.stderr).line(f"interrupted: {interrupted}")
            return interruption.exit_code or ExitCode.INTERRUPTED
        _log.debug("the command failed", exc_info=exc)
        return _report(exc, out_fd)


def _report(cause: BaseException, out_fd: int) -> int:
    from file_cdk.protocol.messages import error_trace, to_line

    error, places = known_error(cause), None
    if isinstance(error, InternalError) and error is not cause:
        # Places only: the text of an unforeseen exception may show values of records.
        places = "".join(traceback.format_tb(cause.__traceback__))
    now_ms = time.time_ns() // 1_000_000
    try:
        write_all(out_fd, to_line(error_trace(error, emitted_at_ms=now_ms, stack_trace=places)))
    except (OutputClosedError, OSError):
        _log.error("%s", error)  # it may be the very reason why nothing can be written
    return ExitCode.INTERNAL_ERROR


@contextmanager
def _stdout_for_messages() -> Iterator[int]:
    """A descriptor of stdout that is ours alone: what a library or a reader prints goes to stderr meanwhile."""
    sys.stdout.flush()
    ours = os.dup(1)
    os.dup2(2, 1)
    try:
        yield ours
    finally:
        sys.stdout.flush()
        os.dup2(ours, 1)
        os.close(ours)


def write(lines: Iterable[bytes], out_fd: int) -> int:
    for line in lines:
        write_all(out_fd, line)
    return ExitCode.DONE


def load_object(path: str, what: str) -> dict[str, Any]:
    document = load(path, what, max_bytes=_MAX_CONFIGURATION_BYTES)
    if not isinstance(document, dict):
        raise ConfigError(f"the {what} file {redacted(path)!r} does not hold a JSON object")
    return document


def load(path: str, what: str, *, lines: bool = False, max_bytes: int | None = None) -> Any:
    """The file's JSON value; a list of them where it may hold, and does hold, one on each of several lines.

    Raises ConfigError, which shows nothing of what the file holds.
    """
    shown = f"the {what} file {redacted(path)!r}"  # it may be the source's URL by mistake
    try:
        with open(path, "rb") as file:
            text = file.read(-1 if max_bytes is None else max_bytes + 1)
        if max_bytes is not None and len(text) > max_bytes:
            raise ConfigError(f"{shown} is larger than {max_bytes >> 20} MiB, which no {what} is")
        if lines and (values := _values_of_lines(text)) is not None:
            return values
        return json.loads(text)
    except OSError as exc:
        raise ConfigError(f"{shown} cannot be read: {exc.strerror}") from None
    except json.JSONDecodeError as exc:
        place = f"{exc.msg} at line {exc.lineno}, column {exc.colno}"
        raise ConfigError(f"{shown} is not JSON: {place}") from None
    except (UnicodeDecodeError, RecursionError):
        raise ConfigError(f"{shown} is not JSON") from None


def _values_of_lines(text: bytes) -> list[Any] | None:
    """None when these are no JSON lines: the first is no JSON by itself, or there are no others. Raises as json.loads."""
    lines = [(number, line) for number, line in enumerate(text.split(b"\n")) if line.strip()]
    if len(lines) < 2:
        return None
    try:
        json.loads(lines[0][1])
    except ValueError:
        return None
    return [_value_of_line(*line) for line in lines]


def _value_of_line(lines_before: int, line: bytes) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return json.loads(b"\n" * lines_before + line)  # fails as well, and knows the place in the file
