"""The commands: argv, exit codes, signals, logging set-up and progress; nothing outside this room prints.

Nothing heavy is imported before a command is known to need it, so that `--help` and `spec` answer at once.
"""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """See `command.main`, which connectors' commands do without."""
    from file_cdk.cli.command import main as run

    return run(argv)
