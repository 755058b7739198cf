"""Cells of .xlsx sheets with a date or time before the first day there is.

Calamine gives the time of day of such a number, so that a day before the epoch is midnight. Excel shows `####` for it, other
programs a day of 1899, which is what openpyxl gives. Of a duration, whose format has brackets, there may be negative ones.
"""

import re
from functools import cache
from html import unescape
from importlib import import_module

from file_cdk.formats.excel.container import Container

_MAX_STYLES_BYTES = 64 << 20
_NEGATIVE = re.compile(rb"""s=["']([0-9]{1,9})["'][^<>]*><(?:\w+:)?v>-""")
_FORMATS = re.compile(rb"<(?:\w+:)?numFmt\s[^>]*>")
_CELL_FORMATS = re.compile(rb"<(?:\w+:)?cellXfs[\s>].*?</(?:\w+:)?cellXfs>", re.DOTALL)
_CELL_FORMAT = re.compile(rb"<(?:\w+:)?xf[\s/>][^>]*>?")
_NUMBER = re.compile(rb"""\snumFmtId=["']([0-9]{1,9})["']""")
_CODE = re.compile(rb"""\sformatCode=(?:"([^"]*)"|'([^']*)')""")
DAYS_AND_TIMES = frozenset({*range(14, 23), *range(27, 37), 45, 47, *range(50, 59)})
"""Numbers of formats of days and times that need no code."""
ELAPSED = frozenset({46})
"""Numbers of formats of durations that need no code."""


def negative_styles(text: bytes) -> set[int]:
    """Numbers of the formats of cells that are below zero."""
    return set(map(int, _NEGATIVE.findall(text))) if b"-" in text else set()


def date_styles(container: Container) -> frozenset[int]:
    """Numbers of the cell formats that show a number as a date or a time of day."""
    styles = container.read("xl/styles.xml", _MAX_STYLES_BYTES) or b""
    numbers = set(DAYS_AND_TIMES)
    for tag in _FORMATS.findall(styles):
        number, code = _NUMBER.search(tag), _CODE.search(tag)
        if number is not None and code is not None:
            shown = _is_day_or_time((code[1] or code[2] or b"").decode("utf-8", "replace"))
            (numbers.add if shown else numbers.discard)(int(number[1]))
    cells = _CELL_FORMATS.search(styles)
    if cells is None:
        return frozenset()
    used = [_NUMBER.search(tag) for tag in _CELL_FORMAT.findall(cells[0])]
    return frozenset(i for i, number in enumerate(used) if number is not None and int(number[1]) in numbers)


@cache
def is_date(code: str) -> bool:
    """Whether a format shows a number as a date, a time or a duration."""
    return bool(import_module("openpyxl.styles.numbers").is_date_format(code))


@cache
def _is_day_or_time(code: str) -> bool:
    formats = import_module("openpyxl.styles.numbers")  # slow to import, and seldom needed
    return bool(formats.is_date_format(unescape(code)) and not formats.is_timedelta_format(unescape(code)))
