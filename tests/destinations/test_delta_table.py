"""Delta tables: what readers see of each commit, how columns grow, and what others may do to a table."""

import json
import shutil
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError
from deltalake.transaction import AddAction

from file_cdk import SyncOptions, sync
from file_cdk.core.errors import ConfigError, DestinationError, DestinationInUseError
from file_cdk.core.ports import LoadedFile, TableName
from file_cdk.destinations.delta import DeltaDestination
from file_cdk.destinations.files.agreeing import AgreeingPlace
from file_cdk.destinations.files.database import FilesDatabase
from file_cdk.destinations.registry import destination_for
from file_cdk.testing.landing import load_whole, version

T = TableName("t")


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[DeltaDestination]:
    destination = DeltaDestination(tmp_path / "lake")
    destination.open()
    yield destination
    destination.close()


def load(destination: DeltaDestination, uri: str, *rows: dict[str, Any], number: int = 0, table: TableName = T) -> None:
    found = destination.table(table)
    load_whole(destination, found, version(uri, number), list(rows))
    found.flush()


def load_batch(destination: DeltaDestination, uri: str, batch: pa.RecordBatch) -> None:
    table = destination.table(T)
    table.widen(batch.schema)
    one = table.begin(version(uri))
    one.write(destination.encoder.encode(batch, version(uri), 1, 0), 0)
    one.commit(LoadedFile(rows=len(batch)))
    table.flush()


def table_of(destination: DeltaDestination, at: int | None = None) -> DeltaTable:
    return DeltaTable(f"{destination.path}/t", version=at)


def values(destination: DeltaDestination, column: str = "n", at: int | None = None) -> list[Any]:
    return sorted(table_of(destination, at).to_pyarrow_table()[column].to_pylist())


def actions(destination: DeltaDestination, name: str) -> list[list[Any]]:
    """Of each version."""
    logs = sorted(Path(destination.path, "t", "_delta_log").glob("*.json"))
    return [[a[name] for a in map(json.loads, log.read_text().splitlines()) if name in a] for log in logs]


def test_a_file_is_replaced_and_removed_by_one_commit(lake: DeltaDestination) -> None:
    load(lake, "a", {"n": 1}, {"n": 2})
    load(lake, "b", {"n": 10})
    load(lake, "a", {"n": 3}, number=1)
    lake.table(T).remove(["b"])
    assert [values(lake, at=at) for at in range(4)] == [[1, 2], [1, 2, 10], [3, 10], [3]]
    assert table_of(lake).version() == 3


def test_where_rows_came_from_is_told_as_every_reader_knows_it(lake: DeltaDestination) -> None:
    load(lake, "a", {"n": 1}, {"n": 2})
    found = table_of(lake)
    assert found.protocol().min_reader_version == 1
    modified = version("a").modified_at
    rows = found.to_pyarrow_table().select(["_file_url", "_file_modified_at", "_file_row"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [("a", modified, 1), ("a", modified, 2)]
    [facts] = pa.table(found.get_add_actions(flatten=True)).to_pylist()
    assert (facts["num_records"], facts["min.n"], facts["max.n"], facts["null_count.n"]) == (2, 1, 2, 0)
    assert (facts["min._file_modified_at"], facts["max._file_url"]) == (modified, "a")


def test_columns_are_added_and_types_get_wider(lake: DeltaDestination) -> None:
    load(lake, "a", {"n": 1})
    load(lake, "b", {"m": "x"})
    load(lake, "c", {"n": 1.5})
    load(lake, "d", {"n": "z"})
    rows = {row["_file_url"]: (row["n"], row["m"]) for row in table_of(lake).to_pyarrow_table().to_pylist()}
    assert rows == {"a": ("1.0", None), "b": (None, "x"), "c": ("1.5", None), "d": ("z", None)}


def test_instants_without_a_zone_need_a_feature_that_is_added(lake: DeltaDestination) -> None:
    load(lake, "a", {"n": 1})
    at = datetime(2024, 1, 31, 12, 0, 0, 123456)  # noqa: DTZ001 - that is what is tried
    load_batch(lake, "b", pa.RecordBatch.from_pydict({"at": pa.array([at], pa.timestamp("us"))}))
    assert [each for each in table_of(lake).to_pyarrow_table()["at"].to_pylist() if each] == [at]
    load(lake, "c", {"n": 1.5})
    assert values(lake, "_file_url") == ["a", "b", "c"]


def test_a_full_refresh_is_one_commit(lake: DeltaDestination) -> None:
    load(lake, "a", {"n": 1, "old": "x"})
    load(lake, "b", {"n": 2, "old": "x"})
    before = table_of(lake).version()
    beside = lake.table(T, anew=True)
    load_whole(lake, beside, version("a"), [{"n": "text"}])
    beside.flush()
    assert table_of(lake).version() == before
    lake.put_in_place(T)
    found = table_of(lake)
    assert (found.version(), values(lake)) == (before + 1, ["text"])
    assert found.to_pyarrow_table().column_names == ["n", "_file_url", "_file_modified_at", "_file_row"]
    load(lake, "c", {"n": "more"})
    assert values(lake) == ["more", "text"]


def test_a_full_refresh_may_leave_nothing(lake: DeltaDestination) -> None:
    load(lake, "a", {"n": 1, "old": "x"})
    lake.table(T, anew=True)
    lake.put_in_place(T)
    assert table_of(lake).file_uris() == []
    load(lake, "a", {"n": "text"})
    assert table_of(lake).to_pyarrow_table().select(["n"]).to_pylist() == [{"n": "text"}]
    assert "old" not in table_of(lake).to_pyarrow_table().column_names


def test_a_reader_sees_whole_commits_only(lake: DeltaDestination) -> None:
    """Each of 30 commits replaces the rows of both files, so that all rows of a version are of one edition."""
    seen: list[list[int]] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            with suppress(TableNotFoundError):
                seen.append(values(lake))

    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(read)
        for edition in range(30):
            table = lake.table(T)
            for uri in "ab":
                load_whole(lake, table, version(uri, edition), [{"n": edition}] * 3)
            table.flush()
        ended.set()
        reading.result()
    assert all(len(each) == 6 and len(set(each)) == 1 for each in seen)
    assert len({each[0] for each in seen}) > 1


def test_the_ledger_and_the_table_are_read_of_one_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run commits while somebody asks: after the ledger was copied, and before the table is looked at."""
    with closing(DeltaDestination(tmp_path)) as lake:
        lake.open()
        load(lake, "a", {"n": 1})
        agree = AgreeingPlace._agree
        editions = iter([1])

        def later(place: AgreeingPlace, db: FilesDatabase) -> None:
            for edition in editions:
                load(lake, "a", {"n": 2}, {"n": 3}, number=edition)
            agree(place, db)

        monkeypatch.setattr(AgreeingPlace, "_agree", later)
        assert DeltaDestination(tmp_path).mismatches() == []


def test_many_small_data_files_become_one(tmp_path: Path) -> None:
    with closing(DeltaDestination(tmp_path)) as lake:
        lake.open()
        for number in range(20):
            load(lake, f"{number:02}", {"n": number})
    assert len(table_of(lake).file_uris()) == 1
    assert values(lake) == list(range(20))
    assert [each["dataChange"] for each in actions(lake, "add")[-1] + actions(lake, "remove")[-1]] == [False] * 21
    assert lake.mismatches() == []


def test_old_data_files_go_after_the_time_of_retention(tmp_path: Path) -> None:
    with closing(DeltaDestination(tmp_path)) as lake:
        lake.open()
        load(lake, "a", {"n": 1})
        found = table_of(lake)
        found.alter.set_table_properties({"delta.deletedFileRetentionDuration": "interval 0 hours"})
        load(lake, "a", {"n": 2}, number=1)
        assert len(list(tmp_path.glob("t/*.parquet"))) == 2
    assert len(list(tmp_path.glob("t/*.parquet"))) == 1
    assert values(lake) == [2]


def test_others_may_compact_the_table(tmp_path: Path) -> None:
    with closing(DeltaDestination(tmp_path)) as lake:
        lake.open()
        for uri in "abc":
            load(lake, uri, {"n": ord(uri)})
    table_of(lake).optimize.compact()
    assert len(table_of(lake).file_uris()) == 1
    assert lake.mismatches() == []
    with closing(DeltaDestination(tmp_path)) as lake:
        lake.open()
        assert lake.table(T).unloaded([version("a"), version("b")]) == [False, False]
        load(lake, "b", {"n": 0}, number=1)
    assert values(lake) == [0, ord("a"), ord("c")]
    assert lake.mismatches() == []


def test_a_table_that_somebody_dropped_is_loaded_anew(tmp_path: Path) -> None:
    for _ in range(2):
        with closing(DeltaDestination(tmp_path)) as lake:
            lake.open()
            assert lake.table(T).unloaded([version("a")]) == [True]
            load(lake, "a", {"n": 1})
            load(lake, "a", {"n": 1}, table=TableName("other"))
        assert values(lake) == [1]
        shutil.rmtree(tmp_path / "t")
        shutil.rmtree(tmp_path / "other")


def test_a_run_that_ends_after_a_commit_whose_table_is_dropped_then_keeps_the_rest(tmp_path: Path) -> None:
    lake = DeltaDestination(tmp_path)
    lake.open()
    load(lake, "a", {"n": 1}, table=TableName("other"))
    load(lake, "a", {"n": 1})
    lake.let_go()
    shutil.rmtree(tmp_path / "t")
    with closing(DeltaDestination(tmp_path)) as lake:
        lake.open()
        assert lake.table(TableName("other")).unloaded([version("a")]) == [False]
        assert lake.table(T).unloaded([version("a")]) == [True]


def test_a_table_that_file_cdk_did_not_make_is_refused(lake: DeltaDestination) -> None:
    write_deltalake(f"{lake.path}/t", pa.table({"n": [1]}))
    with pytest.raises(DestinationError, match="has rows, but the ledger knows none"):
        lake.table(T)


def test_rows_of_others_are_kept(lake: DeltaDestination) -> None:
    load(lake, "a", {"n": 1})
    write_deltalake(table_of(lake), pa.table({"n": [7]}), mode="append", schema_mode="merge")
    load(lake, "a", {"n": 2}, number=1)
    assert values(lake) == [2, 7]


def test_rows_of_others_need_not_say_where_they_came_from(tmp_path: Path) -> None:
    with closing(DeltaDestination(tmp_path)) as lake:
        lake.open()
        load(lake, "a", {"n": 1})
    rows = pa.table({"n": [7]})
    pq.write_table(rows, tmp_path / "t" / "theirs.parquet")
    found = table_of(lake)
    size = (tmp_path / "t" / "theirs.parquet").stat().st_size
    add = AddAction("theirs.parquet", size, {}, 0, True, '{"numRecords": 1}')
    found.create_write_transaction([add], "append", found.schema())
    assert [(each.url, each.present) for each in lake.mismatches()] == [(None, 1)]
    with closing(DeltaDestination(tmp_path)) as lake:
        lake.open()
        load(lake, "a", {"n": 2}, number=1)
    assert values(lake) == [2, 7]


def test_a_commit_that_another_writer_was_faster_than_is_refused(lake: DeltaDestination) -> None:
    load(lake, "a", {"n": 1})
    lake.table(T)
    table_of(lake).delete()
    with pytest.raises(DestinationError, match="another writer has changed the table meanwhile"):
        load(lake, "a", {"n": 2}, number=1)
    with pytest.raises(DestinationError, match="another writer"):
        load(lake, "b", {"n": 3})
    assert values(lake) == []
    lake.close()
    with closing(DeltaDestination(lake.path)) as again:
        again.open()
        assert again.table(T).unloaded([version("a"), version("a", 1)]) == [False, True]
        load(again, "a", {"n": 2}, number=1)
    assert values(lake) == [2]


def test_a_second_run_is_told_of_the_first(lake: DeltaDestination) -> None:
    with pytest.raises(DestinationInUseError, match="another run in this process"):
        DeltaDestination(lake.path).open()


def test_odd_names_and_types_are_kept(tmp_path: Path) -> None:
    names = ["a b", "", "a.b", "A.B", ",;{}()\n\t=", "`q`", "é", "_file_url", "a/b", "%2F"]
    columns = [pa.array([f"{number}"]) for number in range(len(names))]
    kinds = {
        "ns": (pa.array([1], pa.timestamp("ns")), "1970-01-01T00:00:00.000000001"),
        "time": (pa.array([1], pa.time64("us")), "00:00:00.000001"),
        "u64": (pa.array([2**64 - 1], pa.uint64()), str(2**64 - 1)),
        "large": (pa.array(["1" * 50]).cast(pa.decimal256(60, 2)), "1" * 50 + ".00"),
        "nested": (pa.array([[1]], pa.list_(pa.time64("us"))), '["00:00:00.000001"]'),
        "map": (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), [("k", 1)]),
    }
    folder = tmp_path / "in"
    folder.mkdir()
    arrays = [*columns, *(array for array, _ in kinds.values())]
    pq.write_table(pa.table(arrays, names=[*names, *kinds]), folder / "x.parquet")
    options = SyncOptions(workers=0, settle_s=0, stream="st/r %~é.x")
    assert sync(str(folder), f"delta:{tmp_path / 'lake'}/", options).streams[0].rows == 1
    [row] = DeltaTable(tmp_path / "lake" / "st~2Fr~20~25~7E~C3~A9.x").to_pyarrow_table().to_pylist()
    assert list(row.values())[: len(names)] == [f"{number}" for number in range(len(names))]
    assert {name: row[name] for name in kinds} == {name: value for name, (_, value) in kinds.items()}


def test_a_path_that_the_library_does_not_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no path with '%' in it"):
        DeltaDestination(tmp_path / "a%20b")


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("file_cdk.destinations.delta")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "deltalake", None)
    monkeypatch.setitem(sys.modules, "deltalake.exceptions", None)
    with pytest.raises(ConfigError, match="needs the package 'deltalake'") as told:
        destination_for("delta:lake/")
    assert "file-cdk[delta]" in str(told.value)
