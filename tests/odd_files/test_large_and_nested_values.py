"""Files with values that few destinations like: each is loaded, or fails alone and by its true reason, run after run."""

import os
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from file_cdk.formats.parquet import values as parquet_values
from file_cdk.pipeline.tables.options import SyncOptions
from file_cdk.pipeline.tables.report import SyncResult
from file_cdk.pipeline.tables.sync import sync

MEGABYTE = 1 << 20


def folder_with(folder: Path, tables: Mapping[str, pa.Table]) -> Path:
    """The files in their order, by time."""
    folder.mkdir()
    for number, (name, table) in enumerate(tables.items()):
        pq.write_table(table, folder / name)
        os.utime(folder / name, (1_700_000_000 + number,) * 2)
    return folder


def synced(folder: Path, database: Path) -> SyncResult:
    return sync(folder, database, SyncOptions(stream="t", workers=0))


def rows(database: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_a_value_of_100_mb_is_loaded_and_so_is_what_is_behind_it(tmp_path: Path) -> None:
    long = "x" * (100 * MEGABYTE)
    folder = folder_with(
        tmp_path / "files",
        {"a.parquet": pa.table({"v": ["first", long]}), "b.parquet": pa.table({"v": ["small"]})},
    )
    database = tmp_path / "x.duckdb"
    assert synced(folder, database).failures == ()
    expected = [("a.parquet", 5), ("a.parquet", len(long)), ("b.parquet", 5)]
    assert rows(database, "SELECT _file_url, length(v) FROM t ORDER BY _file_url, _file_row") == expected

    # The value is in the database now, and what is added to it later needs memory for it as well.
    pq.write_table(pa.table({"v": ["later"]}), folder / "c.parquet")
    assert synced(folder, database).failures == ()
    assert rows(database, "SELECT count(*), max(length(v)) FROM t") == [(4, len(long))]


def test_long_documents_by_the_hundred_are_loaded(tmp_path: Path) -> None:
    """Each fits easily; together with the rows beside them, which DuckDB holds at the same time, they take 200 MB."""
    document = "y" * 200_000
    folder = folder_with(
        tmp_path / "files",
        {f"{name}.parquet": pa.table({"v": [f"{name}{row}{document}" for row in range(340)]}) for name in "abc"},
    )
    database = tmp_path / "x.duckdb"
    assert synced(folder, database).failures == ()
    found = rows(database, "SELECT left(v, 1), count(*), min(length(v)) FROM t GROUP BY 1 ORDER BY 1")
    assert found == [(name, 340, 200_002) for name in "abc"]


@pytest.mark.parametrize("large", [False, True], ids=["in a group", "as it comes"])
def test_what_the_destination_refuses_costs_its_file_alone_run_after_run(
    tmp_path: Path, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key twice in a map, which DuckDB's maps do not hold, from a format that lets it pass as Parquet's does not."""
    monkeypatch.setattr(parquet_values, "_with_keys_once", lambda maps: maps)
    count = 250_000 if large else 2
    kind = pa.map_(pa.string(), pa.int64())
    good = pa.table({"m": pa.array([[("a", 1), ("b", None)], None], kind)})
    bad = pa.table({"m": pa.array([[("a", 1), ("a", 2)]] * count, kind)})
    folder = folder_with(tmp_path / "files", {"a.parquet": good, "b.parquet": bad, "c.parquet": good})
    database = tmp_path / "x.duckdb"
    for files_read in (2, 0):
        result = synced(folder, database)
        [stream] = result.streams
        assert (stream.files_read, stream.files_failed, stream.rows) == (files_read, 1, 2 * files_read)
        [failure] = result.failures
        assert failure.uri == "b.parquet"
        assert "the same key twice" in str(failure)
    assert rows(database, "SELECT _file_url, m FROM t ORDER BY _file_url, _file_row") == [
        ("a.parquet", {"a": 1, "b": None}),
        ("a.parquet", None),
        ("c.parquet", {"a": 1, "b": None}),
        ("c.parquet", None),
    ]
    assert rows(database, "SELECT url, status FROM _file_cdk_files ORDER BY url") == [
        ("a.parquet", "loaded"),
        ("b.parquet", "failed"),
        ("c.parquet", "loaded"),
    ]
