"""Where among rows a table begins, how wide and how even it is, and how its numbers are written."""

import re
from collections import Counter
from collections.abc import Sequence
from statistics import median_low

from file_cdk.formats.csv.sniff.cells import Kind, kind_of
from file_cdk.formats.csv.sniff.header import has_header

_MAX_PREAMBLE_ROWS = 30
_ROWS_LOOKED_AT = 300
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]*,[0-9]+")
_DECIMAL_POINT = re.compile(r"[-+]?[0-9]*\.[0-9]+(?:[eE][-+]?[0-9]+)?")
_WHOLE = re.compile(r"[-+]?[0-9]+")
_MAYBE_THOUSANDS = re.compile(r"[-+]?[1-9][0-9]{0,2},[0-9]{3}")


def filled(row: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in row)


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
