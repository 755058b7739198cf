"""Tables as wide as the screen: cells are cut, and columns that have no room are left out and named."""

import shutil
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence

_GAP = "  "
_NARROWEST = 8
"""Width to which a wider column is cut before others are left out, in characters."""


def screen_width() -> int:
    """In characters; 80 where there is no terminal, unless COLUMNS says otherwise."""
    return max(20, shutil.get_terminal_size((80, 24)).columns)


def fitted_lines(
    headings: Sequence[Sequence[str]], rows: Sequence[Sequence[str]], right: Sequence[bool], width: int
) -> tuple[list[str], int]:
    """Lines of the headings, a rule and the rows, and how many columns they have: the first ones. headings: rows of them. right:
    for each column, whether it is flush right."""
    columns = list(zip(*headings, *rows, strict=True))
    wanted = [max(map(cells_of, column)) for column in columns]
    widths = _widths(wanted, width)
    lines = [_line(row, widths, right) for row in headings]
    lines.append(_GAP.join("-" * each for each in widths))
    lines += [_line(row, widths, right) for row in rows]
    return lines, len(widths)


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of no more than `width` characters, those after the first indented."""
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or [""]


def cells_of(text: str) -> int:
    """How wide a text is on a terminal: characters of East Asian scripts take two cells, accents none."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _cells(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _widths(wanted: Sequence[int], width: int) -> list[int]:
    """Of as many columns as fit, the wider ones cut alike."""
    count = len(wanted)
    while count > 1 and sum(min(each, _NARROWEST) for each in wanted[:count]) + len(_GAP) * (count - 1) > width:
        count -= 1
    room = width - len(_GAP) * (count - 1)
    widths = list(wanted[:count])
    widest = max(widths)
    while sum(min(each, widest) for each in widths) > room and widest > 1:
        widest -= 1
    return [max(1, min(each, widest)) for each in widths]


def _line(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    cells = (_cell(text, width, flush) for text, width, flush in zip(row, widths, right, strict=False))
    return _GAP.join(cells).rstrip()


def _cell(text: str, width: int, flush_right: bool) -> str:
    cut = _cut(text, width)
    padding = " " * (width - cells_of(cut))
    return padding + cut if flush_right else cut + padding


def _cut(text: str, width: int) -> str:
    if cells_of(text) <= width:
        return text
    return "".join(_beginning(text, width - 1)) + "…"


def _beginning(text: str, width: int) -> Iterator[str]:
    for char in text:
        width -= _cells(char)
        if width < 0:
            return
        yield char
