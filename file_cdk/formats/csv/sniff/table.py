"""Where among rows a table begins, how wide and how even it is, whether its first row names its columns, and how its numbers
are written."""

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from statistics import median_low

from file_cdk.formats.csv.header import without_blank_end
from file_cdk.formats.csv.sniff.cells import Kind, kind_of

_MAX_PREAMBLE_ROWS = 30
_ROWS_LOOKED_AT = 300
_MOST = 0.75
_BODY_ROWS = 100
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")
_TRUTH = frozenset({"true", "false"})
"""The ones that are no names: `No` is one."""
_NUMBER = re.compile(r"[0-9]{1,9}")
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]*,[0-9]+")
_DECIMAL_POINT = re.compile(r"[-+]?[0-9]*\.[0-9]+(?:[eE][-+]?[0-9]+)?")
_WHOLE = re.compile(r"[-+]?[0-9]+")
_MAYBE_THOUSANDS = re.compile(r"[-+]?[1-9][0-9]{0,2},[0-9]{3}")


def filled(row: Sequence[str]) -> int:
    return sum(map(bool, map(str.strip, row)))


def usual_width(values: Sequence[list[str]]) -> int:
    """The most frequent one; of two as frequent, the first row's or the larger. Rows of blanks alone do not count, nor do what
    may be comments."""
    widths = [len(row) for row in values if any(map(str.strip, row)) and not row[0].startswith("#")]
    widths = widths or [len(row) for row in values]
    counts = Counter(widths)
    most = max(counts.values())
    return max((width for width in counts if counts[width] == most), key=lambda width: (width == widths[0], width))


def evenness(table: Sequence[list[str]], width: int) -> float:
    """Share of the rows that have `width` values, or only blank ones beyond them; rows of blanks alone do not count."""
    even = counted = 0
    for row in table:
        if len(row) == width:
            even += 1
            counted += 1
        elif any(map(str.strip, row)) or width == 1:
            even += len(row) > width and not any(map(str.strip, row[width:]))
            counted += 1
    return even / counted if counted else 0.0


def first_of_table(values: Sequence[list[str]], width: int) -> int:
    """Index of the header or of the first row of data. Rows above are titles and comments: fewer than half as wide,
    beginning with `#` and of another width, or hardly filled where a row of names comes below."""
    first = 0
    for index, row in enumerate(values[: _MAX_PREAMBLE_ROWS + 1]):
        if width == 1:
            is_above = row[0].startswith("#")
        else:
            is_above = len(row) < width and (row[0].startswith("#") or 2 * len(row) <= width or len(row) == 1)
        if not is_above:
            first = index
            break
    return first if width == 1 else first + _titles(values[first : first + _ROWS_LOOKED_AT], width)


def _titles(values: Sequence[list[str]], width: int) -> int:
    """How many rows at the beginning are titles as a spreadsheet writes them: padded to the table's width, a cell or two
    filled, rows of blanks between them; and below them a row of names."""
    fills = [filled(row) for row in values if any(map(str.strip, row))]
    if len(fills) < 2:
        return 0
    usual = median_low(fills)
    for index, row in enumerate(values[: _MAX_PREAMBLE_ROWS + 1]):
        if filled(row) >= max(2, usual / 2) or not _may_be_title(row, width):
            # Names of a few columns would look like a title, too: better names have to be proved by what is below them.
            proved = any(filled(above) > 1 for above in values[:index])
            return index if index and has_header(values[index:], width, evidence=proved) else 0
    return 0


def _may_be_title(row: Sequence[str], width: int) -> bool:
    cells = filled(row)
    if not cells:
        return True
    if width == 2:
        return cells == 1 and bool(row[0].strip()) and kind_of(row[0]) is Kind.TEXT
    return cells <= max(1, width // 4) and any(kind_of(cell) is Kind.TEXT for cell in row)


def has_decimal_commas(table: Sequence[list[str]], width: int) -> bool:
    """Whether `1,5` is a number: where a column has nothing but such numbers and whole ones, not all of which may be
    thousands with a comma, and no column has a fraction after a point."""
    proof = False
    for column in range(width):
        cells = {row[column].strip() for row in table[1:] if len(row) > column} - {""}
        if not cells:
            continue
        commas = {cell for cell in cells if _DECIMAL_COMMA.fullmatch(cell)}
        if any(_DECIMAL_POINT.fullmatch(cell) for cell in cells):
            return False
        if commas and all(_WHOLE.fullmatch(cell) for cell in cells - commas):
            proof |= not all(map(_MAYBE_THOUSANDS.fullmatch, commas))
    return proof


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


def columns_used(table: Sequence[list[str]]) -> int:
    """Columns up to the last one that has a name, or a value in any row as wide as the names; those over have to be said
    by more than a row, or they are its fault."""
    width = len(table[0]) if table else 0
    rows = [without_blank_end(row) for row in table[1:] if len(row) == width]
    lengths = sorted((len(row) for row in rows), reverse=True)
    return max(len(without_blank_end(table[0])) if table else 0, lengths[1] if len(lengths) > 1 else 0)
