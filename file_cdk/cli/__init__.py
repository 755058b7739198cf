"""The commands: argv, exit codes, signals, logging set-up and progress; nothing outside this room prints.

Nothing heavy is imported before a command is known to need it, so that `--help` and `spec` answer at once.
"""

from file_cdk.cli.command import console, main

__all__ = ["console", "main"]
