"""Columns from a file's path, around the formats that ship: where they stand, what they replace, how they are typed."""

import io
import json
import pickle
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from file_builders import lines_of, remote, whole
from format_settings import JSONL

from file_cdk.core.config import CsvConfig, ParquetConfig
from file_cdk.core.errors import TypeMismatchError
from file_cdk.core.ports import Format, JsonLines, SplitReport
from file_cdk.formats.csv import CsvFormat
from file_cdk.formats.parquet.format import ParquetFormat
from file_cdk.formats.path_columns import WithPathColumns, partition_values
from file_cdk.formats.registry import with_path_columns

PARQUET = ParquetFormat(ParquetConfig())
CSV = CsvFormat(CsvConfig())

GIVES_WAY = "column {!r} of the file gives way to the one of its path"
NO_MATCH = "path_pattern does not match the file's path: its columns are null"


def parquet_bytes(columns: dict[str, Any], **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


def by_segments(inner: Format) -> WithPathColumns:
    return WithPathColumns(inner, partitions=True, pattern=None)


def by_pattern(inner: Format, pattern: str) -> WithPathColumns:
    return WithPathColumns(inner, partitions=False, pattern=pattern)


def records(
    fmt: Format, data: bytes, uri: str, json_schema: dict[str, Any] | None = None
) -> tuple[list[dict[str, Any]], SplitReport]:
    report = SplitReport()
    found: list[dict[str, Any]] = []
    for batch in fmt.read_records(io.BytesIO(data), whole(data, uri), json_schema, report):
        if isinstance(batch, JsonLines):
            found += map(json.loads, batch.lines)
        else:
            assert batch.num_columns or not batch.schema.names
            found += batch.to_pylist() if batch.num_columns else [{}] * batch.num_rows
    assert report.rows == len(found)
    return found, report


def lines(fmt: Format, data: bytes, uri: str) -> tuple[list[bytes], SplitReport]:
    report = SplitReport()
    return list(lines_of(fmt.read_records(io.BytesIO(data), whole(data, uri), None, report))), report


# What a path says


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("a/b.csv", {}),
        ("year=2024/month=01/b.csv", {"year": "2024", "month": "01"}),
        ("year=2024/part=1.csv", {"year": "2024", "part": "1.csv"}),
        ("k=1/k=2/b.csv", {"k": "2"}),
        ("k=a=b/x", {"k": "a=b"}),
        ("k=a%3Db/l%3Dm=c/x", {"k": "a=b", "l=m": "c"}),
        ("city=S%C3%A3o%20Paulo%2F1/x", {"city": "São Paulo/1"}),
        ("a%3Db/x", {}),
        ("k=__HIVE_DEFAULT_PARTITION__/x", {"k": None}),
        ("k=/x", {"k": ""}),
        ("k=\udcff/x", {"k": "\\udcff"}),
        ("y=1/data.zip!m=2/c.csv", {"y": "1", "m": "2"}),
        ("y=1/data.tar.gz!m=wow!/c.csv", {"y": "1", "m": "wow!"}),
        ("y=1/a.zip!b.tar/c=2/d.tgz!e=3/f.csv", {"y": "1", "c": "2", "e": "3"}),
        ("y=1.ZIP!m=2/c.csv", {"y": "1.ZIP", "m": "2"}),
    ],
)
def test_segments(uri: str, expected: dict[str, str | None]) -> None:
    assert partition_values(uri) == expected
    assert list(partition_values(uri)) == list(expected)


def test_groups_of_a_pattern() -> None:
    data = b'{"a":1}\n'
    fmt = by_pattern(JSONL, r"(?P<y>\d{4})-(?P<m>\d\d)(?:-(?P<d>\d\d))?")
    assert records(fmt, data, "logs/2024-07.jsonl") == (
        [{"a": 1, "y": "2024", "m": "07"}],
        SplitReport(0, len(data), 1),
    )


def test_a_pattern_that_does_not_match_gives_nulls_and_a_warning() -> None:
    data = b'{"a":1,"y":5}\n{"a":2}\n'
    found, report = records(by_pattern(JSONL, "(?P<y>[0-9]{4})"), data, "other.jsonl")
    assert found == [{"a": 1}, {"a": 2}]
    assert report.warnings == {NO_MATCH: 2, GIVES_WAY.format("y"): 1}


def test_a_group_counts_before_a_segment() -> None:
    fmt = WithPathColumns(JSONL, partitions=True, pattern="y=(?P<y>..)")
    assert records(fmt, b"{}\n", "y=2024/z=1/a.jsonl")[0] == [{"y": "20", "z": "1"}]


# Where it is put


def test_nothing_to_add_is_the_format_itself() -> None:
    assert with_path_columns(CSV, "csv", None, None) is CSV
    assert with_path_columns(PARQUET, "parquet", False, None) is PARQUET


@pytest.mark.parametrize(
    ("filetype", "partitions", "pattern", "expected"),
    [
        ("parquet", None, None, (True, None)),
        ("csv", True, None, (True, None)),
        ("csv", None, "(?P<a>.)", (False, "(?P<a>.)")),
        ("parquet", None, "(?P<a>.)", (True, "(?P<a>.)")),
        ("parquet", False, "(?P<a>.)", (False, "(?P<a>.)")),
    ],
)
def test_which_path_columns_a_stream_has(
    filetype: str, partitions: bool | None, pattern: str | None, expected: tuple[bool, str | None]
) -> None:
    fmt = with_path_columns(JSONL, filetype, partitions, pattern)
    assert isinstance(fmt, WithPathColumns)
    assert (fmt.partitions, fmt.pattern) == expected


def test_all_else_is_asked_of_the_format_inside() -> None:
    for inner in (PARQUET, JSONL, CSV):
        fmt = by_segments(inner)
        assert fmt.facts == inner.facts
        assert pickle.loads(pickle.dumps(fmt)) == fmt


# Schemas


def test_path_columns_are_strings_in_discovery() -> None:
    data = parquet_bytes({"a": [1], "month": [7], "none": [1.5]})
    uri = "year=2024/month=7/none=__HIVE_DEFAULT_PARTITION__/a.parquet"
    fmt = by_segments(PARQUET)
    assert list(fmt.infer_json_schema(io.BytesIO(data), remote(data, uri)).items()) == [
        ("a", {"type": "integer"}),
        ("month", {"type": "string"}),
        ("none", {"type": "string"}),
        ("year", {"type": "string"}),
    ]
    assert fmt.infer_table_schema(io.BytesIO(data), remote(data, uri)) == pa.schema(
        [("a", pa.int64()), ("month", pa.string()), ("none", pa.null()), ("year", pa.string())]
    )


# Records


def test_columns_of_batches_are_replaced_in_their_place_or_come_last() -> None:
    data = parquet_bytes({"a": [1, 2, 3], "month": [7, None, 8], "b": ["x", "y", "z"]}, row_group_size=2)
    found, report = records(by_segments(PARQUET), data, "year=2024/month=0%201/part=1.parquet")
    assert [list(record.items()) for record in found] == [
        [("a", a), ("month", "0 1"), ("b", b), ("year", "2024"), ("part", "1.parquet")]
        for a, b in [(1, "x"), (2, "y"), (3, "z")]
    ]
    assert report.warnings == {GIVES_WAY.format("month"): 2}


def test_a_null_of_the_path_replaces_too() -> None:
    data = parquet_bytes({"a": [1], "k": ["own"]})
    found, report = records(by_segments(PARQUET), data, "k=__HIVE_DEFAULT_PARTITION__/a.parquet")
    assert found == [{"a": 1}]
    assert report.warnings == {GIVES_WAY.format("k"): 1}


def test_rows_are_kept_when_no_column_is_left() -> None:
    data = parquet_bytes({"k": ["own"] * 3})
    assert records(by_segments(PARQUET), data, "k=__HIVE_DEFAULT_PARTITION__/a.parquet")[0] == [{}] * 3


def test_csv_rows_get_them() -> None:
    found, report = records(by_segments(CSV), b"a,b\n1,2\n3,4\n", "k=v/a.csv")
    assert found == [{"a": "1", "b": "2", "k": "v"}, {"a": "3", "b": "4", "k": "v"}]
    assert not report.warnings


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"a\n1\n", [{"a": 1, "k": "v"}]), (b"a\n1\nx\n", [{"a": 1, "k": "v"}, {"a": "x", "k": "v"}])],
)
def test_a_catalog_that_names_them_has_them_on_both_paths(data: bytes, expected: list[dict[str, Any]]) -> None:
    catalog = {"a": {"type": ["null", "integer"]}, "k": {"type": ["null", "string"]}}
    assert records(by_segments(CSV), data, "k=v/a.csv", catalog)[0] == expected


def test_a_catalog_that_lacks_them_leaves_them_out() -> None:
    found, report = records(by_segments(CSV), b"a\n1\n2\n", "k=v/q=w/a.csv", {"a": {"type": "string"}, "q": {}})
    assert found == [{"a": "1", "q": "w"}, {"a": "2", "q": "w"}]
    assert report.warnings == {"column 'k' of the path is not in the catalog's schema and is left out": 2}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"a":1}', b'{"a":1,"k":"v\\"1"}'),
        (b'{"a": {"k": [1.10]} }', b'{"a": {"k": [1.10]} ,"k":"v\\"1"}'),
        (b'{"a": {"k": [1.10]} , "k":1 }', b'{"a":{"k": [1.10]},"k":"v\\"1"}'),
        (b'{"a":{"q":1.10}, "b":null }', b'{"a":{"q":1.10}, "b":null ,"k":"v\\"1"}'),
        (b"{}", b'{"k":"v\\"1"}'),
        (b"{ \t}", b'{"k":"v\\"1"}'),
        (b'{"k":2,"a":1e3}', b'{"a":1e3,"k":"v\\"1"}'),
        (b'{"a":1,"\\u006b":2}', b'{"a":1,"k":"v\\"1"}'),
        (b'{"k":null}', b'{"k":"v\\"1"}'),
        (b'{"k":1,"a":"\\ud800"}', b'{"k":1,"a":"\\ud800","k":"v\\"1"}'),
        (b'{"a":"k"}', b'{"a":"k","k":"v\\"1"}'),
    ],
)
def test_json_keeps_its_own_bytes(line: bytes, expected: bytes) -> None:
    found, _ = lines(by_segments(JSONL), line + b'\n{"z":"k"}\n', "k=v%221/a.jsonl")
    assert found == [expected, b'{"z":"k","k":"v\\"1"}']


def test_members_that_give_way_are_counted() -> None:
    data = b'{"k":1}\n{"k":null}\n{"j":{"k":1}}\n{"a":2,"k":[]}\n'
    found, report = lines(by_segments(JSONL), data, "k=__HIVE_DEFAULT_PARTITION__/a.jsonl")
    assert found == [b"{}", b"{}", b'{"j":{"k":1}}', b'{"a":2}']
    assert report.warnings == {GIVES_WAY.format("k"): 2}


@pytest.mark.parametrize("key", ["é", "a/b", 'q"q', "a\\b", "\x01"])
def test_a_key_in_any_spelling_gives_way(key: str) -> None:
    segment = "".join(f"%{byte:02X}" for byte in key.encode()) + "=new/a.jsonl"
    spellings = [
        json.dumps(key),
        json.dumps(key, ensure_ascii=False),
        '"' + "".join(f"\\u{ord(c):04x}" for c in key) + '"',
    ]
    spellings.append(json.dumps(key).replace("/", "\\/"))
    data = "".join(f'{{{spelling}:1,"a":2}}\n' for spelling in spellings).encode()
    found, _ = lines(by_segments(JSONL), data, segment)
    assert [json.loads(line, object_pairs_hook=list) for line in found] == [[("a", 2), (key, "new")]] * len(spellings)


# Tables


def table(fmt: Format, data: bytes, uri: str, schema: pa.Schema) -> pa.Table:
    report = SplitReport()
    batches = list(fmt.read_table(io.BytesIO(data), whole(data, uri), schema, report))
    assert report.rows == sum(batch.num_rows for batch in batches)
    return pa.Table.from_batches(batches)


FILES: list[tuple[Format, bytes]] = [
    (PARQUET, parquet_bytes({"a": [1, 2]})),
    (JSONL, b'{"a":1}\n{"a":2}\n'),
    (CSV, b"a\n1\n2\n"),
]


@pytest.mark.parametrize(("inner", "data"), FILES, ids=["parquet", "jsonl", "csv"])
def test_a_table_has_them_as_it_wants_them(inner: Format, data: bytes) -> None:
    schema = pa.schema(
        [("a", pa.int64()), ("s", pa.string()), ("i", pa.int64()), ("d", pa.date32()), ("m", pa.decimal128(5, 2))]
    )
    found = table(by_segments(inner), data, "s=007/i=7/d=2024-02-29/m=1.5/x", schema)
    assert found.schema == schema
    assert found.to_pylist() == [
        {"a": a, "s": "007", "i": 7, "d": date(2024, 2, 29), "m": Decimal("1.50")} for a in (1, 2)
    ]


@pytest.mark.parametrize(("inner", "data"), FILES, ids=["parquet", "jsonl", "csv"])
def test_what_does_not_cast_or_is_missing_asks_for_strings(inner: Format, data: bytes) -> None:
    schema = pa.schema([("a", pa.int64()), ("i", pa.int64()), ("l", pa.list_(pa.int64()))])
    with pytest.raises(TypeMismatchError) as caught:
        table(by_segments(inner), data, "i=x/l=1/new=1/null=__HIVE_DEFAULT_PARTITION__/f", schema)
    assert caught.value.columns == dict.fromkeys(["i", "l", "new"], pa.string())
    assert caught.value.uri == "i=x/l=1/new=1/null=__HIVE_DEFAULT_PARTITION__/f"


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.decimal128(28, 0)])
@pytest.mark.parametrize("code", ["007", "00", "-01", "+7"])
def test_a_code_is_never_made_a_number(kind: pa.DataType, code: str) -> None:
    schema = pa.schema([("a", pa.int64()), ("k", kind)])
    with pytest.raises(TypeMismatchError) as caught:
        table(by_segments(PARQUET), parquet_bytes({"a": [1]}), f"k={quote(code)}/f", schema)
    assert caught.value.columns == {"k": pa.string()}


@pytest.mark.parametrize(
    ("inner", "data"),
    [(PARQUET, parquet_bytes({"a": ["x"], "b": [1]})), (JSONL, b'{"a":"x","b":1}\n')],
    ids=["parquet", "jsonl"],
)
def test_what_file_and_path_ask_for_is_said_together(inner: Format, data: bytes) -> None:
    with pytest.raises(TypeMismatchError) as caught:
        table(by_segments(inner), data, "new=1/f", pa.schema([("a", pa.int64()), ("b", pa.int64())]))
    assert caught.value.columns == {"a": pa.string(), "new": pa.string()}


@pytest.mark.parametrize(
    ("inner", "data"),
    [
        (PARQUET, parquet_bytes({"a": [1], "k": [[1]]})),
        (JSONL, b'{"a":1,"k":[1]}\n'),
        (CSV, b"a,k\n1,x\n"),
    ],
    ids=["parquet", "jsonl", "csv"],
)
@pytest.mark.parametrize("kind", [pa.string(), pa.int64()])
def test_the_files_own_column_never_matters(inner: Format, data: bytes, kind: pa.DataType) -> None:
    schema = pa.schema([("a", pa.int64()), ("k", kind)])
    found = table(by_segments(inner), data, "k=5/f", schema)
    assert found.to_pylist() == [{"a": 1, "k": "5" if kind == pa.string() else 5}]


def test_a_null_of_the_path_is_an_absent_column() -> None:
    schema = pa.schema([("a", pa.int64()), ("k", pa.string())])
    data = parquet_bytes({"a": [1], "k": ["own"]})
    assert table(by_segments(PARQUET), data, "k=__HIVE_DEFAULT_PARTITION__/f", schema).to_pylist() == [{"a": 1}]


def test_an_empty_value_is_not_null() -> None:
    data = parquet_bytes({"a": [1, 2]})
    assert records(by_segments(PARQUET), data, "k=/f")[0] == [{"a": 1, "k": ""}, {"a": 2, "k": ""}]
