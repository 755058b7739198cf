"""Rows as wide as the header: what is done with one that is not, and rows made to fit."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import field
from enum import Enum

from file_cdk.core.config import CsvConfig
from file_cdk.core.dataclass import dataclass
from file_cdk.formats.csv.dialect import Dialect
from file_cdk.formats.csv.header import Header

TOO_MANY = "record has too many values"
TOO_FEW = "record has too few values"

MARKS = '",\r\n'
"""A value with one of them is written in quotes."""

Row = list[str | None]


class OddRows(Enum):
    """What becomes of a row with more or fewer values than the header has names."""

    FAIL = "fail"
    SKIP = "skip"
    REJECT = "reject"
    FILL = "fill"
    PAD = "pad"


@dataclass(frozen=True, slots=True)
class FaultPolicy:
    """What becomes of records that are not as they should be. rejects_bad_text: those whose bytes are no text are rejected;
    otherwise the first one ends the file. of_table: what the protocol's users rely on need not be kept where it loses
    something, or refuses what can be read."""

    odd_rows: OddRows
    rejects_bad_text: bool
    of_table: bool = False

    @property
    def drops_blanks_over(self) -> bool:
        """Whether values beyond the header's that are all blank are left out, which loses nothing."""
        if self.odd_rows is OddRows.FILL:
            return True
        return self.of_table and self.odd_rows in (OddRows.REJECT, OddRows.SKIP)

    @classmethod
    def of(cls, config: CsvConfig, *, of_table: bool = False) -> "FaultPolicy":
        """For a table whatever can be rejected is, unless the file is to fail."""
        if config.ignore_errors_on_fields_mismatch:
            odd_rows, rejects_bad_text = OddRows.SKIP, False
        else:
            odd_rows = OddRows(config.ragged or ("reject" if of_table else "fail"))
            rejects_bad_text = config.ragged in ("reject", "fill", "pad")
        return cls(odd_rows, rejects_bad_text or (of_table and config.ragged != "fail"), of_table)


BLANKS_LEFT_OUT = "blank values beyond the columns of the header are left out"
BLANKS_OVER = (
    "What is over is blank, as where every row ends with the delimiter: `ragged: pad` reads it, and so does a delimiter at the "
    "end of the header"
)


class OddRowError(Exception):
    """A row that cannot be made to fit. reason: fixed words; its own text has the numbers."""

    remedy: str | None = None

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(slots=True)
class FittedRows:
    """Rows as wide as the header's names; None is for a value that a short row lacks.

    quoted: index of a row -> which of its values stood in quotes, for rows where that decides whether a value is null.
    rest: index of a row -> its values beyond the header's, as a JSON array.
    """

    values: list[Row] = field(default_factory=list)
    quoted: dict[int, list[bool]] = field(default_factory=dict)
    rest: dict[int, str] = field(default_factory=dict)
    has_missing: bool = False

    def with_rest(self) -> "FittedRows":
        """The same with one column more, which holds what is over."""
        values = [[*row, self.rest.get(index)] for index, row in enumerate(self.values)]
        quoted = {index: [*quotes, False] for index, quotes in self.quoted.items()}
        return FittedRows(values, quoted, {}, has_missing=True)

    def canonical(self) -> bytes:
        """The rows as RFC 4180 in UTF-8, for the reader that types whole pieces; a missing value is blank without quotes.

        A row of one value gets a blank second one: without, an unquoted empty value would be a blank line, and no row.
        """
        values, padding = self.values, list[bool]()
        if values and len(values[0]) == 1:
            values, padding = [[*row, ""] for row in values], [False]
        text = io.StringIO(newline="")
        # CRLF as the line end makes the writer quote both of its characters.
        writer = csv.writer(text, lineterminator="\r\n")
        if not self.quoted:
            writer.writerows(values)
        for index, row in enumerate(values if self.quoted else ()):
            if (quoted := self.quoted.get(index)) is None:
                writer.writerow(row)
            else:
                text.write(",".join(map(_written, row, quoted + padding)) + "\r\n")
        return text.getvalue().encode("utf-8")


def _written(value: str | None, quoted: bool) -> str:
    if value is None:
        return ""
    if quoted or any(mark in value for mark in MARKS):
        return '"' + value.replace('"', '""') + '"'
    return value


@dataclass(frozen=True, slots=True)
class Shape:
    """How the rows of a file are made to fit its header. unquoted_nulls: values that are null only where they stand without
    quotes; a missing value is null in any case."""

    header: Header
    dialect: Dialect
    policy: FaultPolicy
    unquoted_nulls: frozenset[str] = frozenset()

    def add(self, rows: FittedRows, values: list[str], record: Sequence[str]) -> bool:
        """Adds one record; False where blank values that are over have been left out.

        record: its text in parts, read only when it matters what stands in quotes. Raises OddRowError.
        """
        width = len(self.header.names)
        fitted: Row = [*values]
        if len(values) != width or self.header.trailing_blanks:
            fitted, over = self._fit(values)
            if over:
                rows.rest[len(rows.values)] = json.dumps(over, ensure_ascii=False)
            if len(values) < width:
                rows.has_missing = True
        if self.unquoted_nulls and not self.unquoted_nulls.isdisjoint(values):
            self._keep_quotes(rows, fitted, "".join(record))
        rows.values.append(fitted)
        return len(values) <= self.header.width or self.policy.odd_rows is OddRows.PAD

    def _keep_quotes(self, rows: FittedRows, fitted: Row, record: str) -> None:
        """Notes which values are not null for their quotes. A null one that could not be written anew without is left out."""
        quoted = [False] * len(fitted)
        if self.dialect.quote is not None and self.dialect.quote in record:
            found = self.dialect.quoting(record).quoted[: len(fitted)]
            quoted[: len(found)] = found
            rows.quoted[len(rows.values)] = quoted
        for index, value in enumerate(fitted):
            if value and not quoted[index] and value in self.unquoted_nulls and any(mark in value for mark in MARKS):
                fitted[index] = None
                rows.has_missing = True

    def _fit(self, values: list[str]) -> tuple[Row, list[str]]:
        """The values under a name, and those over; the ones of columns without a name may be missing or blank."""
        names = len(self.header.names)
        under: Row = [*values[:names]]
        over = values[names:]
        fits = self.header.fits(len(values)) or (len(values) >= names and self.policy.drops_blanks_over)
        if fits and not any(value and not value.isspace() for value in over):
            return under, []
        if self.policy.odd_rows is OddRows.PAD:
            return under + [None] * (names - len(under)), over
        if self.policy.odd_rows is OddRows.FILL and len(under) < names:
            return under + [None] * (names - len(under)), []
        if self.header.fits(len(values)):
            raise OddRowError(TOO_MANY, "record has a value in a column that has no name in the header")
        noun = "value" if len(values) == 1 else "values"
        reason = TOO_FEW if len(values) < names else TOO_MANY
        error = OddRowError(reason, f"record has {len(values)} {noun}, the header names {names}")
        if not any(map(str.strip, over)) and over:
            error.remedy = BLANKS_OVER
        raise error
