"""What tables show: the rows of all files, of one sync, or one row of each key."""

import os
from pathlib import Path
from typing import Any

import duckdb
import pytest

from file_cdk import SyncOptions, sync
from file_cdk.cli.command import main
from file_cdk.core.config import ColumnRules
from file_cdk.core.errors import ConfigError, TransientError
from file_cdk.core.instants import parse_instant
from file_cdk.core.system.variables import SALT_VARIABLE
from file_cdk.destinations.duckdb.table import DuckDBTable
from file_cdk.pipeline import sources
from file_cdk.pipeline.tables.deletes import MaxDeletes
from file_cdk.pipeline.tables.report import StreamResult
from file_cdk.testing.landing import STREAM

MERGE: dict[str, Any] = {"mode": "merge", "key": ("id",), "cursor": "n", "deleted": "gone"}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    write("a.csv", "id,n,gone\n1,1,\n2,1,\n")


def write(name: str, text: str) -> None:
    path = Path("in", name)
    newest = max((each.stat().st_mtime for each in Path("in").iterdir()), default=1e9)
    path.write_text(text)
    os.utime(path, (newest + 1, newest + 1))


def load(source: str = "in", **options: Any) -> StreamResult:
    table = {} if source.endswith(".yaml") else {"stream": STREAM}
    [result] = sync(source, "x.duckdb", SyncOptions(**{"workers": 0, **table, **options})).streams
    return result


def rows(columns: str = "id, n") -> list[tuple[Any, ...]]:
    with duckdb.connect("x.duckdb", read_only=True) as connection:
        return connection.execute(f"SELECT {columns} FROM {STREAM} ORDER BY ALL").fetchall()


def test_merged_rows_follow_their_files() -> None:
    assert load(**MERGE).shown == 2
    write("b.csv", "id,n,gone\n2,2,yes\n3,1,\n")
    result = load(**MERGE)
    assert (result.rows, result.shown) == (2, 2)
    assert rows() == [(1, 1), (3, 1)]
    assert load(**MERGE).shown is None
    Path("in/b.csv").unlink()
    assert load(**MERGE, on_delete="remove", max_deletes=MaxDeletes(1)).shown == 2
    assert rows() == [(1, 1), (2, 1)]


def test_a_full_refresh_keeps_the_mode_that_it_is_given() -> None:
    load(**MERGE)
    write("b.csv", "id,n,gone\n2,2,\n")
    result = load(**MERGE, full_refresh=True)
    assert (result.replaced, result.rows, result.shown) == (True, 3, 2)
    assert rows() == [(1, 1), (2, 2)]
    write("c.csv", "id,n,gone\n2,x,\n")
    result = load(**MERGE, full_refresh=True)
    assert (result.replaced, result.files_failed, result.shown) == (False, 2, None)
    assert rows() == [(1, 1), (2, 2)]


def test_a_full_refresh_changes_the_mode() -> None:
    write("b.csv", "id,n,gone\n2,2,\n")
    load()
    with pytest.raises(ConfigError, match="mode append"):
        load(**MERGE)
    load(**MERGE, full_refresh=True)
    assert rows() == [(1, 1), (2, 2)]
    with pytest.raises(ConfigError, match="mode merge: key 'id', cursor 'n', deleted 'gone'"):
        load()
    load(full_refresh=True)
    assert rows() == [(1, 1), (2, 1), (2, 2)]


def test_in_mode_replace_each_sync_has_the_files_of_now() -> None:
    load(mode="replace")
    Path("in/a.csv").unlink()
    write("b.csv", "id,n\n5,1\n")
    result = load(mode="replace")
    assert (result.replaced, result.files_read) == (True, 1)
    assert rows() == [(5, 1)]
    write("c.csv", "id,n\n6,1\n\xff,1,1,1\n")
    assert load(mode="replace").replaced is False
    assert rows() == [(5, 1)]


def test_a_configuration_states_modes_for_each_stream() -> None:
    Path("x.yaml").write_text(
        "path: in\nstreams:\n- name: goods\n  globs: ['*.csv']\n  format: {filetype: csv}\n"
        "  mode: merge\n  key: [id]\n  cursor: n\n  deleted: gone\n"
    )
    write("b.csv", "id,n,gone\n2,2,yes\n")
    assert load("x.yaml").shown == 1
    assert load("x.yaml", mode="replace").shown is None  # what the stream says counts
    assert main(["status", "x.duckdb", "--verify"]) == 0
    assert main(["explain", "x.yaml", "--to", "x.duckdb"]) == 0
    assert main(["check", "x.yaml", "--to", "x.duckdb"]) == 0
    Path("x.yaml").write_text(Path("x.yaml").read_text().replace("mode: merge", "mode: replace").split("  key")[0])
    assert load("x.yaml").replaced
    with pytest.raises(ConfigError, match="full refresh of a part"):
        load("x.yaml", since=parse_instant("2024-01-01"))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("mode: merge", "key must name the columns"),
        ("key: id", "key is for mode merge"),
        ("mode: append\n  cursor: n\n  deleted: gone", "cursor and deleted are for mode merge"),
        ("mode: upsert", "mode"),
        ("mode: merge\n  key: [id, id]", "each column once"),
        ("mode: merge\n  key: []", "key"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(lines: str, said: str) -> None:
    Path("x.yaml").write_text(f"path: in\nstreams:\n- name: t\n  format: {{filetype: csv}}\n  {lines}\n")
    with pytest.raises(ConfigError, match=said):
        load("x.yaml")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mode": "merge"}, "--key"),
        ({"key": ("id",)}, "mode merge"),
        ({"mode": "replace", "cursor": "n"}, "mode merge"),
        ({"mode": "merge", "key": ("id", "id")}, "each of the key another"),
        ({"mode": "merge", "key": ("id", "")}, "must have names"),
        ({"mode": "replace", "settle_s": 5}, "mode replace"),
        ({"mode": "upsert"}, "append, replace or merge"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        SyncOptions(**options)


def test_files_that_cannot_be_merged_fail() -> None:
    load(**MERGE)
    write("b.csv", "n,gone\n1,\n")
    write("c.csv", "id,n,gone\n2,later,\n")
    result = load(**MERGE)
    assert (result.files_read, result.files_failed, result.shown) == (0, 2, None)
    assert rows() == [(1, 1), (2, 1)]


def test_what_is_loaded_is_shown_when_the_source_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    load(**MERGE)
    write("b.csv", "id,n,gone\n1,2,\n")
    with monkeypatch.context() as patch:
        patch.setattr(DuckDBTable, "merge", lambda _: None)
        load(**MERGE)
    assert rows() == [(1, 1), (2, 1)]

    def fail(*_: object) -> Any:
        raise TransientError("the store is gone")

    reader = sources.streams_of("in", None, STREAM)[0].reader
    monkeypatch.setattr(type(reader), "list_files", fail)
    with pytest.raises(TransientError):
        load(**MERGE)
    assert rows() == [(1, 2), (2, 1)]


def test_a_destination_that_cannot_merge_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(DuckDBTable, "merge")
    with pytest.raises(ConfigError, match="cannot merge"):
        load(**MERGE)


def test_the_command_takes_modes(capsys: pytest.CaptureFixture[str]) -> None:
    write("b.csv", "id,n,gone\n1,2,\n")
    command = ["sync", "in", "--to", "x.duckdb", "--workers", "0", "--mode", "merge", "--key", "id", "--cursor", "n"]
    assert main(command) == 0
    assert "2 files read, 3 rows, 2 rows shown" in capsys.readouterr().err
    assert main([*command, "--deleted", "gone"]) == 2
    assert "--full-refresh" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rules", "match"),
    [
        ({"hash": ["N"]}, "column 'n' is hashed"),
        ({"hash": ["gone"]}, "column 'gone' is hashed"),
        ({"drop": ["id"]}, "column 'id', which the rules leave out"),
        ({"select": ["id", "gone"]}, "column 'n', which the rules leave out"),
        ({"rename": {"id": "key"}}, "column 'id', which is renamed to 'key'"),
    ],
)
def test_rules_that_leave_nothing_to_merge_by_are_refused(
    rules: dict[str, Any], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SALT_VARIABLE, "s" * 32)
    with pytest.raises(ConfigError, match=match):
        load(**MERGE, columns=ColumnRules(**rules))
    assert not Path("x.duckdb").exists()


def test_keys_may_be_hashed_and_are_called_as_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SALT_VARIABLE, "s" * 32)
    write("b.csv", "id,n,gone\n2,2,\n")
    rules = ColumnRules(hash=["id"], rename={"id": "key"})
    assert load(**{**MERGE, "key": ("key",)}, columns=rules).shown == 2
    assert rows("n") == [(1,), (2,)]
