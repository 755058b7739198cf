import io
from collections.abc import Iterator
from typing import Any

import pytest

from file_cdk.core.config import CsvConfig
from file_cdk.core.ports import Reject, SplitReport
from file_cdk.formats.csv.cast import RecordConversion
from file_cdk.formats.csv.decode import Batch, PieceDecoder, RowsDecoder
from file_cdk.formats.csv.dialect import Dialect
from file_cdk.formats.csv.header import Header
from file_cdk.formats.csv.lines import ForwardReader
from file_cdk.formats.csv.pieces import Boundaries, PieceReader
from file_cdk.formats.csv.shape import FaultPolicy, OddRows, Shape

HEADER = Header(("a", "b"), 0, 0, 0, b"\n")
LINE = b"1,23456\n"


class Reading:
    def __init__(
        self, data: bytes, *, piece_bytes: int = 1 << 20, max_bytes: int = 1 << 20, odd: OddRows = OddRows.REJECT
    ) -> None:
        self.report = SplitReport()
        self._data = data
        shape = Shape(HEADER, Dialect(), FaultPolicy(odd, rejects_bad_text=True))
        rows = RowsDecoder(
            HEADER, lambda header: RecordConversion(header, CsvConfig(), None, self.report), blanks_are_null=False
        )
        self.stream = io.BytesIO(data)
        reader = ForwardReader(self.stream, piece_bytes)
        self._pieces = PieceReader(reader, PieceDecoder(shape, rows), Boundaries(b"\n", b'"'), self.report, max_bytes)

    def go(self, start: int = 0) -> int | None:
        """Where the row reader has to read to."""
        batches: list[Batch] = []

        def exhaust() -> Iterator[Any]:
            self.until = yield from self._pieces.read(start, len(self._data))

        batches.extend(exhaust())
        assert sum(batch.num_rows for batch in batches) <= self.report.rows
        return self.until


def test_a_few_odd_rows_do_not_leave_the_fast_way() -> None:
    data = LINE * 100 + b"1\n" + LINE * 100 + b"1,2,3\r\n" + b"1\n" + LINE
    reading = Reading(data)
    assert reading.go() is None
    assert (reading.report.rows, reading.report.end) == (201, len(data))
    assert reading.report.rejects.first == [
        Reject(101, 800, "record has too few values", b"1"),
        Reject(202, 1602, "record has too many values", b"1,2,3"),
        Reject(203, 1609, "record has too few values", b"1"),
    ]


def test_many_odd_rows_are_left_to_the_row_reader_and_then_pieces_go_on() -> None:
    reading = Reading(b"1\n" * 1000 + LINE * 1000, piece_bytes=2000)
    assert reading.go() == 2000
    assert reading.report.end == 0
    assert reading.go(2000) is None
    assert (reading.report.rows, reading.report.end) == (1000, 10_000)


def test_a_row_whose_place_is_in_doubt_is_left_to_the_row_reader() -> None:
    data = LINE + b'1,"\n1\n"\n' + b"1\n"
    assert Reading(data).go() == len(data)
    assert Reading(LINE + b"1\n" + b"2,3\r").go() == len(LINE) + 6


def test_only_the_record_that_is_no_text_is_left_to_the_row_reader() -> None:
    before = LINE * 2000
    reading = Reading(before + b"1,\xff\n" + LINE * 2000)
    assert reading.go() == len(before) + 3
    assert (reading.report.rows, reading.report.end) == (2000, len(before))


def test_ever_more_is_left_where_no_piece_is_regular() -> None:
    reading = Reading(b"1\n" * 10_000, piece_bytes=2000)
    position, lengths = 0, []
    while (until := reading.go(position)) is not None and until < 20_000:
        lengths.append(until - position)
        position = until
    assert lengths == [2000, 4000, 8000]


def test_a_record_longer_than_a_piece_may_be_is_left_alone() -> None:
    long = b'1,"' + b"x\n" * 10_000 + b'"\n'
    reading = Reading(LINE + long + LINE, piece_bytes=500, max_bytes=4000)
    until = reading.go()
    assert reading.report.end == len(LINE)
    assert until is not None
    assert 4000 < until < len(long)


@pytest.mark.parametrize("odd", [OddRows.PAD, OddRows.SKIP])
def test_what_is_left_is_not_fetched_again(odd: OddRows) -> None:
    data = LINE * 1000
    reading = Reading(data, piece_bytes=100, odd=odd)
    assert reading.go() is None
    assert reading.stream.tell() == len(data)
