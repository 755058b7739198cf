"""Only files that were modified in a part of the time."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from file_cdk import SyncOptions, sync
from file_cdk.cli import main
from file_cdk.core.errors import ConfigError
from file_cdk.pipeline.tables.deletes import MaxDeletes
from file_cdk.pipeline.tables.report import StreamResult

JANUARY, FEBRUARY, MARCH = (datetime(2024, month, 1, tzinfo=UTC) for month in (1, 2, 3))


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for at in (JANUARY, FEBRUARY, MARCH):
        path = Path(f"in/{at.month}.csv")
        path.write_text("id\n1\n")
        os.utime(path, (at.timestamp(), at.timestamp()))


def load(since: datetime | None = None, until: datetime | None = None) -> StreamResult:
    options = SyncOptions(workers=0, since=since, until=until, on_delete="remove", max_deletes=MaxDeletes(9))
    return sync("in", "x.duckdb", options).streams[0]


def test_since_is_part_of_the_time_and_until_is_not() -> None:
    first = load(FEBRUARY, MARCH)
    assert first.files_read == 1
    assert first.skipped == {"modified before --since": 1, "modified at or after --until": 1}
    rest = load()
    assert rest.files_read == 2
    assert rest.skipped == {"already loaded": 1}


def test_files_outside_of_it_are_not_gone() -> None:
    load()
    assert load(since=MARCH).gone == 0


@pytest.mark.parametrize("command", [["sync", "in", "--to", "x.duckdb"], ["ls", "in"]])
def test_the_commands_take_dates_and_times(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--since", "2024-02-01", "--until", "2024-03-01T01:00:00+02:00"]) == 0
    output = "".join(capsys.readouterr())
    assert "1 modified before --since" in output
    assert "1 modified at or after --until" in output


def test_what_is_no_time_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["ls", "in", "--since", "yesterday"])
    assert "argument --since: 'yesterday' must be a date such as" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="zone"):
        SyncOptions(since=datetime(2024, 1, 1))  # noqa: DTZ001 - what is refused
