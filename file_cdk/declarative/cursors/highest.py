"""The latest of a page's cursor values, in most cases by their texts alone."""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from file_cdk.declarative.cursors.cursor import DatetimeCursor

_DIGITS = {
    "%Y": "[0-9]{4}",
    "%m": "[0-9]{2}",
    "%d": "[0-9]{2}",
    "%H": "[0-9]{2}",
    "%M": "[0-9]{2}",
    "%S": "[0-9]{2}",
    "%f": "[0-9]+",
}
"""Texts in the order of these directives are in the order of time, where they have one length."""
_EPOCHS = ("%s", "%ms", "%epoch_microseconds")


def highest(cursor: DatetimeCursor, values: Sequence[Any]) -> datetime | None:
    """None where none is a moment; those that are none are passed over."""
    if len(cursor.formats) == 1 and values and _are_ordered(cursor.formats[0], values):
        latest = cursor.moment_or_none(max(values))
        if latest is not None:
            return latest
    return max((moment for value in _distinct(values) if (moment := cursor.moment_or_none(value))), default=None)


def _are_ordered(format: str, values: Sequence[Any]) -> bool:
    """Whether the largest value is the latest."""
    kinds = set(map(type, values))
    if format in _EPOCHS:
        return kinds == {int}
    if kinds != {str} or (pattern := _lines(format)) is None or len(set(map(len, values))) > 1:
        return False
    return pattern.fullmatch("\n".join(values)) is not None


def _distinct(values: Sequence[Any]) -> Sequence[Any]:
    """Those of one text or number once."""
    return list(dict.fromkeys(each for each in values if isinstance(each, str | int | float)))


@lru_cache(maxsize=64)
def _lines(format: str) -> re.Pattern[str] | None:
    """Lines of texts in the format, each digit written. None where their order is not that of time."""
    parts = re.split(r"(%.)", format)
    directives = parts[1::2]
    if not directives or directives != list(_DIGITS)[: len(directives)]:
        return None
    line = "".join(_DIGITS.get(part) or re.escape(part) for part in parts)
    return re.compile(rf"{line}(?:\n{line})*", re.ASCII)
