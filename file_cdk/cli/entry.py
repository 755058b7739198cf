"""Where the console script of a connector comes in: `spec` is printed from a file, before a command line is imported for all
else. Orchestrators ask for it at each start, and it says the same each time."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from file_cdk.core.connector import Connector, DestinationConnector

SPECIFICATION = "specification.json"
"""In a connector's package: what `spec` prints, byte for byte."""


def run_connector(
    connector: "Connector | str", argv: Sequence[str] | None = None, *, ends_process: bool = False
) -> NoReturn:
    """Runs the command that `argv` names and exits the process: 0, 1 after an error, 2 for wrong usage, 130, 143 or 129
    for SIGINT, SIGTERM or SIGHUP.

    connector: the connector, or where it stands (`package.module:name`); then worker processes start while it is imported, and
    `spec` is what the package has in SPECIFICATION, if it has that.
    ends_process: for a console script alone, where nothing comes after this: the process ends at once, after all that is to run
    at its exit, instead of by SystemExit.
    """
    if ends_process and argv is None:
        _print_specification(connector)
        _start_workers(connector)
    from file_cdk.cli.connector import run

    run(connector, argv, ends_process=ends_process)


def run_destination(
    connector: "DestinationConnector | str", argv: Sequence[str] | None = None, *, ends_process: bool = False
) -> NoReturn:
    """The same for a destination: see `run_connector`."""
    if ends_process and argv is None:
        _print_specification(connector)
    from file_cdk.cli.destination import run

    run(connector, argv, ends_process=ends_process)


def run_manifest(
    manifest: "str | os.PathLike[str] | None" = None, argv: Sequence[str] | None = None, *, ends_process: bool = False
) -> NoReturn:
    """The same for a source of an HTTP API, described by a manifest: see `run_connector`.

    manifest: its file, as a rule beside the module that calls this; the source is then called like the folder. Without one, it is
    in the configuration, as `__injected_declarative_manifest`. `--manifest-path` comes before both.
    """
    from file_cdk.cli.manifest_source import run

    run(manifest, argv, ends_process=ends_process)


def _start_workers(connector: object) -> None:
    """Starts what workers are forked from where records will be read, as far as one look tells; else it is ended again. The less
    is imported before, the sooner it has what it needs itself."""
    if isinstance(connector, str) and sys.argv[1:2] == ["read"] and not {"-h", "--help"} & {*sys.argv}:
        from file_cdk.pipeline.early import start_early

        with suppress(OSError):  # whoever needs them says why there are none
            for fd in (0, 1, 2):
                os.fstat(fd)  # one that is closed would be the socket to them, and get what is printed
            start_early((), None, forks=True)


def _print_specification(connector: object) -> None:
    """Ends the process if that is what is asked for, and there is one."""
    if not isinstance(connector, str) or sys.argv[1:] != ["spec"]:
        return
    places = getattr(sys.modules.get(connector.partition(".")[0]), "__path__", ())
    try:
        with open(f"{next(iter(places), os.devnull)}/{SPECIFICATION}", "rb") as file:
            line = file.read()
    except OSError:
        return
    try:
        written = os.write(1, line)
    except OSError:
        written = 0  # who writes it then says why it cannot be written
    if written == len(line):
        sys.exit(0)
    from file_cdk.cli.messages import write_rest

    write_rest(line[written:])
