"""`source-<name> spec | check | discover | read`: a connector's command line, as the Airbyte protocol has it.

stdout carries protocol messages and nothing else; an error is a TRACE message and exit code 1.
"""

import argparse
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NoReturn, cast

from file_cdk.cli.arguments import number
from file_cdk.cli.ending import Interruption, leave
from file_cdk.cli.screen.display import PlainDisplay, log_level, logs_to
from file_cdk.cli.screen.stdout import fill_standard_descriptors
from file_cdk.core.connector import Connector
from file_cdk.core.errors import ConfigError, InternalError, OutputClosedError
from file_cdk.core.exit_codes import ExitCode, known_error
from file_cdk.core.system.output import write_all
from file_cdk.core.uris import redacted

_log = logging.getLogger(__name__)

_MAX_CONFIGURATION_BYTES = 8 << 20
"""Maximum size of a configuration, in bytes: a larger file is something else. Catalogs and states have no maximum."""

Command = Callable[[Callable[[], Connector], argparse.Namespace, int], int]
"""Writes its messages to the file descriptor and returns the exit code."""


def run(connector: Connector | str, argv: Sequence[str] | None = None, *, ends_process: bool = False) -> NoReturn:
    """See `run_connector`."""
    fill_standard_descriptors()
    name = connector.partition(".")[0].replace("_", "-") if isinstance(connector, str) else connector.name
    arguments = _parser(name).parse_args(argv)
    command: Command = arguments.command
    _execute(
        lambda out_fd: command(lambda: _resolved(connector), arguments, out_fd),
        debug=arguments.debug,
        process_ends=argv is None,
        ends_process=ends_process,
    )


def write_rest(line: bytes) -> NoReturn:
    """What could not be written at once of a message, in a console script."""
    fill_standard_descriptors()
    _execute(lambda out_fd: _write([line], out_fd), debug=False, process_ends=True, ends_process=True)


def _execute(command: Callable[[int], int], *, debug: bool, process_ends: bool, ends_process: bool) -> NoReturn:
    """command: takes the descriptor to write messages to, and returns the exit code."""
    logs = logs_to(PlainDisplay(sys.stderr).line, log_level(quiet=False, verbose=debug))
    with Interruption(process_ends=process_ends) as interruption, logs, _stdout_for_messages() as out_fd:
        code = _run(command, out_fd, interruption)
    if ends_process:
        leave(code)
    sys.exit(code)


def _resolved(connector: Connector | str) -> Connector:
    if not isinstance(connector, str):
        return connector
    module, _, name = connector.partition(":")
    return cast(Connector, getattr(import_module(module), name))


def _run(command: Callable[[int], int], out_fd: int, interruption: Interruption) -> int:
    try:
        return interruption.exit_code or command(out_fd)
    except OutputClosedError as exc:
        _log.error("%s", exc)
        return ExitCode.INTERNAL_ERROR
    except (KeyboardInterrupt, Exception) as exc:  # noqa: BLE001 - the command's boundary, the one place that may
        if interruption.exit_code is not None or isinstance(exc, KeyboardInterrupt):
            PlainDisplay(sys.stderr).line("interrupted: the next read goes on from the last state")
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


def _spec(connector: Callable[[], Connector], _: argparse.Namespace, out_fd: int) -> int:
    from file_cdk.protocol.messages import spec, to_line
    from file_cdk.protocol.spec import connection_specification

    source = connector()
    specification = connection_specification(source.config_class, title=source.name)
    return _write([to_line(spec(specification, documentation_url=source.documentation_url))], out_fd)


def _check(connector: Callable[[], Connector], arguments: argparse.Namespace, out_fd: int) -> int:
    from file_cdk.pipeline.discovery import check

    return _write(check(connector(), _load_object(arguments.config, "config")), out_fd)


def _discover(connector: Callable[[], Connector], arguments: argparse.Namespace, out_fd: int) -> int:
    from file_cdk.pipeline.discovery import discover

    return _write(discover(connector(), _load_object(arguments.config, "config")), out_fd)


def _read(connector: Callable[[], Connector], arguments: argparse.Namespace, out_fd: int) -> int:
    from file_cdk.pipeline.early import modules_for_records, start_early

    config = _load_object(arguments.config, "config")
    catalog = _load(arguments.catalog, "catalog", lines=True)
    state = None if arguments.state is None else _load(arguments.state, "state", lines=True)
    if not _copies_files(config):
        modules = {module: None for filetype in _filetypes(config) for module in modules_for_records(filetype)}
        start_early(modules, arguments.workers)
    source = connector()
    from file_cdk.pipeline.read import read_streams

    return read_streams(source, config, catalog, state, out_fd, arguments.workers)


def _filetypes(config: Any) -> Iterator[str]:
    """Formats that a configuration names, as far as it can be told before it is validated."""
    streams = config.get("streams")
    for stream in streams if isinstance(streams, list) else ():
        stated = stream.get("format") if isinstance(stream, dict) else None
        filetype = stated.get("filetype") if isinstance(stated, dict) else None
        if isinstance(filetype, str):
            yield filetype


def _copies_files(config: dict[str, Any]) -> bool:
    """Whether files are copied as they are, by threads: there is nothing for worker processes to do."""
    method = config.get("delivery_method")
    return isinstance(method, dict) and method.get("delivery_type") == "use_file_transfer"


def _write(lines: Iterable[bytes], out_fd: int) -> int:

    for line in lines:
        write_all(out_fd, line)
    return ExitCode.DONE


def _load_object(path: str, what: str) -> dict[str, Any]:
    document = _load(path, what, max_bytes=_MAX_CONFIGURATION_BYTES)
    if not isinstance(document, dict):
        raise ConfigError(f"the {what} file {redacted(path)!r} does not hold a JSON object")
    return document


def _load(path: str, what: str, *, lines: bool = False, max_bytes: int | None = None) -> Any:
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


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=name, description="An Airbyte-protocol source.", allow_abbrev=False)
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    common.add_argument("--debug", action="store_true", help="debug messages and tracebacks on stderr")
    config = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    config.add_argument("--config", metavar="FILE", required=True, help="the source's configuration, JSON")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, command: Command, text: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, parents=[common, *parents], allow_abbrev=False)
        added.set_defaults(command=command)
        return added

    add("spec", _spec, "print what a configuration may contain")
    add("check", _check, "try the configuration", config)
    add("discover", _discover, "print the catalog of streams and their schemas", config)
    read = add("read", _read, "print the records, and the state to go on from", config)
    read.add_argument("--catalog", metavar="FILE", required=True, help="the configured catalog, JSON")
    read.add_argument("--state", metavar="FILE", help="the state messages of the last read, JSON lines or a JSON list")
    read.add_argument(
        "--workers",
        metavar="N",
        type=number("number of worker processes"),
        help="worker processes; 0: none; by default as many as there are cores",
    )
    return parser
