"""Whether a table's first row names its columns."""

import re
from collections.abc import Sequence

from file_cdk.formats.csv_sniff_cells import Kind, kind_of

_MOST = 0.9
_BODY_ROWS = 100
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")


def has_header(table: Sequence[list[str]], width: int) -> bool:
    """Evidence column by column; without any, as where all is text, the first row is taken for a header, as is usual."""
    if not table:
        return True
    names = table[0]
    body = [row for row in table[1 : _BODY_ROWS + 1] if len(row) == width]
    if not body or len(names) != width:
        return True
    verdicts = [_verdict(name, [row[column] for row in body]) for column, name in enumerate(names)]
    speaking_for, against = verdicts.count(True), verdicts.count(False)
    if speaking_for or against:
        return speaking_for > against or (speaking_for == against and all(name.strip() for name in names))
    return all(name.strip() for name in _without_blank_end(names))


def _verdict(name: str, values: list[str]) -> bool | None:
    """Whether the first value names the column below, is one of its values, or does not tell."""
    found, below = kind_of(name), _kind_of_most(values)
    if found is Kind.EMPTY or below is Kind.EMPTY:
        return None
    if found is Kind.TEXT:
        return None if below is Kind.TEXT else True
    if _YEAR.fullmatch(name.strip()) and below is Kind.NUMBER and not all(map(_YEAR.fullmatch, filter(None, values))):
        return None  # a column per year
    return False


def _kind_of_most(values: list[str]) -> Kind:
    kinds = [kind for value in values if (kind := kind_of(value)) is not Kind.EMPTY]
    if not kinds:
        return Kind.EMPTY
    most = max(set(kinds), key=kinds.count)
    return most if kinds.count(most) >= _MOST * len(kinds) else Kind.TEXT


def _without_blank_end(names: list[str]) -> list[str]:
    end = len(names)
    while end and not names[end - 1].strip():
        end -= 1
    return names[:end]
