"""Where a connector's command begins: a read starts what its worker processes are forked from before anything else is imported.

That process is ready about as late as its modules are imported, and nothing is read before: so it starts ahead of the command
line's parser and of all that the parent itself needs, on the other core.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, Union

if TYPE_CHECKING:
    from file_cdk.core.connector import Connector


def run_connector(
    connector: Union["Connector", str], argv: Sequence[str] | None = None, *, ends_process: bool = False
) -> NoReturn:
    """Runs the command that `argv` names and exits the process: 0, 1 after an error, 2 for wrong usage, 130, 143 or 129
    for SIGINT, SIGTERM or SIGHUP.

    connector: the connector, or where it stands (`package.module:name`); then worker processes start while it is imported.
    ends_process: for a console script alone, where nothing comes after this: the process ends at once, after all that is to run
    at its exit, instead of by SystemExit.
    """
    if ends_process and argv is None and _reads(sys.argv[1:]):
        _start_early()
    from file_cdk.cli.connector import run_connector as run

    run(connector, argv, ends_process=ends_process)


def _reads(argv: Sequence[str]) -> bool:
    """Whether this is a read, and no more than a read with workers as they are by default."""
    return argv[:1] == ["read"] and {"--config", "--catalog"} <= set(argv) and "--workers" not in argv


def _start_early() -> None:
    try:
        for fd in (0, 1, 2):
            os.fstat(fd)
    except OSError:
        return  # one is closed: it is filled first
    from file_cdk.pipeline.early import start_early

    with suppress(OSError):  # whoever needs it says why there is none
        start_early((), None)
