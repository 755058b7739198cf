"""Arrow types in DuckDB and back, and conversions: each compared with values that are written out here."""

import json
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from file_cdk.destinations.duckdb.types import arrow_type, converted, fits, missing_types, sql_type, table_type

STORED = [
    pa.bool_(),
    pa.int64(),
    pa.uint64(),
    pa.float64(),
    pa.decimal128(20, 3),
    pa.decimal128(38, 0),
    pa.string(),
    pa.binary(),
    pa.date32(),
    pa.time64("us"),
    pa.timestamp("us"),
    pa.timestamp("ns"),
    pa.timestamp("us", "UTC"),
    pa.duration("us"),
    pa.list_(pa.string()),
    pa.map_(pa.string(), pa.list_(pa.float64())),
    pa.struct([("a b", pa.int64()), ('q"uote', pa.struct([("x", pa.list_(pa.decimal128(5, 1)))]))]),
]


@pytest.mark.parametrize("kind", STORED, ids=str)
def test_a_type_for_tables_survives_the_table(kind: pa.DataType) -> None:
    assert table_type(kind) == kind
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t (c {sql_type(kind)})")
        [found] = connection.sql("SELECT * FROM t").types
        assert arrow_type(found) == kind


@pytest.mark.parametrize("kind", [pa.time64("ns"), pa.timestamp("ns", "UTC")], ids=str)
def test_nanoseconds_are_kept_or_become_text(kind: pa.DataType) -> None:
    with duckdb.connect() as connection:
        missing = missing_types(connection)
        stored = table_type(kind, missing)
        assert stored == (pa.string() if kind in missing else kind)
        connection.execute(f"CREATE TABLE t (c {sql_type(stored)})")
    assert table_type(kind, frozenset({kind})) == pa.string()


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        (pa.null(), pa.string()),
        (pa.int8(), pa.int64()),
        (pa.float16(), pa.float64()),
        (pa.large_string(), pa.string()),
        (pa.dictionary(pa.int32(), pa.string()), pa.string()),
        (pa.decimal256(50, 2), pa.string()),
        (pa.decimal256(20, 2), pa.decimal128(20, 2)),
        (pa.decimal128(5, -2), pa.decimal128(7, 0)),
        (pa.duration("s"), pa.duration("us")),
        (pa.timestamp("s", "Europe/Paris"), pa.timestamp("us", "UTC")),
        (pa.struct([("a", pa.int8()), ("A", pa.int8())]), pa.string()),
        (pa.struct([("", pa.int8())]), pa.string()),
        (pa.struct([]), pa.string()),
        (pa.list_(pa.struct([("a", pa.null())])), pa.list_(pa.struct([("a", pa.string())]))),
        (pa.month_day_nano_interval(), pa.string()),
    ],
    ids=str,
)
def test_other_types_become_one_that_duckdb_has(kind: pa.DataType, stored: pa.DataType) -> None:
    assert table_type(kind) == stored


@pytest.mark.parametrize(
    ("sql", "kind"),
    [("INTEGER", pa.int64()), ("HUGEINT", pa.decimal128(38, 0)), ("UUID", pa.string()), ("DOUBLE[2]", None)],
)
def test_types_of_others_are_read(sql: str, kind: pa.DataType | None) -> None:
    with duckdb.connect() as connection:
        [found] = connection.sql(f"SELECT CAST(NULL AS {sql})").types
        assert arrow_type(found) == (kind or pa.list_(pa.float64()))


S = pa.struct([("a", pa.int64())])
CONVERSIONS: list[tuple[str, pa.DataType, pa.DataType, Any]] = [
    ("CAST(5 AS BIGINT)", pa.int64(), pa.string(), "5"),
    ("CAST(5 AS BIGINT)", pa.int64(), pa.float64(), 5.0),
    ("true", pa.bool_(), pa.string(), "true"),
    ("to_microseconds(-86399500000)", pa.duration("us"), pa.string(), "P-1DT0H0M0.5S"),
    ("to_microseconds(90061000000)", pa.duration("us"), pa.string(), "P1DT1H1M1S"),
    ("CAST('2020-01-02 03:04:05' AS TIMESTAMP)", pa.timestamp("us"), pa.string(), "2020-01-02 03:04:05"),
    ("{'a': 1}", S, pa.struct([("z", pa.string()), ("a", pa.string())]), {"z": None, "a": "1"}),
    ("[{'a': 1}, NULL]", pa.list_(S), pa.list_(pa.struct([("a", pa.float64())])), [{"a": 1.0}, None]),
]


@pytest.mark.parametrize(("value", "source", "target", "expected"), CONVERSIONS)
def test_a_value_is_converted(value: str, source: pa.DataType, target: pa.DataType, expected: object) -> None:
    assert _evaluated(value, source, target) == expected


NESTED = pa.struct([("n", pa.list_(pa.struct([("x", pa.float64()), ("y", pa.map_(pa.string(), pa.float64()))])))])
JSON_CONVERSIONS: list[tuple[str, pa.DataType, Any]] = [
    ("{'a': 1}", S, {"a": 1}),
    ("{'a': NULL}", S, {"a": None}),
    ("{'a': 'it''s \"q\"'}", pa.struct([("a", pa.string())]), {"a": 'it\'s "q"'}),
    ("{'d': to_days(2)}", pa.struct([("d", pa.duration("us"))]), {"d": "P2DT0H0M0S"}),
    ("[1, 2, NULL]", pa.list_(pa.int64()), [1, 2, None]),
    ("MAP {'k': 1.5::DOUBLE, 'l': 'inf'::DOUBLE}", pa.map_(pa.string(), pa.float64()), {"k": 1.5, "l": "inf"}),
    (
        "{'n': [{'x': 'nan'::DOUBLE, 'y': MAP {'k': '-inf'::DOUBLE, 'm': 0.1::DOUBLE}}, NULL]}",
        NESTED,
        {"n": [{"x": "nan", "y": {"k": "-inf", "m": 0.1}}, None]},
    ),
    ("{'n': NULL}", NESTED, {"n": None}),
]


@pytest.mark.parametrize(("value", "source", "expected"), JSON_CONVERSIONS)
def test_a_nested_value_becomes_json(value: str, source: pa.DataType, expected: object) -> None:
    text = _evaluated(f"CAST({value} AS {sql_type(source)})", source, pa.string())
    assert json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON")) == expected


def test_json_appears_deep_inside_too() -> None:
    source = pa.struct([("s", S), ("l", pa.list_(S)), ("m", pa.map_(pa.string(), S)), ("i", pa.int64())])
    types = {"l": pa.list_(pa.string()), "new": pa.int64(), "s": pa.string(), "m": pa.map_(pa.string(), pa.string())}
    target = pa.struct([*types.items(), ("i", pa.float64())])
    value = "{'s': {'a': 1}, 'l': [{'a': 2}, NULL], 'm': MAP {'k': {'a': 3}}, 'i': 4}"
    assert _evaluated(value, source, target) == {
        "s": '{"a":1}',
        "l": ['{"a":2}', None],
        "m": {"k": '{"a":3}'},
        "i": 4.0,
        "new": None,
    }


@pytest.mark.parametrize("target", [pa.string(), pa.struct([("a", pa.string())])], ids=str)
def test_null_stays_null(target: pa.DataType) -> None:
    source = pa.struct([("a", S)])
    assert _evaluated(f"CAST(NULL AS {sql_type(source)})", source, target) is None


def _evaluated(value: str, source: pa.DataType, target: pa.DataType) -> Any:
    with duckdb.connect() as connection:
        [(result,)] = connection.execute(
            f"SELECT {converted('v', source, target)} FROM (SELECT {value} AS v)"
        ).fetchall()
        return result


@pytest.mark.parametrize(
    ("source", "target", "answer"),
    [
        (pa.int32(), pa.int64(), True),
        (pa.int64(), pa.decimal128(19, 0), True),
        (pa.float64(), pa.int64(), False),
        (pa.string(), pa.int64(), False),
        (pa.null(), pa.int64(), True),
        (pa.struct([("c", pa.int64())]), pa.struct([("a", pa.int64()), ("c", pa.float64())]), True),
        (pa.struct([("x", pa.int64())]), pa.struct([("a", pa.int64())]), False),
        (pa.timestamp("ns"), pa.timestamp("us"), False),
        (pa.timestamp("us"), pa.timestamp("ns"), True),
        (pa.duration("s"), pa.duration("us"), True),
        (pa.list_(pa.int64()), pa.string(), True),
    ],
    ids=str,
)
def test_only_wider_columns_fit(source: pa.DataType, target: pa.DataType, answer: bool) -> None:
    assert fits(source, target) is answer
