"""What readers of JSON find in a piece of a file, and the text of a value that is parsed as far as it has to be."""

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, NamedTuple

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import MalformedRecordError, SequentialOnlyError
from file_cdk.core.files import Split
from file_cdk.core.json_lines import without_lone_surrogates
from file_cdk.core.ports import MAX_RAW_BYTES, SplitReport
from file_cdk.formats.jsonl.lines import HeldText, LineSource
from file_cdk.formats.jsonl.syntax import LONE_SURROGATE, Parsed, State, parse_value

if TYPE_CHECKING:
    import pyarrow as pa

MULTI_LINE = "JSON objects over several lines are read slowly: one object per line is faster"

ZERO_BYTES = "zero bytes between records, as a writer leaves them that broke off, are passed over"

ONE_OBJECT_PER_LINE = "JSON Lines is UTF-8 text with one JSON object per line; one array of objects is read too"

_FIRST_LOOK_BYTES = 4096
LOOK_GROWTH = 4


class Rejected(NamedTuple):
    """A record that cannot be read. after: how many of the piece's records precede it."""

    after: int
    byte: int
    reason: str
    raw: bytes


@dataclass(slots=True)
class Found:
    """The records of one piece of a file, in order: each one JSON object on one line, no blanks around it.

    end: position in the file behind the piece. text: the bytes examined, if they are at hand in one. batch: the records as rows
    of a table, which are then there in no other form.
    lone_surrogates: how many records escape half of a surrogate pair. multi_line: how many were on several lines.
    zero_gaps: how many times zero bytes came between records.
    """

    end: int = 0
    records: list[bytes] = field(default_factory=list)
    text: bytes | None = None
    batch: "pa.RecordBatch | None" = None
    rejected: list[Rejected] = field(default_factory=list)
    lone_surrogates: int = 0
    multi_line: int = 0
    zero_gaps: int = 0

    def reject(self, byte: int, reason: str, raw: bytes) -> None:
        self.rejected.append(Rejected(len(self.records), byte, reason, raw[:MAX_RAW_BYTES]))

    def unicode_records(self) -> list[bytes]:
        """The records, with U+FFFD in place of halves of surrogate pairs."""
        return [without_lone_surrogates(record) for record in self.records] if self.lone_surrogates else self.records

    def rejected_before(self, index: int) -> int:
        """How many rejected ones precede a record of the piece."""
        return sum(reject.after <= index for reject in self.rejected)

    def count(self, report: SplitReport) -> None:
        counted = 0
        for reject in self.rejected:
            report.rows += reject.after - counted
            counted = reject.after
            report.reject(reject.byte, reject.reason, reject.raw)
        report.rows += (len(self.records) if self.batch is None else self.batch.num_rows) - counted
        if self.lone_surrogates:
            report.warnings[LONE_SURROGATE] += self.lone_surrogates
        if self.multi_line:
            report.warnings[MULTI_LINE] += self.multi_line
        if self.zero_gaps:
            report.warnings[ZERO_BYTES] += self.zero_gaps


LinesAsRows = Callable[[bytes], "pa.RecordBatch | None"]
"""Whole lines as rows of a table; None where not each of them is one object that it takes."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One pass over a split, as all its readers share it. report: for them only to read; it holds what was counted so far.

    plain: values that are no objects are records, with a key `value`; else they are rejected. lines_as_rows: asked first, for
    a table.
    """

    source: LineSource
    split: Split
    report: SplitReport
    max_record_bytes: int
    plain: bool
    lines_as_rows: LinesAsRows | None = None

    def malformed(self, message: str, byte: int, remedy: str = ONE_OBJECT_PER_LINE) -> MalformedRecordError:
        """What ends a split at a record whose end is not known, when the report holds all records before it."""
        row = self.report.rows_present + 1
        return MalformedRecordError(message, uri=self.split.file.uri, row=row, byte=byte, remedy=remedy)

    def in_sequence_only(self, message: str) -> SequentialOnlyError:
        return SequentialOnlyError(message, uri=self.split.file.uri, byte=self.source.position)


def look_at(held: HeldText, at: int, max_bytes: int, *, in_line: bool = False) -> tuple[Parsed, int | None]:
    """The value at `at`, parsed in longer and longer parts, so that the work is bounded by a few times its length; and where
    the file ends, or the line, if that had to be known. in_line: as if the file ended with the line.

    CUT only where the file ends inside it; TOO_LONG where no more than `max_bytes` of it may be held.
    """
    size = _FIRST_LOOK_BYTES
    while True:
        end = held.reach(at + size)
        cut = held.data.find(b"\n", at, end) if in_line else -1
        text_ends = cut >= 0 or (held.at_file_end and end == len(held.data))
        stop = cut if cut >= 0 else end
        parsed = parse_value(memoryview(held.data)[at:stop], at_file_end=text_ends)
        if parsed.state is not State.CUT or text_ends:
            return parsed, stop if text_ends else None
        if size > max_bytes:
            return Parsed(State.TOO_LONG), None
        size = min(LOOK_GROWTH * size, max(max_bytes, size) + 1)


def as_value(text: bytes) -> bytes:
    """The object that stands for a plain value in a table."""
    return b'{"value":' + text + b"}"
