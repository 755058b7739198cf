"""Files that vanish, come back, are renamed, are too old or too young, and rows that somebody took out, through the commands."""

import json
import os
from pathlib import Path
from typing import Any

import duckdb
import pytest
from commands import configured, query, run, sync, write_json

pytestmark = pytest.mark.scenario


class Orders:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "orders"
        self.folder.mkdir()
        self.database = folder / "x.duckdb"

    def write(self, *names: str, day: int = 1) -> None:
        for name in names:
            path = self.folder / f"{name}.csv"
            path.write_text(f"name,n\n{name},1\n{name},2\n")
            at = 1_704_067_200 + (day - 1) * 86_400
            os.utime(path, (at, at))

    def remove(self, *names: str) -> None:
        for name in names:
            (self.folder / f"{name}.csv").unlink()

    def sync(self, *options: str, code: int = 0) -> str:
        done = sync(self.folder, "--to", self.database, *options)
        assert done.returncode == code, done.stderr
        return done.stderr

    def loaded(self) -> dict[str, int]:
        """Rows by the name in them, as the ledger has them, too."""
        [(counted,)] = query(self.database, "SELECT sum(rows) FROM _file_cdk_files WHERE status = 'loaded'")
        rows = dict(query(self.database, "SELECT name, count(*) FROM orders GROUP BY name"))
        assert (counted or 0) == sum(rows.values())
        return rows


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    return Orders(tmp_path)


def two_each(*names: str) -> dict[str, int]:
    return dict.fromkeys(names, 2)


def test_files_that_are_gone_are_kept_or_removed_and_come_back(orders: Orders) -> None:
    orders.write("a", "b", "c")
    orders.sync()
    orders.remove("a")
    assert "1 loaded file gone from the source" in orders.sync()
    assert orders.loaded() == two_each("a", "b", "c")
    orders.sync("--on-delete", "remove")
    assert orders.loaded() == two_each("b", "c")
    (orders.folder / "b.csv").rename(orders.folder / "d.csv")
    orders.write("a")
    orders.sync("--on-delete", "remove")
    assert orders.loaded() == two_each("a", "b", "c")
    urls = query(orders.database, "SELECT url FROM _file_cdk_files ORDER BY url")
    assert urls == [("a.csv",), ("c.csv",), ("d.csv",)]


def test_nothing_is_removed_where_too_much_is_gone(orders: Orders) -> None:
    names = [f"f{number:02}" for number in range(20)]
    orders.write(*names)
    orders.sync()
    orders.remove(*names[:12])
    orders.write("new")
    assert "--max-deletes" in orders.sync("--on-delete", "remove", code=5)
    assert orders.loaded() == two_each(*names, "new")
    orders.sync("--on-delete", "remove", "--max-deletes", "12")
    assert orders.loaded() == two_each(*names[12:], "new")


def test_what_a_run_does_not_look_at_is_not_removed(orders: Orders) -> None:
    orders.write("old", day=1)
    orders.write("young", day=9)
    orders.sync("--since", "2024-01-05")
    assert orders.loaded() == two_each("young")
    orders.sync("--until", "2024-01-05")
    assert orders.loaded() == two_each("old", "young")
    orders.sync("--since", "2024-01-05", "--on-delete", "remove")
    assert orders.loaded() == two_each("old", "young")


def test_a_file_that_changed_a_moment_ago_waits_for_the_next_run(orders: Orders) -> None:
    orders.write("done")
    orders.write("fresh")
    os.utime(orders.folder / "fresh.csv")
    orders.sync("--settle", "3600")
    assert orders.loaded() == two_each("done")
    orders.sync("--settle", "0")
    assert orders.loaded() == two_each("done", "fresh")


def test_rows_that_somebody_took_out_are_found_and_loaded_again(orders: Orders) -> None:
    orders.write("a", "b")
    orders.sync()
    with duckdb.connect(str(orders.database)) as database:
        database.execute("DELETE FROM orders WHERE name = 'a' AND n = 1")
    found = run("file-cdk", "status", orders.database, "--verify")
    assert (found.returncode, "a.csv" in found.stdout) == (5, True)
    run("file-cdk", "status", orders.database, "--verify", "--repair")
    orders.sync()
    assert orders.loaded() == two_each("a", "b")
    assert run("file-cdk", "status", orders.database, "--verify").returncode == 0


def test_a_state_goes_on_in_a_connector_and_in_another_database(orders: Orders, tmp_path: Path) -> None:
    orders.write("a", "b")
    orders.sync()
    exported = run("file-cdk", "state", "export", orders.database)
    assert exported.returncode == 0, exported.stderr
    state = tmp_path / "state.json"
    state.write_text(exported.stdout)
    orders.write("c", day=2)
    config = write_json(
        tmp_path / "config.json",
        {
            "path": str(orders.folder),
            "streams": [{"name": "orders", "globs": ["**"], "format": {"filetype": "csv"}}],
        },
    )
    catalog = _catalog(run("source-local", "discover", "--config", config).stdout)
    catalog_file = write_json(tmp_path / "catalog.json", configured(catalog, "incremental"))
    read = run("source-local", "read", "--config", config, "--catalog", catalog_file, "--state", state)
    assert read.returncode == 0, read.stderr
    records = [
        message["record"]["data"]["name"]
        for message in map(json.loads, read.stdout.splitlines())
        if "record" in message
    ]
    assert records == ["c", "c"]


def _catalog(said: str) -> Any:
    [catalog] = [message["catalog"] for message in map(json.loads, said.splitlines()) if message["type"] == "CATALOG"]
    return catalog
