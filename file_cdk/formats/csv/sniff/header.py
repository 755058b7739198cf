"""Whether a table's first row names its columns."""

import itertools
import re
from collections.abc import Sequence

from file_cdk.formats.csv.sniff.cells import Kind, kind_of

_MOST = 0.75
_BODY_ROWS = 100
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")
_TRUTH = frozenset({"true", "false"})
"""The ones that are no names: `No` is one."""
_NUMBER = re.compile(r"[0-9]{1,9}")


def has_header(table: Sequence[list[str]], width: int, *, evidence: bool = False) -> bool:
    """Evidence column by column. Without any, as where all is text, the first row is taken for a header, as is usual,
    unless there has to be evidence; one that holds a number, a date or a boolean is data."""
    if not table:
        return True
    names = table[0]
    body = [row for row in table[1 : _BODY_ROWS + 1] if len(row) == width]
    if not body:
        return not any(kind_of(name) in (Kind.NUMBER, Kind.INSTANT) or name.strip().lower() in _TRUTH for name in names)
    if len(names) != width:
        return True
    verdicts = [_verdict(name, [row[column] for row in body]) for column, name in enumerate(names)]
    speaking_for, against = verdicts.count(True), verdicts.count(False)
    if against and _is_run_of_labels(names, body):
        return True
    if _is_index(names, body):
        speaking_for += 1
    if speaking_for or against:
        return speaking_for > against or (speaking_for == against and all(name.strip() for name in names))
    return not evidence and all(name.strip() for name in without_blank_end(names))


def _verdict(name: str, values: list[str]) -> bool | None:
    """Whether the first value names the column below, is one of its values, or does not tell."""
    found, below = kind_of(name), _kind_of_most(values)
    if found is Kind.EMPTY or below is Kind.EMPTY:
        return None
    if found is Kind.TEXT:
        return None if below is Kind.TEXT else True
    if found is not below and below is not Kind.TEXT:
        return True  # a number or a date that labels values of another kind
    if _YEAR.fullmatch(name.strip()) and below is Kind.NUMBER and not all(map(_YEAR.fullmatch, filter(None, values))):
        return None  # a column per year
    return False


def _is_run_of_labels(names: Sequence[str], body: Sequence[list[str]]) -> bool:
    """A name, then numbers that go up or down by one from column to column, as hardly any row below has them."""
    if kind_of(names[0]) is not Kind.TEXT or not _is_run(names):
        return False
    return sum(map(_is_run, body)) < 0.2 * len(body)


def _is_run(row: Sequence[str]) -> bool:
    numbers = [int(cell) for cell in map(str.strip, row) if _NUMBER.fullmatch(cell)]
    steps = {after - before for before, after in itertools.pairwise(numbers)}
    return steps in ({1}, {-1}) and len(numbers) >= len(row) - 1


def _is_index(names: Sequence[str], body: Sequence[list[str]]) -> bool:
    """A first column without a name that counts the rows, as pandas writes it."""
    if names[0].strip() or not any(name.strip() for name in names):
        return False
    numbers = [row[0].strip() for row in body[:3]]
    return all(map(_NUMBER.fullmatch, numbers)) and _is_run(["", *numbers]) | (len(numbers) == 1)


def _kind_of_most(values: list[str]) -> Kind:
    kinds = [kind for value in values if (kind := kind_of(value)) is not Kind.EMPTY]
    if not kinds:
        return Kind.EMPTY
    most = max(set(kinds), key=kinds.count)
    return most if kinds.count(most) >= _MOST * len(kinds) else Kind.TEXT


def without_blank_end(names: list[str]) -> list[str]:
    end = len(names)
    while end and not names[end - 1].strip():
        end -= 1
    return names[:end]


def columns_used(table: Sequence[list[str]]) -> int:
    """Columns up to the last one that has a name, or a value in any row as wide as the names; those over have to be said
    by more than a row, or they are its fault."""
    width = len(table[0]) if table else 0
    rows = [without_blank_end(row) for row in table[1:] if len(row) == width]
    lengths = sorted((len(row) for row in rows), reverse=True)
    return max(len(without_blank_end(table[0])) if table else 0, lengths[1] if len(lengths) > 1 else 0)
