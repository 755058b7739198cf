"""A table in a folder of Parquet files: what readers see, how columns grow, and what is left of runs that were stopped."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from file_cdk.core.errors import DestinationError, DestinationInUseError
from file_cdk.core.ports import LoadedFile, TableName
from file_cdk.destinations.files import destination as module
from file_cdk.destinations.files import table as tables
from file_cdk.destinations.files.destination import FilesDestination
from file_cdk.destinations.files.folder import Folder
from file_cdk.destinations.files.manifest import latest, numbered
from file_cdk.testing.landing import load_whole, version

T = TableName("t")


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[FilesDestination]:
    destination = FilesDestination(tmp_path / "lake")
    destination.open()
    yield destination
    destination.close()


def load(destination: FilesDestination, uri: str, *rows: dict[str, Any], number: int = 0) -> None:
    table = destination.table(T)
    load_whole(destination, table, version(uri, number), list(rows))
    table.flush()


def load_batch(destination: FilesDestination, uri: str, batch: pa.RecordBatch) -> None:
    """As it is, also where the table asked for other types."""
    table = destination.table(T)
    table.widen(batch.schema)
    one = table.begin(version(uri))
    one.write(destination.encoder.encode(batch, version(uri), 1, 0), 0)
    one.commit(LoadedFile(rows=len(batch)))


def paths(destination: FilesDestination) -> list[Path]:
    """The data files that count."""
    return [Path(destination.path, file.path) for file in latest(Folder(destination.path)).tables.get("t", [])]


def rows(
    destination: FilesDestination, columns: str = "* EXCLUDE (_file_url, _file_modified_at, _file_row)"
) -> list[Any]:
    """As any other reader has them."""
    found = [str(path) for path in paths(destination)]
    with closing(duckdb.connect()) as db:
        return db.execute(f"SELECT {columns} FROM read_parquet({found}, union_by_name = true) ORDER BY ALL").fetchall()


def test_rows_say_where_they_are_from(lake: FilesDestination) -> None:
    load(lake, "a", {"n": 1}, {"n": 2})
    at = datetime(2024, 1, 1, 12, 0, 0, 123456)  # noqa: DTZ001 - a column without a zone
    assert rows(lake, "*") == [(1, "a", at, 1), (2, "a", at, 2)]


def test_all_data_files_have_the_types_of_the_table(lake: FilesDestination) -> None:
    load(lake, "a", {"n": 1, "f": True, "d": date(2024, 1, 31), "x": 0.1, "b": b"\xff"})
    load(lake, "b", {"n": 1.5, "f": "maybe", "d": "soon", "x": "much", "b": "text"})
    assert rows(lake) == [(1.0, "true", "2024-01-31", "0.1", "\\xff"), (1.5, "maybe", "soon", "much", "text")]
    [first, second] = [pq.read_schema(path) for path in paths(lake)]
    assert first.equals(second)


@pytest.mark.parametrize(("first", "second"), [(2**53 + 1, 0.5), (0.5, 2**53 + 1)])
def test_integers_that_no_double_holds_become_text(lake: FilesDestination, first: float, second: float) -> None:
    table = lake.table(T)
    for uri, value in (("a", first), ("b", second)):
        load_batch(lake, uri, pa.record_batch({"n": pa.array([value])}))
    table.flush()
    assert sorted(str(n) for (n,) in rows(lake)) == ["0.5", "9007199254740993"]


def test_nested_values_keep_their_types_and_structs_grow(lake: FilesDestination) -> None:
    load(lake, "a", {"s": {"x": 1}, "l": [1, 2]})
    load(lake, "b", {"s": {"x": 2, "y": "new"}, "l": []})
    assert rows(lake) == [({"x": 1, "y": None}, [1, 2]), ({"x": 2, "y": "new"}, [])]


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        (pa.int8(), 1, 1),
        (pa.uint64(), 2**64 - 1, 2**64 - 1),
        (pa.float32(), 0.5, 0.5),
        (pa.decimal128(38, 10), Decimal("1.0000000001"), Decimal("1.0000000001")),
        (pa.date32(), date(1, 1, 1), date(1, 1, 1)),
        (pa.time64("us"), 1, None),
        (pa.timestamp("us", "UTC"), 1, None),
        (pa.timestamp("ns"), 1, None),
        (pa.large_string(), "é", "é"),
        (pa.binary(), b"\0\xff", b"\0\xff"),
        (pa.dictionary(pa.int8(), pa.string()), "x", "x"),
        (pa.map_(pa.string(), pa.int64()), [("k", 1)], [("k", 1)]),
        (pa.list_(pa.struct([("a", pa.int64())])), [{"a": 1}], [{"a": 1}]),
    ],
    ids=str,
)
def test_values_of_each_type_are_kept(lake: FilesDestination, kind: pa.DataType, value: Any, kept: Any) -> None:
    table = lake.table(T)
    array = pa.array([value, None], kind)
    load_batch(lake, "a", pa.record_batch({"v": array}))
    table.flush()
    [path] = paths(lake)
    found = pq.read_table(path)["v"]
    assert found.type == table.schema.field("v").type
    if kept is None:
        assert found.combine_chunks().equals(array)
    else:
        assert found.to_pylist() == [kept, None]


def test_a_version_that_is_replaced_leaves_the_other_rows_of_its_data_file(lake: FilesDestination) -> None:
    table = lake.table(T)
    for uri in "abc":
        load_whole(lake, table, version(uri), [{"n": ord(uri)}])
    table.flush()
    assert len(paths(lake)) == 1
    load(lake, "b", {"n": 0}, number=1)
    assert rows(lake) == [(0,), (97,), (99,)]
    table.remove(["a", "c"])
    assert rows(lake) == [(0,)]
    assert len(paths(lake)) == 1


def test_a_load_that_is_aborted_leaves_nothing(lake: FilesDestination, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LARGE_BYTES", 1)
    monkeypatch.setattr(tables, "_PIECE_BYTES", 1)
    load(lake, "a", {"n": 1})
    before = sorted(Path(lake.path).rglob("*.parquet"))
    one = lake.table(T).begin(version("a", 1))
    for n in range(3):
        one.write(lake.encoder.encode(pa.record_batch({"n": [n]}), version("a", 1), n + 1, 0), 0)
    one.abort()
    lake.table(T).flush()
    assert sorted(Path(lake.path).rglob("*.parquet")) == before
    assert rows(lake) == [(1,)]


def test_a_load_that_is_aborted_takes_nothing_of_those_that_wait(lake: FilesDestination) -> None:
    load_batch(lake, "a", pa.record_batch({"n": [1]}))
    table = lake.table(T)
    one = table.begin(version("b"))
    one.write(lake.encoder.encode(pa.record_batch({"n": [0.5]}), version("b"), 1, 0), 0)
    one.abort()
    table.flush()
    assert rows(lake) == [(1,)]
    assert table.unloaded([version("a"), version("b")]) == [False, True]


@pytest.mark.parametrize("stream", ["..", ".hidden", "a/b", "é ü", "%41"])
def test_a_stream_of_any_name_has_a_folder_below_the_root(lake: FilesDestination, stream: str) -> None:
    table = lake.table(TableName(stream))
    load_whole(lake, table, version("a"), [{"n": 1}])
    table.flush()
    [file] = latest(Folder(lake.path)).tables[stream]
    folder, _, name = file.path.partition("/")
    assert "/" not in name
    assert not folder.startswith(".")
    assert Path(lake.path, file.path).is_file()


def test_many_small_data_files_become_one(tmp_path: Path) -> None:
    lake = FilesDestination(tmp_path / "lake")
    lake.open()
    for n in range(tables._MANY_FILES):
        load(lake, str(n), {"n": n})
    assert len(paths(lake)) == tables._MANY_FILES
    lake.close()
    assert len(paths(lake)) == 1
    assert rows(lake) == [(n,) for n in range(tables._MANY_FILES)]
    assert lake.mismatches() == []


def test_what_no_manifest_needs_goes_when_it_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = FilesDestination(tmp_path / "lake")
    for number in range(3):
        lake.open()
        load(lake, "a", {"n": number}, number=number)
        lake.close()
    mine = tmp_path / "lake" / "t" / "mine.parquet"
    mine.write_bytes(b"not ours")
    lost = tmp_path / "lake" / "t" / "part-of-a-killed-run-000001.parquet"
    lost.write_bytes(b"half")
    assert len(numbered(Folder(lake.path).listed())) > 3
    monkeypatch.setattr(module, "KEPT_S", -60)
    module.remove_unneeded(Folder(lake.path))
    assert [path.name for path in paths(lake)] == [path.name for path in mine.parent.glob("part-*")]
    assert mine.exists()
    assert len(numbered(Folder(lake.path).listed())) == 1
    assert rows(lake) == [(2,)]
    lake.open()
    assert lake.table(T).unloaded([version("a", 2)]) == [False]
    lake.close()


def test_a_second_run_is_refused_while_the_first_has_the_folder(lake: FilesDestination) -> None:
    with pytest.raises(DestinationInUseError, match="another run in this process"):
        FilesDestination(lake.path).open()


def test_of_two_that_publish_one_number_the_second_has_lost(lake: FilesDestination) -> None:
    """Where locks do not hold, as on some file systems of a network."""
    load(lake, "a", {"n": 1})
    manifest = latest(Folder(lake.path))
    stolen = Path(lake.path, manifest.name).with_name(f"{manifest.number + 1:012}.json")
    stolen.write_text(json.dumps({**json.loads(manifest.encoded()), "number": manifest.number + 1}))
    with pytest.raises(DestinationInUseError, match="another run has written"):
        load(lake, "b", {"n": 2})
    assert rows(lake) == [(1,)]
    stolen.unlink()


def test_a_data_file_that_is_gone_is_told_and_loaded_again(tmp_path: Path) -> None:
    lake = FilesDestination(tmp_path / "lake")
    lake.open()
    table = lake.table(T)
    for uri in "ab":
        load_whole(lake, table, version(uri), [{"n": ord(uri)}])
    lake.close()
    [path] = paths(lake)
    path.unlink()
    assert [(each.url, each.expected, each.present) for each in lake.mismatches()] == [("a", 1, 0), ("b", 1, 0)]
    lake.open()
    with pytest.raises(DestinationError, match="is gone"):
        load(lake, "a", {"n": 5}, number=1)
    lake.close()
    assert len(lake.mismatches(repair=True)) == 2
    lake.open()
    assert lake.table(T).unloaded([version("a"), version("b")]) == [True, True]
    for uri in "ab":
        load(lake, uri, {"n": ord(uri)})
    lake.close()
    assert rows(lake) == [(97,), (98,)]
    assert lake.mismatches() == []


def test_readers_never_see_a_part_of_a_commit(tmp_path: Path) -> None:
    """Each commit replaces all three files by others with one number."""
    lake = FilesDestination(tmp_path / "lake")
    lake.open()
    table = lake.table(T)
    load_whole(lake, table, version("a"), [{"n": 0}])
    table.flush()
    seen: list[list[Any]] = []
    stopped = threading.Event()

    def look() -> None:
        with closing(duckdb.connect()) as db:
            while not stopped.is_set():
                found = [str(path) for path in paths(lake)]
                seen.append(db.execute(f"SELECT n, count(*) FROM read_parquet({found}) GROUP BY n").fetchall())

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for number in range(1, 101):
            for uri in "abc":
                load_whole(lake, table, version(uri, number), [{"n": number}] * 2)
            table.flush()
    finally:
        stopped.set()
        reader.join()
        lake.close()
    assert len(seen) > 10
    assert {tuple(map(tuple, each)) for each in seen} <= {((0, 1),), *(((number, 6),) for number in range(1, 101))}


@pytest.mark.parametrize("damage", ["", "{}", '{"format": 2}', '{"format": 1, "tables": 3}'])
def test_a_damaged_manifest_is_told(lake: FilesDestination, damage: str) -> None:
    load(lake, "a", {"n": 1})
    manifest = latest(Folder(lake.path))
    path = Path(lake.path, manifest.name)
    whole = path.read_bytes()
    path.write_text(damage)
    with pytest.raises(DestinationError, match=manifest.name):
        lake.streams()
    path.write_bytes(whole)
