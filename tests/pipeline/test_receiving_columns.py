"""Received records as columns: the catalog's types at first, and whatever the records need."""

import io
import json
from typing import Any

import pyarrow as pa
import pytest

from file_cdk.formats.jsonl.syntax import LONE_SURROGATE, REPEATED_KEY
from file_cdk.pipeline.receiving.columns import DecodedRecords, RecordDecoder, Widening, as_one, first_schema
from file_cdk.protocol.receiving.events import Records, StreamDescriptor
from file_cdk.protocol.receiving.receive import receive

A = StreamDescriptor("a", "of a")
UTC = pa.timestamp("us", "UTC")


def received(*data: str) -> Records:
    lines = [
        f'{{"type":"RECORD","record":{{"namespace":"of a","stream":"a","data":{each},"emitted_at":{index}}}}}'
        for index, each in enumerate(data)
    ]
    [found] = receive(io.BytesIO("\n".join(lines).encode()))
    assert isinstance(found, Records)
    return found


def decoded(decoder: RecordDecoder, *data: str, text: bool = False) -> DecodedRecords:
    """text: for a table that holds nothing else; by default it holds whatever is asked for."""
    for found in decoder.decode(received(*data)):
        if isinstance(found, DecodedRecords):
            return found
        found.answer(dict.fromkeys(found.columns, pa.string()) if text else found.columns)
    raise AssertionError("no records came")


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "integer"}, pa.int64()),
        ({"type": ["null", "integer"]}, pa.int64()),
        ({"type": ["integer", "number"]}, pa.float64()),
        ({"type": ["number", "string"]}, pa.string()),
        ({"type": ["boolean", "integer"]}, pa.string()),
        ({"type": "boolean"}, pa.bool_()),
        ({"type": "null"}, pa.null()),
        ({"type": ["null"]}, pa.string()),
        ({"type": "string"}, pa.string()),
        ({"type": ["null", "string"], "format": "date"}, pa.date32()),
        ({"type": "string", "format": "date-time"}, UTC),
        ({"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"}, UTC),
        ({"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"}, pa.timestamp("us")),
        ({"type": "string", "format": "date", "airbyte_type": "timestamp_without_timezone"}, pa.date32()),
        ({"type": "string", "format": "time"}, pa.string()),
        ({"type": "string", "format": 5}, pa.string()),
        ({"type": ["null", "object"], "properties": {"x": {"type": "integer"}}}, pa.null()),
        ({"type": "array"}, pa.null()),
        ({"type": ["object", "array"]}, pa.string()),
        ({"type": ["object", "string"]}, pa.string()),
        ({"oneOf": [{"type": "integer"}]}, pa.string()),
        ({}, pa.string()),
        (True, pa.string()),
    ],
)
def test_the_catalog_has_the_first_types(schema: Any, kind: pa.DataType) -> None:
    assert first_schema({"x": schema}) == pa.schema([("x", kind)])
    assert first_schema(None) == pa.schema([])


def test_records_fit_the_types_or_widen_them() -> None:
    properties = {"n": {"type": "integer"}, "at": {"type": "string", "format": "date-time"}, "tags": {"type": "array"}}
    decoder = RecordDecoder(A, first_schema(properties))
    first = decoded(decoder, '{"n":1,"at":"2024-01-02T03:04:05Z"}', '{"n":2}')
    assert (first.stream, first.rows, list(first.emitted_at_ms)) == (A, 2, [0, 1])
    assert first.batch.schema == pa.schema([("n", pa.int64()), ("at", UTC), ("tags", pa.null())])

    wider = decoded(decoder, '{"n":1.50,"tags":["x"]}', '{"n":12345678901234567890,"at":"soon","new":{"y":1}}')
    assert wider.batch.schema == decoder.schema
    assert wider.batch.to_pylist() == [
        {"n": "1.50", "at": None, "tags": ["x"], "new": None},
        {"n": "12345678901234567890", "at": "soon", "tags": None, "new": {"y": 1}},
    ]
    assert [type(each) for each in decoder.decode(received('{"n":true}'))] == [DecodedRecords]


def test_what_the_table_keeps_as_text_is_read_as_text() -> None:
    decoder = RecordDecoder(A, pa.schema([("x", pa.null())]))
    odd = '{"a" : 1.50, "b":null}'
    first = next(iter(decoder.decode(received(f'{{"x":{odd},"n":1.50}}'))))
    assert isinstance(first, Widening)
    assert first.columns == {"x": pa.struct([("a", pa.float64()), ("b", pa.null())]), "n": pa.float64()}
    found = decoded(decoder, f'{{"x":{odd},"n":1.50}}', text=True)
    assert found.batch.to_pylist() == [{"x": odd, "n": "1.50"}]


@pytest.mark.parametrize(
    ("first", "value", "kind"),
    [
        ("1", "12345678901234567890", pa.decimal128(38, 0)),
        ("1", "1.5", pa.float64()),
        ("1", "1E400", pa.string()),
        ("1", '"x"', pa.string()),
        ("1.5", "9" * 50, pa.string()),
        ("true", "1", pa.string()),
        ('{"x":1}', '{"x":1.5,"y":null}', pa.struct([("x", pa.float64()), ("y", pa.null())])),
        ("[1]", "{}", pa.string()),
    ],
)
def test_a_type_grows_as_one_of_json_lines_does(first: str, value: str, kind: pa.DataType) -> None:
    decoder = RecordDecoder(A, pa.schema([]))
    decoded(decoder, f'{{"x":{first}}}')
    found = decoded(decoder, f'{{"x":{value}}}')
    assert found.batch.schema == pa.schema([("x", kind)])
    if kind == pa.string():
        assert found.batch.to_pylist() == [{"x": json.loads(value) if value.startswith('"') else value}]


def test_odd_records_are_told_of() -> None:
    found = decoded(RecordDecoder(A, pa.schema([])), '{"x":1,"x":2}', '{"x":\r3}', '{"y":"\\udc00\\u0000"}')
    assert found.batch.to_pylist() == [{"x": 2, "y": None}, {"x": 3, "y": None}, {"x": None, "y": "\ufffd\0"}]
    assert found.warnings == {REPEATED_KEY: 1, LONE_SURROGATE: 1}


def test_records_without_members_are_rows() -> None:
    decoder = RecordDecoder(A, pa.schema([]))
    both = [decoded(decoder, "{}", "{}").batch, decoded(decoder, "{}").batch]
    assert as_one(both).num_rows == 3


def test_batches_of_several_widths_become_one() -> None:
    decoder = RecordDecoder(A, pa.schema([]))
    batches = [decoded(decoder, *each).batch for each in (['{"n":1}'], ['{"n":1.5,"m":[1]}'], ['{"m":[2.5]}'])]
    one = as_one(batches)
    assert one.schema == pa.schema([("n", pa.float64()), ("m", pa.list_(pa.float64()))])
    assert one.to_pylist() == [{"n": 1.0, "m": None}, {"n": 1.5, "m": [1.0]}, {"n": None, "m": [2.5]}]

    large = 2**53 + 1
    inexact = as_one([pa.record_batch({"n": [large]}), pa.record_batch({"n": [1.5]})])
    assert inexact.to_pylist() == [{"n": str(large)}, {"n": "1.5"}]
