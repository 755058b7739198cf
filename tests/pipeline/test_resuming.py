"""A sync that was interrupted within a large file goes on there, where it may, and begins anew where it may not."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from file_cdk import FileCdkError, SyncOptions, SyncResult, sync
from file_cdk.core.config import CsvConfig, JsonlConfig
from file_cdk.core.ports import Format
from file_cdk.destinations.duckdb.destination import KEEP_AFTER_VARIABLE
from file_cdk.formats.csv import CsvFormat
from file_cdk.formats.jsonl.format import JsonlFormat
from file_cdk.formats.path_columns import WithPathColumns
from file_cdk.formats.unpacking import Unpacking
from file_cdk.pipeline.rejects import MaxRejects
from file_cdk.pipeline.tables.resuming import fingerprint

ROWS = 6_000
NOTE = "n" * 2_000
LARGE_T, SMALL_T = 1_700_000_000, 1_600_000_000
INLINE = SyncOptions(workers=0)


@dataclass
class Interrupter:
    """Ctrl-C at the end of the n-th split; the progress of those before it is kept."""

    after: int | None = None
    warnings: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    size_bytes: int = 0
    resumed_bytes: list[int] = field(default_factory=list)

    def listed(self, stream: str, files: int, size_bytes: int, skipped: Mapping[str, int]) -> None: ...

    def progressed(self, stream: str, uri: str, rows: int, size_bytes: int) -> None:
        self.size_bytes += size_bytes
        if self.after is not None:
            self.after -= 1
            if self.after < 0:
                raise KeyboardInterrupt

    def resumed(self, stream: str, uri: str, rows: int, size_bytes: int) -> None:
        self.resumed_bytes.append(size_bytes)

    def file_loaded(self, stream: str, uri: str, rows: int) -> None:
        self.loaded.append(uri)

    def file_failed(self, stream: str, uri: str, error: FileCdkError) -> None:
        self.failed.append(uri)

    def warned(self, message: str) -> None:
        self.warnings.append(message)


@dataclass
class Place:
    folder: Path
    database: Path

    def write(self, name: str, lines: list[str], modified_at: int) -> None:
        (self.folder / name).write_text("\n".join(lines) + "\n")
        os.utime(self.folder / name, (modified_at, modified_at))

    def sync(self, options: SyncOptions = INLINE) -> tuple[SyncResult, Interrupter]:
        watcher = Interrupter()
        return sync(self.folder, self.database, options, watcher), watcher

    def interrupt(self, splits: int = 2) -> None:
        with pytest.raises(KeyboardInterrupt):
            sync(self.folder, self.database, INLINE, Interrupter(splits))
        assert self.query("SELECT count(*) FROM _file_cdk_parts") == [(1,)]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def parts(self) -> list[str]:
        return [name for (name,) in self.query("SELECT table_name FROM duckdb_tables()") if "_part_" in name]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A folder with a CSV file of three splits."""
    monkeypatch.setenv(KEEP_AFTER_VARIABLE, "0")
    place = Place(tmp_path / "in", tmp_path / "x.duckdb")
    place.folder.mkdir()
    rows = [f"{number},{NOTE}" for number in range(ROWS)]
    place.write("large.csv", ["id,note", *rows], LARGE_T)
    return place


def went_on(watcher: Interrupter) -> bool:
    return any("'large.csv' goes on at byte" in warning for warning in watcher.warnings)


def test_it_goes_on_where_it_was(place: Place) -> None:
    place.interrupt()
    [(position, rows)] = place.query("SELECT position, rows FROM _file_cdk_parts")
    assert 0 < rows < ROWS
    result, watcher = place.sync()
    assert watcher.warnings == [
        f"file 'large.csv' goes on at byte {position:,} of {(place.folder / 'large.csv').stat().st_size:,}: "
        f"{rows:,} rows before it were kept by an earlier run"
    ]
    assert watcher.size_bytes == (place.folder / "large.csv").stat().st_size
    assert watcher.resumed_bytes == [position]
    [stream] = result.streams
    assert (stream.rows, stream.rows_resumed, stream.size_bytes) == (ROWS, rows, watcher.size_bytes)
    assert place.query('SELECT id, _file_row FROM "in"') == [(number, number + 1) for number in range(ROWS)]
    assert place.parts() == []


def test_a_second_interruption_keeps_more(place: Place) -> None:
    place.interrupt(1)
    before = place.query("SELECT position FROM _file_cdk_parts")
    place.interrupt(2)
    assert place.query("SELECT position FROM _file_cdk_parts") > before
    assert len(place.parts()) == 1
    assert went_on(place.sync()[1])
    assert place.query('SELECT count(*), count(DISTINCT id) FROM "in"') == [(ROWS, ROWS)]


def test_another_version_begins_anew(place: Place) -> None:
    place.interrupt()
    os.utime(place.folder / "large.csv", (LARGE_T + 1, LARGE_T + 1))
    _, watcher = place.sync()
    assert watcher.warnings == []
    assert place.query('SELECT count(*), count(DISTINCT id) FROM "in"') == [(ROWS, ROWS)]
    assert place.parts() == []


@pytest.mark.parametrize("options", [replace(INLINE, all_text=True), replace(INLINE, dialect="default")])
def test_what_would_be_read_otherwise_begins_anew(place: Place, options: SyncOptions) -> None:
    place.interrupt()
    _, watcher = place.sync(options)
    assert not went_on(watcher)
    assert place.query('SELECT count(*), count(DISTINCT id) FROM "in"') == [(ROWS, ROWS)]


def test_a_file_that_is_gone_leaves_nothing(place: Place) -> None:
    place.interrupt()
    (place.folder / "large.csv").unlink()
    place.write("small.csv", ["id,note", "1,a"], LARGE_T)
    place.sync()
    assert place.parts() == []
    assert place.query('SELECT id FROM "in"') == [(1,)]


def test_files_with_more_columns_are_no_matter(place: Place) -> None:
    place.interrupt()
    place.write("small.csv", ["id,note,more", "1,a,b"], SMALL_T)
    _, watcher = place.sync()
    assert went_on(watcher)
    assert watcher.loaded == ["small.csv", "large.csv"]
    assert place.query('SELECT count(*), count(more) FROM "in"') == [(ROWS + 1, 1)]


def test_a_column_that_gets_wider_meanwhile_begins_the_file_anew(place: Place) -> None:
    """The file before it turns out to hold text, when the rest of the large one is under way as numbers already."""
    place.interrupt()
    many = [f"{number},{NOTE}" for number in range(1_000)]
    place.write("small.csv", ["id,note", *many, "text,a"], SMALL_T)
    _, watcher = place.sync()
    assert watcher.loaded == ["small.csv", "large.csv"]
    assert not went_on(watcher)
    assert place.query('SELECT count(*), count(DISTINCT id), typeof(any_value(id)) FROM "in"') == [
        (ROWS + 1_001, ROWS + 1, "VARCHAR")
    ]
    assert place.parts() == []


def test_a_file_that_asked_for_wider_columns_goes_on_with_them(place: Place) -> None:
    """What it asks for is not in the sample of it; nobody could say so before it is read to there."""
    rows = [f"{number},{NOTE}" for number in range(ROWS)]
    rows[1_000] = f"one thousand,{NOTE}"
    place.write("large.csv", ["id,note", *rows], LARGE_T)
    place.interrupt(4)
    _, watcher = place.sync()
    assert went_on(watcher)
    assert watcher.warnings[1:] == ["column 'id' was int64 and is now string, to hold values of file 'large.csv'"]
    assert place.query('SELECT id FROM "in"') == [
        ("one thousand" if number == 1_000 else str(number),) for number in range(ROWS)
    ]


def test_columns_that_others_asked_for_begin_the_file_anew(place: Place) -> None:
    """Their say is gone with them: the column is a number, as the file has it."""
    place.write("text.csv", ["id,note", "text,a"], LARGE_T)
    os.utime(place.folder / "large.csv", (SMALL_T, SMALL_T))
    place.interrupt()
    (place.folder / "text.csv").unlink()
    _, watcher = place.sync()
    assert not went_on(watcher)
    assert place.query('SELECT count(*), typeof(any_value(id)) FROM "in"') == [(ROWS, "BIGINT")]


def test_what_was_rejected_before_counts(place: Place) -> None:
    """A file that fails for its rejected records keeps its progress, and is judged as a whole the next time."""
    rows = [f"{number},{NOTE}" for number in range(ROWS)]
    rows[10] += ",one too many"
    rows[-10] += ",one too many"
    place.write("large.csv", ["id,note", *rows], LARGE_T)
    whole = replace(place, database=place.database.with_name("whole.duckdb"))
    allowing = replace(INLINE, max_rejects=MaxRejects(2))
    assert place.sync()[1].failed == ["large.csv"]
    assert place.query("SELECT status FROM _file_cdk_files") == [("failed",)]
    _, failing = place.sync()
    assert went_on(failing)
    assert sum(failing.resumed_bytes) == 0 < failing.resumed_bytes[0]
    _, watcher = place.sync(allowing)
    assert went_on(watcher)
    assert any("2 records rejected" in warning for warning in watcher.warnings)
    whole.sync(allowing)
    for sql in (
        'SELECT "row", byte_offset, reason, raw FROM _file_cdk_rejects ORDER BY "row"',
        "SELECT rows, rejected, status, error FROM _file_cdk_files",
        'SELECT id, _file_row FROM "in"',
    ):
        assert place.query(sql) == whole.query(sql)


def test_a_fingerprint_is_of_all_that_a_format_is_told() -> None:
    configs = [CsvConfig(), CsvConfig(delimiter=";"), CsvConfig(null_values=frozenset({"a", "b"}))]
    formats: list[Format] = [
        *map(CsvFormat, configs),
        CsvFormat(CsvConfig(), max_record_bytes=1),
        JsonlFormat(JsonlConfig()),
        Unpacking(JsonlFormat(JsonlConfig())),
        Unpacking(JsonlFormat(JsonlConfig()), 7),
        *(WithPathColumns(JsonlFormat(JsonlConfig()), True, None, frozenset(keys)) for keys in ("a", "b", "ab")),
    ]
    assert len(set(map(fingerprint, formats))) == len(formats)
    again = CsvFormat(CsvConfig(null_values=frozenset({"b", "a"})))
    assert fingerprint(again) == fingerprint(formats[2])
