"""What parses command lines."""

import argparse
import os
from collections.abc import Callable
from typing import Any


class Parser(argparse.ArgumentParser):
    """Takes no option by half of its name. Looks for the terminal's width as argparse does, at each argument that is added, but
    without shutil, which takes as long to import as all of argparse."""

    _formatter = argparse.HelpFormatter

    def __init__(self, **given: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=self._formatter_of_width, **given)

    def _formatter_of_width(self, prog: str) -> argparse.HelpFormatter:
        return self._formatter(prog, width=_columns() - 2)


class LinesParser(Parser):
    """Whose description and epilog are lines, and no text to be filled."""

    _formatter = argparse.RawDescriptionHelpFormatter


def _columns() -> int:
    """As shutil.get_terminal_size has them."""
    told = os.environ.get("COLUMNS", "")
    if told.isascii() and told.isdecimal() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:
        return 80


def number(meaning: str = "number") -> Callable[[str], int]:
    """Type of a whole number for argparse."""

    def parsed(text: str) -> int:
        if not (text.isascii() and text.isdecimal()):
            raise argparse.ArgumentTypeError(f"{text!r} is not a {meaning} (0 or more)")
        return int(text)

    return parsed
