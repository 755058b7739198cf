"""Text that a command writes for a person to keep: to stdout, or to a file that is there only if all of it is."""

import argparse
import os
import sys
from pathlib import Path

from file_cdk.cli.screen.stdout import write_lines
from file_cdk.core.errors import ConfigError
from file_cdk.core.system.limits import reason_and_remedy

STDOUT = "-"


def add_output(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", help=f"where to write it; - is stdout (default: {default})")
    parser.add_argument("--force", action="store_true", help="write it also where there is such a file")


def check_absent(path: str, *, force: bool) -> None:
    """Raises ConfigError, before any work is done for nothing."""
    if path != STDOUT and not force and os.path.lexists(path):
        raise ConfigError(f"{path} is there already", remedy="Name another file with --output, or give --force")


def write(path: str, text: str, *, force: bool) -> None:
    """Raises ConfigError."""
    if path == STDOUT:
        write_lines(text.splitlines())
        return
    beside = f"{path}.{os.getpid()}.new"
    try:
        Path(beside).write_text(text, encoding="utf-8")
        try:
            if force:
                os.replace(beside, path)  # noqa: PTH105 - as the link below
            else:
                os.link(beside, path)  # fails where somebody was faster
        finally:
            Path(beside).unlink(missing_ok=True)
    except FileExistsError:
        raise ConfigError(
            f"{path} is there already", remedy="Name another file with --output, or give --force"
        ) from None
    except OSError as exc:
        reason, remedy = reason_and_remedy(exc)
        raise ConfigError(f"cannot write {path}: {reason}", remedy=remedy) from exc


def say(text: str) -> None:
    from file_cdk.cli.screen.display import PlainDisplay

    PlainDisplay(sys.stderr).line(text)
