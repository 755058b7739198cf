"""Which delimiter, quote and escape turn lines into a table: tried out, and judged by even rows and clean cells.

The idea, that the right dialect is the one under which rows have a pattern and cells have types, is that of van den Burg,
Nazábal and Sutton, Wrangling messy CSV files by detecting row and type patterns (2019); the measures are our own.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from file_cdk.formats.csv_dialect import FIELD_SIZE_LIMIT
from file_cdk.formats.csv_sniff_cells import Kind, cleanness, kind_of

_DELIMITERS = {
    ",": 1.0,
    ";": 0.97,
    "\t": 0.99,
    "|": 0.97,
    "\x01": 0.99,
    "\x1f": 0.99,
    "||": 0.98,
    "::": 0.9,
    "^": 0.9,
    "~": 0.9,
}
"""With how likely each is before looking."""
_WEAK_DELIMITERS = {":": 0.75, " ": 0.7}
"""Ones that stand inside values more often than between them."""

_STAND_IN = "\ue000"
"""For a delimiter of two characters, which Python's csv module does not take."""
_UNUSED_QUOTES = "\x02\x1c\x1d\x1e\x10"
_CLOCK = re.compile(r"(?:^|[ T])[0-9]{1,2}:[0-9]{2}")
_ESCAPED_QUOTE = re.compile(r"\\[\"']")
_ONE_COLUMN = 0.3
_WITH_LINES_ABOVE = 0.7
"""Lines that no table explains: a dialect that needs none is likelier."""
_MAX_CELLS = 2000
_MIN_ROWS_JUDGED = 5
_MAX_PREAMBLE_ROWS = 30


@dataclass(frozen=True, slots=True)
class Marks:
    """quote: None where the file has none."""

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None

    def rows(self, lines: Sequence[str]) -> "Rows":
        """Raises csv.Error for what Python's reader does not take."""
        delimiter = self.delimiter
        if len(delimiter) > 1:
            lines, delimiter = [line.replace(delimiter, _STAND_IN) for line in lines], _STAND_IN
        if csv.field_size_limit() < FIELD_SIZE_LIMIT:
            csv.field_size_limit(FIELD_SIZE_LIMIT)
        reader = csv.reader(
            lines,
            delimiter=delimiter,
            quotechar=self.quote,
            escapechar=self.escape,
            quoting=csv.QUOTE_NONE if self.quote is None else csv.QUOTE_MINIMAL,
        )
        values, starts, before = [], [], 0
        for row in reader:
            if row:
                values.append(row)
                starts.append(before)
            before = reader.line_num
        return Rows(values, starts)


@dataclass(slots=True)
class Rows:
    """Rows that are not blank, and how many physical lines are before each."""

    values: list[list[str]]
    starts: list[int]


@dataclass(frozen=True, slots=True)
class Shape:
    """One way to read the sample. width: values of most rows. first: index of the first row of the table, its header or data.
    evenness: share of the rows from there on of that width. score: how good it is, 0 to 1."""

    marks: Marks
    rows: Rows
    width: int
    first: int
    evenness: float
    score: float

    @property
    def table(self) -> list[list[str]]:
        return self.rows.values[self.first :]

    @property
    def lines_above(self) -> int:
        """Physical lines before the table, when rows of text are among them: blank ones alone are no matter."""
        return self.rows.starts[self.first] if self.first else 0


def best_shape(lines: Sequence[str], *, cut: bool) -> Shape | None:
    """The most likely reading; the default one where none is better. cut: the sample ends before the file does.

    None when there are no rows.
    """
    text = "".join(lines)
    best = default = _judged(Marks(), lines, 1.0, cut=cut)
    for marks, prior in _candidates(text):
        shape = _judged(marks, lines, prior, cut=cut)
        if shape is None or (best is not None and shape.score <= best.score):
            continue
        if shape.first and default is not None and _is_even_from_the_start(default):
            continue
        best = shape
    return best


def _is_even_from_the_start(shape: Shape) -> bool:
    """A table, header and all: then no row of it is a title above one in another dialect."""
    return not shape.first and shape.width > 1 and shape.evenness == 1 and len(shape.table) > 2


def unused_quote(text: str) -> str:
    """A quote character for a file without any."""
    return next((char for char in _UNUSED_QUOTES if char not in text), _UNUSED_QUOTES[0])


def _candidates(text: str) -> Iterator[tuple[Marks, float]]:
    """All but the default, which wins where none is better."""
    has_escapes = _ESCAPED_QUOTE.search(text) is not None or ("\\" in text and "\\" not in text.replace("\\\\", ""))
    for delimiter, prior in (_DELIMITERS | _WEAK_DELIMITERS).items():
        if delimiter != "," and (delimiter not in text or not _is_whole_mark(delimiter, text)):
            continue
        for quote, quote_prior in _quotes(text, delimiter):
            if (delimiter, quote) != (",", '"'):
                yield Marks(delimiter, quote), prior * quote_prior
            if quote is not None and has_escapes:
                yield Marks(delimiter, quote, "\\"), prior * quote_prior * 1.02
            elif "\\" + delimiter in text:
                yield Marks(delimiter, quote, "\\"), prior * quote_prior * 0.99


def _is_whole_mark(delimiter: str, text: str) -> bool:
    """Of two characters, they never stand alone; of one, it does."""
    if len(delimiter) == 2:
        return delimiter[0] not in text.replace(delimiter, "")
    return delimiter not in "|:" or delimiter in text.replace(2 * delimiter, "")


def _quotes(text: str, delimiter: str) -> Iterator[tuple[str | None, float]]:
    yield '"', 1.0
    mark = re.escape(delimiter)
    if re.search(rf"(?:^|{mark})'(?:[^'\\]|''|\\.)*'(?:{mark}|\r?$)", text, re.MULTILINE):
        yield "'", 0.98
    if re.search(rf'(?:^|{mark})"', text, re.MULTILINE):
        yield None, 0.85


def _judged(marks: Marks, lines: Sequence[str], prior: float, *, cut: bool) -> Shape | None:
    try:
        rows = marks.rows(lines)
    except csv.Error:
        return None
    values = rows.values
    if cut and len(values) > 2:
        values.pop()  # may go on beyond the sample
    if not values:
        return None
    width = _usual_width([len(row) for row in values])
    first = _first_of_table(values, width)
    table = values[first:]
    evenness = sum(len(row) == width for row in table) / len(table)
    clean = _clean_share(table)
    breadth = (width - 1) / width if width > 1 else _ONE_COLUMN
    if marks.delimiter in _WEAK_DELIMITERS and (first or not _is_plain_table(marks, table, width, evenness, lines)):
        prior *= 0.1
    penalty = _WITH_LINES_ABOVE if first else 1.0
    score = prior * penalty * breadth * evenness**2 * clean**2
    return Shape(marks, rows, width, first, evenness, score)


def _usual_width(widths: list[int]) -> int:
    """The most frequent one; of two as frequent, the first row's or the larger."""
    counts = Counter(widths)
    most = max(counts.values())
    return max((width for width in counts if counts[width] == most), key=lambda width: (width == widths[0], width))


def _first_of_table(values: list[list[str]], width: int) -> int:
    """Rows above it are titles and comments: fewer than half as wide, or beginning with `#` and of another width."""
    for index, row in enumerate(values[: _MAX_PREAMBLE_ROWS + 1]):
        if width == 1:
            is_above = row[0].startswith("#")
        else:
            filled = sum(bool(cell.strip()) for cell in row)
            is_above = len(row) < width and (row[0].startswith("#") or 2 * len(row) <= width or len(row) == 1)
            is_above |= (
                len(row) == width > 2 and filled == 1 and bool(row[0].strip()) and _is_title(values, index, width)
            )
        if not is_above:
            return index
    return 0


def _is_title(values: list[list[str]], index: int, width: int) -> bool:
    """A title as a spreadsheet writes it: one cell filled, and the row of names after it has all of them."""
    following = next((row for row in values[index + 1 : index + 4] if sum(map(bool, row)) > 1), None)
    return index == 0 and following is not None and len(following) == width and all(c.strip() for c in following)


def _clean_share(table: list[list[str]]) -> float:
    cells = judged = 0
    total = 0.0
    for number, row in enumerate(table):
        if cells >= _MAX_CELLS and number >= _MIN_ROWS_JUDGED:
            break
        cells += len(row)
        for cell in row:
            if cell:
                total += cleanness(cell)
                judged += 1
    return total / judged if judged else 1.0


def _is_plain_table(marks: Marks, table: list[list[str]], width: int, evenness: float, lines: Sequence[str]) -> bool:
    """Whether a weak delimiter is one after all: even rows, no more blanks around, and a column of numbers or dates."""
    if width < 2 or evenness < 1 or len(table) < 3:
        return False
    if marks.delimiter == ":" and all(map(_CLOCK.search, lines[1:51])):
        return False
    body = table[1:51]
    cells = [cell for row in body for cell in row]
    if any(cell != cell.strip() or cell.endswith((",", ";", "|")) or (not cell and width > 2) for cell in cells):
        return False
    if all(kind_of(line) is not Kind.TEXT for line in lines[1:51]):
        return False  # a column of instants, say
    columns = [{kind_of(cell) for cell in column} for column in zip(*body, strict=True)]
    return any(kinds in ({Kind.NUMBER}, {Kind.INSTANT}) for kinds in columns)
