"""A table in Postgres: what its columns are declared as, how they grow, and that no value changes."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import chain
from typing import Any

import pyarrow as pa
import pytest
from postgres_landing import connected

from file_cdk.core.errors import RowsRefusedError
from file_cdk.core.ports import LoadedFile, TableName
from file_cdk.destinations.postgres.destination import PostgresDestination
from file_cdk.destinations.postgres.session import PostgresDatabase
from file_cdk.testing.landing import load_whole, version

T = TableName("t")


@pytest.fixture
def database(postgres_database: str) -> Iterator[PostgresDestination]:
    destination = PostgresDestination(postgres_database)
    destination.open()
    yield destination
    destination.close()


@pytest.fixture
def url(postgres_database: str) -> str:
    return postgres_database


def asked(url: str, sql: str) -> list[Any]:
    with connected(url) as db:
        return db.execute(sql.encode()).fetchall()


def write(destination: PostgresDestination, uri: str, **columns: pa.Array) -> None:
    """Columns as a worker decodes them that was told the table's types before."""
    table = destination.table(T)
    batch = pa.record_batch(columns)
    file = version(uri)
    load = table.begin(file)
    try:
        load.write(destination.encoder.encode(batch, file, 1, 0), 0)
    except BaseException:
        load.abort()
        raise
    load.commit(LoadedFile(batch.num_rows))
    table.flush()


def load(destination: PostgresDestination, uri: str, *rows: dict[str, Any]) -> None:
    table = destination.table(T)
    load_whole(destination, table, version(uri), list(rows))
    table.flush()


def declared(url: str) -> dict[str, str]:
    return dict(
        asked(
            url,
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass "
            "AND attnum > 0 AND NOT attisdropped AND attname NOT LIKE '\\_file\\_%' ORDER BY attnum",
        )
    )


VALUES: dict[str, tuple[pa.DataType, str, list[Any]]] = {
    "boolean": (pa.bool_(), "boolean", [True, False, None]),
    "integer": (pa.int64(), "bigint", [-(2**63), 2**63 - 1, None]),
    "double": (pa.float64(), "double precision", [0.1, -1e300, float("inf"), float("-inf"), 5e-324, None]),
    "decimal": (
        pa.decimal128(38, 10),
        "numeric(38,10)",
        [Decimal("-1234567890123456789012345678.0123456789"), Decimal(0)],
    ),
    "text": (pa.string(), "text", ["", "żółć 🦆", "a\"b\n\\.\n'c\\N", None]),
    "bytes": (pa.binary(), "bytea", [b"", b"\x00\xff", None]),
    "date": (pa.date32(), "date", [date(1, 1, 1), date(9999, 12, 31), date(2000, 2, 29), None]),
    "time": (pa.time64("us"), "time without time zone", [time(0), time(23, 59, 59, 999999), None]),
    "timestamp": (
        pa.timestamp("us"),
        "timestamp without time zone",
        [datetime(1, 1, 1), datetime(2024, 1, 2, 3, 4, 5, 6)],  # noqa: DTZ001
    ),
}


@pytest.mark.parametrize("kind", VALUES)
def test_values_are_kept_in_columns_of_their_type(database: PostgresDestination, url: str, kind: str) -> None:
    arrow, name, values = VALUES[kind]
    database.table(T).widen(pa.schema({"v": arrow}))
    write(database, "a", v=pa.array(values, arrow))
    assert declared(url) == {"v": name}
    assert [value for (value,) in asked(url, "SELECT v FROM t ORDER BY _file_row")] == values


def test_each_row_says_where_it_came_from(database: PostgresDestination, url: str) -> None:
    load(database, "a", {"n": 1}, {"n": 2})
    assert asked(url, "SELECT _file_url, _file_modified_at::text, _file_row FROM t ORDER BY 3") == [
        ("a", "2024-01-01 12:00:00.123456", 1),
        ("a", "2024-01-01 12:00:00.123456", 2),
    ]


@pytest.mark.parametrize(
    ("precision", "scale"), [(1, 0), (4, 4), (5, 0), (16, 3), (17, 1), (18, 2), (18, 17), (19, 4), (38, 0), (38, 38)]
)
def test_decimals_are_kept_to_the_last_digit(
    database: PostgresDestination, url: str, precision: int, scale: int
) -> None:
    whole = [0, *(10**digits + more for digits in range(precision) for more in (-1, 0, 1))]
    whole = [number for number in whole if number < 10**precision]
    values = [None, *(Decimal((sign, tuple(map(int, str(n))), -scale)) for n in whole for sign in (0, 1)), None]
    kind = pa.decimal128(precision, scale)
    database.table(T).widen(pa.schema({"d": kind}))
    for uri, some in (("a", values), ("b", values[1:-1]), ("c", [Decimal(0), None])):
        write(database, uri, d=pa.array(some, kind))
    found = asked(url, "SELECT d::text FROM t WHERE _file_url = 'a' ORDER BY _file_row")
    assert [text for (text,) in found] == [d if d is None else f"{d if d else d.copy_abs():f}" for d in values]
    assert asked(url, "SELECT count(d) FROM t") == [(2 * len(whole) * 2 + 1,)]


def test_rows_without_values_are_kept(database: PostgresDestination, url: str) -> None:
    kinds = [kind for kind, _, _ in VALUES.values()]
    database.table(T).widen(pa.schema([pa.field(f"c{i}", kind) for i, kind in enumerate(kinds)]))
    some = {f"c{i}": pa.array([values[0], None], kind) for i, (kind, _, values) in enumerate(VALUES.values())}
    write(database, "a", **some)
    write(database, "b", **{name: pa.nulls(2, array.type) for name, array in some.items()})
    for name in some:
        assert asked(url, f"SELECT {name} IS NULL FROM t ORDER BY _file_url, _file_row") == [
            (False,),
            *[(True,)] * 3,
        ]


def test_nan_is_nan(database: PostgresDestination, url: str) -> None:
    load(database, "a", {"d": float("nan")}, {"d": None})
    assert asked(url, "SELECT d::text FROM t ORDER BY _file_row") == [("NaN",), (None,)]


def test_nested_values_are_json_as_the_file_has_it(database: PostgresDestination, url: str) -> None:
    table = database.table(T)
    table.widen(pa.schema({"s": pa.struct({"a": pa.int64()}), "l": pa.list_(pa.int64())}))
    assert table.schema == pa.schema({"s": pa.string(), "l": pa.string()})
    text = '{"b": 1.50,  "a": "\\u0000"}'
    write(database, "a", s=pa.array([text, None]), l=pa.array(["[1, null]", "[]"]))
    assert declared(url) == {"s": "json", "l": "json"}
    assert asked(url, "SELECT s::text, l->>0 FROM t ORDER BY _file_row") == [(text, "1"), (None, None)]


@pytest.mark.parametrize("text", ["plain", "[1", "12", '{"a": NaN}'])
def test_a_column_of_json_becomes_text_where_a_value_is_none(
    database: PostgresDestination, url: str, text: str
) -> None:
    database.table(T).widen(pa.schema({"s": pa.struct({"a": pa.int64()})}))
    write(database, "a", s=pa.array(['{"a":  1}']))
    write(database, "b", s=pa.array([text]))
    assert declared(url) == {"s": "text"}
    assert asked(url, "SELECT s FROM t ORDER BY _file_url") == [('{"a":  1}',), (text,)]


@pytest.mark.parametrize(
    "kind", [pa.uint64(), pa.timestamp("ns"), pa.time64("ns"), pa.duration("us"), pa.decimal256(50, 2)]
)
def test_what_postgres_has_no_exact_type_for_is_text(database: PostgresDestination, kind: pa.DataType) -> None:
    table = database.table(T)
    table.widen(pa.schema({"v": kind}))
    assert table.schema.field("v").type == pa.string()


def test_a_column_becomes_wider_with_all_that_it_holds(database: PostgresDestination, url: str) -> None:
    day = date(2024, 1, 2)
    load(database, "a", {"n": 1, "f": True, "d": 0.1, "t": day, "m": Decimal("1.50"), "b": b"\xff"})
    with connected(url) as db:
        db.execute("CREATE INDEX mine ON t (n)")
    moment = datetime(2024, 1, 2, 3, 4, 5)  # noqa: DTZ001
    load(database, "b", {"n": 1.5, "f": "maybe", "d": "much", "t": moment, "m": Decimal("123456.789"), "b": "x"})
    assert declared(url) == {
        "n": "double precision",
        "f": "text",
        "d": "text",
        "t": "timestamp without time zone",
        "m": "numeric(9,3)",
        "b": "text",
    }
    assert asked(url, "SELECT n, f, d, t, m, b FROM t ORDER BY _file_url") == [
        (1.0, "true", "0.1", datetime(2024, 1, 2), Decimal("1.500"), "\\xff"),  # noqa: DTZ001
        (1.5, "maybe", "much", moment, Decimal("123456.789"), "x"),
    ]
    assert asked(url, "SELECT 1 FROM pg_indexes WHERE indexname = 'mine'") == [(1,)]


@pytest.mark.parametrize(
    ("first", "second", "texts"),
    [
        (pa.array([2**53 + 1]), pa.array([0.5]), ["9007199254740993", "0.5"]),
        (pa.array([0.5]), pa.array([2**53 + 1]), ["0.5", "9007199254740993"]),
        (pa.array([Decimal("0.12345678901234567890")]), pa.array([0.5]), ["0.12345678901234567890", "0.5"]),
    ],
)
def test_numbers_that_no_double_holds_become_text(
    database: PostgresDestination, url: str, first: pa.Array, second: pa.Array, texts: list[str]
) -> None:
    table = database.table(T)
    for uri, array in (("a", first), ("b", second)):
        table.widen(pa.schema({"n": array.type}))
        write(database, uri, n=array)
    assert [text for (text,) in asked(url, "SELECT n FROM t ORDER BY _file_url")] == texts


NARROWER: list[tuple[pa.DataType, Any, pa.DataType, Any]] = [
    (pa.int64(), -7, pa.string(), "-7"),
    (pa.bool_(), True, pa.string(), "true"),
    (pa.float64(), 1e300, pa.string(), "1e+300"),
    (pa.binary(), b"\xff", pa.string(), "\\xff"),
    (pa.date32(), date(2024, 1, 2), pa.string(), "2024-01-02"),
    (pa.timestamp("us", "UTC"), datetime(2024, 1, 2, tzinfo=UTC), pa.string(), "2024-01-02 00:00:00+00"),
    (pa.date32(), date(2024, 1, 2), pa.timestamp("us"), datetime(2024, 1, 2)),  # noqa: DTZ001
    (pa.int64(), 2**53, pa.float64(), float(2**53)),
    (pa.decimal128(5, 2), Decimal("1.50"), pa.float64(), 1.5),
    (pa.int64(), 3, pa.decimal128(20, 2), Decimal("3.00")),
    (pa.decimal128(5, 2), Decimal("1.50"), pa.decimal128(20, 4), Decimal("1.5000")),
]


@pytest.mark.parametrize(
    ("kind", "value", "wider", "kept"), NARROWER, ids=[f"{each[0]} {each[2]}" for each in NARROWER]
)
def test_rows_that_were_made_before_a_column_grew_are_converted(
    database: PostgresDestination, url: str, kind: pa.DataType, value: object, wider: pa.DataType, kept: object
) -> None:
    table, file = database.table(T), version("a")
    load = table.begin(file)
    for number, array in enumerate((pa.nulls(2, wider), pa.array([value, None], kind), pa.array([kept, None], wider))):
        if number == 2:
            table.widen(pa.schema({"v": wider}))
        load.write(database.encoder.encode(pa.record_batch({"v": array, "n": [1, 2]}), file, 1, 0), 2 * number)
    load.write(database.encoder.encode(pa.record_batch({"v": pa.array([value], kind), "n": [1]}), file, 1, 0), 6)
    load.commit(LoadedFile(7))
    table.flush()
    assert asked(url, "SELECT v, _file_row FROM t ORDER BY 2") == [
        *((None, row) for row in (1, 2)),
        *((kept, 3), (None, 4), (kept, 5), (None, 6), (kept, 7)),
    ]
    assert "_file_cdk_narrower" not in [name for (name,) in asked(url, "SELECT relname FROM pg_class")]


def test_a_file_that_is_given_up_while_rows_are_copied_leaves_nothing(database: PostgresDestination, url: str) -> None:
    load(database, "a", {"n": 1})
    table, batch = database.table(T), pa.record_batch({"n": [2]})
    writer = table.begin(version("b"))
    for rows_before in range(3):
        writer.write(database.encoder.encode(batch, version("b"), 1, 0), rows_before)
    writer.abort()
    load(database, "c", {"n": 3})
    assert asked(url, "SELECT n FROM t ORDER BY 1") == [(1,), (3,)]


def test_text_with_nul_is_refused_by_name_and_others_are_loaded(database: PostgresDestination, url: str) -> None:
    load(database, "a", {"n": 1, "s": "x"})
    with pytest.raises(RowsRefusedError, match="NUL") as caught:
        write(database, "b", n=pa.array([2]), s=pa.array(["y\0z"]))
    assert (caught.value.uri, caught.value.column) == ("b", "s")
    assert "y" not in caught.value.message.replace("Postgres", "")
    load(database, "c", {"n": 3, "s": "z"})
    assert asked(url, "SELECT n FROM t ORDER BY 1") == [(1,), (3,)]


def test_a_date_beyond_those_of_postgres_is_refused_by_name(database: PostgresDestination, url: str) -> None:
    database.table(T).widen(pa.schema({"d": pa.timestamp("us")}))
    with pytest.raises(RowsRefusedError, match="years") as caught:
        write(database, "a", d=pa.array([-(2**63) + 1], pa.timestamp("us")))
    assert caught.value.column == "d"
    write(database, "b", d=pa.array([-(10**17)], pa.timestamp("us")))  # before Christ
    before_christ = "d < '0001-01-01' AND d = timestamp 'epoch' - interval '100000000000 seconds'"
    assert asked(url, f"SELECT {before_christ} FROM t") == [(True,)]


def test_long_names_are_shortened_and_told_apart(database: PostgresDestination, url: str) -> None:
    long = "ż" * 40
    load(database, "a", {long + "1": 1, long + "2": 2, "ctid": 3, 'a"%s?': 4})
    kept = dict(asked(url, "SELECT name, column_name FROM _file_cdk_columns WHERE stream = 't'"))
    assert all(len(name.encode()) <= 63 for name in kept.values())
    assert kept["ctid"] == "ctid_2"
    assert list(declared(url)) == list(kept.values())
    load(database, "b", {long + "2": 20})
    assert asked(url, f'SELECT "{kept[long + "2"]}" FROM t ORDER BY _file_url') == [(2,), (20,)]


def test_long_streams_have_tables_of_their_own(database: PostgresDestination, url: str) -> None:
    names = ["x" * 100 + end for end in "12"]
    for number, name in enumerate(names):
        table = database.table(TableName(name))
        load_whole(database, table, version("a"), [{"n": number}])
        new = database.table(TableName(name), anew=True)
        load_whole(database, new, version("a"), [{"n": number}, {"n": number}])
        new.flush()
        database.put_in_place(TableName(name))
    database.close()
    assert [(each.stream, each.rows) for each in database.streams()] == [(name, 2) for name in names]
    assert database.mismatches() == []


def test_an_aborted_load_takes_its_columns_back(database: PostgresDestination, url: str) -> None:
    load(database, "a", {"n": 1})
    table = database.table(T)
    batch = pa.record_batch({"n": ["x"], "m": [2]})
    table.widen(batch.schema)
    writer = table.begin(version("b"))
    writer.write(database.encoder.encode(batch, version("b"), 1, 0), 0)
    writer.abort()
    table.widen(pa.schema({"n": pa.int64()}), anew=True)
    load(database, "c", {"n": 2})
    assert declared(url) == {"n": "bigint"}


def test_files_are_looked_up_by_an_index(database: PostgresDestination, url: str) -> None:
    for number in range(2):
        for uri in "ab":
            load_whole(database, database.table(T), version(uri, number), [{"n": number}])
    database.table(T).flush()
    with connected(url) as db:
        db.execute("SET enable_seqscan = off")
        of_urls = PostgresDatabase(db, url).among("{}").replace("?", "'[\"a\"]'")
        for table, column, index in (
            ("t", "_file_url", "_file_cdk_files_of_t"),
            ("_file_cdk_files", "url", "_file_cdk_files_of_file"),
            ("_file_cdk_rejects", "url", "_file_cdk_rejects_of_file"),
        ):
            chosen = of_urls.format(column) + ("" if table == "t" else " AND stream = 't'")
            plan = db.execute(f"EXPLAIN DELETE FROM {table} WHERE {chosen}".encode()).fetchall()
            text = "\n".join(line for (line,) in plan)
            assert re.search(rf"Index Scan (using|on) {index} .*\n *Index Cond: .*sha256\(", text), text


def test_loaded_files_come_in_parts(database: PostgresDestination, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("file_cdk.destinations.sql.ledger._PART_URLS", 2)
    table = database.table(T)
    for uri in "abcde":
        load_whole(database, table, version(uri), [{"n": 1}])
    parts = list(table.loaded())
    assert list(map(len, parts)) == [2, 2, 1]
    assert sorted(chain.from_iterable(parts)) == list("abcde")


def test_a_view_that_is_in_the_way_is_named_in_words(database: PostgresDestination, url: str) -> None:
    load(database, "a", {"n": 1})
    with connected(url) as db:
        db.execute("CREATE VIEW seen AS SELECT n FROM t")
    database.table(T).widen(pa.schema({"n": pa.string()}))
    with pytest.raises(RowsRefusedError, match="view"):
        write(database, "b", n=pa.array(["x"]))
    with connected(url) as db:
        db.execute("DROP VIEW seen")
    write(database, "b", n=pa.array(["x"]))
    assert asked(url, "SELECT n FROM t ORDER BY 1") == [("1",), ("x",)]


def test_a_constraint_of_somebodys_refuses_the_file(database: PostgresDestination, url: str) -> None:
    load(database, "a", {"n": 1})
    with connected(url) as db:
        db.execute("ALTER TABLE t ADD CHECK (n < 10)")
    with pytest.raises(RowsRefusedError, match="constraint") as caught:
        write(database, "b", n=pa.array([4711]))
    assert "4711" not in json.dumps([caught.value.message, caught.value.remedy])
    load(database, "c", {"n": 2})
    assert asked(url, "SELECT n FROM t ORDER BY 1") == [(1,), (2,)]
