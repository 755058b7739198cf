"""Quotes astray, record by record: what is rejected, what is put back, and which pieces are told to be right."""

import io
from typing import Any

import pyarrow as pa
import pytest
from file_builders import whole
from format_settings import BOTH_READERS

from file_cdk.core.config import CsvConfig
from file_cdk.core.errors import MalformedRecordError
from file_cdk.core.ports import SplitReport
from file_cdk.formats.csv import CsvFormat
from file_cdk.formats.csv.dialect import Dialect
from file_cdk.formats.csv.header import Header
from file_cdk.formats.csv.lexer import are_right
from file_cdk.formats.csv.shape import FaultPolicy, Shape


def table_of(
    data: str, *, sequential: bool, max_record_bytes: int = 1 << 20, **config: Any
) -> tuple[list[tuple[str, ...]], list[tuple[str, bytes | None]]]:
    csv_format = CsvFormat(CsvConfig(**config), max_record_bytes=max_record_bytes)
    raw, report = data.encode(), SplitReport()
    split = whole(raw, sequential=sequential)
    schema = pa.schema((name, pa.string()) for name in ["a", "b", "c", "_rest"])
    batches = list(csv_format.read_table(io.BytesIO(raw), split, schema, report))
    rows = [tuple(row.values()) for batch in batches for row in batch.to_pylist()]
    return rows, [(reject.reason, reject.raw) for reject in report.rejects.first]


@BOTH_READERS
def test_a_record_that_outgrows_its_limit_for_a_quote_is_its_first_line(sequential: bool) -> None:
    rows = "1,2,3\n" * 1000
    found, rejects = table_of(f'a,b,c\n"x,2,3\n{rows}', sequential=sequential, max_record_bytes=2000)
    assert (len(found), rejects) == (1000, [("a quote opened in this record is never closed", b'"x,2,3')])
    text = "more and more of a text\n" * 1000
    with pytest.raises(MalformedRecordError, match="a quote opened in it is probably never closed"):
        table_of(f'a,b,c\n"x,2,3\n{text}', sequential=sequential, max_record_bytes=2000)


@BOTH_READERS
def test_a_configuration_that_wants_files_whole_gets_an_error(sequential: bool) -> None:
    with pytest.raises(MalformedRecordError, match="text follows a closing quote") as caught:
        table_of('a,b,c\n1,2,3\n4,"5"5,6\n', sequential=sequential, ragged="fail")
    assert (caught.value.row, caught.value.byte) == (2, 12)


@BOTH_READERS
@pytest.mark.parametrize("config", [{}, {"double_quote": False}, {"escape_char": "\\"}, {"delimiter": "||"}])
def test_text_after_a_quote_in_any_dialect(config: dict[str, Any], sequential: bool) -> None:
    mark = config.get("delimiter", ",")
    data = 'a,b,c\n1,2,3\n4,"5"x,6\n7,"8" ,9\n'.replace(",", mark)
    found, rejects = table_of(data, sequential=sequential, **config)
    assert (found, rejects) == (
        [("1", "2", "3"), ("7", "8 ", "9")],
        [("text follows a closing quote", b'4,"5"x,6'.replace(b",", mark.encode()))],
    )


@BOTH_READERS
def test_the_lines_of_a_bad_record_are_kept_where_they_are_rows(sequential: bool) -> None:
    found, rejects = table_of('a,b,c\n1,"x,2\n3,4,5\n6,y"z,7\n', sequential=sequential)
    assert (found, rejects[0][1]) == ([("3", "4", "5"), ("6", 'y"z', "7")], b'1,"x,2')
    found, rejects = table_of('a,b,c\n1,"x\nmore "of" it\nend",7\n8,9,0\n', sequential=sequential)
    assert (found, [raw for _, raw in rejects]) == ([("8", "9", "0")], [b'1,"x\nmore "of" it', b'end",7'])


@pytest.mark.parametrize(
    ("piece", "right"),
    [
        (b"1,2,3\n", True),
        (b'"1",2,"3"\n', True),
        (b'"","x ""y"" z",""""\r\n', True),
        (b'1,5" pipe,3\n', True),
        (b'"1"x,2,3\n', False),
        (b'"1,"x",2,3\n', False),
        (b'"1" ,2,3\n', False),
        (b'"a\nb\nc\nd\ne",2,3\n', True),
        (b'"a\n1,2,3\n1,2,3\n1,2,3\nb",2,3\n', False),
        (b'"a\n1,2,3\n1,2\n1,2,3\nb",2,3\n', True),
    ],
)
def test_which_pieces_are_told_to_be_right(piece: bytes, right: bool) -> None:
    shape = Shape(Header(("a", "b", "c"), 0, 0, 0, b"\n"), Dialect(), FaultPolicy.of(CsvConfig(), of_table=True))
    assert are_right(piece + b",,,\n", 1, shape) is right
    many = 10_000  # above that size another way is taken
    assert are_right(b"1,2,3\n" * many + piece + b",,,\n", many + 1, shape) is right
    assert are_right(piece * many + b",,,\n", many, shape) is right
