import io
import json
from typing import Any

import pyarrow as pa
import pytest
from file_builders import remote, whole
from format_settings import configured_csv

from file_cdk.core.config import CsvConfig
from file_cdk.core.ports import JsonLines, SplitReport
from file_cdk.formats.csv import CsvFormat
from file_cdk.formats.csv.cast import parse_json
from file_cdk.protocol.record_encoding import RecordEncoder

FILE_COLUMNS = {
    "_ab_source_file_last_modified": {"type": ["null", "string"]},
    "_ab_source_file_url": {"type": ["null", "string"]},
}


def batches_of(
    data: str, types: dict[str, str] | None, small_piece_bytes: int = 0, **config: Any
) -> tuple[list[Any], SplitReport]:
    schema = None if types is None else FILE_COLUMNS | {name: {"type": ["null", kind]} for name, kind in types.items()}
    csv_format, report = configured_csv(small_piece_bytes=small_piece_bytes, **config), SplitReport()
    raw = data.encode()
    return list(csv_format.read_records(io.BytesIO(raw), whole(raw), schema, report)), report


def test_values_that_arrow_casts_as_python_does_stay_columns() -> None:
    batches, report = batches_of(
        "i,n,b,s,z\n007,1.5,yes,x,\n-5,2,off,007,\n",
        {"i": "integer", "n": "number", "b": "boolean", "s": "string", "z": "null"},
    )
    (batch,) = batches
    assert batch.schema.types == [pa.int64(), pa.float64(), pa.bool_(), pa.string(), pa.null()]
    assert batch.to_pylist() == [
        {"i": 7, "n": 1.5, "b": True, "s": "x", "z": None},
        {"i": -5, "n": 2.0, "b": False, "s": "007", "z": None},
    ]
    assert not report.warnings


def test_a_value_that_does_not_cast_stays_a_string_and_is_counted() -> None:
    (batch,), report = batches_of("i,n\n1,2\nx,y\n,3\n", {"i": "integer", "n": "number"})
    assert batch == JsonLines([b'{"i":1,"n":2.0}', b'{"i":"x","n":"y"}', b'{"i":"","n":3.0}'], checked=True)
    assert report.warnings == {
        "value of column 'i' does not cast to integer and stays a string": 2,
        "value of column 'n' does not cast to number and stays a string": 1,
    }
    assert report.rows == 3


@pytest.mark.parametrize("small_piece_bytes", [0, 1 << 14])
@pytest.mark.parametrize("value", ["nan", "inf", "-Infinity", "1e999"])
def test_a_number_that_json_has_not_stays_text_and_is_counted(value: str, small_piece_bytes: int) -> None:
    (batch,), report = batches_of(f"i,n\n1,2\n3,{value}\n", {"i": "integer", "n": "number"}, small_piece_bytes)
    lines = [b'{"i":1,"n":2.0}', b'{"i":3,"n":"%s"}' % value.encode()]
    assert batch == JsonLines(lines, checked=True)
    assert report.warnings == {"value of column 'n' does not cast to number and stays a string": 1}


def test_booleans_are_compared_as_they_are_written() -> None:
    (batch,), _ = batches_of("b\nTrue\ntrue\n", {"b": "boolean"})
    assert batch == JsonLines([b'{"b":"True"}', b'{"b":true}'], checked=True)
    (batch,), _ = batches_of("b\nsi\nno\n", {"b": "boolean"}, true_values=["si"], false_values=["no"])
    assert batch.to_pylist() == [{"b": True}, {"b": False}]


@pytest.mark.parametrize("value", ["0x1F", "0X1f"])
def test_hexadecimal_is_no_integer(value: str) -> None:
    (batch,), _ = batches_of(f"i\n1\n{value}\n", {"i": "integer"})
    assert batch == JsonLines([b'{"i":1}', json.dumps({"i": value}, separators=(",", ":")).encode()], checked=True)


def test_integers_of_any_size_are_exact() -> None:
    (batch,), _ = batches_of("i\n123456789012345678901234567890\n", {"i": "integer"})
    assert batch == JsonLines([b'{"i":123456789012345678901234567890}'], checked=True)


def test_only_the_piece_with_an_odd_value_goes_the_slow_way() -> None:
    rows = [
        f"{i},text to make this line a hundred bytes long or about as long as that, it does not matter much"
        for i in range(5)
    ]
    raw = "i,s,t\n" + "\n".join([*rows, "x" + rows[0]]) + "\n"
    data = raw.encode()
    split = whole(data)
    csv_format = CsvFormat(CsvConfig(ignore_errors_on_fields_mismatch=True), piece_bytes=150, small_piece_bytes=0)
    schema = {"i": {"type": "integer"}, "s": {"type": "string"}, "t": {"type": "string"}}
    kinds = [type(batch) for batch in csv_format.read_records(io.BytesIO(data), split, schema, SplitReport())]
    assert kinds[-1] is JsonLines
    assert JsonLines not in kinds[:-1]
    assert len(kinds) > 2


def test_null_values_are_null_in_all_columns_but_strings_on_request() -> None:
    data = "i,s\nNA,NA\n1,x\n"
    types = {"i": "integer", "s": "string"}
    (batch,), report = batches_of(data, types, null_values=["NA"])
    assert batch.to_pylist() == [{"i": None, "s": None}, {"i": 1, "s": "x"}]
    (batch,), _ = batches_of(data, types, null_values=["NA"], strings_can_be_null=False)
    assert batch.to_pylist() == [{"i": None, "s": "NA"}, {"i": 1, "s": "x"}]
    assert not report.warnings


def test_a_null_value_that_casts_is_that_value() -> None:
    (batch,), _ = batches_of("i,s\n0,0\n5,5\n", {"i": "integer", "s": "string"}, null_values=["0"])
    assert batch == JsonLines([b'{"i":0}', b'{"i":5,"s":"5"}'], checked=True)


def test_without_a_schema_null_values_are_null_everywhere() -> None:
    (batch,), _ = batches_of("a,b\nNA,1\n", None, null_values=["NA"], strings_can_be_null=False)
    assert batch.to_pylist() == [{"a": None, "b": "1"}]


def test_objects_and_arrays_are_json() -> None:
    data = 'o,a\n"{""k"": [1, 12345678901234567890123]}","[null, ""x""]"\n5,{}\n{,[NaN]\n"""\\ud800""",[]\n'
    (batch,), report = batches_of(data, {"o": "object", "a": "array"})
    assert [json.loads(line) for line in batch.lines] == [
        {"o": {"k": [1, 12345678901234567890123]}, "a": [None, "x"]},
        {"o": 5, "a": "{}"},
        {"o": "{", "a": "[NaN]"},
        {"o": '"\\ud800"', "a": []},
    ]
    assert sum(report.warnings.values()) == 4


def test_json_nested_too_deeply_is_no_value() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json("[" * 100_000 + "]" * 100_000)


def test_columns_that_the_schema_lacks_are_left_out_and_counted() -> None:
    batches, report = batches_of("a,x,b\n1,2,3\n4,5,6\n", {"b": "string", "a": "string", "c": "string"})
    assert [batch.to_pylist() for batch in batches] == [[{"a": "1", "b": "3"}, {"a": "4", "b": "6"}]]
    assert report.warnings == {"column 'x' is not in the catalog's schema and is left out": 2}


def test_a_column_named_as_one_of_the_file_s_gives_way() -> None:
    for types in (None, {"a": "string"}):
        batches, report = batches_of("a,_ab_source_file_url\n1,2\n", types)
        assert [batch.to_pylist() for batch in batches] == [[{"a": "1"}]]
        assert sum(report.warnings.values()) == 1


def test_a_file_that_shares_no_column_with_the_schema_gives_empty_records() -> None:
    (batch,), report = batches_of("a\n1\n2\n", {"x": "string"})
    assert batch == JsonLines([b"{}", b"{}"], checked=True)
    assert report.rows == 2


def test_types_that_json_schema_does_not_know_are_strings() -> None:
    (batch,), _ = batches_of("a,b\n1,2.5\n", {"a": "date", "b": "float"})
    assert batch.to_pylist() == [{"a": "1", "b": 2.5}]


@pytest.mark.parametrize("small_piece_bytes", [0, 1 << 20])
def test_records_without_a_schema_go_out_whole_with_their_nulls(small_piece_bytes: int) -> None:
    (batch,), _ = batches_of("a,b\n,1\nx,\n", None, small_piece_bytes, null_values=[""])
    rows = [json.loads(line) for line in batch.lines] if isinstance(batch, JsonLines) else batch.to_pylist()
    assert rows == [{"a": None, "b": "1"}, {"a": "x", "b": None}]


def test_columns_without_a_schema_leave_their_nulls_out() -> None:
    data = b"a,b\n,1\n"
    split = whole(data)
    (batch,) = CsvFormat(CsvConfig(null_values=frozenset([""]))).read_records(
        io.BytesIO(data), split, {}, SplitReport()
    )
    assert batch == JsonLines([b'{"b":"1"}'], checked=True)


@pytest.mark.parametrize("small_piece_bytes", [0, 1 << 20])
def test_a_name_with_a_null_character_is_spelled_alike(small_piece_bytes: int) -> None:
    (batch,), _ = batches_of("a\0\n1\n", None, small_piece_bytes)
    encoded = RecordEncoder("s").encode(batch, remote(b"1"), 1, 0)
    assert json.loads(encoded)["record"]["data"]["a\\x00"] == "1"
