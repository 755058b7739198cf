"""Iceberg tables as pyiceberg reads them: columns, ids, snapshots, names, and what others do to them."""

import datetime
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from file_cdk.core.errors import ConfigError, DestinationError, DestinationInUseError
from file_cdk.core.ports import LoadedFile, StreamTable, TableName
from file_cdk.destinations.iceberg import IcebergDestination
from file_cdk.destinations.iceberg.place import TablesUrl, folder_of
from file_cdk.destinations.registry import destination_for
from file_cdk.testing.landing import load_whole, version


@contextmanager
def opened(lake: Path, stream: str = "t", options: str = "") -> Iterator[tuple[IcebergDestination, StreamTable]]:
    destination = IcebergDestination(f"iceberg:{lake}/{options}")
    destination.open()
    with closing(destination):
        yield destination, destination.table(TableName(stream))


def read(lake: Path, *name: str) -> Table:
    """As any program does that has pyiceberg."""
    catalog = SqlCatalog("default", uri=f"sqlite:///{lake}/catalog.sqlite", warehouse=f"file://{lake}")
    with closing(catalog):
        return catalog.load_table(name or ("default", "t"))


def rows(table: Table, *names: str) -> list[tuple[Any, ...]]:
    found = table.scan(selected_fields=names).to_arrow().select(names)
    return sorted(zip(*(column.to_pylist() for column in found.columns), strict=True), key=repr)


def load(destination: IcebergDestination, table: StreamTable, uri: str, column: pa.Array, number: int = 0) -> None:
    table.widen(pa.schema({"v": column.type}))
    kind = table.schema.field("v").type
    file = version(uri, number)
    begun = table.begin(file)
    begun.write(destination.encoder.encode(pa.record_batch({"v": column.cast(kind)}), file, 1, 0), 0)
    begun.commit(LoadedFile(len(column)))


def test_rows_say_where_they_came_from(tmp_path: Path) -> None:
    with opened(tmp_path) as (destination, table):
        load_whole(destination, table, version("a"), [{"n": 1}], [{"n": 2}])
    found = read(tmp_path)
    at = version("a").modified_at.replace(tzinfo=None)
    assert rows(found, "n", "_file_url", "_file_modified_at", "_file_row") == [(1, "a", at, 1), (2, "a", at, 2)]
    assert [field.name for field in found.schema().fields] == ["n", "_file_url", "_file_modified_at", "_file_row"]


KINDS: dict[str, tuple[pa.DataType, Any, str, Any]] = {
    "unsigned": (pa.uint64(), 2**64 - 1, "string", str(2**64 - 1)),
    "small": (pa.int8(), -1, "long", -1),
    "float": (pa.float32(), 0.5, "double", 0.5),
    "nanoseconds": (pa.timestamp("ns"), 1_000_000_001, "string", "1970-01-01 00:00:01.000000001"),
    "time": (pa.time64("us"), datetime.time(1, 2, 3, 4), "time", datetime.time(1, 2, 3, 4)),
    "time of nanoseconds": (pa.time64("ns"), 1_000_000_001, "string", "00:00:01.000000001"),
    "long decimal": (pa.decimal256(50, 2), Decimal("123456789012345678901234567890123456789.25"), "string", None),
    "decimal": (pa.decimal128(38, 2), Decimal("1.25"), "decimal(38, 2)", Decimal("1.25")),
    "map": (pa.map_(pa.string(), pa.int64()), [("a", 1)], "map<string, long>", [("a", 1)]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_type_that_iceberg_lacks_is_held_by_another(tmp_path: Path, kind: str) -> None:
    source, value, declared, kept = KINDS[kind]
    with opened(tmp_path) as (destination, table):
        load(destination, table, "a", pa.array([value, None], source))
    found = read(tmp_path)
    assert str(found.schema().find_field("v").field_type) == declared
    expected = str(value) if kept is None else kept
    assert found.scan().to_arrow()["v"].to_pylist() == [expected, None]


def test_a_column_keeps_its_id_where_iceberg_lets_it_grow(tmp_path: Path) -> None:
    with opened(tmp_path) as (destination, table):
        load(destination, table, "a", pa.array([Decimal("1.5")], pa.decimal128(5, 1)))
        table.flush()
        before = read(tmp_path).schema().find_field("v").field_id
        load(destination, table, "b", pa.array([Decimal("12345678.5")], pa.decimal128(9, 1)))
        table.flush()
        assert read(tmp_path).schema().find_field("v").field_id == before
        load(destination, table, "c", pa.array(["x"]))
    found = read(tmp_path)
    assert found.schema().find_field("v").field_id > before
    assert rows(found, "v") == [("1.5",), ("12345678.5",), ("x",)]


def test_snapshots_from_before_a_column_changed_are_read_as_they_were(tmp_path: Path) -> None:
    with opened(tmp_path) as (destination, table):
        load(destination, table, "a", pa.array([1]))
        table.flush()
        load(destination, table, "b", pa.array(["x"]))
    found = read(tmp_path)
    first = found.metadata.snapshots[0].snapshot_id
    assert found.scan(snapshot_id=first).to_arrow()["v"].to_pylist() == [1]
    assert rows(found, "v") == [("1",), ("x",)]


def test_nested_columns_grow(tmp_path: Path) -> None:
    with opened(tmp_path) as (destination, table):
        load_whole(destination, table, version("a"), [{"s": {"x": 1, "l": [{"y": "z"}]}}])
        table.flush()
        load_whole(destination, table, version("b"), [{"s": {"x": 2, "l": [], "new": 1.5}, "other": [1]}])
    # By `x`: what a struct's text begins with depends on pyarrow.
    assert sorted(rows(read(tmp_path), "s", "other"), key=lambda row: row[0]["x"]) == [
        ({"x": 1, "l": [{"y": "z"}], "new": None}, None),
        ({"x": 2, "l": [], "new": 1.5}, [1]),
    ]


def test_a_commit_is_one_snapshot_and_one_version_of_the_table(tmp_path: Path) -> None:
    with opened(tmp_path) as (destination, table):
        load_whole(destination, table, version("a"), [{"n": 1}])
        load_whole(destination, table, version("b"), [{"n": 2}])
        table.flush()
        before = read(tmp_path).metadata
        load_whole(destination, table, version("a", 1), [{"n": 3, "more": "x"}])
        table.flush()
        found = read(tmp_path)
    assert len(found.metadata.snapshots) == len(before.snapshots) + 1
    assert len(found.metadata.metadata_log) == len(before.metadata_log) + 1
    assert rows(found, "n", "more") == [(2, None), (3, "x")]


def test_old_snapshots_and_their_files_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("file_cdk.destinations.iceberg.vacuum._UNNAMED_KEPT", datetime.timedelta(0))
    for number in range(4):
        with opened(tmp_path) as (destination, table):
            load_whole(destination, table, version("a", number), [{"n": number}])
        if number == 1:
            assert len(read(tmp_path).metadata.snapshots) == 2
            changed = read(tmp_path).transaction()
            changed.set_properties({"history.expire.max-snapshot-age-ms": "0"})
            with closing(SqlCatalog("default", uri=f"sqlite:///{tmp_path}/catalog.sqlite")) as catalog:
                changed._table.catalog = catalog
                changed.commit_transaction()
    found = read(tmp_path)
    assert len(found.metadata.snapshots) <= 2  # the one before goes with the next commit
    assert rows(found, "n") == [(3,)]
    assert len(list((tmp_path / "t" / "data").iterdir())) == len(found.metadata.snapshots)


def test_a_long_load_keeps_its_last_snapshots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("file_cdk.destinations.iceberg.commits._MAX_SNAPSHOTS", 3)
    with opened(tmp_path) as (destination, table):
        for number in range(6):
            load_whole(destination, table, version(str(number)), [{"n": number}])
            table.flush()
    found = read(tmp_path)
    assert len(found.metadata.snapshots) == 3
    assert rows(found, "n") == [(number,) for number in range(6)]


def test_what_others_delete_and_compact_is_noticed(tmp_path: Path) -> None:
    with opened(tmp_path) as (destination, table):
        load_whole(destination, table, version("a"), [{"n": 1}, {"n": 2}])
        load_whole(destination, table, version("b"), [{"n": 3}])
    with closing(SqlCatalog("default", uri=f"sqlite:///{tmp_path}/catalog.sqlite")) as catalog:
        catalog.load_table(("default", "t")).delete("n = 2")
    (wrong,) = IcebergDestination(f"iceberg:{tmp_path}/").mismatches()
    assert (wrong.url, wrong.expected, wrong.present) == ("a", 2, 1)
    with opened(tmp_path) as (destination, table):
        load_whole(destination, table, version("a", 1), [{"n": 4}])
    assert rows(read(tmp_path), "n") == [(3,), (4,)]
    assert IcebergDestination(f"iceberg:{tmp_path}/").mismatches() == []


def test_a_table_that_changes_during_a_run_is_not_written_over(tmp_path: Path) -> None:
    with opened(tmp_path) as (destination, table):
        load_whole(destination, table, version("a"), [{"n": 1}, {"n": 2}])
    destination = IcebergDestination(f"iceberg:{tmp_path}/")
    destination.open()
    table = destination.table(TableName("t"))
    with closing(SqlCatalog("default", uri=f"sqlite:///{tmp_path}/catalog.sqlite")) as catalog:
        catalog.load_table(("default", "t")).delete("n = 2")
    load_whole(destination, table, version("a", 1), [{"n": 5}])
    with pytest.raises(DestinationInUseError, match="somebody else"):
        table.flush()
    destination.close()
    assert rows(read(tmp_path), "n") == [(1,)]
    with opened(tmp_path) as (destination, table):
        assert table.unloaded([version("a", 1)]) == [True]
        load_whole(destination, table, version("a", 1), [{"n": 5}])
    assert rows(read(tmp_path), "n") == [(5,)]


def test_a_second_run_is_told_who_writes(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(DestinationInUseError, match="run"), opened(tmp_path):
        pass


def test_a_dropped_table_is_loaded_again(tmp_path: Path) -> None:
    with opened(tmp_path) as (destination, table):
        load_whole(destination, table, version("a"), [{"n": 1}])
    with closing(SqlCatalog("default", uri=f"sqlite:///{tmp_path}/catalog.sqlite")) as catalog:
        catalog.drop_table(("default", "t"))
    with opened(tmp_path) as (destination, table):
        assert table.unloaded([version("a")]) == [True]
        load_whole(destination, table, version("a"), [{"n": 1}])
    assert rows(read(tmp_path), "n") == [(1,)]


def test_columns_that_have_one_name_to_iceberg_are_refused(tmp_path: Path) -> None:
    destination = IcebergDestination(f"iceberg:{tmp_path}/")
    destination.open()
    table = destination.table(TableName("t"))
    load_whole(destination, table, version("a"), [{"a": {"b": 1}, "a.b": 2}])
    with pytest.raises(DestinationError, match=r"a\.b"):
        table.flush()
    destination.close()


def test_odd_names_and_a_namespace(tmp_path: Path) -> None:
    with opened(tmp_path, "Größe 1.5/%", "?namespace=sales") as (destination, table):
        load_whole(destination, table, version("a b%20#.csv"), [{"größe (m)": 1, "": 2}])
    found = read(tmp_path, "sales", "Größe 1.5/%")
    assert rows(found, "größe (m)", "column", "_file_url") == [(1, 2, "a b%20#.csv")]


def test_a_folder_is_of_one_namespace(tmp_path: Path) -> None:
    """Else one would take the other's data files for nobody's."""
    with opened(tmp_path) as (destination, table):
        load_whole(destination, table, version("a"), [{"n": 1}])
    says = "namespace 'default' in the folder's own catalog, not Iceberg tables of namespace 'sales'"
    with pytest.raises(ConfigError, match=says), opened(tmp_path, options="?namespace=sales"):
        pass
    with pytest.raises(ConfigError, match=says):
        IcebergDestination(f"iceberg:{tmp_path}/?namespace=sales").streams()
    with opened(tmp_path) as (_, table):
        assert table.unloaded([version("a")]) == [False]


def test_a_namespace_within_another_is_refused_by_a_sql_catalog(tmp_path: Path) -> None:
    destination = IcebergDestination(f"iceberg:{tmp_path}/?namespace=sales.eu")
    destination.open()
    load_whole(destination, destination.table(TableName("t")), version("a"), [{"n": 1}])
    with pytest.raises(DestinationError, match="hierarchical"):
        destination.close()


def test_folders_of_streams_are_plain_and_their_own() -> None:
    assert folder_of("orders_2024-01") == "orders_2024-01"
    names = ["a b", "a/b", "..", ".", "_file_cdk", "ż" * 300]
    assert len({folder_of(name) for name in names}) == len(names)
    assert all(len(folder_of(name)) < 120 and folder_of(name) != "_file_cdk" for name in names)


@pytest.mark.parametrize(
    ("url", "root", "namespace", "catalog"),
    [
        ("iceberg:lake/", "lake", ("default",), None),
        ("iceberg:///lake/", "lake", ("default",), None),
        ("iceberg:////data/lake", "/data/lake", ("default",), None),
        ("iceberg:lake/?catalog=prod&namespace=a.b", "lake", ("a", "b"), "prod"),
        ("iceberg:s3://bucket/lake/", "s3://bucket/lake", ("default",), "default"),
    ],
)
def test_urls(
    url: str, root: str, namespace: tuple[str, ...], catalog: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert TablesUrl.parse(url) == TablesUrl(root, namespace, catalog)
    assert isinstance(destination_for(url), IcebergDestination)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("iceberg:", "no folder"),
        ("iceberg://host/lake", "host"),
        ("iceberg:lake/?schema=x", "no option 'schema'"),
        ("iceberg:lake/?namespace=", "namespace"),
        ("iceberg:a#b/", "'#'"),
        ("iceberg:az://container/lake/", "only S3"),
    ],
)
def test_urls_that_say_nothing(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        destination_for(url)


def test_a_catalog_that_nobody_has_described(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYICEBERG_HOME", str(tmp_path))
    destination = IcebergDestination(f"iceberg:{tmp_path}/?catalog=nowhere")
    destination.open()
    with pytest.raises(ConfigError, match="PYICEBERG_CATALOG__NOWHERE__URI"):
        destination.table(TableName("t"))
    destination.close()


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"URI": "sqlite:////nowhere/at/all.sqlite"}, "unable to open database file"),
        ({"URI": "postgresql+pg8000://me:hunter2@host/db"}, "not installed: pip install"),
        ({"TYPE": "nothing", "TOKEN": "hunter2"}, "PYICEBERG_CATALOG__BAD__URI"),
        ({"URI": "http://me:hunter2@127.0.0.1:9/", "TOKEN": "hunter2"}, "opening the catalog"),
    ],
)
def test_a_catalog_that_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], says: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"PYICEBERG_CATALOG__BAD__{name}", value)
    destination = IcebergDestination(f"iceberg:{tmp_path}/?catalog=bad")
    destination.open()
    with closing(destination), pytest.raises((ConfigError, DestinationError), match=says) as caught:
        destination.table(TableName("t"))
    assert "hunter2" not in str(caught.value)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("file_cdk.destinations.iceberg.library.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"file-cdk\[iceberg\]"):
        destination_for("iceberg:lake/")
