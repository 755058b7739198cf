"""The row that each sync leaves in its destination."""

import json
import os
from pathlib import Path
from typing import Any

import duckdb
import pytest

from file_cdk import SyncOptions, sync
from file_cdk.core.config import ColumnRules, SchemaContract
from file_cdk.core.errors import ConfigError
from file_cdk.destinations.duckdb.destination import DuckDBDestination
from file_cdk.pipeline.rejects import MaxRejects
from file_cdk.pipeline.tables.report import Silence
from file_cdk.pipeline.tables.run_log import recorded


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("orders").mkdir()
    Path("orders", "a.csv").write_text("id\n1\n2\n")


def runs() -> list[dict[str, Any]]:
    with duckdb.connect("x.duckdb", read_only=True) as connection:
        found = connection.execute("SELECT * FROM _file_cdk_runs ORDER BY started_at")
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def load(source: str = "orders", **options: object) -> None:
    sync(source, "x.duckdb", SyncOptions(workers=0, **options))  # type: ignore[arg-type]


def test_a_sync_is_recorded_with_what_it_did() -> None:
    load()
    load(max_rejects=MaxRejects.parse("1%"), all_text=True)
    first, second = runs()
    assert first["started_at"] < first["ended_at"] < second["started_at"]
    assert (first["exit_code"], first["error"], first["source"]) == (0, None, "orders")
    assert (first["files_read"], first["rows"], first["size_bytes"], first["files_skipped"]) == (1, 2, 7, 0)
    assert (second["files_read"], second["rows"], second["files_skipped"]) == (0, 0, 1)
    assert json.loads(first["options"]) == {"workers": 0}
    assert json.loads(second["options"]) == {"workers": 0, "all_text": True, "max_rejects": "1%"}
    with duckdb.connect("x.duckdb", read_only=True) as connection:
        assert connection.execute("SELECT run FROM _file_cdk_files").fetchall() == [(first["run"],)]


@pytest.mark.parametrize(("content", "code"), [(b"id\n1\n2,3\n", 4), (b"PAR1 is a lie", 5)])
def test_the_exit_code_is_that_of_the_command(content: bytes, code: int) -> None:
    name = "b.csv" if code == 4 else "b.parquet"
    Path("orders", name).write_bytes(content)
    load(f"orders/{name}")
    [run] = runs()
    assert (run["exit_code"], run["files_failed"], run["rows"]) == (code, 1, 0)


def test_a_sync_that_an_error_ends_says_which() -> None:
    load()
    Path("orders", "b.csv").write_text("id\n3\n")
    with pytest.raises(ConfigError):
        load(columns=ColumnRules(rename={"there_is_none": "x"}))
    assert [run["exit_code"] for run in runs()] == [0, 2]
    assert "there_is_none" in runs()[1]["error"]


def test_an_interrupted_sync_has_no_exit_code_and_counts_what_it_loaded() -> None:
    Path("orders", "b.csv").write_text("id\n3\n")
    os.utime("orders/a.csv", (1, 1))

    class Impatient(Silence):
        def file_loaded(self, stream: str, uri: str, rows: int) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sync("orders", "x.duckdb", SyncOptions(workers=0), Impatient())
    [run] = runs()
    assert (run["exit_code"], run["error"], run["files_read"], run["rows"]) == (None, "interrupted", 1, 2)
    assert run["ended_at"] is not None


def test_a_run_that_was_killed_has_no_end() -> None:
    destination = DuckDBDestination("x.duckdb")
    destination.open()
    destination.begin_run("1.0", "orders", "{}")
    destination.close()
    load()
    assert [run["ended_at"] is None for run in runs()] == [True, False]


def test_no_password_is_recorded() -> None:
    load()
    destination = DuckDBDestination("x.duckdb")
    destination.open()
    with recorded(destination, "sftp://me:sesame@example.com/orders/", SyncOptions(), [], []):
        pass
    destination.close()
    assert [run["source"] for run in runs()] == ["orders", "sftp://me:***@example.com/orders/"]


def test_rules_are_recorded_as_data_with_the_salts_variable_and_never_the_salt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERS_SALT", "sesame")
    rules = ColumnRules(hash=["id"], salt="${ORDERS_SALT}", rename={"id": "number"})
    load(columns=rules, contract=SchemaContract(types="freeze", by_column={"number": "discard"}))
    [run] = runs()
    assert json.loads(run["options"]) == {
        "workers": 0,
        "columns": {"hash": ["id"], "salt": "${ORDERS_SALT}", "rename": {"id": "number"}},
        "contract": {"types": "freeze", "by_column": {"number": "discard"}},
    }
    destination = DuckDBDestination("x.duckdb")
    destination.open()
    with recorded(destination, "orders", SyncOptions(columns=rules.replace(salt="sesame")), [], []):
        pass
    destination.close()
    assert "sesame" not in str(runs())
    assert json.loads(runs()[1]["options"]) == {"columns": {"hash": ["id"], "rename": {"id": "number"}}}


def test_a_database_of_a_version_that_kept_no_runs_gets_them() -> None:
    load()
    with duckdb.connect("x.duckdb") as connection:
        connection.execute("DROP TABLE _file_cdk_runs")
    assert DuckDBDestination("x.duckdb").runs(10) == []
    load()
    assert len(runs()) == 1
