"""The law of the ledger: whatever happens to files and syncs, a sync that ends leaves the table, the rejects and the ledger as
a model of a few lines has them, and one that crashes anywhere leaves each file as it was or as it is to be."""

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import pytest
from file_worlds import EPOCH_S, Crash, FilesMachine, Moments, Version, Watched, names, split_into, watched_connector
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from file_cdk import SyncOptions, sync
from file_cdk.destinations.duckdb.destination import DuckDBDestination
from file_cdk.destinations.duckdb.limits import WriteLimits
from file_cdk.destinations.duckdb.session import Session
from file_cdk.pipeline import sources
from file_cdk.pipeline.rejects import MaxRejects
from file_cdk.pipeline.tables import stdout
from file_cdk.pipeline.tables.deletes import MaxDeletes
from file_cdk.pipeline.tables.report import StreamResult

ANOTHER_RUN = """
import json, sys
from file_cdk import FileCdkError, SyncOptions, sync
for line in sys.stdin:
    try:
        sync(*json.loads(line), SyncOptions(workers=0, stream="t"))
        print("null", flush=True)
    except FileCdkError as exc:
        print(json.dumps([type(exc).__name__, str(exc)]), flush=True)
"""


@cache
def another_process() -> "subprocess.Popen[str]":
    """Starts a sync for each line that it is given, in one process since starting one takes longest."""
    return subprocess.Popen(
        [sys.executable, "-c", ANOTHER_RUN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def teardown_module() -> None:
    if another_process.cache_info().currsize:
        another_process().communicate()
        another_process.cache_clear()


@dataclass(frozen=True, slots=True)
class Entry:
    """Of one file. loaded: the version whose rows are in the table. failed: the one that failed last, and was not loaded since;
    was_read: far enough to count its rejected records. rejects: the version of which those are kept."""

    loaded: Version | None = None
    failed: Version | None = None
    rejects: Version | None = None
    was_read: bool = False

    def with_owned_rejects(self) -> "Entry":
        """Rejects of a version (by its time) that no entry counts any of are kept no longer."""
        kept = self.rejects
        owners = [self.loaded, self.failed if self.was_read else None]
        counted = {each.time_s for each in owners if each is not None and each.rejected}
        return self if kept is None or kept.time_s in counted else replace(self, rejects=None)

    def content(self) -> "Content":
        loaded, failed, kept = self.loaded, self.failed, self.rejects
        return Content(
            None if loaded is None else (loaded.time_s, loaded.size_bytes, len(loaded.values), len(loaded.rejected)),
            None
            if failed is None
            else (failed.time_s, failed.size_bytes, None, len(failed.rejected) if self.was_read else 0),
            [] if loaded is None else [(value, at + 1, loaded.time_s) for at, value in enumerate(loaded.values)],
            [] if kept is None else kept.rejected,
        )


@dataclass(slots=True)
class Content:
    """What the database has of one file."""

    loaded: tuple[int | None, ...] | None
    failed: tuple[int | None, ...] | None
    """Time, size, rows, rejected records."""
    rows: list[tuple[str, int, int]]
    """value, number and time of the file, in the table's order."""
    rejects: list[str]


EMPTY = Content(None, None, [], [])


@dataclass(frozen=True, slots=True)
class Settings:
    """closed: files that cannot be opened this time."""

    removes: bool = False
    max_deletes: int | None = None
    max_rejects: int = 0
    retries_rejects: bool = False
    closed: frozenset[str] = frozenset()

    def options(self) -> SyncOptions:
        return SyncOptions(
            workers=0,
            stream="t",
            on_delete="remove" if self.removes else "keep",
            max_deletes=MaxDeletes() if self.max_deletes is None else MaxDeletes(self.max_deletes),
            max_rejects=MaxRejects(self.max_rejects),
            retry_rejects=self.retries_rejects,
        )

    def fails(self, name: str, version: Version) -> bool:
        return name in self.closed or not version.is_readable or len(version.rejected) > self.max_rejects

    def due(self, entry: Entry, version: Version) -> bool:
        """Whoever keeps a file's time and size has not changed it."""
        loaded = entry.loaded
        if loaded is None or (loaded.time_s, loaded.size_bytes) != (version.time_s, version.size_bytes):
            return True
        return self.retries_rejects and bool(loaded.rejected)


how = st.builds(
    Settings,
    st.booleans(),
    st.sampled_from([None, None, 0, 1]),
    st.integers(0, 2),
    st.booleans(),
    st.frozensets(names, max_size=1),
)


class LedgerMachine(FilesMachine):
    def __init__(self) -> None:
        super().__init__()
        self.database = self.scratch / "x.duckdb"
        self.entries: dict[str, Entry] = {}

    def teardown(self) -> None:
        try:
            settings = Settings(removes=True, max_rejects=1)
            self.sync(settings)
            self.check()
        finally:
            shutil.rmtree(self.scratch)

    @initialize(split_bytes=st.integers(8, 60), files_together=st.integers(1, 3))
    def begin(self, split_bytes: int, files_together: int) -> None:
        self.split_bytes, self.files_together = split_bytes, files_together

    @rule(settings=how)
    def sync(self, settings: Settings) -> None:
        after, refused = self.after(settings)
        due = {name: each for name, each in self.world.files.items() if settings.due(self.entry(name), each)}
        loaded = [each for name, each in due.items() if not settings.fails(name, each)]
        gone = len(self.gone())
        result = self.run(settings, Moments())
        assert (result.files_read, result.files_failed) == (len(loaded), len(due) - len(loaded) + refused)
        assert result.rows == sum(len(each.values) for each in loaded)
        assert result.rejected == sum(len(each.rejected) for each in loaded)
        assert (result.gone, result.removed) == (gone, 0 if refused or not settings.removes else gone)
        self.entries = after

    @rule(settings=how, at=st.integers(1, 120), killed=st.booleans())
    def sync_crashes(self, settings: Settings, at: int, killed: bool) -> None:
        """killed: the database is as it was at that moment, and what ran after it never did. Otherwise the sync had the
        time to close what it had open. Each file is left as it was or as it is to be; those to be removed, all or none."""
        after, refused = self.after(settings)
        gone = set(self.gone())
        image = self.scratch / "image"

        def end() -> None:
            if killed:
                take_image(self.database, image)
            raise Crash

        try:
            self.run(settings, Moments(at, end))
        except Crash:
            if killed:
                put_image(image, self.database)
        found = self.contents()
        removed: set[str] = set()
        for name in after.keys() | found.keys():
            before, content = self.entry(name), found.get(name, EMPTY)
            possible = [before, after.get(name, Entry())]
            if name not in self.world.files:
                # Its failure is forgotten before it is removed itself.
                possible.append(replace(before, failed=None).with_owned_rejects())
            left = next((entry for entry in possible if content == entry.content()), None)
            assert left is not None, name
            if before.loaded is not None and left.loaded is None:
                removed.add(name)
            self.entries[name] = left
        if settings.removes and not refused:
            assert removed in (set(), gone)

    @rule(at=st.integers(1, 80))
    def another_sync_starts_meanwhile(self, at: int) -> None:
        """It is told that the database is in use, and changes nothing; the one that runs does not notice."""
        answers: list[Any] = []

        def start() -> None:
            process = another_process()
            assert process.stdin is not None
            assert process.stdout is not None
            print(json.dumps([str(self.world.folder), str(self.database)]), file=process.stdin, flush=True)
            answers.append(json.loads(process.stdout.readline()))

        settings = Settings(max_rejects=1)
        after, _ = self.after(settings)
        self.run(settings, Moments(at, start), only_while_open=True)
        self.entries = after
        for kind, message in answers:
            assert kind == "DestinationInUseError"
            assert f"is in use by another run: process {os.getpid()}" in message

    @invariant()
    def check(self) -> None:
        found = self.contents()
        assert found == {name: content for name, entry in self.entries.items() if (content := entry.content()) != EMPTY}

    def entry(self, name: str) -> Entry:
        return self.entries.get(name, Entry())

    def gone(self) -> list[str]:
        return [name for name, entry in self.entries.items() if entry.loaded and name not in self.world.files]

    def after(self, settings: Settings) -> tuple[dict[str, Entry], bool]:
        """What a sync leaves, and whether it refuses to remove what is gone."""
        gone = self.gone()
        # Ten may always be removed by default, and there are fewer.
        too_many = settings.max_deletes is not None and len(gone) > settings.max_deletes
        refused = settings.removes and bool(gone) and (too_many or not self.world.files)
        after = {}
        for name in self.entries.keys() | self.world.files.keys():
            entry, version = self.entry(name), self.world.files.get(name)
            if version is None:
                if entry.loaded and settings.removes and not refused:
                    after[name] = Entry()
                else:
                    after[name] = Entry(entry.loaded, None, entry.rejects).with_owned_rejects()
            elif not settings.due(entry, version):
                after[name] = entry
            elif not settings.fails(name, version):
                after[name] = Entry(version, None, version if version.rejected else None)
            else:
                was_read = not version.cut and name not in settings.closed
                rejects = version if was_read and version.rejected else entry.rejects
                after[name] = Entry(entry.loaded, version, rejects, was_read).with_owned_rejects()
        return after, refused

    def run(self, settings: Settings, moments: Moments, *, only_while_open: bool = False) -> StreamResult:
        limits = WriteLimits(files=self.files_together)
        destination = WatchedDestination(DuckDBDestination(self.database, limits=limits), moments)
        if only_while_open:
            moments.may_act = lambda: destination.is_open
        with pytest.MonkeyPatch.context() as patch:
            split_into(patch, self.split_bytes)
            watch_statements(patch, moments)
            chosen = watched_connector(moments, settings.closed)
            patch.setattr(sources, "connector_for", lambda _scheme: chosen)
            patch.setattr(stdout, "destination_of", lambda *_, **__: destination)
            return sync(self.world.folder, self.database, settings.options()).streams[0]

    def contents(self) -> dict[str, Content]:
        if not self.database.exists():
            return {}
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return read_contents(connection.execute)


class WatchedDestination(Watched):
    is_open = False

    def open(self) -> None:
        self._target.open()
        self.is_open = True

    def close(self) -> None:
        self.is_open = False
        self._target.close()


def watch_statements(patch: pytest.MonkeyPatch, moments: Moments) -> None:
    """Moments come between the statements of one transaction too."""
    execute = Session.execute

    def executed(self: Session, *arguments: Any, **named: Any) -> Any:
        moments.come()
        result = execute(self, *arguments, **named)
        moments.come()
        return result

    patch.setattr(Session, "execute", executed)


def read_contents(execute: Callable[..., Any]) -> dict[str, Content]:
    found: defaultdict[str, Content] = defaultdict(lambda: Content(None, None, [], []))
    epoch = "epoch(modified_at)::BIGINT - " + str(EPOCH_S)
    has_ledger = execute("SELECT 1 FROM duckdb_tables() WHERE table_name = '_file_cdk_rejects'").fetchall()
    if not has_ledger:
        return {}
    sql = f"SELECT url, status, {epoch}, size_bytes, rows, rejected FROM _file_cdk_files ORDER BY status DESC"
    for name, status, *facts in execute(sql).fetchall():
        content = found[name]
        assert getattr(content, status) is None, name
        setattr(content, status, tuple(facts))
    sql = f'SELECT url, raw, {epoch} FROM _file_cdk_rejects ORDER BY url, "row"'
    for name, of_file in groupby(execute(sql).fetchall(), key=lambda row: row[0]):
        found[name].rejects = [raw for _, raw, _ in of_file]
    columns = execute("SELECT column_name FROM duckdb_columns() WHERE table_name = 't'").fetchall()
    if ("v",) in columns:
        epoch = epoch.replace("modified_at", "_file_modified_at")
        for name, *facts in execute(f"SELECT _file_url, v, _file_row, {epoch} FROM t ORDER BY rowid").fetchall():
            found[name].rows.append(tuple(facts))
    return dict(found)


def take_image(database: Path, image: Path) -> None:
    shutil.rmtree(image, ignore_errors=True)
    image.mkdir()
    for path in database.parent.glob(f"{database.name}*"):
        if path.is_file():
            shutil.copy2(path, image / path.name)


def put_image(image: Path, database: Path) -> None:
    for path in database.parent.glob(f"{database.name}*"):
        with suppress(IsADirectoryError):
            path.unlink()
    for path in image.iterdir():
        shutil.copy2(path, database.parent / path.name)


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(
    max_examples=15,
    stateful_step_count=14,
    suppress_health_check=list(HealthCheck),
)
