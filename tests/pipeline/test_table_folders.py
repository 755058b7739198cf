"""Folders of one root: which of them may share a table."""

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from source_local.source import connector

from file_cdk import Location, SyncOptions, sync
from file_cdk.core.errors import ConfigError
from file_cdk.pipeline import sources
from file_cdk.pipeline.checking import check_destination
from file_cdk.pipeline.inspection import InspectionOptions, inspections_of
from file_cdk.pipeline.sources import streams_of


@pytest.fixture(autouse=True)
def _bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`bucket:` URLs: as those of an object store, all of one root and named after what they end with."""
    monkeypatch.chdir(tmp_path)
    for key in ("2024/orders/jan.csv", "2025/orders/feb.csv", "2024/orders.csv", "2025/orders.csv"):
        path = Path("bucket", key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("id\n1\n")

    def locate(url: str) -> Location:
        key = url.removeprefix("bucket:")
        if "*" in key:
            folder = key.split("*")[0].rpartition("/")[0]
            return Location({"path": "bucket"}, (key,), Path(folder).name or "bucket")
        return Location({"path": "bucket"}, (key if key.endswith(".csv") else f"{key}/**",), Path(key).stem)

    monkeypatch.setattr(sources, "connector_for", lambda _: replace(connector, locate=locate))


def load(url: str, table: str | None = None) -> int:
    [result] = sync(f"bucket:{url}", "shop.duckdb", SyncOptions(stream=table, workers=0)).streams
    return result.files_read


@pytest.mark.parametrize(("first", "second"), [("2024/orders", "2025/orders"), ("2024/orders.csv", "2025/orders.csv")])
def test_folders_and_files_of_one_name_do_not_share_a_table_by_chance(first: str, second: str) -> None:
    assert load(first) == 1
    refused = (
        rf"table 'orders' in DuckDB database 'shop.duckdb' holds files from outside of the folder '2025/(orders/)?', "
        rf"such as '{first}.*'. Load them into another table \(--table\). If all belong into one, say so: --table orders"
    )
    with pytest.raises(ConfigError, match=refused):
        load(second)
    with pytest.raises(ConfigError, match="holds files from outside"):
        check_destination("shop.duckdb", streams_of(f"bucket:{second}", None, None))
    [inspection] = inspections_of(f"bucket:{second}", InspectionOptions(destination="shop.duckdb"))
    with pytest.raises(ConfigError, match="holds files from outside"):
        list(inspection.files(lambda _: None))

    assert load(first) == 0, "its own folder goes on"
    assert load(second, table="others") == 1
    assert load(second, table="orders") == 1, "whoever names the table means it"
    with pytest.raises(ConfigError, match="holds files from outside"):
        load(second)
    assert load(first, table="orders") == 0


@pytest.mark.parametrize("root", ["bucket", "another"])
def test_a_table_that_was_dropped_holds_nobodys_files(root: str) -> None:
    """Neither another folder's nor another root's."""
    assert load("2024/orders") == 1
    with duckdb.connect("shop.duckdb") as connection:
        connection.execute("DROP TABLE orders")
        connection.execute("UPDATE _file_cdk_streams SET source = replace(source, 'bucket', ?)", [root])
    check_destination("shop.duckdb", streams_of("bucket:2025/orders", None, None))
    assert load("2025/orders") == 1
    with duckdb.connect("shop.duckdb") as connection:
        assert connection.execute("SELECT _file_url FROM orders").fetchall() == [("2025/orders/feb.csv",)]
        assert connection.execute("SELECT url FROM _file_cdk_files").fetchall() == [("2025/orders/feb.csv",)]


def test_a_pattern_below_the_same_folder_is_of_it() -> None:
    assert load("2024/orders") == 1
    assert load("2024/orders/j*.csv") == 0
    assert load("2024/orders") == 0


def test_a_whole_root_has_a_table_of_its_own() -> None:
    assert load("**") == 4
    assert load("**") == 0


def test_a_table_without_rows_is_anybodys() -> None:
    Path("bucket/2024/orders/jan.csv").write_text("id\n")
    assert load("2024/orders") == 1
    assert load("2025/orders") == 1
