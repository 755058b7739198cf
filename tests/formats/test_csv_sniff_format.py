import io
from typing import Any

import pyarrow as pa
import pytest
from file_builders import remote, whole

from file_cdk.core.config import CsvConfig
from file_cdk.core.errors import MalformedFileError, SequentialOnlyError
from file_cdk.core.files import Split
from file_cdk.core.ports import SplitReport
from file_cdk.formats.csv.sniff.format import DetectingCsvFormat, header_of, without_header

SEMICOLONS = CsvConfig(delimiter=";")
USUAL = DetectingCsvFormat(SEMICOLONS, ("id", "name"))


def read(fmt: DetectingCsvFormat, data: bytes) -> tuple[list[dict[str, Any]], SplitReport]:
    report = SplitReport()
    split = whole(data)
    schema = pa.schema([(name, pa.string()) for name in fmt.infer_table_schema(io.BytesIO(data), split.file).names])
    rows = [row for batch in fmt.read_table(io.BytesIO(data), split, schema, report) for row in batch.to_pylist()]
    assert (report.start, report.end) == (0, len(data))
    return rows, report


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"id;name\n1;a\n2;b\n3;c\n", None),
        (b"id,name\n1,a\n2,b\n3,c\n", "delimiter ','"),
        (b"Title\n\nid;name\n1;a\n2;b\n3;c\n", "2 lines above the header"),
        ("id;name\n1;a\n2;b\n3;c\n".encode("utf-16"), "encoding utf-16"),
        (b"name;id\na;1\nb;2\nc;3\n", None),
    ],
    ids=["usual", "commas", "title", "utf-16", "other columns"],
)
def test_each_file_is_read_as_it_is_written(data: bytes, said: str | None) -> None:
    rows, report = read(USUAL, data)
    assert [(row["id"], row["name"]) for row in rows] == [("1", "a"), ("2", "b"), ("3", "c")]
    warnings = [message for message in report.warnings if "unlike most files" in message]
    assert len(warnings) == (said is not None)
    assert said is None or said in warnings[0]


def test_utf8_beside_files_in_a_single_byte_encoding() -> None:
    fmt = DetectingCsvFormat(CsvConfig(delimiter=";", encoding="cp1252"), ("id", "name"))
    for encoding in ("utf-8", "cp1252"):
        rows, _ = read(fmt, "id;name\n1;Müller\n2;b\n3;c\n".encode(encoding))
        assert rows[0]["name"] == "Müller"


def test_a_file_without_header_among_others_that_have_one_is_read_by_position() -> None:
    rows, report = read(USUAL, b"1;a\n2;b\n3;c\n")
    assert [(row["id"], row["name"]) for row in rows] == [("1", "a"), ("2", "b"), ("3", "c")]
    assert ["by position" in message for message in report.warnings] == [True]


def test_among_files_without_header_a_first_row_of_text_is_data() -> None:
    fmt = DetectingCsvFormat(without_header(CsvConfig()))
    rows, report = read(fmt, b"x,Ann,foo\ny,Bob,bar\nz,Cy,baz\n")
    assert [row["f1"] for row in rows] == ["Ann", "Bob", "Cy"]
    assert not report.warnings


def test_a_file_that_cannot_be_cut_says_so_in_its_first_split() -> None:
    data = "id;name\n1;a\n2;b\n3;c\n".encode("utf-16")
    file = remote(data)
    report = SplitReport()
    with pytest.raises(SequentialOnlyError) as caught:
        list(USUAL.read_records(io.BytesIO(data), Split(file, 0, 0, 10), None, report))
    assert (caught.value.byte, report.end) == (0, 0)
    assert list(USUAL.read_records(io.BytesIO(data), Split(file, 1, 10, len(data)), None, report)) == []
    whole = Split(file, 0, 0, 10).rest_of_file(0)
    batches = list(USUAL.read_records(io.BytesIO(data), whole, None, SplitReport()))
    assert sum(batch.num_rows for batch in batches) == 3


@pytest.mark.parametrize(
    ("data", "seems"),
    [(b"PK\x03\x04" + bytes(99), "zip archive"), (b"PAR1" + bytes(99), "Parquet"), (bytes(5000), "no text has")],
)
def test_what_is_not_text_is_refused(data: bytes, seems: str) -> None:
    with pytest.raises(MalformedFileError, match=seems):
        read(USUAL, data)


def test_the_header_that_files_begin_with() -> None:
    assert header_of(b"a;b\n1;2\n3;4", SEMICOLONS) == ("a", "b")
    assert header_of(b"a;b\n1;2;3\n3;4\n", SEMICOLONS) == ()
    assert header_of(b"a;b\n\xff;2\n3;4\n", SEMICOLONS) == ()
    assert header_of("a;ü".encode()[:-1], SEMICOLONS) == ("a", "")
    assert header_of(b"", SEMICOLONS) == ()
