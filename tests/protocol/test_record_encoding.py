import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Encoder, JsonLines
from file_cdk.protocol.record_encoding import RecordEncoder

FILE = RemoteFile("folder/a.csv", 10, datetime(2024, 1, 2, 3, 4, 5, 6, UTC))
METADATA = {"_ab_source_file_last_modified": "2024-01-02T03:04:05.000006Z", "_ab_source_file_url": "folder/a.csv"}


def encode(batch: "pa.RecordBatch | JsonLines", *, file: RemoteFile = FILE, schemaless: bool = False) -> bytes:
    return RecordEncoder("s", schemaless=schemaless).encode(batch, file, 1, 1_700_000_000_123)


def data_of(batch: "pa.RecordBatch | JsonLines", *, schemaless: bool = False) -> list[list[tuple[str, Any]]]:
    """The members of each record's data, in order."""
    lines = encode(batch, schemaless=schemaless).splitlines()
    return [list(json.loads(line)["record"]["data"].items()) for line in lines]


def rows(**columns: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


def with_metadata(*records: dict[str, Any]) -> list[list[tuple[str, Any]]]:
    return [list({**record, **METADATA}.items()) for record in records]


def test_the_whole_line() -> None:
    line = (
        b'{"type":"RECORD","record":{"stream":"s","data":{"id":1,"name":"a",'
        b'"_ab_source_file_last_modified":"2024-01-02T03:04:05.000006Z","_ab_source_file_url":"folder/a.csv"},'
        b'"emitted_at":1700000000123}}\n'
    )
    assert encode(rows(id=[1], name=["a"])) == line
    assert encode(JsonLines([b'{"id":1,"name":"a"}'])) == line


def test_order_of_rows_and_columns_is_kept() -> None:
    assert data_of(rows(z=[3, 1, 2], a=["x", "y", "z"])) == with_metadata(
        {"z": 3, "a": "x"}, {"z": 1, "a": "y"}, {"z": 2, "a": "z"}
    )


def test_an_empty_batch_is_no_line() -> None:
    assert encode(rows(a=pa.array([], pa.int64()))) == b""
    assert encode(JsonLines([])) == b""


def test_columns_that_are_null_are_left_out() -> None:
    assert data_of(rows(a=[1, None], b=[None, "x"])) == with_metadata({"a": 1}, {"b": "x"})
    assert data_of(rows(a=pa.nulls(2))) == with_metadata({}, {})


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()])
def test_columns_without_a_number_are_left_out_beside_objects(kind: pa.DataType) -> None:
    """NaN and infinities print as null; what else the batch holds must make no difference."""
    numbers = pa.array([float("nan"), 1.5, float("-inf")], kind)
    records = data_of(rows(f=numbers, s=pa.array([{"a": None}] * 3, pa.struct([("a", pa.int64())]))))
    assert records == with_metadata({"s": {"a": None}}, {"f": 1.5, "s": {"a": None}}, {"s": {"a": None}})


def test_nulls_inside_values_stay() -> None:
    struct = pa.struct([("x", pa.int64()), ("y", pa.string())])
    batch = rows(
        s=pa.array([{"x": None, "y": "~0~"}, None], struct),
        m=pa.array([[("k", None)], None], pa.map_(pa.string(), pa.int64())),
        l=pa.array([[None, 1], []]),
    )
    kept = {"s": {"x": None, "y": "~0~"}, "m": {"k": None}, "l": [None, 1]}
    assert data_of(batch) == with_metadata(kept, {"l": []})
    assert data_of(batch.slice(0, 1)) == with_metadata(kept)


def test_a_value_that_looks_like_the_mark_of_a_null_column_survives() -> None:
    struct = pa.struct([("~0~n", pa.string()), ("~1~n", pa.string())])
    batch = rows(
        n=[None, "~0~n", "x"],
        s=pa.array([{"~0~n": None, "~1~n": '"~0~n":null,'}, {"~0~n": "~1~", "~1~n": None}, None], struct),
    )
    assert data_of(batch) == with_metadata(
        {"s": {"~0~n": None, "~1~n": '"~0~n":null,'}},
        {"n": "~0~n", "s": {"~0~n": "~1~", "~1~n": None}},
        {"n": "x"},
    )


def test_column_names_that_need_escapes() -> None:
    struct = pa.array([{"x": None}, {"x": None}], pa.struct([("x", pa.int64())]))
    names = ['q"q', "b\\", "tab\t", "é\x01", ""]
    batch = pa.RecordBatch.from_arrays([struct, *[pa.array([None, 1])] * 5], names=["s", *names])
    assert data_of(batch) == with_metadata({"s": {"x": None}}, {"s": {"x": None}, **dict.fromkeys(names, 1)})


def test_a_column_name_with_a_nul_is_not_cut() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], names=["a\0b", "a\0c"])
    assert data_of(batch) == with_metadata({"a\\x00b": 1, "a\\x00c": 2})


def test_metadata_replaces_a_column_of_its_name() -> None:
    batch = rows(_ab_source_file_url=["mine"], a=[1], _ab_source_file_last_modified=[None])
    assert data_of(batch) == with_metadata({"a": 1})
    line = b'{"_ab_source_file_url": "mine", "a": 1.10, "b" : {"_ab_source_file_url":1}, "_ab_source_file_last_modified":2}'
    encoded = encode(JsonLines([b'{"a":0}', line]))
    assert encoded.count(b"mine") == 0
    assert b'{"a":1.10,"b":{"_ab_source_file_url":1},"_ab_source_file_last_modified":"2024' in encoded
    assert data_of(JsonLines([line])) == with_metadata({"a": 1.1, "b": {"_ab_source_file_url": 1}})


def test_schemaless_records_go_whole_into_one_column() -> None:
    batch = rows(
        a=[1, None], _ab_source_file_url=["mine", None], s=pa.array([{"x": None}] * 2, pa.struct([("x", pa.int8())]))
    )
    assert data_of(batch, schemaless=True) == with_metadata(
        {"data": {"a": 1, "_ab_source_file_url": "mine", "s": {"x": None}}},
        {"data": {"a": None, "_ab_source_file_url": None, "s": {"x": None}}},
    )
    lines = JsonLines([b"{}", b'{"_ab_source_file_url":null}'])
    assert data_of(lines, schemaless=True) == with_metadata({"data": {}}, {"data": {"_ab_source_file_url": None}})
    no_columns = rows(a=[1, 2]).select([])
    assert data_of(no_columns, schemaless=True) == with_metadata(*[{"data": {}}] * no_columns.num_rows)


def test_json_records_keep_their_bytes() -> None:
    record = (
        b'{"n": 1.10, "big":123456789012345678901234567890, "e":1E3,"u":"\\u00e9\\ud83d\\ude00","null":null , "n":2}'
    )
    before, after = b'"data":' + record[:-1], b',"_ab_source_file_last_modified":'
    assert before + after in encode(JsonLines([record]))


def test_json_objects_without_members() -> None:
    lines = JsonLines([b"{}", b'{"a":1}', b"{ \t }", b'{"b":{}}', b'{"c": 1 }', b'{"d":"{,"}'])
    assert data_of(lines) == with_metadata({}, {"a": 1}, {}, {"b": {}}, {"c": 1}, {"d": "{,"})


@pytest.mark.parametrize("uri", ['a "b"\\c\n\x01é😀.csv', "{,", "plain"])
def test_names_are_escaped(uri: str) -> None:
    file = RemoteFile(uri, 1, FILE.modified_at)
    encoder = RecordEncoder(uri)
    for batch in (rows(a=[1]), JsonLines([b'{"a":1}'])):
        line = encoder.encode(batch, file, 1, 5)
        record = json.loads(line)["record"]
        assert (record["stream"], record["data"]["_ab_source_file_url"]) == (uri, uri)
        assert line == encoder.encode(rows(a=[1]), file, 1, 5)


def test_a_file_name_that_is_not_text() -> None:
    file = RemoteFile(b"a\xff.csv".decode("utf-8", "surrogateescape"), 1, FILE.modified_at)
    for batch in (rows(a=[1]), JsonLines([b'{"a":1}'])):
        assert json.loads(encode(batch, file=file))["record"]["data"]["_ab_source_file_url"] == "a\\udcff.csv"


def test_text_is_any_text() -> None:
    values = ["", "\x00\x1f\x7f\u2028\ufeff", 'quote " slash \\ / line \r\n', "😀 é", "}\n{", '","x":null']
    assert data_of(rows(a=values)) == with_metadata(*({"a": value} for value in values))


def test_same_arguments_same_bytes_also_after_pickling() -> None:
    batch = rows(a=[1, None], b=[b"x", b"\xff"])
    encoder: Encoder = RecordEncoder("s", schemaless=True)
    first = encoder.encode(batch, FILE, 1, 5)
    again: Encoder = pickle.loads(pickle.dumps(encoder))
    assert again.encode(batch, FILE, 9, 5) == first
    assert again.line_oriented


def test_a_schema_change_between_batches_changes_the_plan() -> None:
    encoder = RecordEncoder("s")
    for batch, value in ((rows(a=[1]), 1), (rows(a=[b"x"]), "x"), (rows(a=["y"]), "y"), (rows(b=["y"]), None)):
        assert json.loads(encoder.encode(batch, FILE, 1, 5))["record"]["data"].get("a") == value
