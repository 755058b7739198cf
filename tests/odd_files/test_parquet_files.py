"""Parquet files that few libraries write and some refuse, from file to record and table."""

import struct
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from both_faces import Loaded, records_of, table_of
from parquet_writer import (
    BSON,
    DATE,
    ENUM,
    FLOAT16,
    INTEGER,
    JSON,
    LIST,
    MAP,
    STRING,
    TIME,
    TIMESTAMP,
    UNKNOWN,
    UUID,
    Node,
    group,
    int96,
    parquet_file,
)

at = datetime.fromisoformat
TEXT = "BYTE_ARRAY"
EPOCH = 2_440_588
"""The Julian day of 1970-01-01."""


def both(tmp_path: Path, data: bytes) -> tuple[list[dict[str, Any]], Loaded]:
    path = tmp_path / "a.parquet"
    path.write_bytes(data)
    return records_of(path, "parquet"), table_of(path, tmp_path)


def column(tmp_path: Path, rows: int, *nodes: Node) -> tuple[list[Any], list[Any], dict[str, int], str]:
    """Of the last column: its values in records and in the table, what was rejected, and its type in the table."""
    records, loaded = both(tmp_path, parquet_file(rows, *nodes))
    assert loaded.failures == []
    name = nodes[-1].name
    place = loaded.columns.index(name)
    return (
        [record.get(name) for record in records],
        [row[place] for row in loaded.rows],
        loaded.rejects,
        loaded.types[place],
    )


@pytest.mark.parametrize(
    ("node", "record", "cell"),
    [
        (Node("x", TEXT, [b"A"], converted="ENUM"), "A", "A"),
        (Node("x", TEXT, [b"A"], logical=ENUM), "A", "A"),
        (Node("x", TEXT, [b"A"], converted="UTF8"), "A", "A"),
        (Node("x", TEXT, [b'{"a":1}'], converted="JSON"), '{"a":1}', '{"a":1}'),
        (Node("x", TEXT, [b'{"a":1}'], logical=JSON), '{"a":1}', '{"a":1}'),
        (Node("x", TEXT, [b"\x05\0\xff"], converted="BSON"), "\x05\0\\xff", b"\x05\0\xff"),
        (Node("x", TEXT, [b"\x05\0\xff"], logical=BSON), "\x05\0\\xff", b"\x05\0\xff"),
        (Node("x", TEXT, [b"\x05\0\xff"], logical={29: {}}), "\x05\0\\xff", b"\x05\0\xff"),
        (
            Node("x", "FIXED", [bytes(range(16))], length=16, logical=UUID),
            "00010203-0405-0607-0809-0a0b0c0d0e0f",
            "00010203-0405-0607-0809-0a0b0c0d0e0f",
        ),
        (Node("x", "FIXED", [struct.pack("<e", -0.0)], length=2, logical=FLOAT16), -0.0, -0.0),
        (
            Node("x", "FIXED", [struct.pack("<III", 1, 2, 3000)], length=12, converted="INTERVAL"),
            "P1M2DT3.000S",
            "P1M2DT3.000S",
        ),
        (Node("x", "INT32", [1], converted="DATE"), "1970-01-02", date(1970, 1, 2)),
        (Node("x", "INT32", [1], converted="TIME_MILLIS"), "00:00:00.001000", time(0, 0, 0, 1000)),
        (Node("x", "INT64", [1], converted="TIME_MICROS"), "00:00:00.000001", time(0, 0, 0, 1)),
        (
            Node("x", "INT64", [1], logical=TIMESTAMP("ms", utc=False)),
            "1970-01-01T00:00:00.001000",
            at("1970-01-01T00:00:00.001"),
        ),
        (Node("x", "INT64", [-1], converted="UINT_64"), 2**64 - 1, 2**64 - 1),
        (Node("x", "INT32", [-1], converted="UINT_32"), 2**32 - 1, 2**32 - 1),
        (Node("x", "INT32", [300], converted="UINT_8"), 300, 300),
        (Node("x", "INT32", [-1], converted="UINT_8"), 255, 255),
        (Node("x", "INT32", [-1], converted="UINT_16"), 65_535, 65_535),
        (Node("x", "INT32", [70_000], logical=INTEGER(16, signed=True)), 70_000, 70_000),
        (Node("x", "INT32", [None], repetition="optional", logical=UNKNOWN), None, None),
    ],
)  # fmt: skip
def test_what_each_annotation_means(node: Node, record: Any, cell: Any, tmp_path: Path) -> None:
    records, cells, rejects, _ = column(tmp_path, 1, Node("n", "INT32", [1]), node)
    assert repr((records, cells, rejects)) == repr(([record], [cell], {}))


# Instants of twelve bytes


def test_int96_keeps_years_that_microseconds_hold(tmp_path: Path) -> None:
    node = Node("t", "INT96", [int96(EPOCH + 105_200_467, 0), None, int96(EPOCH, -5000)], repetition="optional")
    records, cells, rejects, kind = column(tmp_path, 3, node)
    assert records == ["+289999-02-05T00:00:00", None, "1969-12-31T23:59:59.999995"]
    assert kind == "TIMESTAMP"
    assert (cells[1:], rejects) == ([None, at("1969-12-31T23:59:59.999995")], {})
    assert "289999-02-05" in str(cells[0])


def test_int96_beyond_microseconds_is_text(tmp_path: Path) -> None:
    values = [int96(2**31 - 1, 0), int96(-(2**31), 1000), int96(EPOCH, 86_399_000_000_000)]
    records, cells, _, kind = column(tmp_path, 3, Node("t", "INT96", values))
    assert records == ["+5874898-06-03T00:00:00", "-5884323-05-15T00:00:00.000001", "1970-01-01T23:59:59"]
    assert (cells, kind) == (records, "VARCHAR")


def test_int96_keeps_nanoseconds(tmp_path: Path) -> None:
    records, cells, _, kind = column(
        tmp_path, 2, Node("t", "INT96", [int96(EPOCH, 1_000_000_001), int96(EPOCH + 1, 0)])
    )
    assert records == ["1970-01-01T00:00:01.000000001", "1970-01-02T00:00:00"]
    assert kind == "TIMESTAMP_NS"
    assert len(cells) == 2
    with duckdb.connect(str(tmp_path / "a.parquet.duckdb")) as connection:
        texts = connection.execute("SELECT t::VARCHAR FROM t ORDER BY _file_row").fetchall()
    assert texts == [("1970-01-01 00:00:01.000000001",), ("1970-01-02 00:00:00",)]


def test_int96_in_lists_and_dictionaries(tmp_path: Path) -> None:
    values = [int96(EPOCH, 0), int96(EPOCH + 1, 1000)]
    element = Node("element", "INT96", values, levels=([0, 1, 0, 1], [1, 1, 1, 1]), indices=[1, 0, 1, 1])
    lists = group("l", group("list", element, repetition="repeated"), converted="LIST", logical=LIST)
    records, cells, _, kind = column(tmp_path, 2, lists)
    first, second = "1970-01-01T00:00:00", "1970-01-02T00:00:00.000001"
    assert records == [[second, first], [second, second]]
    assert [[cell.isoformat() for cell in row] for row in cells] == records
    assert kind == "TIMESTAMP[]"


# Values beyond their types


@pytest.mark.parametrize("utc", [True, False])
@pytest.mark.parametrize(("unit", "second"), [("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_a_time_in_utc_may_be_of_the_day_before(unit: str, second: int, utc: bool, tmp_path: Path) -> None:
    times = [-3600 * second, 3600 * second, 86_400 * second, 10**6 * second]
    physical = "INT32" if unit == "ms" else "INT64"
    records, cells, rejects, _ = column(tmp_path, 4, Node("t", physical, times, logical=TIME(unit, utc=utc)))
    reason = "column 't' has a time that is not within a day"
    if utc:
        assert (records, rejects) == (["23:00:00", "01:00:00", "00:00:00"], {reason: 1})
    else:
        assert (records, rejects) == (["01:00:00"], {reason: 3})
    assert [cell.isoformat() for cell in cells] == records


@pytest.mark.parametrize(
    "node",
    [
        Node("d", "INT32", [12_345, 15], converted="DECIMAL", precision=3, scale=1),
        Node("d", "INT64", [12_345, 15], converted="DECIMAL", precision=3, scale=1),
        Node("d", "FIXED", [b"\0\0\x30\x39", b"\0\0\0\x0f"], length=4, converted="DECIMAL", precision=3, scale=1),
        Node("d", TEXT, [b"\x30\x39", b"\x0f"], converted="DECIMAL", precision=3, scale=1),
    ],
)
def test_a_decimal_with_more_digits_than_its_type_is_kept(node: Node, tmp_path: Path) -> None:
    records, cells, rejects, kind = column(tmp_path, 2, node)
    assert (records, rejects) == (["1234.5", "1.5"], {})
    assert (cells, kind) == ([Decimal("1234.5"), Decimal("1.5")], "DECIMAL(38,1)")


def test_instants_and_dates_of_any_year(tmp_path: Path) -> None:
    instants = Node("t", "INT64", [2**62, 0], logical=TIMESTAMP("ms", utc=True))
    records, loaded = both(tmp_path, parquet_file(2, Node("d", "INT32", [-(2**31), 0], logical=DATE), instants))
    first, second = "+146140482-04-24T15:36:27.904000", "1970-01-01T00:00:00"
    assert records == [
        {"d": "-5877641-06-23", "t": first + "+00:00"},
        {"d": "1970-01-01", "t": second + "+00:00"},
    ]
    assert loaded.types == ["DATE", "VARCHAR"]
    assert [row[1] for row in loaded.rows] == [first + "Z", second + ".000Z"]
    with duckdb.connect(str(tmp_path / "a.parquet.duckdb")) as connection:
        assert connection.execute("SELECT d::VARCHAR FROM t ORDER BY _file_row").fetchall() == [
            ("5877642-06-23 (BC)",), ("1970-01-01",),
        ]  # fmt: skip


# Records that cannot be


def test_text_that_is_not_utf8_costs_its_record(tmp_path: Path) -> None:
    texts = Node("s", TEXT, [b"ok", b"\xff", b"fine"], converted="UTF8")
    enums = Node("e", TEXT, [b"A", b"B", b"\xfe"], converted="ENUM")
    records, loaded = both(tmp_path, parquet_file(3, texts, enums))
    assert records == [{"s": "ok", "e": "A"}]
    assert loaded.rows == [("ok", "A")]
    assert loaded.rejects == {
        "column 's' has text that is not valid UTF-8": 1,
        "column 'e' has text that is not valid UTF-8": 1,
    }


def test_an_index_beyond_the_dictionary_is_damage(tmp_path: Path) -> None:
    node = Node("d", TEXT, [b"a"], converted="UTF8", indices=[0, 5])
    records, loaded = both(tmp_path, parquet_file(2, Node("n", "INT32", [1, 2]), node))
    assert records == []
    (failure,) = loaded.failures
    assert "row group 1 of 1 cannot be decoded" in failure
    assert "column 'd'" in failure


def test_a_page_that_does_not_match_its_checksum_is_damage(tmp_path: Path) -> None:
    """A changed number is as good a number as it was; nothing else tells."""
    path = tmp_path / "a.parquet"
    table = pa.table({"n": pa.array(range(1000, 1100))})
    pq.write_table(table, path, write_page_checksum=True, compression="none", use_dictionary=False)
    data = path.read_bytes()
    where = data.index((1050).to_bytes(8, "little"))
    assert both(tmp_path, data)[1].rows == [(n,) for n in range(1000, 1100)]
    path.write_bytes(data[:where] + (1051).to_bytes(8, "little") + data[where + 8 :])
    (failure,) = table_of(path, tmp_path).failures
    assert "row group 1 of 1 cannot be decoded: its data is damaged (file 'a.parquet', column 'n')" in failure


# Groups and maps


def pairs(keys: Node, values: Node) -> Node:
    return group(
        "m",
        group("key_value", keys, values, repetition="repeated"),
        repetition="optional",
        converted="MAP",
        logical=MAP,
    )


def test_groups_without_fields_are_left_out(tmp_path: Path) -> None:
    identity, data = Node("id", "INT32", [7]), Node("optional_data", TEXT, [b"x"], logical=STRING)
    records, loaded = both(
        tmp_path, parquet_file(1, identity, group("g"), group("h", group("i"), Node("z", "INT32", [3])), data)
    )
    assert records == [{"id": 7, "h": {"z": 3}, "optional_data": "x"}]
    assert (loaded.columns, loaded.rows) == (["id", "h", "optional_data"], [(7, {"z": 3}, "x")])
    assert loaded.failures == []


def test_a_map_whose_keys_may_be_null(tmp_path: Path) -> None:
    """As Trino, Presto and Athena wrote them; a key that is null costs its record."""
    keys = Node(
        "key",
        TEXT,
        [b"a", b"b", b"c"],
        repetition="optional",
        logical=STRING,
        levels=([0, 1, 0, 0, 1], [3, 3, 1, 3, 2]),
    )
    values = Node("value", "INT32", [1, 4, 5], repetition="optional", levels=([0, 1, 0, 0, 1], [3, 2, 1, 3, 3]))
    records, cells, rejects, kind = column(tmp_path, 3, Node("n", "INT32", [1, 2, 3]), pairs(keys, values))
    assert records == [{"a": 1, "b": None}, {}]
    assert cells == [{"a": 1, "b": None}, {}]
    assert rejects == {"column 'm' has a map with a key that is null": 1}
    assert kind == "MAP(VARCHAR, BIGINT)"


def test_of_a_key_that_comes_twice_the_last_value_counts(tmp_path: Path) -> None:
    keys = Node("key", TEXT, [b"a", b"b", b"a"], logical=STRING, levels=([0, 1, 1], [2, 2, 2]))
    values = Node("value", "INT32", [1, 2, 3], levels=([0, 1, 1], [2, 2, 2]))
    records, cells, rejects, _ = column(tmp_path, 1, pairs(keys, values))
    assert (records, cells, rejects) == ([{"b": 2, "a": 3}], [{"b": 2, "a": 3}], {})


# What is refused, and why


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (
            Node("d", "FIXED", [bytes(33)], length=33, converted="DECIMAL", precision=77, scale=1),
            "has decimals of 77 digits, and at most 76 can be read (file 'a.parquet', column 'd')",
        ),
        (
            Node("d", "INT32", [1], converted="DECIMAL", precision=3, scale=5),
            "is whole, but the schema in its footer breaks the rules of Parquet (file 'a.parquet')",
        ),
        (
            Node("d", "INT32", [1], converted="UTF8"),
            "is whole, but the schema in its footer breaks the rules of Parquet (file 'a.parquet')",
        ),
        (
            Node("d", TEXT, [bytes(20)], converted="DECIMAL", precision=3, scale=1),
            "row group 1 of 1 cannot be decoded: one of its decimals has no bytes, or more than its digits can fill"
            " (file 'a.parquet', column 'd')",
        ),
        (group("d"), "row group 1 of 1 has no columns where the footer says 1 rows (file 'a.parquet')"),
    ],
)
def test_refusals_say_why(node: Node, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(parquet_file(1, node))
    assert table_of(path, tmp_path).failures == [reason]


def test_a_summary_of_other_files_is_said_to_be_one(tmp_path: Path) -> None:
    """`_metadata`, as Spark and Dask write it beside the files."""
    part = tmp_path / "part.parquet"
    summary: list[pq.FileMetaData] = []
    pq.write_table(pa.table({"n": [1]}), part, metadata_collector=summary)
    summary[0].set_file_path("part.parquet")
    path = tmp_path / "all.parquet"
    summary[0].write_metadata_file(str(path))
    assert table_of(path, tmp_path).failures == [
        "is a summary of other Parquet files, which hold its rows (file 'all.parquet')"
    ]


def test_a_file_that_is_refused_leaves_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.parquet").write_bytes(parquet_file(1, Node("d", "INT32", [1], converted="UTF8")))
    (folder / "b.parquet").write_bytes(parquet_file(1, Node("n", "INT32", [5])))
    loaded = table_of(folder, tmp_path)
    assert len(loaded.failures) == 1
    assert loaded.rows == [(5,)]
