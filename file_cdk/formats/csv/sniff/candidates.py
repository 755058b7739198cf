"""Which delimiter, quote and escape turn lines into a table: tried out, and judged by even rows and clean cells.

The idea, that the right dialect is the one under which rows have a pattern and cells have types, is that of van den Burg,
Nazábal and Sutton, Wrangling messy CSV files by detecting row and type patterns (2019); the measures are our own.
Whether a quote, an escape, a comment or blanks mean anything is not a matter of scores: each needs a proof of its own, for
a wrong one changes values that nobody will look at.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from file_cdk.core.dataclass import dataclass
from file_cdk.formats.csv.dialect import Dialect
from file_cdk.formats.csv.sniff.cells import Kind, cleanness, kind_of
from file_cdk.formats.csv.sniff.reading import SampleRows, read_rows
from file_cdk.formats.csv.sniff.table import evenness, first_of_table, usual_width

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
_HINTED = 1.15
"""What the file itself names in a line `sep=`."""
_RARE = 0.88
"""A mark that no convention knows."""
_RARE_DELIMITER = re.compile(r"[^\w\s\"'.,;\\/()\[\]{}<>=?!%&$€£@*+-]{1,4}|[#<>|~^;]{2,4}")

_CLOCK = re.compile(r"(?:^|[ T])[0-9]{1,2}:[0-9]{2}")
_LONE_BACKSLASH = re.compile(r"\\[^\\\"'ntrN0\r\n]")
_DOUBLED_BACKSLASH = re.compile(r"[\w:.]\\\\")
"""Not at the beginning of a value, where `\\server` has two of its own."""
_DOUBLED_THAT_PROVE = 3
_ONE_COLUMN = 0.3
_WITH_LINES_ABOVE = 0.7
"""Lines that no table explains: a dialect that needs none is likelier."""
_WITH_COMMENTS = 0.99
_MAX_CELLS = 2000
_MIN_ROWS_JUDGED = 5
_LINES_OF_RARE = 50
_LINES_OF_OPEN_QUOTE = 10
"""A record of so many lines that the sample ends in tells as much as one that ends."""
_WRAPPED = 0.5
"""Share of the filled cells that stand in quotes: from there on quotes are how the file is written."""
_ROWS_THAT_SHOW_NO_QUOTES = 10
"""In fewer rows, a quote that is never closed is a mistake, more likely than a file in which quotes are text."""
_FAULTS_FORGIVEN = 0.1
"""Per cell in quotes, so many that are not used well."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to read the sample. width: values of most rows. first: index of the first row of the table, its header or data.
    evenness: share of the rows from there on of that width. at_most: how good it is, 0 to 1, if its cells are clean.
    faults: quotes that make no sense as quotes, and rows that they join."""

    dialect: Dialect
    rows: SampleRows
    width: int
    first: int
    evenness: float
    at_most: float
    faults: int

    @property
    def table(self) -> list[list[str]]:
        return self.rows.values[self.first :]

    @property
    def score(self) -> float:
        """How good it is, 0 to 1. Looks at every cell: most of what a trial costs."""
        return self.at_most * _clean_share(self.table, quotes_are_text=self.dialect.quote is None) ** 2

    @property
    def share_right(self) -> float:
        return self.evenness * max(0.0, 1 - self.faults / len(self.table))

    @property
    def lines_above(self) -> int:
        """Physical lines before the table, when rows of text are among them: blank ones alone are no matter."""
        return self.rows.starts[self.first] if self.first else 0


def best_candidate(lines: Sequence[str], *, cut: bool, hint: str | None = None) -> Candidate | None:
    """The most likely reading; the default one where none is better. cut: the sample ends before the file does.
    hint: the delimiter that the file says it has.

    None when there are no rows.
    """
    trial = _Trial(lines, cut)
    best = default = trial.best(Dialect(), _HINTED if hint == "," else 1.0)
    best_score = 0.0 if best is None else best.score
    for delimiter, prior in _delimiters(trial.text, lines, hint):
        for quote in ('"', "'"):
            if (delimiter, quote) == (",", '"') or (quote == "'" and not _may_quote(delimiter, trial.text)):
                continue
            candidate = trial.best(Dialect(delimiter, quote), prior)
            if candidate is None or (best is not None and candidate.at_most <= best_score):
                continue
            score = candidate.score
            if best is not None and score <= best_score:
                continue
            if candidate.first and default is not None and _is_even_from_the_start(default):
                continue
            best, best_score = candidate, score
    return best


def fits_as_well(lines: Sequence[str], dialect: Dialect, usual: Dialect, *, cut: bool) -> bool:
    """Whether lines make about as good a table in `dialect` as in the usual one."""
    trial = _Trial(lines, cut)
    candidate, other = trial.read(dialect, _HINTED), trial.read(usual, _HINTED)
    if candidate is None or other is None:
        return other is None
    return (candidate.width > 1 or other.width == 1) and candidate.share_right >= other.share_right - 0.02


def _is_even_from_the_start(candidate: Candidate) -> bool:
    """A table, header and all: then no row of it is a title above one in another dialect."""
    return not candidate.first and candidate.width > 1 and candidate.evenness == 1 and len(candidate.table) > 2


def _delimiters(text: str, lines: Sequence[str], hint: str | None) -> Iterator[tuple[str, float]]:
    known = _DELIMITERS | _WEAK_DELIMITERS
    for delimiter, prior in known.items():
        if delimiter == hint:
            yield delimiter, _HINTED
        elif delimiter == "," or (delimiter in text and _is_whole_mark(delimiter, text, lines)):
            yield delimiter, prior
    if hint is not None and hint not in known and hint in text:
        yield hint, _HINTED
    for delimiter in _rare_delimiters(lines):
        if delimiter not in known and delimiter != hint:
            yield delimiter, _RARE


def _rare_delimiters(lines: Sequence[str]) -> list[str]:
    """Marks of one to four odd characters that stand in nearly every line, as often in each."""
    counts = [Counter(_RARE_DELIMITER.findall(line)) for line in lines[:_LINES_OF_RARE] if line.strip()]
    if len(counts) < 2:
        return []
    found = []
    for mark in set().union(*counts[-3:]):
        times, lines_alike = Counter(count[mark] for count in counts).most_common(1)[0]
        if times and lines_alike >= 0.9 * len(counts):
            found.append(mark)
    return sorted(found, key=lambda mark: (-len(mark), mark))[:3]


def _is_whole_mark(delimiter: str, text: str, lines: Sequence[str]) -> bool:
    """Of two characters, they hardly stand alone, or are as many in every line; of one, it does stand alone."""
    if len(delimiter) == 2:
        return delimiter[0] not in text.replace(delimiter, "") or len({line.count(delimiter) for line in lines}) == 1
    return delimiter not in "|:" or delimiter in text.replace(2 * delimiter, "")


def _may_quote(delimiter: str, text: str) -> bool:
    """Whether single quotes stand around a value."""
    mark = re.escape(delimiter)
    return re.search(rf"(?:^|{mark})'(?:[^'\\]|''|\\.)*'(?:{mark}|\r?$)", text, re.MULTILINE) is not None


class _Trial:
    """Reads the sample in one dialect after the other."""

    def __init__(self, lines: Sequence[str], cut: bool) -> None:
        self.lines = lines
        self.text = "".join(lines)
        self._cut = cut
        self._comment = "#" if _comments_below_the_top(lines) else None

    def best(self, dialect: Dialect, prior: float) -> Candidate | None:
        """With this delimiter and quote, and what else the lines prove."""
        candidate = self._without_comments(dialect, prior)
        if self._comment is not None and not dialect.delimiter.startswith(self._comment):
            without = self._without_comments(replace(dialect, comment=self._comment), prior * _WITH_COMMENTS)
            if (
                without is not None
                and without.width > 1
                and (candidate is None or without.evenness > candidate.evenness)
            ):
                return without
        return candidate

    def _without_comments(self, dialect: Dialect, prior: float) -> Candidate | None:
        candidate = self.read(dialect, prior)
        if dialect.quote is None or dialect.quote not in self.text:
            return self._escaped(candidate, dialect, prior)
        padded = replace(dialect, skips_blanks=True)
        if dialect.delimiter != " " and re.search(rf"{re.escape(dialect.delimiter)} +{dialect.quote}", self.text):
            candidate = _better(
                candidate, self.read(padded, prior), equal=_has_quotes_after_blanks(candidate, dialect.quote)
            )
        candidate = self._escaped(candidate, candidate.dialect if candidate else dialect, prior)
        if dialect.quote == "'":
            return None if candidate is None or candidate.faults else candidate
        if candidate is None or candidate.faults:
            bare = self.read(replace(dialect, quote=None), prior)
            if bare is not None and (candidate is None or _quotes_are_text(candidate, bare, self.text)):
                return bare
        return candidate

    def _escaped(self, candidate: Candidate | None, dialect: Dialect, prior: float) -> Candidate | None:
        """With a backslash for an escape, where without one quotes make no sense or rows are less even, or where all that
        there are in the midst of values are doubled."""
        if "\\" not in self.text:
            return candidate
        quote = dialect.quote is not None and "\\" + dialect.quote in self.text
        doubled = self._doubles_backslashes(dialect.quote)
        if not (quote or doubled) and (
            "\\" + dialect.delimiter not in self.text
            or len(_LONE_BACKSLASH.findall(self.text)) > 2 * self.text.count("\\" + dialect.delimiter)
        ):
            return candidate
        return _better(candidate, self.read(replace(dialect, escape="\\"), prior), equal=doubled)

    def _doubles_backslashes(self, quote: str | None) -> bool:
        if len(_DOUBLED_BACKSLASH.findall(self.text)) < _DOUBLED_THAT_PROVE:
            return False
        bare = self.text.replace("\\\\", "")
        return "\\" not in (bare if quote is None else bare.replace("\\" + quote, ""))

    def read(self, dialect: Dialect, prior: float) -> Candidate | None:
        try:
            rows = read_rows(self.lines, dialect, cut=self._cut)
        except csv.Error:
            return None
        begun = rows.pop() if self._cut and len(rows.values) > 2 else None  # may go on beyond the sample
        values = rows.values
        if not values:
            return None
        width = usual_width(values)
        first = first_of_table(values, width)
        table = values[first:]
        even = evenness(table, width)
        breadth = (width - 1) / width if width > 1 else _ONE_COLUMN
        weak = dialect.delimiter in _WEAK_DELIMITERS or (
            len(dialect.delimiter) == 1 and dialect.delimiter not in _DELIMITERS
        )
        if weak and prior < _HINTED and (first or not _is_plain_table(dialect, table, width, even, self.lines)):
            prior *= 0.1
        penalty = _WITH_LINES_ABOVE if first else 1.0
        faults = rows.faults
        if dialect.quote is not None:
            faults += rows.joined(self.lines, dialect.delimiter, width)
            if begun is not None and begun.lines >= _LINES_OF_OPEN_QUOTE:
                faults += begun.joined(self.lines, dialect.delimiter, width)
        return Candidate(dialect, rows, width, first, even, prior * penalty * breadth * even**2, faults)


def _better(candidate: Candidate | None, other: Candidate | None, *, equal: bool) -> Candidate | None:
    """The other reading where it makes more sense of quotes, or rows more even; equal: also where it is as good."""
    if candidate is None or other is None:
        return candidate or other
    if other.faults > candidate.faults or other.evenness < candidate.evenness or other.width < candidate.width == 1:
        return candidate
    return other if equal or other.faults < candidate.faults or other.evenness > candidate.evenness else candidate


def _quotes_are_text(quoted: Candidate, bare: Candidate, text: str) -> bool:
    """Of a reading with quotes that has faults, and one without. The latter changes no character: it is right unless the
    other is clearly more even, or many values stand in quotes as they should."""
    if bare.width < 2 or bare.evenness < quoted.evenness - 0.02 or bare.width < quoted.width:
        return False
    if quoted.faults == quoted.rows.never_closed and len(bare.table) < _ROWS_THAT_SHOW_NO_QUOTES:
        return False
    mark = re.escape(quoted.dialect.delimiter)
    wrapped = len(re.findall(rf'(?:^|(?<={mark}))"(?:[^"\r\n]|"")*"(?={mark}|[\r\n]|\Z)', text, re.MULTILINE))
    cells = sum(bool(cell) for row in bare.table for cell in row)
    return wrapped < _WRAPPED * cells and quoted.faults > _FAULTS_FORGIVEN * wrapped


def _has_quotes_after_blanks(candidate: Candidate | None, quote: str) -> bool:
    if candidate is None:
        return True
    cells = [cell.strip() for row in candidate.table for cell in row if cell.startswith(" ")]
    begun = [cell for cell in cells if cell.startswith(quote)]
    return bool(begun) and all(len(cell) > 1 and cell.endswith(quote) for cell in begun)


def _comments_below_the_top(lines: Sequence[str]) -> bool:
    """Whether a line begins with `#` that has lines of data above it; those at the top are lines above a header."""
    data_met, comments = False, 0
    for line in lines:
        if line.startswith("#"):
            comments += data_met
        elif line.strip():
            data_met = True
    return 0 < comments < len(lines) / 2


def _clean_share(table: list[list[str]], *, quotes_are_text: bool) -> float:
    cells = judged = 0
    total = 0.0
    for number, row in enumerate(table):
        if cells >= _MAX_CELLS and number >= _MIN_ROWS_JUDGED:
            break
        cells += len(row)
        for cell in row:
            if quotes_are_text:
                cell = cell.replace('"', "")
            if cell:
                total += cleanness(cell)
                judged += 1
    return total / judged if judged else 1.0


def _is_plain_table(dialect: Dialect, table: list[list[str]], width: int, even: float, lines: Sequence[str]) -> bool:
    """Whether a weak delimiter is one after all: even rows, no more blanks around, and a column of numbers or dates."""
    if width < 2 or len(table) < 3 or even < (0.97 if width > 3 and len(table) > 30 else 1):
        return False
    if dialect.delimiter == ":" and all(map(_CLOCK.search, lines[1:51])):
        return False
    body = [row for row in table[1:51] if len(row) == width]
    quoted = dialect.quote is not None and width > 3 and any(dialect.quote in line for line in lines)
    cells = [] if quoted else [cell for row in body for cell in row]
    if any(cell != cell.strip() or cell.endswith((",", ";", "|", ":")) or (not cell and width > 2) for cell in cells):
        return False
    if all(kind_of(line) is not Kind.TEXT for line in lines[1:51]):
        return False  # a column of instants, say
    columns = [{kind_of(cell) for cell in column} for column in zip(*body, strict=True)]
    return any(kinds in ({Kind.NUMBER}, {Kind.INSTANT}) for kinds in columns)
