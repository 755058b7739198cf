"""Parquet: row groups by byte range, what discovery and records see of each type, and files that are not what they say."""

import io
import pickle
import struct
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption
import pytest
from file_builders import URI, remote, whole
from format_settings import PARQUET

from file_cdk.core.config import ParquetConfig
from file_cdk.core.errors import MalformedFileError
from file_cdk.core.files import Split
from file_cdk.core.ports import SplitReport
from file_cdk.formats.parquet.format import ParquetFormat

AS_FLOAT = ParquetFormat(ParquetConfig(decimal_as_float=True))


def parquet_bytes(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def read(
    data: bytes, fmt: ParquetFormat = PARQUET, uri: str = URI, cut: tuple[int, int] | None = None
) -> tuple[pa.Table, SplitReport]:
    start, end = cut or (0, len(data))
    report = SplitReport()
    batches = list(fmt.read_records(io.BytesIO(data), Split(remote(data, uri), 0, start, end), None, report))
    assert report.rows == sum(batch.num_rows for batch in batches)
    return pa.Table.from_batches(batches) if batches else pa.table({}), report


def numbered(rows: int, row_group_size: int) -> bytes:
    return parquet_bytes(
        pa.table({"n": pa.array(range(rows)), "s": [f"value {n}" for n in range(rows)]}), row_group_size=row_group_size
    )


def starts_of(data: bytes) -> list[int]:
    """Where row groups begin, told without the code under test: each is written after the one before, `n` first."""
    metadata = pq.read_metadata(io.BytesIO(data))
    first_columns = [metadata.row_group(index).column(0) for index in range(metadata.num_row_groups)]
    return [column.dictionary_page_offset or column.data_page_offset for column in first_columns]


# Splits


def test_a_whole_file_gives_all_rows_in_order() -> None:
    data = numbered(1000, 300)
    table, report = read(data)
    assert table["n"].to_pylist() == list(range(1000))
    assert (report.start, report.end, report.rows) == (0, len(data), 1000)


def test_a_row_group_belongs_to_the_split_it_begins_in() -> None:
    data = numbered(30, 10)
    starts = starts_of(data)
    assert starts[0] == 4
    found = []
    for cut in pairwise([0, 1, starts[1], starts[1] + 1, starts[2] + 1, len(data) - 1, len(data)]):
        table, report = read(data, cut=cut)
        found.append((table["n"].to_pylist() if table.num_rows else [], report.start, report.end))
    assert found == [
        ([], 0, starts[0]),
        (list(range(10)), starts[0], starts[1]),
        (list(range(10, 20)), starts[1], starts[2]),
        (list(range(20, 30)), starts[2], len(data)),
        ([], len(data), len(data)),
        ([], len(data), len(data)),
    ]


def test_a_file_without_rows_is_whole() -> None:
    data = parquet_bytes(pa.table({"a": pa.array([], pa.int64())}))
    table, report = read(data)
    assert (table.num_rows, report.start, report.end) == (0, 0, len(data))


def test_batches_are_bounded() -> None:
    data = parquet_bytes(pa.table({f"c{n}": pa.array(range(20_000)) for n in range(10)}))
    batches = list(PARQUET.read_records(io.BytesIO(data), whole(data), None, SplitReport()))
    assert [n for batch in batches for n in batch["c3"].to_pylist()] == list(range(20_000))
    assert max(batch.num_rows for batch in batches) <= 8192
    wide = parquet_bytes(pa.table({"blob": ["x" * 300_000] * 20}), compression="none", use_dictionary=False)
    rows = [b.num_rows for b in PARQUET.read_records(io.BytesIO(wide), whole(wide), None, SplitReport())]
    assert sum(rows) == 20
    assert max(rows) <= 4


class CountingStream(io.BytesIO):
    read_bytes = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.read_bytes += len(data)
        return data


def test_the_footer_is_read_once_per_file_version() -> None:
    data = numbered(1000, 100)
    footer_bytes = struct.unpack("<I", data[-8:-4])[0]
    used = []
    for version in ("one", "one", "two"):
        file = replace(remote(data), etag=version)
        stream = CountingStream(data)
        list(PARQUET.read_records(stream, Split(file, 0, 0, 1), None, SplitReport()))
        used.append(stream.read_bytes)
    assert used[1] == 0
    assert used[0] == used[2] >= footer_bytes


def test_the_format_survives_pickling() -> None:
    assert pickle.loads(pickle.dumps(AS_FLOAT)) == AS_FLOAT


# Types

TYPES: list[tuple[pa.Array, dict[str, str], pa.DataType, Any]] = [
    (pa.array([True]), {"type": "boolean"}, pa.bool_(), True),
    (pa.array([2**64 - 1], pa.uint64()), {"type": "integer"}, pa.uint64(), 2**64 - 1),
    (pa.array([1.5], pa.float32()), {"type": "number"}, pa.float32(), 1.5),
    (pa.array([1.5], pa.float16()), {"type": "number"}, pa.float16(), 1.5),
    (pa.array(["é"], pa.large_string()), {"type": "string"}, pa.large_string(), "é"),
    (pa.array(["é"], pa.string_view()), {"type": "string"}, pa.string_view(), "é"),
    (pa.array([b"x"]), {"type": "string"}, pa.binary(), b"x"),
    (pa.array([b"xyz"], pa.binary(3)), {"type": "string"}, pa.binary(3), b"xyz"),
    (pa.array([Decimal("1.50")]), {"type": "string"}, pa.decimal128(3, 2), Decimal("1.50")),
    (pa.array([Decimal("1.50")], pa.decimal256(60, 2)), {"type": "string"}, pa.decimal256(60, 2), Decimal("1.50")),
    (pa.array([date(2024, 2, 29)]), {"type": "string", "format": "date"}, pa.date32(), date(2024, 2, 29)),
    (pa.array([time(1, 2, 3)], pa.time32("ms")), {"type": "string"}, pa.time32("ms"), time(1, 2, 3)),
    (
        pa.array([datetime(2024, 2, 29, tzinfo=UTC)], pa.timestamp("ms", "Europe/Paris")),
        {"type": "string", "format": "date-time"},
        pa.timestamp("ms", "Europe/Paris"),
        datetime(2024, 2, 29, tzinfo=UTC),
    ),
    (pa.array([timedelta(seconds=2)], pa.duration("ms")), {"type": "integer"}, pa.duration("ms"), timedelta(seconds=2)),
    (pa.array(["a"]).dictionary_encode(), {"type": "object"}, pa.dictionary(pa.int32(), pa.string()), "a"),
    (pa.array([{"x": 1}]), {"type": "object"}, pa.struct([("x", pa.int64())]), {"x": 1}),
    (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), {"type": "object"}, pa.map_(pa.string(), pa.int64()), [("k", 1)]),
    (pa.array([[1, None]]), {"type": "array"}, pa.list_(pa.field("element", pa.int64())), [1, None]),
    (pa.array([None]), {"type": "null"}, pa.null(), None),
    (pa.array([UUID(int=5).bytes], pa.uuid()), {"type": "string"}, pa.string(), str(UUID(int=5))),
    (pa.array(['{"a":1}'], pa.json_()), {"type": "string"}, pa.string(), '{"a":1}'),
]  # fmt: skip


@pytest.mark.parametrize(("array", "json_schema", "kind", "value"), TYPES, ids=[str(case[0].type) for case in TYPES])
def test_types_in_discovery_and_in_records(
    array: pa.Array, json_schema: dict[str, str], kind: pa.DataType, value: Any
) -> None:
    data = parquet_bytes(pa.table({"a": pa.concat_arrays([array, pa.nulls(1, array.type)])}))
    assert PARQUET.infer_json_schema(io.BytesIO(data), remote(data)) == {"a": json_schema}
    table, _ = read(data)
    assert table["a"].type == kind
    assert table["a"].to_pylist() == [value, None]


def test_decimals_as_floats_at_any_depth() -> None:
    one = Decimal("1.50")
    data = parquet_bytes(
        pa.table(
            {
                "d": pa.array([one, None]),
                "l": pa.array([[one, None], None]),
                "s": pa.array([{"x": one, "y": 1}, None]),
                "m": pa.array([[("k", one)], None], pa.map_(pa.string(), pa.decimal128(3, 2))),
                "ls": pa.array([[{"x": [one]}], None]),
            }
        )
    )
    file = remote(data)
    schema = AS_FLOAT.infer_json_schema(io.BytesIO(data), file)
    assert {name: found["type"] for name, found in schema.items()} == {
        "d": "number", "l": "array", "s": "object", "m": "object", "ls": "array",
    }  # fmt: skip
    assert read(data, AS_FLOAT)[0].to_pydict() == {
        "d": [1.5, None],
        "l": [[1.5, None], None],
        "s": [{"x": 1.5, "y": 1}, None],
        "m": [[("k", 1.5)], None],
        "ls": [[{"x": [1.5]}], None],
    }
    assert AS_FLOAT.infer_table_schema(io.BytesIO(data), file).field("ls").type == pa.list_(
        pa.struct([("x", pa.list_(pa.float64()))])
    )


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999", "2024-02-29T01:02:03.000004"])
def test_int96_timestamps_keep_every_date(instant: str) -> None:
    value = datetime.fromisoformat(instant)
    table = pa.table({"t": pa.array([value], pa.timestamp("us"))})
    data = parquet_bytes(table, use_deprecated_int96_timestamps=True)
    assert pq.ParquetFile(io.BytesIO(data)).schema.column(0).physical_type == "INT96"
    assert read(data)[0]["t"].to_pylist() == [value]
    assert PARQUET.infer_table_schema(io.BytesIO(data), remote(data)).field("t").type == pa.timestamp("us")


def test_instants_in_a_time_zone_that_nobody_knows_are_in_utc() -> None:
    instant = datetime(2024, 2, 29, 12, tzinfo=UTC)
    array = pa.array([[instant]], pa.list_(pa.timestamp("ms", "Mars/Olympus_Mons")))
    found, _ = read(parquet_bytes(pa.table({"l": array, "t": array.flatten()})))
    assert [str(field.type) for field in found.schema] == ["list<item: timestamp[ms, tz=UTC]>", "timestamp[ms, tz=UTC]"]
    assert found.to_pylist() == [{"l": [instant], "t": instant}]


NESTED = [[{"a": [[("k", [1, None])], None], "b": None}, None], None, [], [{"a": [], "b": "x"}]]
NESTED_TYPE = pa.list_(
    pa.struct(
        [("a", pa.list_(pa.map_(pa.string(), pa.list_(pa.int32())))), ("b", pa.dictionary(pa.int8(), pa.string()))]
    )
)


@pytest.mark.parametrize("row_group_size", [1, 3, 100])
def test_lists_of_structs_of_lists_of_maps(row_group_size: int) -> None:
    table = pa.table({"x": pa.array(NESTED * 5, NESTED_TYPE)})
    assert read(parquet_bytes(table, row_group_size=row_group_size))[0]["x"].to_pylist() == NESTED * 5


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "brotli", "zstd", "lz4"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_codecs_and_page_versions(codec: str, version: str) -> None:
    data = parquet_bytes(pa.table({"n": pa.array(range(500))}), compression=codec, data_page_version=version)
    assert read(data)[0]["n"].to_pylist() == list(range(500))


@pytest.mark.parametrize(
    ("encoding", "array"),
    [
        ("DELTA_BINARY_PACKED", pa.array([5, None, 7, -1])),
        ("DELTA_LENGTH_BYTE_ARRAY", pa.array(["x", None, "", "é"])),
        ("DELTA_BYTE_ARRAY", pa.array(["aa", "ab", None, "abc"])),
        ("BYTE_STREAM_SPLIT", pa.array([1.5, None, -0.0, 2.5])),
        ("RLE", pa.array([True, None, False, True])),
    ],
)
def test_encodings(encoding: str, array: pa.Array) -> None:
    table = pa.table({"x": array})
    data = parquet_bytes(table, use_dictionary=False, column_encoding={"x": encoding}, data_page_version="2.0")
    assert encoding in pq.read_metadata(io.BytesIO(data)).row_group(0).column(0).encodings
    assert read(data)[0]["x"].to_pylist() == array.to_pylist()


# A catalog's choice of columns


def selected(data: bytes, json_schema: dict[str, Any]) -> tuple[list[pa.RecordBatch], SplitReport, int]:
    report = SplitReport()
    stream = CountingStream(data)
    batches = list(PARQUET.read_records(stream, whole(data), json_schema, report))
    return batches, report, stream.read_bytes


COLUMNS = pa.table(
    {"a": [1, 2, 3], "b": ["x" * 5000 + str(n) for n in range(3)], "c": [{"d": 1}] * 3, "c.d": [7, 8, 9]}
)
LEFT_OUT = "column {!r} is not in the catalog's schema and is left out"


def test_only_columns_of_the_catalog_are_read() -> None:
    data = parquet_bytes(COLUMNS, row_group_size=2, compression="none")
    every: dict[str, Any] = {name: {} for name in ["_ab_source_file_url", *COLUMNS.schema.names]}
    whole, report, whole_bytes = selected(data, every)
    assert pa.Table.from_batches(whole) == COLUMNS
    assert not report.warnings
    some, report, some_bytes = selected(data, {"c": {}, "other": {}, "a": {}})
    assert pa.Table.from_batches(some) == COLUMNS.select(["a", "c"])
    assert report.warnings == {LEFT_OUT.format("b"): 3, LEFT_OUT.format("c.d"): 3}
    assert some_bytes < whole_bytes - 15_000


def test_a_catalog_without_columns_chooses_all() -> None:
    data = parquet_bytes(COLUMNS)
    about_the_file: dict[str, Any] = {"_ab_source_file_url": {}, "_ab_source_file_last_modified": {}}
    for json_schema in ({}, about_the_file):
        batches, report, _ = selected(data, json_schema)
        assert pa.Table.from_batches(batches) == COLUMNS
        assert not report.warnings


def test_rows_count_though_none_of_their_columns_is_chosen() -> None:
    batches, report, _ = selected(parquet_bytes(COLUMNS, row_group_size=2), {"z": {}})
    assert [(batch.num_rows, batch.num_columns) for batch in batches] == [(2, 0), (1, 0)]
    assert report.rows == 3


def test_columns_named_like_those_about_the_file_give_way() -> None:
    data = parquet_bytes(pa.table({"a": [1], "_ab_source_file_url": ["own"]}))
    batches, report, _ = selected(data, {"a": {}, "_ab_source_file_url": {}})
    assert [batch.to_pylist() for batch in batches] == [[{"a": 1}]]
    assert report.warnings == {
        "column '_ab_source_file_url' gives way to the one that every record gets from its file": 1
    }


# Files that are not what they say


def refused(data: bytes) -> MalformedFileError:
    with pytest.raises(MalformedFileError) as caught:
        read(data)
    assert caught.value.uri == URI
    assert caught.value.__cause__ is None  # pyarrow's text may hold values
    return caught.value


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: b"", "is not a Parquet file: it has only 0 bytes"),
        (lambda data: b"PAR1", "is not a Parquet file: it has only 4 bytes"),
        (lambda data: b"id,name\n1,x\n2,y\n", "is not a Parquet file: it does not end with the Parquet magic bytes"),
        (lambda data: data[:-1], "is truncated: it does not end with the Parquet magic bytes"),
        (lambda data: data[: len(data) // 2], "is truncated: it does not end with the Parquet magic bytes"),
        (lambda data: data[:-4] + b"PARE", "is an encrypted Parquet file, which this version cannot read"),
        (lambda data: data[:-8] + b"\xff\xff\xff\x00PAR1", "is not a whole Parquet file: its footer is damaged or truncated"),
        (lambda data: data[:-60] + data[-8:], "is not a whole Parquet file: its footer is damaged or truncated"),
        (lambda data: data[:-200] + b"\xff" * 192 + data[-8:], "is not a whole Parquet file: its footer is damaged or truncated"),
        (lambda data: b"PAR1" + data[-300:], "is not a whole Parquet file: its footer is damaged or truncated"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_whole_is_refused(spoil: Callable[[bytes], bytes], message: str) -> None:
    assert refused(spoil(numbered(100, 50))).message == message


def test_a_footer_over_missing_data_is_refused() -> None:
    data = numbered(1000, 100)
    footer = data[-8 - struct.unpack("<I", data[-8:-4])[0] :]
    assert refused(b"PAR1" + footer).message == "is not a whole Parquet file: its footer names data that it lacks"


def test_a_damaged_page_is_found_in_its_row_group_after_the_rows_before() -> None:
    data = bytearray(numbered(300, 100))
    start = starts_of(bytes(data))[1]
    data[start : start + 40] = b"\xff" * 40
    file = remote(bytes(data))
    batches = PARQUET.read_records(io.BytesIO(data), Split(file, 0, 0, len(data)), None, SplitReport())
    assert next(batches)["n"].to_pylist() == list(range(100))
    with pytest.raises(MalformedFileError) as caught:
        list(batches)
    assert caught.value.message == "row group 2 of 3 cannot be decoded: its data is damaged"
    assert caught.value.column == "n"
    assert PARQUET.infer_json_schema(io.BytesIO(data), file) == {"n": {"type": "integer"}, "s": {"type": "string"}}


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_text_that_is_not_utf8_rejects_its_record(kind: pa.DataType) -> None:
    bad = pa.array([b"good", b"\xff\xfe", b"better", b"\xff"]).view(pa.string())
    bad = bad.dictionary_encode() if pa.types.is_dictionary(kind) else bad.cast(kind)
    found, report = read(parquet_bytes(pa.table({"n": [1, 2, 3, 4], "a": bad})))
    assert found.to_pydict() == {"n": [1, 3], "a": ["good", "better"]}
    assert [(reject.row, reject.reason) for reject in report.rejects.first] == [
        (2, "column 'a' has text that is not valid UTF-8"),
        (4, "column 'a' has text that is not valid UTF-8"),
    ]


def small() -> bytes:
    """One column `n` of 20 rows in one row group, the footer as short as can be."""
    return parquet_bytes(pa.table({"n": pa.array(range(20))}), use_dictionary=False, store_schema=False)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_text_below_nested_types_rejects_its_record(kind: pa.DataType) -> None:
    leaf = pa.array([b"a", b"b", b"\xff", b"d"]).view(pa.string()).cast(kind)
    offsets = pa.array([0, 1, 2, 3, 4], pa.int32())
    nested = {
        "list": pa.ListArray.from_arrays(offsets, leaf),
        "struct": pa.StructArray.from_arrays([leaf], names=["x"]),
        "map": pa.MapArray.from_arrays(offsets, pa.array(list("abcd")), leaf),
        "key": pa.MapArray.from_arrays(offsets, leaf.cast(pa.binary()).view(pa.string()), leaf),
        "dictionary": pa.ListArray.from_arrays(offsets, leaf.dictionary_encode()),
        "deep": pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays([leaf], names=["x"])),
    }
    for array in nested.values():
        found, report = read(parquet_bytes(pa.table({"n": [1, 2, 3, 4], "a": array})))
        assert found["n"].to_pylist() == [1, 2, 4]
        assert dict(report.rejects.counts) == {"column 'a' has text that is not valid UTF-8": 1}


# Footers are Thrift compact: a field is a byte of (id delta, type) and its value, an integer zigzag-encoded.
ROWS_20, ROWS_21 = b"\x16\x28", b"\x16\x2a"
SNAPPY, LZO = b"\x19\x18\x01n\x15\x02", b"\x19\x18\x01n\x15\x06"  # behind the column's path, a list of one string


def test_a_row_group_with_other_rows_than_its_footer_says_is_refused() -> None:
    before, _, after = small().rpartition(ROWS_20)
    data = before + ROWS_21 + after
    metadata = pq.read_metadata(io.BytesIO(data))
    assert (metadata.num_rows, metadata.row_group(0).num_rows) == (20, 21)
    assert refused(data).message == "row group 1 of 1 has 20 rows where the footer says 21"


def test_an_unknown_compression_is_named_as_such() -> None:
    data = small().replace(SNAPPY, LZO)
    assert pq.read_metadata(io.BytesIO(data)).row_group(0).column(0).compression == "LZO"
    error = refused(data)
    assert error.message == (
        "row group 1 of 1 cannot be decoded: it uses an encoding or a compression that is not supported"
    )
    assert error.column == "n"


def test_columns_of_one_name_are_refused() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    error = refused(parquet_bytes(table))
    assert (error.message, error.column) == ("two columns have the same name", "a")


@pytest.mark.parametrize("columns", [["secret"], ["open"], ["open", "secret"]])
@pytest.mark.parametrize("plaintext_footer", [True, False])
def test_encrypted_columns_are_refused(columns: list[str], plaintext_footer: bool) -> None:
    error = refused(encrypted(columns, plaintext_footer))
    assert error.message == (
        "has encrypted columns, which this version cannot read"
        if plaintext_footer
        else "is an encrypted Parquet file, which this version cannot read"
    )


class LocalKeys(encryption.KmsClient):  # type: ignore[misc] # pyarrow has no types
    def wrap_key(self, key: bytes, master_key_identifier: str) -> bytes:
        return b64encode(key)

    def unwrap_key(self, wrapped: bytes, master_key_identifier: str) -> bytes:
        return b64decode(wrapped)


def encrypted(columns: list[str], plaintext_footer: bool) -> bytes:
    table = pa.table({"open": [1], "secret": ["x"]})
    chosen = encryption.EncryptionConfiguration(
        footer_key="footer", column_keys={"key": columns}, plaintext_footer=plaintext_footer
    )
    factory = encryption.CryptoFactory(lambda _: LocalKeys())
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), chosen)
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)
    return sink.getvalue()


def test_names_that_are_not_text_are_refused() -> None:
    data = parquet_bytes(pa.table({"abcdef": [1]}), store_schema=False)
    assert refused(data.replace(b"abcdef", b"abc\xffef")).message == "has a column whose name is not valid UTF-8"


class BrokenStream(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise OSError(5, "Input/output error")


def test_what_the_stream_raises_is_not_the_files_fault() -> None:
    data = numbered(10, 10)
    with pytest.raises(OSError, match="Input/output error"):
        list(PARQUET.read_records(BrokenStream(data), whole(data), None, SplitReport()))
    read(data)  # the footer is known now: the next failure is while pages are read
    with pytest.raises(OSError, match="Input/output error"):
        list(PARQUET.read_records(BrokenStream(data), whole(data), None, SplitReport()))


def test_the_caller_closes_the_stream() -> None:
    data = numbered(10, 10)
    stream = io.BytesIO(data)
    list(PARQUET.read_records(stream, whole(data), None, SplitReport()))
    assert not stream.closed
