import csv
import encodings.aliases
import io
import itertools
import json
import pickle
from typing import Any

import pyarrow as pa
import pytest
from file_builders import MODIFIED_AT, URI, remote, whole
from format_settings import BOTH_READERS, configured_csv

from file_cdk.core.config import CsvConfig
from file_cdk.core.errors import (
    ConfigError,
    FileCdkError,
    MalformedRecordError,
    SequentialOnlyError,
    TypeMismatchError,
)
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import JsonLines, Reject, SplitReport
from file_cdk.formats.csv import CsvFormat


class Read:
    """What one pass over a file gives."""

    def __init__(
        self, data: bytes, csv_format: CsvFormat, schema: dict[str, Any] | None = None, *, sequential: bool = False
    ) -> None:
        self.report = SplitReport()
        self.records: list[Any] = []
        self.error: FileCdkError | None = None
        split = whole(data, sequential=sequential)
        try:
            for batch in csv_format.read_records(io.BytesIO(data), split, schema, self.report):
                self.records += batch.lines if isinstance(batch, JsonLines) else batch.to_pylist()
        except FileCdkError as error:
            self.error = error


def test_the_format_is_a_picklable_value() -> None:
    csv_format = configured_csv(delimiter=r"\t", null_values=["NA"])
    assert pickle.loads(pickle.dumps(csv_format)) == csv_format
    assert csv_format.split_bytes == 4 * 1024 * 1024


@BOTH_READERS
def test_values_are_strings_as_they_are(sequential: bool) -> None:
    data = b'\xef\xbb\xbfa,b\r\n 1 ,"x\r\ny"\r\n\r\n5" pipe,"q""q"r\r\n"",\x00'
    read = Read(data, configured_csv(), sequential=sequential)
    assert read.records == [{"a": " 1 ", "b": "x\r\ny"}, {"a": '5" pipe', "b": 'q"qr'}, {"a": "", "b": "\x00"}]
    assert (read.report.start, read.report.end, read.report.rows) == (0, len(data), 3)


@BOTH_READERS
def test_a_header_alone_is_a_file_without_records(sequential: bool) -> None:
    read = Read(b"a,b\n", configured_csv(), sequential=sequential)
    assert (read.records, read.error, read.report.end) == ([], None, 4)


@BOTH_READERS
@pytest.mark.parametrize("data", [b"", b"\n\r\n", b"\xef\xbb\xbf", b"\xff\xfe\n\0"])
def test_an_empty_file_has_no_records_and_says_so(data: bytes, sequential: bool) -> None:
    read = Read(data, configured_csv(), sequential=sequential)
    assert (read.error, read.records, read.report.start, read.report.end) == (None, [], 0, len(data))
    assert list(read.report.warnings) == ["is empty: it has neither a header nor records"]
    assert configured_csv().infer_json_schema(io.BytesIO(data), whole(data).file) == {}
    assert configured_csv().infer_table_schema(io.BytesIO(data), whole(data).file) == pa.schema([])


def test_an_empty_file_in_splits_is_read_by_the_first() -> None:
    data = b"\n" * 40
    file = whole(data).file
    reports = [SplitReport() for _ in range(3)]
    for ordinal, report in enumerate(reports):
        split = Split(file, ordinal, ordinal * 15, min(ordinal * 15 + 15, 40))
        assert list(configured_csv().read_records(io.BytesIO(data), split, None, report)) == []
    assert [(report.start, report.end) for report in reports] == [(0, 40), (40, 40), (40, 40)]
    assert [report.warnings.total() for report in reports] == [1, 0, 0]


def table_of(data: bytes, *, sequential: bool, **config: Any) -> tuple[list[Any], SplitReport]:
    csv_format, report = configured_csv(**config), SplitReport()
    schema = pa.schema(
        (field.name, pa.string()) for field in csv_format.infer_table_schema(io.BytesIO(data), whole(data).file)
    )
    batches = csv_format.read_table(io.BytesIO(data), whole(data, sequential=sequential), schema, report)
    return [row for batch in batches for row in batch.to_pylist()], report


@BOTH_READERS
def test_columns_without_a_name_get_one_in_a_table(sequential: bool) -> None:
    rows, report = table_of(b",a,\n0,x,1\n1,y,\n", sequential=sequential)
    assert rows == [{"Unnamed: 0": "0", "a": "x", "Unnamed: 2": "1"}, {"Unnamed: 0": "1", "a": "y", "Unnamed: 2": None}]
    assert report.warnings == {"columns without a name in the header are called 'Unnamed: 0', 'Unnamed: 2'": 1}
    error = Read(b",a\n0,x\n", configured_csv(), sequential=sequential).error
    assert error is not None
    assert "header_definition" in str(error)


@BOTH_READERS
@pytest.mark.parametrize("always", [True, False])
def test_blank_values_beyond_the_header_are_left_out_of_a_table(always: bool, sequential: bool) -> None:
    data = b"a,b\n1,2,\n3,4, \n5,6\n7,8,,\n9,10,x\n" if always else b"a,b\n1,2\n3,4, \n5,6\n7,8,,\n9,10,x\n"
    rows, report = table_of(data, sequential=sequential)
    assert [tuple(row.values()) for row in rows] == [("1", "2"), ("3", "4"), ("5", "6"), ("7", "8")]
    assert report.rejects.counts == {"record has too many values": 1}
    assert report.warnings == {"blank values beyond the columns of the header are left out": 2}


@BOTH_READERS
def test_blank_values_beyond_the_header_are_told_apart_where_they_are_an_error(sequential: bool) -> None:
    error = Read(b"a,b\n1,2,\n", configured_csv(), sequential=sequential).error
    assert error is not None
    assert "`ragged: pad` reads it" in str(error)
    with pytest.raises(MalformedRecordError, match="`ragged: pad` reads it"):
        configured_csv().infer_json_schema(io.BytesIO(b"a,b\n1,2,\n"), whole(b"a,b\n1,2,\n").file)
    error = Read(b"a,b\n1,2,3\n", configured_csv(), sequential=sequential).error
    assert "ragged" not in str(error)
    rows, _ = table_of(b"a,b\n1,2,\n", sequential=sequential, ragged="pad")
    assert rows == [{"a": "1", "b": "2", "_rest": '[""]'}]


@BOTH_READERS
@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"1", "record has 1 value, the header names 2"),
        (b"1,2,3", "record has 3 values, the header names 2"),
        (b'"1\n2"', "record has 1 value, the header names 2"),
    ],
)
def test_a_row_of_the_wrong_width_ends_the_file_after_the_rows_before_it(
    sequential: bool, line: bytes, message: str
) -> None:
    read = Read(b"a,b\n1,2\n\n" + line + b"\n5,6\n", configured_csv(), sequential=sequential)
    assert read.records == [{"a": "1", "b": "2"}]
    assert isinstance(read.error, MalformedRecordError)
    assert (read.error.message, read.error.row, read.error.byte) == (message, 2, 9)
    assert read.report.rows == 1


@BOTH_READERS
def test_rows_of_the_wrong_width_are_counted_when_they_are_to_be_ignored(sequential: bool) -> None:
    csv_format = configured_csv(ignore_errors_on_fields_mismatch=True)
    read = Read(b"a,b\n1\n1,2\n1,2,3\n3\n", csv_format, sequential=sequential)
    assert read.records == [{"a": "1", "b": "2"}]
    assert read.report.skipped == {"record has too few values": 2, "record has too many values": 1}
    assert read.report.rows == 1


@BOTH_READERS
def test_columns_without_a_name_at_the_end_may_be_blank_or_missing(sequential: bool) -> None:
    read = Read(b"a,b,,\n1,2,,\n3,4, ,\t\n5,6\n7,8,\n9,0,,x\n", configured_csv(), sequential=sequential)
    assert [record["a"] for record in read.records] == ["1", "3", "5", "7"]
    assert isinstance(read.error, MalformedRecordError)
    assert read.error.message == "record has a value in a column that has no name in the header"
    assert (read.error.row, read.error.byte) == (5, 29)


@BOTH_READERS
def test_bytes_that_are_no_text_are_an_error_that_says_where(sequential: bool) -> None:
    data = "a,b\n1,é\n2,".encode() + b"\xe9\n3,x\n"
    read = Read(data, configured_csv(), sequential=sequential)
    assert read.records == [{"a": "1", "b": "é"}]
    assert str(read.error) == f"not valid utf8 (file {URI!r}, row 2, byte 11)"


@BOTH_READERS
@pytest.mark.parametrize("encoding", ["cp1252", "iso8859_15", "shift_jis", "utf-16", "utf-16-be", "utf-8-sig"])
def test_other_encodings(encoding: str, sequential: bool) -> None:
    word = "日本" if encoding == "shift_jis" else "é€" if encoding == "iso8859_15" else "éü"
    data = f"a,{word}\n1,{word}\n".encode(encoding)
    assert Read(data, configured_csv(encoding=encoding), sequential=sequential).records == [{"a": "1", word: word}]


def test_ascii_refuses_other_bytes() -> None:
    read = Read("a\n1\né\n".encode(), configured_csv(encoding="ascii"))
    assert read.records == [{"a": "1"}]
    assert str(read.error) == f"not valid ascii (file {URI!r}, row 2, byte 4)"


def test_utf_16_makes_one_split_whatever_it_is_asked_for() -> None:
    csv_format = configured_csv(encoding="utf-16")
    assert csv_format.split_bytes is None
    data = "a\n1\n2\n".encode("utf-16")
    file = remote(data)
    found = []
    for start, end in ((0, 5), (5, len(data))):
        report = SplitReport()
        batches = csv_format.read_records(io.BytesIO(data), Split(file, 0, start, end), None, report)
        found.append(([record for batch in batches for record in batch.to_pylist()], report.start, report.end))  # type: ignore[union-attr]
    assert found == [([{"a": "1"}, {"a": "2"}], 0, len(data)), ([], len(data), len(data))]


@BOTH_READERS
@pytest.mark.parametrize("rest", [b'3,"4\n5,6\n', b'3,"4\n5,6', b'3,"', b'3,"4""'])
def test_a_quote_that_never_closes_is_an_error(rest: bytes, sequential: bool) -> None:
    read = Read(b"a,b\n1,2\n" + rest, configured_csv(), sequential=sequential)
    assert read.records == [{"a": "1", "b": "2"}]
    assert str(read.error) == f"a quote opened in this record is never closed (file {URI!r}, row 2, byte 8)"


@BOTH_READERS
def test_a_record_over_the_limit_is_an_error_however_large_the_file(sequential: bool) -> None:
    data = b'a,b\n1,2\n3,"' + b"x\n" * 500_000
    csv_format = CsvFormat(CsvConfig(), small_piece_bytes=0, max_record_bytes=100_000, piece_bytes=1000)
    read = Read(data, csv_format, sequential=sequential)
    assert read.records == [{"a": "1", "b": "2"}]
    assert isinstance(read.error, MalformedRecordError)
    assert read.error.message == "record is too large: a quote opened in it is probably never closed"
    assert (read.error.row, read.error.byte) == (2, 8)


@BOTH_READERS
def test_a_record_larger_than_pieces_is_read(sequential: bool) -> None:
    long = "x,\n" * 10_000
    data = f'a,b\n1,2\n3,"{long}"\n4,5\n'.encode()
    read = Read(data, CsvFormat(CsvConfig(), small_piece_bytes=0, piece_bytes=1000), sequential=sequential)
    assert [record["b"] for record in read.records] == ["2", long, "5"]


@BOTH_READERS
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r", "\r\n\r\n"])
def test_line_ends(line_end: str, sequential: bool) -> None:
    data = line_end.join(["a,b", "1,2", '"x\ry",4', "5,6"]).encode()
    read = Read(data, CsvFormat(CsvConfig(), small_piece_bytes=0, piece_bytes=8), sequential=sequential)
    assert read.records == [{"a": "1", "b": "2"}, {"a": "x\ry", "b": "4"}, {"a": "5", "b": "6"}]


def test_an_escape_character() -> None:
    read = Read(b'a,b\n1\\,5,"x\\"y"\n2,z\\\n3\n', configured_csv(escape_char="\\", double_quote=False))
    assert read.records == [{"a": "1,5", "b": 'x"y'}, {"a": "2", "b": "z\n3"}]


def test_duplicate_columns_are_all_kept_and_reported_once() -> None:
    data = b"a,a\n1,2\n3,4\n"
    read = Read(data, configured_csv())
    assert read.records == [{"a": "1", "a_2": "2"}, {"a": "3", "a_2": "4"}]
    assert read.report.warnings == {"column name 'a' is in the header more than once: the further ones got a number": 1}
    report = SplitReport()
    second = Split(remote(data), 1, 8, len(data))
    assert sum(batch.num_rows for batch in configured_csv().read_records(io.BytesIO(data), second, None, report)) == 1
    assert not report.warnings


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ({"header_definition_type": "Autogenerated"}, [{"f0": "a", "f1": "b"}, {"f0": "1", "f1": "2"}]),
        (
            {"header_definition_type": "User Provided", "column_names": ["x", "y"]},
            [{"x": "a", "y": "b"}, {"x": "1", "y": "2"}],
        ),
    ],
)
@BOTH_READERS
def test_without_a_header_row_the_first_row_is_data(
    definition: dict[str, Any], expected: list[dict[str, str]], sequential: bool
) -> None:
    csv_format = configured_csv(header_definition=definition, skip_rows_before_header=1, skip_rows_after_header=1)
    assert Read(b"one\ntwo\na,b\n1,2\n", csv_format, sequential=sequential).records == expected


def test_names_are_stripped_where_a_schema_speaks_of_them() -> None:
    data = b" a ,b\n1,2\n"
    assert Read(data, configured_csv()).records == [{" a ": "1", "b": "2"}]
    schema = {"a": {"type": ["null", "string"]}, "b": {"type": ["null", "string"]}}
    assert Read(data, configured_csv(), schema).records == [{"a": "1", "b": "2"}]
    assert list(configured_csv().infer_json_schema(io.BytesIO(data), whole(data).file)) == ["a", "b"]


def test_splits_end_where_the_next_begins_and_the_last_at_the_file_s_end() -> None:
    rows = [f'{i},"line {i}\nand more of it",x\n' for i in range(50)]
    data = ("id,text,x\n" + "".join(rows)).encode()
    file = remote(data)
    found, chain = [], [0]
    for ordinal, start in enumerate(range(0, len(data), 100)):
        report = SplitReport()
        split = Split(file, ordinal, start, min(start + 100, len(data)))
        for batch in CsvFormat(CsvConfig(), small_piece_bytes=0).read_records(io.BytesIO(data), split, None, report):
            assert isinstance(batch, pa.RecordBatch)
            found += batch.column("id").to_pylist()
        assert report.start == chain[-1]
        chain.append(report.end)
    assert found == [str(i) for i in range(50)]
    assert chain[-1] == len(data)


def test_a_split_in_which_no_record_begins_stands_still() -> None:
    data = b'a,b\n1,"' + b"x\n" * 100 + b'"\n2,3\n'
    file = remote(data)
    report = SplitReport()
    split = Split(file, 1, 50, 100).restarted_at(len(data) - 4)
    assert list(CsvFormat(CsvConfig(), small_piece_bytes=0).read_records(io.BytesIO(data), split, None, report)) == []
    assert (report.start, report.end) == (len(data) - 4, len(data) - 4)


def test_a_truncated_file_does_not_reach_its_listed_end() -> None:
    data = b"a\n1\n2\n"
    report = SplitReport()
    split = Split(RemoteFile("a.csv", 100, MODIFIED_AT), 0, 0, 100)
    batches = list(configured_csv().read_records(io.BytesIO(data), split, None, report))
    assert sum(batch.num_rows for batch in batches) == 2
    assert report.end == len(data)


class Remote(io.BytesIO):
    """Notes every request: where each seek began and how much was asked."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.requests: list[int] = []

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self.requests.append(offset)
        return super().seek(offset, whence)


def test_a_small_file_is_one_request() -> None:
    data = b"a,b\n" + b"1,2\n" * 1000
    stream = Remote(data)
    batches = list(configured_csv().read_records(stream, whole(data), None, SplitReport()))
    assert sum(batch.num_rows for batch in batches) == 1000
    assert stream.requests == [0]


def test_a_later_split_fetches_the_header_and_then_reads_on() -> None:
    data = b"a,b\n" + b"1,2\n" * 200_000
    stream = Remote(data)
    split = Split(remote(data), 1, 400_000, len(data))
    batches = list(configured_csv().read_records(stream, split, None, SplitReport()))
    assert sum(batch.num_rows for batch in batches) == 100_001
    assert stream.requests == [0, 399_999]


def test_batches_are_bounded() -> None:
    data = b"a,b\n" + b"1,2\n" * 150_000
    for sequential in (False, True):
        split = whole(data, sequential=sequential)
        sizes = [
            batch.num_rows for batch in configured_csv().read_records(io.BytesIO(data), split, None, SplitReport())
        ]
        assert sum(sizes) == 150_000
        assert max(sizes) <= 132_000


def test_discovery_finds_strings_unless_told_to_look() -> None:
    data = b"n,i,b,s,nulls,f\n1.5,1,1,x,,1e3\n2,-7,true,1,,4\nNA,NA,NA,NA,NA,NA\n"
    file = whole(data).file
    assert configured_csv().infer_json_schema(io.BytesIO(data), file) == {
        name: {"type": "string"} for name in ("n", "i", "b", "s", "nulls", "f")
    }
    typed = configured_csv(inference_type="Primitive Types Only", null_values=["NA", ""])
    assert typed.infer_json_schema(io.BytesIO(data), file) == {
        "n": {"type": "number"},
        "i": {"type": "integer"},
        "b": {"type": "boolean"},
        "s": {"type": "string"},
        "nulls": {"type": "string"},
        "f": {"type": "number"},
    }


def test_discovery_reads_a_bounded_sample() -> None:
    data = b"a\n" + (b"1" * 99 + b"\n") * 12_000 + b"x\n"
    stream = Remote(data)
    typed = configured_csv(inference_type="Primitive Types Only", true_values=[], false_values=[])
    assert typed.infer_json_schema(stream, whole(data).file) == {"a": {"type": "integer"}}
    assert stream.tell() < len(data)


def test_errors_hold_no_values() -> None:
    secret = b"s3cret"
    for data, schema in itertools.product(
        (b"a,b\n" + secret + b"\n", b'a,b\n"' + secret, b"a,b\n1," + secret + b"\xff\n"),
        (None, {"a": {"type": "integer"}, "b": {"type": "integer"}}),
    ):
        error = Read(data, configured_csv(), schema).error
        assert error is not None
        assert "s3cret" not in f"{error}{error.__dict__}"
        assert error.__cause__ is None


TOO_FEW, TOO_MANY = "record has too few values", "record has too many values"
FAULTY = "a,b\r\n1,é\r\n2\r\n3,4,5\r\n".encode() + b'x\xff,"y\r\nz"\r\n6,7\r\n\xff'
FAULTS = [
    Reject(2, 11, TOO_FEW, b"2"),
    Reject(3, 14, TOO_MANY, b"3,4,5"),
    Reject(4, 21, "not valid utf8", b'x\xff,"y\r\nz"'),
    Reject(6, 37, "not valid utf8", b"\xff"),
]


@BOTH_READERS
def test_faulty_records_are_rejected_each_with_its_place_and_bytes(sequential: bool) -> None:
    read = Read(FAULTY, configured_csv(ragged="reject"), sequential=sequential)
    assert read.error is None
    assert read.records == [{"a": "1", "b": "é"}, {"a": "6", "b": "7"}]
    assert read.report.rejects.first == FAULTS
    assert (read.report.rows, read.report.end) == (2, len(FAULTY))


@BOTH_READERS
def test_short_rows_are_filled_and_long_ones_rejected(sequential: bool) -> None:
    read = Read(FAULTY + b"\r\n8,9, ,\r\n", configured_csv(ragged="fill"), sequential=sequential)
    assert read.error is None
    assert read.records == [{"a": "1", "b": "é"}, {"a": "2", "b": None}, {"a": "6", "b": "7"}, {"a": "8", "b": "9"}]
    assert read.report.rejects.first == FAULTS[1:]


@BOTH_READERS
@pytest.mark.parametrize("mode", [None, "reject"])
def test_a_table_rejects_unless_the_file_is_to_fail(sequential: bool, mode: str | None) -> None:
    report = SplitReport()
    schema = pa.schema([("a", pa.int64()), ("b", pa.string())])
    batches = configured_csv(ragged=mode).read_table(
        io.BytesIO(FAULTY), whole(FAULTY, sequential=sequential), schema, report
    )
    assert [row for batch in batches for row in batch.to_pylist()] == [{"a": 1, "b": "é"}, {"a": 6, "b": "7"}]
    assert report.rejects.first == FAULTS


@BOTH_READERS
def test_a_table_takes_nothing_after_a_fault_when_the_file_is_to_fail(sequential: bool) -> None:
    schema = pa.schema([("a", pa.int64()), ("b", pa.string())])
    batches = configured_csv(ragged="fail").read_table(
        io.BytesIO(FAULTY), whole(FAULTY, sequential=sequential), schema, SplitReport()
    )
    with pytest.raises(MalformedRecordError):
        list(batches)


@BOTH_READERS
def test_padded_rows_lack_nothing_and_lose_nothing(sequential: bool) -> None:
    csv_format = configured_csv(ragged="pad")
    assert csv_format.infer_json_schema(io.BytesIO(FAULTY), whole(FAULTY).file)["_rest"] == {"type": "string"}
    read = Read(FAULTY, csv_format, sequential=sequential)
    assert [{key: value for key, value in record.items() if value is not None} for record in read.records] == [
        {"a": "1", "b": "é"},
        {"a": "2"},
        {"a": "3", "b": "4", "_rest": '["5"]'},
        {"a": "6", "b": "7"},
    ]
    assert read.report.rejects.first == [FAULTS[2], FAULTS[3]]
    schema = csv_format.infer_table_schema(io.BytesIO(FAULTY), whole(FAULTY).file)
    assert (schema.names, schema.field("_rest").type) == (["a", "b", "_rest"], pa.string())
    batches = list(
        csv_format.read_table(io.BytesIO(FAULTY), whole(FAULTY, sequential=sequential), schema, SplitReport())
    )
    rests = [row.get("_rest") for batch in batches for row in batch.to_pylist()]
    assert rests == [None, None, '["5"]', None]


@BOTH_READERS
def test_a_table_without_a_column_for_what_is_over_has_to_get_one(sequential: bool) -> None:
    data = b"a,b\n1\n2,3,4\n"
    csv_format, schema = configured_csv(ragged="pad"), pa.schema([("a", pa.int64()), ("b", pa.int64())])
    with pytest.raises(TypeMismatchError) as caught:
        list(csv_format.read_table(io.BytesIO(data), whole(data, sequential=sequential), schema, SplitReport()))
    assert caught.value.columns == {"_rest": pa.string()}
    short = data[:6]
    batches = csv_format.read_table(io.BytesIO(short), whole(short, sequential=sequential), schema, SplitReport())
    assert [row for batch in batches for row in batch.to_pylist()] == [{"a": 1, "b": None}]


@BOTH_READERS
def test_a_file_with_a_rest_of_its_own_keeps_it(sequential: bool) -> None:
    data = b"_rest\n1\n2,3\n"
    csv_format = configured_csv(ragged="pad", inference_type="Primitive Types Only", true_values=[])
    schema = csv_format.infer_json_schema(io.BytesIO(data), whole(data).file)
    assert schema == {"_rest": {"type": "integer"}, "_rest_2": {"type": "string"}}
    read = Read(data, csv_format, schema, sequential=sequential)
    records = [json.loads(record) if isinstance(record, bytes) else record for record in read.records]
    assert [(record["_rest"], record.get("_rest_2")) for record in records] == [(1, None), (2, '["3"]')]


def test_values_that_short_rows_lack_do_not_decide_a_type() -> None:
    data = b"a,b,c\n1,2,3\n4\n5,6\n"
    typed = configured_csv(ragged="pad", inference_type="Primitive Types Only", true_values=[], false_values=[])
    kinds = typed.infer_json_schema(io.BytesIO(data), whole(data).file)
    assert [kind["type"] for kind in kinds.values()] == ["integer", "integer", "integer", "string"]


@BOTH_READERS
@pytest.mark.parametrize("encoding", ["cp932", "gb18030", "euc_kr", "utf-16-be"])
def test_bad_text_is_rejected_also_where_a_character_has_several_bytes(encoding: str, sequential: bool) -> None:
    bad = b"\xdc\x00" if encoding == "utf-16-be" else b"\x81\xff"
    data = "a,b\n1,2\n3,".encode(encoding) + bad + "\n5,6\n".encode(encoding)
    read = Read(data, configured_csv(encoding=encoding, ragged="reject"), sequential=sequential)
    assert [record["a"] for record in read.records] == ["1", "5"]
    raw = "3,".encode(encoding) + bad
    assert read.report.rejects.first == [Reject(2, data.index(raw), f"not valid {encoding}", raw)]
    assert read.report.end == len(data)


@BOTH_READERS
def test_a_quote_that_never_closes_is_an_error_whatever_is_rejected(sequential: bool) -> None:
    read = Read(b'a,b\n1\n2,"3\n4,5\n', configured_csv(ragged="reject"), sequential=sequential)
    assert isinstance(read.error, MalformedRecordError)
    assert (read.error.row, read.error.byte) == (2, 6)
    assert read.report.rejects.total() == 1


@BOTH_READERS
@pytest.mark.parametrize("encoding", ["utf8", "utf-16"])
def test_last_lines_are_no_data(encoding: str, sequential: bool) -> None:
    csv_format = configured_csv(skip_rows_at_end=2, encoding=encoding)
    data = 'a,b\n1,2\n3,4\n\nTotal: 5" pipes\nsource: me\n\n \r\n'.encode(encoding)
    assert csv_format.facts.split_bytes is None
    read = Read(data, csv_format, sequential=sequential)
    assert (read.records, read.error) == ([{"a": "1", "b": "2"}, {"a": "3", "b": "4"}], None)
    assert (read.report.start, read.report.end, read.report.rows_present) == (0, len(data), 2)
    unknown = Split(RemoteFile("a.csv", 1 << 62, MODIFIED_AT), 0, 0, 1 << 62, sequential=sequential)
    report = SplitReport()
    assert sum(batch.num_rows for batch in csv_format.read_records(io.BytesIO(data), unknown, None, report)) == 2
    assert report.end == len(data)


@BOTH_READERS
def test_an_error_in_the_last_lines_comes_after_the_rows_before_it(sequential: bool) -> None:
    data = "a\n1\n2\n3\nTotal\n".encode("utf-16-le") + b"x"
    read = Read(data, configured_csv(skip_rows_at_end=2, encoding="utf-16-le"), sequential=sequential)
    assert [record["a"] for record in read.records] == ["1", "2", "3", "Total"]
    assert isinstance(read.error, MalformedRecordError)
    assert (read.error.message, read.error.row, read.error.byte) == ("not valid utf-16-le", 5, len(data) - 1)


@BOTH_READERS
@pytest.mark.parametrize("data", [b"a,b\n", b"a,b\nTotal\n", b"a,b\n\n\n"])
def test_a_file_may_be_nothing_but_header_and_footer(data: bytes, sequential: bool) -> None:
    read = Read(data, configured_csv(skip_rows_at_end=3), sequential=sequential)
    assert (read.records, read.error, read.report.end) == ([], None, len(data))


@BOTH_READERS
@pytest.mark.parametrize("encoding", ["utf8", "latin-1", "utf-16"])
@pytest.mark.parametrize("delimiter", ["||", "::", r"\t|\t", "§", "¦"])
def test_any_delimiter(delimiter: str, encoding: str, sequential: bool) -> None:
    delimiter = delimiter.replace(r"\t", "\t")
    text = 'a|b\n1|"x|é\ny"\n|"|"\n'.replace("|", delimiter)
    read = Read(text.encode(encoding), configured_csv(delimiter=delimiter, encoding=encoding), sequential=sequential)
    assert read.records == [{"a": "1", "b": f"x{delimiter}é\ny"}, {"a": "", "b": delimiter}]


@BOTH_READERS
def test_null_values_may_contain_a_long_delimiter(sequential: bool) -> None:
    csv_format = configured_csv(delimiter="||", null_values=["a||b"])
    read = Read(b'a||b\n"a||b"||a\n', csv_format, sequential=sequential)
    assert read.records == [{"a": None, "b": "a"}]


@BOTH_READERS
def test_numbers_may_contain_a_long_delimiter(sequential: bool) -> None:
    data = b'ae+b\n"1e+5"e+2\n'
    batches = configured_csv(delimiter="e+").read_table(
        io.BytesIO(data),
        whole(data, sequential=sequential),
        pa.schema([("a", pa.float64()), ("b", pa.int64())]),
        SplitReport(),
    )
    assert [row for batch in batches for row in batch.to_pylist()] == [{"a": 1e5, "b": 2}]


CODECS = sorted({*encodings.aliases.aliases.values(), "utf_8_sig", "cp720", "cp856", "cp875", "koi8_u", "charmap"})
WORDS = ["é", "я", "日", "ж", "α", "ش", "ก", "가", "x"]


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_is_read_or_refused(codec: str) -> None:
    if codec in ("mbcs", "oem"):
        return  # Python has them on Windows only, and the configuration tells
    if codec.endswith("_codec") or codec in ("rot_13", "punycode", "idna", "undefined"):
        with pytest.raises(ConfigError, match="is not one of text files"):
            configured_csv(encoding=codec)
        return
    csv_format = configured_csv(encoding=codec)

    def can_write(word: str) -> bool:
        return word.encode(codec, "replace").decode(codec, "replace") == word

    word = next(filter(can_write, WORDS))
    rows = [[word, "b"], ["1", f"{word} ,\r\n"], ["", f'5" {word}'], [word * 3, "0"]]
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    data = text.getvalue().encode(codec)
    for piece_bytes in (3, 1 << 20):
        read = Read(data, CsvFormat(csv_format.config, small_piece_bytes=0, piece_bytes=piece_bytes))
        assert read.error is None
        assert [list(record) for record in read.records] == [rows[0]] * 3
        assert [list(record.values()) for record in read.records] == rows[1:]
        assert read.report.end == len(data)


def test_a_mark_that_forbids_splits_makes_the_engine_begin_anew() -> None:
    data = "\ufeffa,b\n1,é\n2,x\n".encode("utf-16-le")
    file = remote(data)
    csv_format = configured_csv()
    assert csv_format.facts.split_bytes is not None
    report, split = SplitReport(), Split(file, 0, 0, 10)
    with pytest.raises(SequentialOnlyError) as caught:
        list(csv_format.read_records(io.BytesIO(data), split, None, report))
    assert (caught.value.byte, report.start, report.end, report.warnings.total()) == (0, 0, 0, 0)
    report = SplitReport()
    batches = csv_format.read_records(io.BytesIO(data), split.rest_of_file(0), None, report)
    assert [row for batch in batches for row in batch.to_pylist()] == [{"a": "1", "b": "é"}, {"a": "2", "b": "x"}]  # type: ignore[union-attr]
    assert (report.start, report.end) == (0, len(data))
    assert report.warnings == {"begins with a byte order mark and is read as utf-16, not as utf8": 1}
    later = SplitReport()
    assert list(csv_format.read_records(io.BytesIO(data), Split(file, 1, 10, len(data)), None, later)) == []
    assert later.start == len(data)


@BOTH_READERS
def test_line_ends_of_all_kinds_in_one_file(sequential: bool) -> None:
    data = b'a,b\r\n1,"x\ry"\r2,"\n"\n3,4\r\r\n\n\r5,6'
    read = Read(data, CsvFormat(CsvConfig(), small_piece_bytes=0, piece_bytes=8), sequential=sequential)
    assert [tuple(record.values()) for record in read.records] == [("1", "x\ry"), ("2", "\n"), ("3", "4"), ("5", "6")]


@BOTH_READERS
def test_line_feeds_that_come_late(sequential: bool) -> None:
    data = b"a,b\r" + b"1,2\r" * 20_000 + b"3,4\n" * 20_000 + b"5,6\r" * 20_000
    csv_format = CsvFormat(CsvConfig(), small_piece_bytes=0, piece_bytes=10_000)
    file = remote(data)
    position, rows = 0, list[str]()
    for ordinal in range(6):
        split = Split(file, ordinal, ordinal * 40_001, min((ordinal + 1) * 40_001, len(data)), sequential=sequential)
        found, report = of_split(csv_format, data, split)
        if report.start != position:
            found, report = of_split(csv_format, data, split.restarted_at(position))
        rows += found
        position = report.end
    assert rows == ["1"] * 20_000 + ["3"] * 20_000 + ["5"] * 20_000
    assert position == len(data)


def of_split(csv_format: CsvFormat, data: bytes, split: Split) -> tuple[list[str], SplitReport]:
    report, rows = SplitReport(), list[str]()
    for batch in csv_format.read_records(io.BytesIO(data), split, None, report):
        assert isinstance(batch, pa.RecordBatch)
        rows += batch.column(0).to_pylist()
    return rows, report


def test_a_value_that_spans_splits() -> None:
    """Splits that lie in it guess wrong or find nothing; begun anew where the one before ended, they read all."""
    value = ("line of a long text, with 5 words\n" * 1000 + "x" * 66_000) * 200
    data = f'a,b\n1,2\n"{value}",3\n4,5\n'.encode()
    assert len(data) > 20_000_000
    file = remote(data)
    csv_format, size = configured_csv(ragged="reject"), 4 << 20
    position, rows = 0, list[str]()
    for ordinal, start in enumerate(range(0, len(data), size)):
        split = Split(file, ordinal, start, min(start + size, len(data))).restarted_at(position)
        found, report = of_split(csv_format, data, split if ordinal else Split(file, 0, 0, size))
        assert report.start == position
        assert not report.rejects.first
        rows += found
        position = report.end
    assert rows == ["1", value, "4"]
    assert position == len(data)
