"""Avro: what discovery, records and tables see of each type, which records are rejected, and files that are not what they say."""

import bz2
import io
import json
import pickle
import time
import tracemalloc
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from file_builders import URI, read_encoded, remote, whole

from file_cdk.core.config import AvroConfig
from file_cdk.core.errors import (
    MalformedFileError,
    MalformedRecordError,
    SequentialOnlyError,
    TypeMismatchError,
)
from file_cdk.core.files import Split
from file_cdk.core.ports import SplitReport
from file_cdk.formats.avro import container as avro_container
from file_cdk.formats.avro.format import AvroFormat

COLUMNS = AvroFormat(AvroConfig())
ONE_BY_ONE = AvroFormat(AvroConfig(), columns=False)
both = pytest.mark.parametrize("fmt", [COLUMNS, ONE_BY_ONE], ids=["columns", "one by one"])
SYNC = b"0123456789abcdef"


def long(number: int) -> bytes:
    sink = io.BytesIO()
    fastavro.schemaless_writer(sink, "long", number)
    return sink.getvalue()


def header(schema: Any, codec: str = "null") -> bytes:
    text = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
    parts = [b"avro.schema", text, b"avro.codec", codec.encode()]
    return b"Obj\x01" + long(2) + b"".join(long(len(part)) + part for part in parts) + long(0) + SYNC


def block(count: int, data: bytes) -> bytes:
    return long(count) + long(len(data)) + data + SYNC


def row(*types: Any) -> dict[str, Any]:
    fields = [{"name": "abcdefghij"[number], "type": kind} for number, kind in enumerate(types)]
    return {"type": "record", "name": "Row", "fields": fields}


def with_fields(*names: str) -> dict[str, Any]:
    return {"type": "record", "name": "Row", "fields": [{"name": name, "type": "int"} for name in names]}


def of(schema: Any, *records: dict[str, Any], codec: str = "null") -> bytes:
    sink = io.BytesIO()
    fastavro.writer(sink, schema, records, codec=codec, sync_marker=SYNC)
    return sink.getvalue()


def discover(schema: Any, fmt: AvroFormat = COLUMNS) -> dict[str, Any]:
    data = header(schema)
    return fmt.infer_json_schema(io.BytesIO(data), remote(data))


def table_schema(data: bytes) -> pa.Schema:
    return COLUMNS.infer_table_schema(io.BytesIO(data), remote(data))


def table(fmt: AvroFormat, data: bytes, schema: pa.Schema | None = None, report: SplitReport | None = None) -> pa.Table:
    schema = table_schema(data) if schema is None else schema
    split = whole(data)
    batches = list(fmt.read_table(io.BytesIO(data), split, schema, report or SplitReport()))
    return pa.Table.from_batches(batches)


# Discovery


def test_discovery_of_primitive_types() -> None:
    kinds = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
    assert [schema["type"] for schema in discover(row(*kinds)).values()] == [
        "null", "boolean", "integer", "integer", "number", "number", "string", "string",
    ]  # fmt: skip


def test_discovery_of_nullable_fields() -> None:
    found = discover(row(["null", "string"], ["long", "null"], ["null", {"type": "array", "items": ["null", "int"]}]))
    assert found == {
        "a": {"type": "string"},
        "b": {"type": "integer"},
        "c": {"type": "array", "items": {"type": "integer"}},
    }


def test_discovery_of_nested_types() -> None:
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "x", "type": ["null", "double"]}]}
    found = discover(row(inner, ["null", "Inner"], {"type": "map", "values": "boolean"}))
    point = {"type": "object", "properties": {"x": {"type": "number"}}}
    assert found == {"a": point, "b": point, "c": {"type": "object", "additionalProperties": {"type": "boolean"}}}


def test_discovery_of_named_types_and_their_namespaces() -> None:
    enum = {"type": "enum", "name": "Grade", "namespace": "org.one", "symbols": ["good", "bad"]}
    holder = {"type": "record", "name": "org.two.Holder", "fields": [{"name": "g", "type": "org.one.Grade"}]}
    other = {"type": "fixed", "name": "Grade", "size": 4}  # in the namespace of the record around it
    found = discover({"type": "record", "name": "top.Row", "fields": [
        {"name": "a", "type": enum}, {"name": "b", "type": holder}, {"name": "c", "type": other},
        {"name": "d", "type": "Grade"}, {"name": "e", "type": "top.Grade"},
    ]})  # fmt: skip
    grade = {"type": "string", "enum": ["good", "bad"]}
    plain = {"type": "string"}
    assert found == {
        "a": grade,
        "b": {"type": "object", "properties": {"g": grade}},
        "c": plain,
        "d": plain,
        "e": plain,
    }


@pytest.mark.parametrize(
    ("logical", "base", "expected"),
    [
        ("date", "int", {"type": "string", "format": "date"}),
        ("time-millis", "int", {"type": "string"}),
        ("time-micros", "long", {"type": "string"}),
        ("timestamp-millis", "long", {"type": "string", "format": "date-time"}),
        ("timestamp-micros", "long", {"type": "string"}),
        ("local-timestamp-millis", "long", {"type": "string", "format": "date-time"}),
        ("local-timestamp-micros", "long", {"type": "string"}),
        ("uuid", "string", {"type": "string"}),
        ("date", "long", {"type": "integer"}),  # not one that the specification has
        ("of-tomorrow", "int", {"type": "integer"}),
        (7, "int", {"type": "integer"}),
    ],
)
def test_discovery_of_logical_types(logical: Any, base: str, expected: dict[str, Any]) -> None:
    assert discover(row({"type": base, "logicalType": logical})) == {"a": expected}


def test_discovery_of_decimals_has_no_pattern_that_values_miss() -> None:
    decimal = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
    assert discover(row(decimal)) == {"a": {"type": "string"}}


@pytest.mark.parametrize(
    ("union", "expected"),
    [
        (["null", "int", "long"], {"type": "integer"}),
        (["int", "double"], {"type": "number"}),
        (["null", "long", "string"], {"type": "string"}),
        ([{"type": "enum", "name": "E", "symbols": ["x"]}, "string"], {"type": "string"}),
        (["string", {"type": "array", "items": "int"}], {"type": "string"}),
        (["null"], {"type": "null"}),
        (["int"], {"type": "integer"}),
    ],
)
def test_discovery_of_unions(union: Any, expected: dict[str, Any]) -> None:
    assert discover(row(union)) == {"a": expected}


def test_discovery_of_records_inside_themselves() -> None:
    node = {
        "type": "record",
        "name": "Node",
        "fields": [{"name": "v", "type": "int"}, {"name": "next", "type": ["null", "Node"]}],
    }
    assert discover(node) == {"v": {"type": "integer"}, "next": {"type": "object"}}


def test_doubles_as_strings() -> None:
    fmt = AvroFormat(AvroConfig(double_as_string=True))
    schema = row("double", "float", ["null", "double"], {"type": "array", "items": "double"})
    assert [kind["type"] for kind in discover(schema, fmt).values()] == ["string", "number", "string", "array"]
    data = of(schema, {"a": 1e16, "b": 0.5, "c": None, "d": [1.0, float("nan")]})
    by_one = AvroFormat(AvroConfig(double_as_string=True), columns=False)
    for each in (fmt, by_one):
        assert read_encoded(each, data) == [{"a": "1e+16", "b": 0.5, "d": ["1.0", "nan"]}]


# Records (for the other types see tests/property/test_avro_paths.py)


@both
def test_timestamps_of_their_own_print_the_digits_of_their_unit(fmt: AvroFormat) -> None:
    kinds = ["timestamp-millis", "timestamp-micros", "local-timestamp-millis", "local-timestamp-micros"]
    schema = row(*({"type": "long", "logicalType": kind} for kind in kinds))
    ticks = [0, -1, 253_402_300_800_000]
    data = header(schema) + b"".join(block(1, long(tick) * 4) for tick in ticks)
    expected = [
        ("1970-01-01T00:00:00.000", "1970-01-01T00:00:00.000000"),
        ("1969-12-31T23:59:59.999", "1969-12-31T23:59:59.999999"),
        ("+10000-01-01T00:00:00.000", "1978-01-11T21:31:40.800000"),
    ]
    assert [list(record.values()) for record in read_encoded(fmt, data)] == [
        [millis + "+00:00", micros + "+00:00", millis, micros] for millis, micros in expected
    ]


@both
def test_a_record_without_fields(fmt: AvroFormat) -> None:
    assert read_encoded(fmt, header(row()) + block(3, b"")) == [{}, {}, {}]
    assert table(fmt, header(row()) + block(3, b"")).num_rows == 3


@both
def test_a_file_without_records(fmt: AvroFormat) -> None:
    assert read_encoded(fmt, header(row("int"))) == []
    assert read_encoded(fmt, header(row("int")) + block(0, b"")) == []


def test_large_nested_blocks_come_in_batches() -> None:
    records = [{"a": {"x": {"y": n}}, "b": [{"s": "x" * 50}]} for n in range(20_000)]
    y = {"type": "record", "name": "Y", "fields": [{"name": "y", "type": "int"}]}
    x = {"type": "record", "name": "X", "fields": [{"name": "x", "type": y}]}
    s = {"type": "record", "name": "S", "fields": [{"name": "s", "type": "string"}]}
    sink = io.BytesIO()
    fastavro.writer(sink, row(x, {"type": "array", "items": s}), records, sync_interval=10_000_000)
    assert read_encoded(COLUMNS, sink.getvalue()) == records
    assert read_encoded(ONE_BY_ONE, sink.getvalue()) == records


def test_it_pickles() -> None:
    assert pickle.loads(pickle.dumps(COLUMNS)) == COLUMNS


# Tables


@both
def test_table_types_and_values(fmt: AvroFormat) -> None:
    schema = row(
        "int",
        ["null", "float"],
        {"type": "int", "logicalType": "date"},
        {"type": "int", "logicalType": "time-millis"},
        {"type": "long", "logicalType": "timestamp-millis"},
        {"type": "long", "logicalType": "local-timestamp-micros"},
        {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2},
        {"type": "enum", "name": "E", "symbols": ["x", "y"]},
        {"type": "map", "values": {"type": "fixed", "name": "F", "size": 2}},
        {"type": "array", "items": ["null", "int"]},
    )
    instant = datetime(2024, 5, 6, 7, 8, 9, 123000, tzinfo=UTC)
    written = {
        "a": 1, "b": 0.1, "c": date(1950, 1, 2), "d": time_of_day(1, 2, 3, 4000), "e": instant,
        "f": datetime.fromisoformat("1900-01-01T00:00:00"), "g": Decimal("-1.25"), "h": "y",
        "i": {"k": b"\xff\x00"}, "j": [1, None],
    }  # fmt: skip
    found = table(fmt, of(schema, written))
    assert found.schema.types == [
        pa.int64(), pa.float64(), pa.date32(), pa.time64("us"), pa.timestamp("us", "UTC"), pa.timestamp("us"),
        pa.decimal128(5, 2), pa.string(), pa.map_(pa.string(), pa.binary()), pa.list_(pa.int64()),
    ]  # fmt: skip
    (record,) = found.to_pylist()
    assert record == written | {"b": 0.10000000149011612, "i": [("k", b"\xff\x00")]}


@both
def test_wide_decimals_uuids_and_durations_are_text_in_tables(fmt: AvroFormat) -> None:
    wide = {"type": "bytes", "logicalType": "decimal", "precision": 40, "scale": 1}
    duration = {"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}
    data = header(row(wide, {"type": "string", "logicalType": "uuid"}, duration))
    value = long(1) + b"\x0f" + long(36) + b"0" * 8 + b"-0000-0000-0000-" + b"A" * 12 + bytes(8) + b"\x01\0\0\0"
    data += block(1, value)
    assert table_schema(data).types == [pa.string()] * 3
    expected = {"a": "1.5", "b": "00000000-0000-0000-0000-aaaaaaaaaaaa", "c": "P0M0DT0.001S"}
    assert table(fmt, data).to_pylist() == read_encoded(fmt, data) == [expected]


def test_unions_of_numbers_are_numbers_in_tables_and_others_are_text() -> None:
    schema = row(["null", "int", "long"], ["null", "int", "double"], ["null", "long", "boolean", "string"])
    data = of(schema, {"a": 2**40, "b": 1, "c": 5}, {"a": 1, "b": 1.5, "c": "5"}, {"a": None, "b": None, "c": True})
    assert table_schema(data).types == [pa.int64(), pa.float64(), pa.string()]
    assert table(COLUMNS, data).to_pylist() == [
        {"a": 2**40, "b": 1.0, "c": "5"},
        {"a": 1, "b": 1.5, "c": "5"},
        {"a": None, "b": None, "c": "true"},
    ]


def test_what_is_no_number_keeps_its_name_in_a_union_that_is_text() -> None:
    data = of(row(["float", "string"]), {"a": float("nan")}, {"a": "x"}, {"a": float("-inf")})
    assert table(COLUMNS, data).to_pydict() == {"a": ["nan", "x", "-inf"]}


@both
def test_an_int_of_more_than_32_bits_is_no_value_of_a_table(fmt: AvroFormat) -> None:
    schema = row("int", {"type": "array", "items": "int"})
    right = long(1) + long(1) + long(2) + long(0)
    wrong = long(2**31) + long(0), long(3) + long(1) + long(-(2**31) - 1) + long(0)
    report = SplitReport()
    found = table(fmt, header(schema) + block(4, b"".join((right, *wrong, right))), None, report)
    assert found.to_pylist() == [{"a": 1, "b": [2]}] * 2
    assert dict(report.rejects.counts) == {"an int has more than 32 bits": 2}


def test_ten_thousand_columns_that_may_be_null() -> None:
    schema = {
        "type": "record",
        "name": "R",
        "fields": [{"name": f"c{n}", "type": ["null", "int"]} for n in range(10_000)],
    }
    [record] = read_encoded(COLUMNS, header(schema) + block(1, (long(1) + long(5)) * 10_000))
    assert record == {f"c{n}": 5 for n in range(10_000)}


def test_a_long_that_is_no_double_makes_its_union_text() -> None:
    schema = row(["long", "double"])
    small, large = long(0) + long(1), long(0) + long(2**53 + 1)
    assert table(COLUMNS, header(schema) + block(1, small)).to_pylist() == [{"a": 1.0}]
    data = header(schema) + block(2, small + large)
    with pytest.raises(TypeMismatchError) as caught:
        table(COLUMNS, data)
    assert (caught.value.row, caught.value.columns) == (2, {"a": pa.string()})
    assert table(COLUMNS, data, pa.schema([("a", pa.string())])).to_pylist() == [{"a": "1"}, {"a": "9007199254740993"}]


def test_records_inside_themselves_are_json_text_in_tables() -> None:
    node = {"type": "record", "name": "Node", "fields": [
        {"name": "v", "type": {"type": "int", "logicalType": "date"}}, {"name": "next", "type": ["null", "Node"]},
    ]}  # fmt: skip
    inner = {"v": date(1970, 1, 2), "next": {"v": date(1970, 1, 3), "next": None}}
    data = of(node, {"v": date(1970, 1, 1), "next": inner}, {"v": date(1970, 1, 1), "next": None})
    assert table(COLUMNS, data).to_pylist() == [
        {"v": date(1970, 1, 1), "next": '{"v":"1970-01-02","next":{"v":"1970-01-03","next":null}}'},
        {"v": date(1970, 1, 1), "next": None},
    ]


@both
def test_columns_that_a_table_lacks_or_has_otherwise(fmt: AvroFormat) -> None:
    data = of(row("long", ["null", "string"], "null"), {"a": 1, "b": "x", "c": None})
    with pytest.raises(TypeMismatchError) as caught:
        table(fmt, data, pa.schema([("a", pa.bool_())]))
    assert caught.value.columns == {"a": pa.string(), "b": pa.string()}
    wider = pa.schema([("z", pa.int64()), ("a", pa.float64()), ("b", pa.string())])
    assert table(fmt, data, wider).to_pylist() == [{"a": 1.0, "b": "x"}]
    text = pa.schema([("a", pa.string()), ("b", pa.string())])
    assert table(fmt, data, text).to_pylist() == [{"a": "1", "b": "x"}]


@both
def test_a_number_that_a_wider_column_would_change_asks_for_text(fmt: AvroFormat) -> None:
    amount = {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 2}
    nested = {"type": "record", "name": "N", "fields": [{"name": "x", "type": amount}]}
    schema = row(amount, {"type": "array", "items": nested}, {"type": "map", "values": "long"}, "double")
    types = [pa.float64(), pa.list_(pa.struct([("x", pa.float64())])), pa.map_(pa.string(), pa.float64()), pa.float32()]
    doubles = pa.schema(list(zip("abcd", types, strict=True)))
    small = {"a": Decimal("0.62"), "b": [{"x": Decimal("0.62")}], "c": {"k": 2**53}, "d": 0.5}
    large = {"a": Decimal("11529215046068474.88"), "c": {"k": 2**53 + 1}, "d": 0.1}
    large["b"] = [{"x": large["a"]}]
    [found] = table(fmt, of(schema, small), doubles).to_pylist()
    assert found == {"a": 0.62, "b": [{"x": 0.62}], "c": [("k", 2.0**53)], "d": 0.5}
    with pytest.raises(TypeMismatchError) as caught:
        table(fmt, of(schema, small, large), doubles)
    asks = {"a": pa.string(), "b": pa.string(), "c": pa.string(), "d": pa.float64()}
    assert (caught.value.row, caught.value.columns) == (1, asks)
    [_, found] = table(fmt, of(schema, small, large), pa.schema(list(asks.items()))).to_pylist()
    text = '[{"x":"11529215046068474.88"}]'
    assert found == {"a": "11529215046068474.88", "b": text, "c": '{"k":9007199254740993}', "d": 0.1}


# Rejected records

REJECTED = [
    ("string", long(1) + b"\xff", "a string is not valid UTF-8"),
    ({"type": "array", "items": "string"}, long(1) + long(2) + b"\xc3(" + long(0), "a string is not valid UTF-8"),
    ({"type": "enum", "name": "E", "symbols": ["x"]}, long(1), "an enum has no symbol of that number"),
    ({"type": "enum", "name": "E", "symbols": ["x"]}, long(-1), "an enum has no symbol of that number"),
    ({"type": "map", "values": "int"}, long(1) + long(1) + b"\xff" + long(7) + long(0), "a string is not valid UTF-8"),
    ({"type": "map", "values": "int"}, long(2) + 2 * (long(1) + b"k" + long(7)) + long(0), "a map has a key twice"),
    (
        {"type": "array", "items": {"type": "map", "values": ["null", "string"]}},
        long(1) + long(-2) + long(6) + 2 * (long(1) + b"k" + long(0)) + long(0) + long(0),
        "a map has a key twice",
    ),
    ({"type": "int", "logicalType": "time-millis"}, long(86_400_000), "a time is not within a day"),
    ({"type": "long", "logicalType": "time-micros"}, long(-1), "a time is not within a day"),
]


@both
@pytest.mark.parametrize(("kind", "bad", "reason"), REJECTED)
def test_a_record_with_a_value_that_cannot_be(fmt: AvroFormat, kind: Any, bad: bytes, reason: str) -> None:
    schema = row("int", ["null", kind])
    good = block(2, long(1) + long(0) + long(2) + long(0))
    data = header(schema) + good + block(3, long(3) + long(0) + long(4) + long(1) + bad + long(5) + long(0))
    for reading in (read_encoded, lambda *arguments: table(arguments[0], arguments[1], None, arguments[2]).to_pylist()):
        report = SplitReport()
        assert [record["a"] for record in reading(fmt, data, report)] == [1, 2, 3, 5]
        assert (report.rows, report.end) == (4, len(data))
        assert dict(report.rejects.counts) == {reason: 1}
        (reject,) = report.rejects.first
        assert (reject.row, reject.byte) == (4, len(header(schema) + good))
        if "UTF-8" in reason:
            assert reject.raw == long(4) + long(1) + bad


# Files that cannot be read to their end


def failure(data: bytes, fmt: AvroFormat = COLUMNS) -> MalformedFileError:
    with pytest.raises(MalformedFileError) as caught:
        read_encoded(fmt, data)
    assert caught.value.uri == URI
    return caught.value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not an Avro file: it is empty"),
        (b"PAR1 and more", "is not an Avro file: it does not begin with the Avro magic bytes"),
        (b"Obj\x01", "is not a whole Avro file: it ends within its header"),
        (header(row("int"))[:-1], "is not a whole Avro file: it ends within its header"),
        (b"Obj\x01" + long(1) + long(-5), "is not an Avro file: its header is damaged"),
        (b"Obj\x01" + long(1) + long(2**40), "is not an Avro file: its header is damaged"),
        (b"Obj\x01" + b"\xff" * 20, "is not an Avro file: a number in it is damaged"),
        (header(b"{"), "its schema is not JSON"),
        (header(b"[" * 100_000), "its schema is not JSON"),
        (header("string"), "its schema is not a record: files of other values have no columns"),
        (header({"type": "array", "items": "int"}), "its schema is not a record: files of other values have no columns"),
        (header(row("int"), "lzo"), "its codec 'lzo' is not one of null, deflate, bzip2, snappy, xz, zstandard"),
        (header(row("nowhere")), "its schema names a type that it does not define"),
        (header(row([])), "its schema has a union of nothing"),
        (header(row(["null", ["int"]])), "its schema has a union right inside a union"),
        (header(row({"type": "fixed", "name": "F", "size": -1})), "its schema has a fixed type without a size"),
        (header(row(7)), "its schema has a type that is neither a name, an object nor an array"),
        (header(with_fields("a", "a")), "its schema has the field 'a' twice in 'Row'"),
        (header(with_fields("\ud800")), "its schema has a name that is not Unicode text"),
    ],
)  # fmt: skip
def test_a_header_that_is_none(data: bytes, message: str) -> None:
    for infer in (
        COLUMNS.infer_json_schema,
        COLUMNS.infer_table_schema,
        lambda stream, file: read_encoded(COLUMNS, data),
    ):
        with pytest.raises(MalformedFileError) as caught:
            infer(io.BytesIO(data), remote(data))
        assert (caught.value.message, caught.value.uri) == (message, URI)


def test_a_schema_that_stands_for_billions_of_types() -> None:
    kind: Any = "int"
    fields = []
    for level in range(40):
        inner = [{"name": "x", "type": kind}, {"name": "y", "type": f"L{level - 1}" if level else "int"}]
        fields.append({"name": f"f{level}", "type": {"type": "record", "name": f"L{level}", "fields": inner}})
        kind = f"L{level}"
    assert "more than" in failure(header({"type": "record", "name": "R", "fields": fields})).message


GOOD = block(2, long(1) + long(2))


@both
@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (long(1), "file ends within a block"),
        (long(1) + long(5) + b"ab", "file ends within a block"),
        (block(1, long(3))[:-1], "file ends within a block"),
        (long(1) + long(1) + b"\x02" + SYNC[::-1], "block does not end with the file's sync marker"),
        (long(-1) + long(1) + b"\x02" + SYNC, "block does not begin with its number of records and its size"),
        (long(1) + long(-1) + b"\x02" + SYNC, "block does not begin with its number of records and its size"),
        (long(1) + long(2**40) + b"\x02" + SYNC, "block is larger than the limit of 268435456 bytes"),
        (block(2**62, b"\x02"), "block claims more records than it has bytes for"),
        (block(1, b"\x02\x04"), "rest of a block cannot be read: its records end before its data does"),
        (block(1, b"\xff"), "rest of a block cannot be read: a record in it cannot be decoded"),
        (b"\xff" * 30, "block does not begin with its number of records and its size"),
    ],
)
def test_a_damaged_block_after_a_good_one(fmt: AvroFormat, rest: bytes, message: str) -> None:
    data = header(row("int")) + GOOD + rest
    report = SplitReport()
    with pytest.raises(MalformedRecordError) as caught:
        read_encoded(fmt, data, report)
    first_bad = 4 if "records end before" in message else 3
    assert (caught.value.message, caught.value.row) == (message, first_bad)
    assert caught.value.byte == len(header(row("int")) + GOOD)
    assert report.rows == first_bad - 1


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("codec", "packed", "message"),
    [
        ("deflate", b"\xff\xff\xff", "its compressed data is damaged"),
        ("deflate", deflated(long(1) * 500)[:-3], "its compressed data ends too early"),
        ("bzip2", b"garbage", "its compressed data is damaged"),
        ("bzip2", bz2.compress(long(1) * 500)[:-3], "its compressed data ends too early"),
        ("snappy", b"", "its compressed data is damaged"),
        ("snappy", b"\x01\x00\x02" + bytes(4), "its checksum is wrong"),
        ("snappy", b"\xff\xff\xff\xff\x0f\x00" + bytes(4), "it unpacks to more than 268435456 bytes"),
        ("snappy", b"\xff\xff\xff\x0f\x00" + bytes(4), "its compressed data is damaged"),
        ("zstandard", b"garbage", "its compressed data is damaged"),
        ("xz", b"garbage", "its compressed data is damaged"),
    ],
)
def test_a_block_that_cannot_be_unpacked(codec: str, packed: bytes, message: str) -> None:
    error = failure(header(row("int"), codec) + block(500, packed))
    assert error.message == f"block cannot be unpacked ({codec}): {message}"


@pytest.mark.parametrize("pack", [deflated, bz2.compress], ids=["deflate", "bzip2"])
def test_a_block_that_unpacks_to_far_too_much(pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avro_container, "MAX_UNPACKED_BYTES", 1 << 20)
    packed = pack(bytes(50 << 20))
    codec = "deflate" if pack is deflated else "bzip2"
    tracemalloc.start()
    error = failure(header(row("int"), codec) + block(500, packed))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "unpacks to more than" in error.message
    assert peak < 10 << 20


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (row({"type": "array", "items": "null"}), long(2**62)),
        (row({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}), long(200_000) + long(0)),
        (row({"type": "array", "items": {"type": "array", "items": "null"}}), long(1) + long(2**40)),
        (
            {"type": "record", "name": "N", "fields": [{"name": "next", "type": ["null", "N"]}]},
            long(1) * 100_000 + long(0),
        ),
        ({"type": "record", "name": "N", "fields": [{"name": "self", "type": "N"}]}, b"\x00"),
    ],
    ids=["nulls", "empty fixed", "inner nulls", "deep", "endless"],
)
def test_values_made_to_exhaust_a_decoder(schema: Any, value: bytes) -> None:
    began = time.monotonic()
    assert failure(header(schema) + block(1, value)).row == 1
    assert time.monotonic() - began < 2


def test_records_before_one_that_is_too_deep() -> None:
    schema = {"type": "record", "name": "N", "fields": [{"name": "next", "type": ["null", "N"]}]}
    report = SplitReport()
    with pytest.raises(MalformedRecordError, match="nested more than 100 deep"):
        read_encoded(
            COLUMNS, header(schema) + block(3, long(0) + long(1) * 10 + long(0) + long(1) * 5000 + long(0)), report
        )
    assert report.rows == 2


# Splits (more in tests/property/test_avro_splits.py)


def test_blocks_that_are_too_far_apart_to_be_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avro_container, "MAX_SEARCH_BYTES", 1000)
    head = header(row("bytes"))
    data = head + block(1, long(5000) + bytes(5000)) + block(1, long(0))
    report, file = SplitReport(), remote(data)
    with pytest.raises(SequentialOnlyError):
        list(COLUMNS.read_records(io.BytesIO(data), Split(file, 1, len(head) + 100, len(head) + 200), None, report))
    rest = Split(file, 1, 0, 100).rest_of_file(len(head))
    assert len(list(COLUMNS.read_records(io.BytesIO(data), rest, None, report))) == 1
    assert (report.start, report.end, report.rows) == (len(head), len(data), 2)


def test_a_split_whose_beginning_is_known_and_beyond_its_end() -> None:
    data = header(row("int")) + GOOD
    split = Split(remote(data), 3, 10, 20).restarted_at(len(data))
    report = SplitReport()
    assert list(COLUMNS.read_records(io.BytesIO(data), split, None, report)) == []
    assert (report.start, report.end) == (len(data), len(data))
