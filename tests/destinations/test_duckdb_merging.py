"""Merged tables in a DuckDB database that somebody has been at."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
from duckdb_landing import DuckDBLanding

from file_cdk.core.errors import DestinationError
from file_cdk.core.ports import TableName
from file_cdk.testing.landing import STREAM, version
from file_cdk.testing.merge_conformance import RULE, load_merged, merged_table, row, shown

FILES = [("a", 0, [row(1, 1, "a1"), row(1, 2, "a2")]), ("b", 0, [row(2, 1, "b1")])]


@pytest.fixture
def landing(tmp_path: Path) -> DuckDBLanding:
    return DuckDBLanding(str(tmp_path / "x.duckdb"))


def execute(landing: DuckDBLanding, sql: str) -> list[Any]:
    with duckdb.connect(landing.path) as connection:
        return connection.execute(sql).fetchall()


def test_a_table_that_was_dropped_is_made_again(landing: DuckDBLanding) -> None:
    load_merged(landing, FILES)
    execute(landing, f"DROP TABLE {STREAM}")
    with merged_table(landing) as (_, table):
        assert table.unloaded([version("a")]) == [False]
        assert table.merge() == 2
    assert shown(landing) == ["a2", "b1"]


def test_where_the_rows_were_dropped_their_files_are_to_be_loaded(landing: DuckDBLanding) -> None:
    load_merged(landing, FILES)
    execute(landing, f"DROP TABLE _file_cdk_rows_of_{STREAM}")
    with merged_table(landing) as (_, table):
        assert table.unloaded([version("a"), version("b")]) == [True, True]
        assert table.merge() == 0
    load_merged(landing, FILES[1:])
    assert shown(landing) == ["b1"]


def test_rows_that_were_removed_by_hand_are_found_and_loaded_again(landing: DuckDBLanding) -> None:
    load_merged(landing, FILES)
    landing.delete_row(f"_file_cdk_rows_of_{STREAM}", "a")
    execute(landing, f"UPDATE {STREAM} SET v = 'by hand'")
    [found] = landing.destination().mismatches(repair=True)  # type: ignore[attr-defined]
    assert (found.stream, found.url, found.expected, found.present) == (STREAM, "a", 2, 1)
    load_merged(landing, FILES[:1])
    assert shown(landing) == ["a2", "b1"]


def test_a_table_that_is_not_ours_stays(landing: DuckDBLanding) -> None:
    execute(landing, f"CREATE TABLE {STREAM} AS SELECT 1 AS id")
    with pytest.raises(DestinationError, match="not one that file_cdk made"), merged_table(landing):
        pass
    assert execute(landing, f"FROM {STREAM}") == [(1,)]


@pytest.mark.parametrize("name", ["_file_cdk_rows_of_x", "_FILE_CDK_deleted_of_x", "_file_cdk_refresh_x"])
@pytest.mark.parametrize("rule", [None, RULE])
def test_no_stream_has_a_name_that_merging_needs(landing: DuckDBLanding, name: str, rule: Any) -> None:
    destination = landing.destination()
    destination.open()
    try:
        with pytest.raises(DestinationError, match="another name"):
            destination.table(TableName(name, merge=rule))
    finally:
        destination.close()
