"""The commands: argv, exit codes, signals, logging set-up and progress; nothing outside this room prints.

Nothing heavy is imported before a command is known to need it, so that `--help` and `spec` answer at once.
"""

from collections.abc import Sequence
from typing import NoReturn


def console() -> NoReturn:
    """See `command.console`, which connectors' commands do without."""
    from file_cdk.cli.command import console as run

    run()


def main(argv: Sequence[str] | None = None) -> int:
    """See `command.main`."""
    from file_cdk.cli.command import main as run

    return run(argv)
