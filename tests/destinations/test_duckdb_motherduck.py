"""Databases at MotherDuck: their names are passed on to DuckDB, never taken for files, and their token is not told."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from file_cdk import SyncOptions, sync
from file_cdk.core.errors import ConfigError, DestinationError, DestinationInUseError
from file_cdk.destinations.duckdb import DuckDBDestination
from file_cdk.destinations.registry import destination_for

TOKEN = "eyJ-not-to-be-told"
SPELLINGS = ["md:shop", "motherduck:shop", "MD:shop", "duckdb:md:shop", "duckdb:///md:shop"]


@pytest.mark.parametrize("url", SPELLINGS)
def test_its_name_is_no_path(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    destination = destination_for(url)
    assert isinstance(destination, DuckDBDestination)
    assert destination.path == url.removeprefix("duckdb:").lstrip("/")


@pytest.mark.parametrize("url", [f"md:shop?motherduck_token={TOKEN}", f"duckdb:md:shop?motherduck_token={TOKEN}"])
def test_a_token_on_the_command_line_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="options after") as told:
        destination_for(url)
    assert TOKEN not in str(told.value)
    assert "motherduck_token" in (told.value.remedy or "")


def test_what_cannot_be_reached_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network it has no extension; with one, MotherDuck refuses such a token."""
    monkeypatch.setenv("motherduck_token", TOKEN)
    monkeypatch.chdir(tmp_path)
    for ask in (DuckDBDestination("md:shop").open, DuckDBDestination("md:shop").check):
        with pytest.raises(DestinationError, match="'md:shop' cannot be reached") as told:
            ask()
        assert TOKEN not in f"{told.value}{told.value.remedy}"
        assert "motherduck_token" in (told.value.remedy or "")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database that stands for one that has no file here: whoever asks DuckDB for it gets it."""
    connect, path = duckdb.connect, tmp_path / "elsewhere" / "cloud"
    path.parent.mkdir()

    def connect_to(name: str, **settings: Any) -> duckdb.DuckDBPyConnection:
        return connect(str(path) if name == "md:shop" else name, **settings)

    monkeypatch.setattr("file_cdk.destinations.duckdb.file.duckdb.connect", connect_to)
    return path


def test_it_is_loaded_exactly_once(cloud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "here" / "orders"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    for name, row in (("a", 1), ("b", 2)):
        (folder / f"{name}.csv").write_text(f"id\n{row}\n")
    options = SyncOptions(workers=0, settle_s=0)
    assert [sync(str(folder), "md:shop", options).streams[0].rows for _ in range(2)] == [2, 0]
    (folder / "b.csv").write_text("id\n3\n4\n")
    assert sync(str(folder), "md:shop", options).streams[0].rows == 2
    destination = DuckDBDestination("md:shop")
    assert destination.check()
    assert [(each.files, each.rows) for each in destination.streams()] == [(2, 3)]
    with duckdb.connect(str(cloud)) as db:
        assert db.sql("SELECT id FROM orders ORDER BY id").fetchall() == [(1,), (3,), (4,)]
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["orders"]


def test_a_second_run_of_this_machine_is_told_of_the_first(cloud: Path) -> None:
    first = DuckDBDestination("md:shop", run="the first")
    first.open()
    with pytest.raises(DestinationInUseError, match="run the first"):
        DuckDBDestination("md:shop").open()
    first.close()
    assert cloud.exists()
