"""What a state remembers when there are more files than its limit: what is read, what stays in it, and what is said.

Through `source-local read` in this process, one sync after the other, each from the state that the last one left.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from source_local.source import connector

from file_cdk import Connector
from file_cdk.core.config import StreamConfig, parse_config
from file_cdk.core.errors import ConfigError
from file_cdk.core.state.cursor import DEFAULT_HISTORY_LIMIT
from file_cdk.core.state.forgotten import FORGOTTEN_FIELD
from file_cdk.pipeline.history import LIMIT_VARIABLE, history_limit
from file_cdk.pipeline.read import read_streams

Json = dict[str, Any]
STREAM = "s"
CONTENT = b"id\n1\n"


@dataclass(slots=True)
class Sync:
    """What one read said. files: uris in the order of their records. warnings: texts of WARN messages."""

    code: int
    files: list[str] = field(default_factory=list)
    state: Json = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def history(self) -> dict[str, str]:
        return dict(self.state["history"])

    @property
    def cursor(self) -> str:
        return str(self.state["_ab_source_file_last_modified"])


@dataclass(slots=True)
class Folder:
    """A folder of CSV files and the state of the one stream that reads it."""

    path: Path
    days: int = 3
    globs: tuple[str, ...] = ("*.csv",)
    state: Json | None = None
    connector: Connector = connector

    def write(self, uri: str, modified: datetime | timedelta, content: bytes = CONTENT) -> None:
        """modified: the time, or how long ago."""
        path = self.path / uri
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        at = datetime.now(UTC) - modified if isinstance(modified, timedelta) else modified
        os.utime(path, (at.timestamp(), at.timestamp()))

    def left_by_another(self) -> None:
        """The state as another connector would have left it, which has the documented fields alone."""
        assert self.state is not None
        self.state = {name: value for name, value in self.state.items() if name != FORGOTTEN_FIELD}

    def sync(self) -> Sync:
        stream = {
            "name": STREAM,
            "globs": list(self.globs),
            "format": {"filetype": "csv"},
            "days_to_sync_if_history_is_full": self.days,
        }
        config = {"path": str(self.path), "streams": [stream]}
        states = [] if self.state is None else [_state_message(self.state)]
        with tempfile.TemporaryFile() as out:
            code = read_streams(self.connector, config, _CATALOG, states, out.fileno(), 0)
            out.seek(0)
            outcome = _outcome(code, [json.loads(line) for line in out])
        self.state = outcome.state
        return outcome


_CATALOG = {
    "streams": [
        {
            "stream": {
                "name": STREAM,
                "json_schema": {"type": "object", "properties": {"id": {"type": ["null", "string"]}}},
                "supported_sync_modes": ["full_refresh", "incremental"],
            },
            "sync_mode": "incremental",
            "destination_sync_mode": "append",
        }
    ]
}


def _state_message(state: Mapping[str, Any]) -> Json:
    return {
        "type": "STATE",
        "state": {"type": "STREAM", "stream": {"stream_descriptor": {"name": STREAM}, "stream_state": dict(state)}},
    }


def _outcome(code: int, messages: list[Json]) -> Sync:
    outcome = Sync(code)
    for message in messages:
        match message["type"]:
            case "RECORD":
                uri = message["record"]["data"]["_ab_source_file_url"]
                if uri not in outcome.files[-1:]:
                    outcome.files.append(uri)
            case "STATE":
                outcome.state = message["state"]["stream"]["stream_state"]
            case "LOG" if message["log"]["level"] == "WARN":
                outcome.warnings.append(message["log"]["message"])
            case "LOG" if message["log"]["level"] == "ERROR":
                outcome.errors.append(message["log"]["message"])
    return outcome


HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setenv(LIMIT_VARIABLE, "3")
    return Folder(tmp_path)


def limited(limit: int | None) -> Connector:
    return replace(connector, history_limit=limit)


def stream(**options: object) -> StreamConfig:
    return parse_config(StreamConfig, {"name": STREAM, "format": {"filetype": "csv"}, **options})


def test_the_limit_is_of_the_environment_then_of_the_stream_then_of_the_connector_then_the_default() -> None:
    assert history_limit(limited(None), stream(), {}) == DEFAULT_HISTORY_LIMIT
    assert history_limit(limited(7), stream(), {}) == 7
    assert history_limit(limited(7), stream(history_limit=6), {}) == 6
    assert history_limit(limited(7), stream(history_limit=6), {LIMIT_VARIABLE: "5"}) == 5
    assert history_limit(limited(7), stream(), {LIMIT_VARIABLE: ""}) == 7


def test_a_streams_own_limit_is_a_number_of_files() -> None:
    with pytest.raises(ConfigError, match="history_limit"):
        stream(history_limit=0)


@pytest.mark.parametrize("text", ["0", "-1", "ten", "1_0", "1.5", " 3", "٣", "1e3"])
def test_a_limit_that_is_no_number_of_files_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match=LIMIT_VARIABLE):
        history_limit(limited(None), stream(), {LIMIT_VARIABLE: text})


def test_a_connector_is_not_built_with_a_limit_that_is_no_number_of_files() -> None:
    with pytest.raises(ValueError, match="history_limit"):
        limited(0)


def test_a_limit_of_the_environment_is_refused_before_anything_is_read(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "none")
    folder.write("a.csv", HOUR)
    with pytest.raises(ConfigError, match=LIMIT_VARIABLE):
        folder.sync()


def test_a_connectors_own_limit_bounds_the_state(tmp_path: Path) -> None:
    folder = Folder(tmp_path, connector=limited(2))
    for hours in (1, 2, 3):
        folder.write(f"{hours}.csv", hours * HOUR)
    assert list(folder.sync().history) == ["2.csv", "1.csv"]


def test_nothing_is_said_while_the_state_can_tell(folder: Folder) -> None:
    for hours in (1, 2, 3):
        folder.write(f"{hours}.csv", hours * HOUR)
    assert folder.sync().warnings == []
    folder.write("new.csv", timedelta(0))
    assert folder.sync().warnings == [], "later than all of a full history: new"
    assert folder.sync().warnings == []
    folder.left_by_another()
    assert folder.sync().warnings != [], "3.csv has left the history"


def test_files_read_again_and_files_missed_are_counted_and_named_in_one_warning(folder: Folder) -> None:
    for hours in range(1, 8):
        folder.write(f"{hours}h.csv", hours * HOUR)
    first = folder.sync()
    assert len(first.files) == 7
    assert first.warnings == []
    folder.left_by_another()
    folder.write("late.csv", 10 * DAY)
    folder.write("later.csv", 5 * DAY)
    again = folder.sync()
    assert again.files == ["7h.csv", "6h.csv", "5h.csv", "4h.csv"]
    [warning] = again.warnings
    assert "remembers 3 files" in warning
    assert "cannot tell whether 6 older ones" in warning
    passed_over, taken = warning.split("; read, though they may have been before: ")
    assert "; not read, though they may be new: " in passed_over
    assert passed_over.endswith("2 ('late.csv', 'later.csv')")
    assert taken.startswith("4 ('4h.csv', '5h.csv', '6h.csv', …)")
    for remedy in ("days_to_sync_if_history_is_full (now 3)", LIMIT_VARIABLE, "full refresh"):
        assert remedy in warning


def test_a_window_that_covers_late_files_leaves_none_of_them_out(folder: Folder) -> None:
    folder.days = 30
    for hours in range(1, 4):
        folder.write(f"{hours}h.csv", hours * HOUR)
    folder.sync()
    folder.left_by_another()
    folder.write("late.csv", 10 * DAY)
    late = folder.sync()
    assert late.files == ["late.csv"]
    [warning] = late.warnings
    assert "not read" not in warning
    assert "may have been before: 1 ('late.csv')" in warning


def test_a_file_of_the_earliest_time_that_sorts_before_the_history_cannot_be_told(folder: Folder) -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    for name in ("a", "b", "c", "d"):
        folder.write(f"{name}.csv", at)
    folder.sync()
    folder.left_by_another()
    [warning] = folder.sync().warnings
    assert "may be new: 1 ('a.csv')" in warning


def test_a_full_refresh_has_nothing_to_say(folder: Folder) -> None:
    for hours in range(1, 8):
        folder.write(f"{hours}h.csv", hours * HOUR)
    folder.sync()
    folder.state = None
    assert folder.sync().warnings == []


def test_a_long_name_is_shortened_in_the_warning(folder: Folder) -> None:
    long = "/".join(["n" * 200] * 5) + "/late.csv"
    folder.globs = ("**/*.csv",)
    for hours in range(1, 4):
        folder.write(f"{hours}h.csv", hours * HOUR)
    folder.sync()
    folder.left_by_another()
    folder.write(long, 9 * DAY)
    [warning] = folder.sync().warnings
    assert "/late.csv'" in warning
    assert len(warning) < 1000


# The peer's scenarios of a full history, with a limit of three files


JUNE = datetime(2023, 6, 5, 3, 54, 7, tzinfo=UTC)
"""Long before any window of days."""


def spelled(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def state_of(**files: datetime) -> Json:
    """As another connector may have left it: a history, and no cursor."""
    return {"history": {f"{name}.csv": spelled(at) for name, at in files.items()}}


def names(*letters: str) -> list[str]:
    return [f"{letter}.csv" for letter in letters]


def test_old_entries_make_room_for_new_files(folder: Folder) -> None:
    folder.state = state_of(oldest=JUNE - 4 * DAY, older=JUNE - 3 * DAY, old=JUNE)
    for letter, at in (("a", JUNE), ("b", JUNE + DAY), ("c", JUNE + 4 * DAY)):
        folder.write(f"{letter}.csv", at)
    sync = folder.sync()
    assert sync.files == names("a", "b", "c")
    assert sync.history == {"old.csv": spelled(JUNE), "b.csv": spelled(JUNE + DAY), "c.csv": spelled(JUNE + 4 * DAY)}
    assert sync.cursor == f"{spelled(JUNE + 4 * DAY)}_c.csv"


def test_of_more_files_of_one_time_than_the_limit_the_last_names_are_remembered(folder: Folder) -> None:
    for letter in "bacd":
        folder.write(f"{letter}.csv", JUNE)
    sync = folder.sync()
    assert sync.files == names("a", "b", "c", "d")
    assert list(sync.history) == names("b", "c", "d")
    assert sync.cursor == f"{spelled(JUNE)}_d.csv"


def test_a_file_of_the_earliest_time_that_was_forgotten_is_not_read_again(folder: Folder) -> None:
    for letter in "abcd":
        folder.write(f"{letter}.csv", JUNE)
    folder.state = state_of(b=JUNE, c=JUNE, d=JUNE)
    sync = folder.sync()
    assert sync.files == []
    assert list(sync.history) == names("b", "c", "d")


def test_a_new_file_of_the_earliest_time_is_read_when_its_name_sorts_after(folder: Folder) -> None:
    folder.state = state_of(b=JUNE, d=JUNE + DAY, e=JUNE + DAY)
    folder.write("a.csv", JUNE)
    folder.write("c.csv", JUNE)
    sync = folder.sync()
    assert sync.files == names("c")
    assert list(sync.history) == names("d", "e", "c"), "b made room"


def test_a_new_file_of_the_latest_time_is_read_whatever_its_name(folder: Folder) -> None:
    folder.state = state_of(b=JUNE, d=JUNE + DAY, e=JUNE + DAY)
    folder.write("a.csv", JUNE + DAY)
    sync = folder.sync()
    assert sync.files == names("a")
    assert sync.cursor == f"{spelled(JUNE + DAY)}_e.csv", "the greatest of the history, not the last that was read"


def test_a_late_file_before_the_history_and_outside_the_window_is_not_read(folder: Folder) -> None:
    folder.state = state_of(c=JUNE, d=JUNE + DAY, e=JUNE + DAY)
    folder.write("late.csv", JUNE - DAY)
    sync = folder.sync()
    assert sync.files == []
    assert list(sync.history) == names("c", "d", "e")


def test_a_late_file_after_the_earliest_of_the_history_is_read_without_any_window(folder: Folder) -> None:
    folder.state = state_of(c=JUNE, d=JUNE + 2 * DAY, e=JUNE + 2 * DAY)
    folder.write("late.csv", JUNE + DAY)
    sync = folder.sync()
    assert sync.files == ["late.csv"]
    assert sync.history == {
        "late.csv": spelled(JUNE + DAY),
        "d.csv": spelled(JUNE + 2 * DAY),
        "e.csv": spelled(JUNE + 2 * DAY),
    }


def test_late_files_inside_the_window_are_read_once_though_the_history_has_no_room_for_them(folder: Folder) -> None:
    for letter in "cde":
        folder.write(f"{letter}.csv", 5 * HOUR)
    history = folder.sync().history
    folder.left_by_another()
    folder.write("a.csv", 2 * DAY)
    folder.write("b.csv", DAY)
    folder.write("old.csv", 4 * DAY)
    for files in (names("a", "b"), []):
        sync = folder.sync()
        assert sync.files == files
        assert sync.history == history


def test_a_late_file_is_read_once_however_old_it_is(folder: Folder) -> None:
    folder.days = 0
    for hours in range(1, 8):
        folder.write(f"{hours}h.csv", hours * HOUR)
    assert len(folder.sync().files) == 7
    assert folder.sync().files == []
    folder.write("late.csv", 900 * DAY)
    assert folder.sync().files == ["late.csv"]
    assert folder.sync().files == []
    folder.write("7h.csv", HOUR / 2)
    assert folder.sync().files == ["7h.csv"], "modified after it had left the history"
    folder.write("6h.csv", 9 * HOUR)
    assert folder.sync().files == [], "put back to an older version"


def test_late_files_push_each_other_out_of_the_history(folder: Folder) -> None:
    """The earliest of the history is that of the sync's beginning: a file that it let in may drop out before its end."""
    folder.state = state_of(old=JUNE - 2 * DAY, c=JUNE + 2 * DAY, d=JUNE + 3 * DAY)
    for days, letter in enumerate("abcd"):
        folder.write(f"{letter}.csv", JUNE + days * DAY)
    sync = folder.sync()
    assert sync.files == names("a", "b")
    assert list(sync.history) == names("c", "d", "b")
    again = folder.sync()
    assert again.files == [], "a is older than the history by now"


def test_a_window_of_no_days_takes_no_late_file(folder: Folder) -> None:
    folder.days = 0
    for letter in "cde":
        folder.write(f"{letter}.csv", HOUR)
    folder.sync()
    folder.left_by_another()
    folder.write("late.csv", 2 * HOUR)
    assert folder.sync().files == []


def test_a_file_of_the_history_is_read_again_when_modified_and_moves_up(folder: Folder) -> None:
    folder.state = state_of(a=JUNE, b=JUNE + DAY, c=JUNE + 2 * DAY)
    folder.write("a.csv", JUNE + 3 * DAY)
    sync = folder.sync()
    assert sync.files == names("a")
    assert sync.history["a.csv"] == spelled(JUNE + 3 * DAY)
    assert len(sync.history) == 3
    assert sync.cursor == f"{spelled(JUNE + 3 * DAY)}_a.csv"


def test_a_file_of_the_history_that_became_older_is_not_read(folder: Folder) -> None:
    folder.state = state_of(a=JUNE, b=JUNE + DAY, c=JUNE + 2 * DAY)
    folder.write("c.csv", JUNE + DAY)
    sync = folder.sync()
    assert sync.files == []
    assert sync.history["c.csv"] == spelled(JUNE + 2 * DAY)


def test_a_forgotten_file_is_read_again_once_it_is_modified_within_the_history(folder: Folder) -> None:
    for days, letter in enumerate("abcd"):
        folder.write(f"{letter}.csv", JUNE + days * DAY)
    assert list(folder.sync().history) == names("b", "c", "d")
    folder.write("a.csv", JUNE + 5 * DAY)
    assert folder.sync().files == names("a")


def test_a_deleted_file_stays_in_the_history_until_others_push_it_out(folder: Folder) -> None:
    for days, letter in enumerate("abc"):
        folder.write(f"{letter}.csv", JUNE + days * DAY)
    folder.sync()
    (folder.path / "b.csv").unlink()
    assert list(folder.sync().history) == names("a", "b", "c")
    folder.write("b.csv", JUNE + DAY)
    assert folder.sync().files == [], "it is the version that was synced"


def test_one_file_less_than_the_limit_leaves_no_late_file_out(folder: Folder) -> None:
    folder.state = state_of(d=JUNE, e=JUNE)
    for years, letter in enumerate("cba"):
        folder.write(f"{letter}.csv", JUNE - (years + 1) * 365 * DAY)
    sync = folder.sync()
    assert sync.files == names("a", "b", "c")
    assert sorted(sync.history) == names("c", "d", "e")


def test_a_file_that_failed_is_read_again_though_the_history_is_full_of_later_ones(folder: Folder) -> None:
    folder.write("bad.csv", JUNE, b'id\n"open\n')
    for days, letter in enumerate("cdef"):
        folder.write(f"{letter}.csv", JUNE + (days + 1) * DAY)
    first = folder.sync()
    assert first.code == 1
    assert list(first.history) == names("d", "e", "f")
    assert first.cursor == f"{spelled(JUNE)}_bad.csv"
    folder.write("bad.csv", JUNE)
    mended = folder.sync()
    assert "bad.csv" in mended.files
    assert mended.code == 0
    assert mended.cursor == f"{spelled(JUNE + 4 * DAY)}_f.csv"


def test_what_is_read_does_not_depend_on_the_order_in_a_state(folder: Folder) -> None:
    folder.state = state_of(e=JUNE + 2 * DAY, c=JUNE, d=JUNE + DAY)
    folder.write("b.csv", JUNE - DAY)
    folder.write("cc.csv", JUNE)
    assert folder.sync().files == ["cc.csv"]
