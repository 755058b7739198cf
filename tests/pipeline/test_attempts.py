"""Attempts of a sync of an API: when one is gone on with, and what of its rows stays."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile
from file_cdk.destinations.sqlite.destination import SqliteDestination
from file_cdk.pipeline.apis.progress import BegunSlice, Progress, ReadSlice
from file_cdk.pipeline.piping.attempts import GOES_ON_S, HISTORY_S, Attempts
from file_cdk.pipeline.piping.catalog import configured, written
from file_cdk.pipeline.writing.units import Unit, Units
from file_cdk.protocol.written_streams import WrittenStream

BEGUN = Progress(
    partial=True,
    done=[ReadSlice("[1,{}]", 2, 20)],
    begun=[BegunSlice(ReadSlice("[2,{}]", 1, 10), 1, "token")],
    cursor=("2024-01-01T00:00:00+00:00", "2024-02-01T00:00:00+00:00"),
)
ENDED = Progress(done=[ReadSlice("[2,{}]", 2, 20)], ended=True)


@dataclass
class Clock:
    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def stream(*, incremental: bool) -> WrittenStream:
    modes = {"supported_sync_modes": ["full_refresh", "incremental"], "source_defined_cursor": True}
    found = {"name": "orders", "json_schema": {}, **(modes if incremental else {})}
    [made] = written([configured(found)])
    return replace(made, source="pipe shop")


WHOLE, ADDED = stream(incremental=False), stream(incremental=True)


@dataclass
class Runs:
    """Each a run of its own."""

    folder: Path
    clock: Clock

    @contextmanager
    def run(self) -> Iterator[tuple[SqliteDestination, Attempts]]:
        destination = SqliteDestination(self.folder / "x.sqlite")
        destination.open()
        with closing(destination):
            yield destination, Attempts(destination, "shop", clock=self.clock)

    def write(self, destination: SqliteDestination, of: WrittenStream, number: int) -> None:
        batch = pa.RecordBatch.from_pylist([{"id": number}])
        table = destination.table(of.staging if of.replaces else of.table)
        table.widen(batch.schema)
        file = RemoteFile(Unit(of.generation, None, number).uri, 1, datetime(2024, 1, 1, tzinfo=UTC))
        load = table.begin(file)
        load.write(destination.encoder.encode(batch, file, 1, 0), 0)
        load.commit(LoadedFile(1))
        table.flush()

    def leave(self, of: WrittenStream, progress: Progress = BEGUN) -> WrittenStream:
        """A run that is killed after one unit that was kept and another that was not."""
        with self.run() as (destination, attempts):
            begun = attempts.begin(of, "f", destination)
            self.write(destination, begun, 1)
            attempts.take(of.descriptor, progress, 1)
            attempts.keep([], ())
            self.write(destination, begun, 2)
        return begun


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path, Clock())


def test_a_whole_stream_goes_on_in_its_own_table_from_the_last_unit_that_was_kept(runs: Runs) -> None:
    begun = runs.leave(WHOLE)
    runs.clock.now += GOES_ON_S
    with runs.run() as (destination, attempts):
        again = attempts.begin(WHOLE, "f", destination)
        assert again.generation == begun.generation == again.minimum_generation == 1_700_000_000_000
        assert [*Units.of(destination.table(again.staging)).found[again.generation]] == [1]
        given = json.loads(attempts.given())["orders"]
    assert given["done"] == {"[1,{}]": None}
    assert given["begun"] == [{"so_far": read_slice("[2,{}]"), "number": 1, "value": "token"}]
    assert (given["seconds"], given["cursor"]) == (GOES_ON_S, list(BEGUN.cursor or ()))


def read_slice(key: str) -> dict[str, object]:
    return {"key": key, "pages": 1, "records": 10, "filtered": 0, "rejected": 0, "highest": None}


@pytest.mark.parametrize("of", [WHOLE, ADDED], ids=["whole", "added"])
def test_what_is_otherwise_begins_anew(runs: Runs, of: WrittenStream) -> None:
    runs.leave(of)
    runs.clock.now += 10
    with runs.run() as (destination, attempts):
        attempts.begin(of, "another", destination)
        assert (attempts.reach(), attempts.given()) == ({}, b"{}")
        attempts.keep([], ())
    with runs.run() as (destination, attempts):  # not even where all is as it was again
        attempts.begin(of, "f", destination)
        assert attempts.reach() == {}


def test_after_a_day_it_begins_anew(runs: Runs) -> None:
    runs.leave(ADDED)
    runs.clock.now += GOES_ON_S + 1
    with runs.run() as (destination, attempts):
        attempts.begin(ADDED, "f", destination)
        assert attempts.reach() == {}


def test_without_its_rows_it_begins_anew(runs: Runs) -> None:
    begun = runs.leave(ADDED)
    with runs.run() as (destination, _):
        destination.table(begun.table).remove([Unit(None, None, 1).uri])
    with runs.run() as (destination, attempts):
        attempts.begin(ADDED, "f", destination)
        assert attempts.reach() == {}


def test_a_token_that_is_void_ends_it(runs: Runs) -> None:
    runs.leave(ADDED, Progress(partial=True, begun=BEGUN.begun, void=True))
    with runs.run() as (destination, attempts):
        attempts.begin(ADDED, "f", destination)
        assert attempts.reach() == {}


def test_a_stream_is_complete_when_its_table_is_in_place(runs: Runs) -> None:
    begun = runs.leave(WHOLE, ENDED)
    with runs.run() as (destination, attempts):
        assert not attempts.is_complete(WHOLE, "f", destination)
        destination.take_place(begun.table, begun.staging)
        assert attempts.is_complete(WHOLE, "f", destination)
        assert not attempts.is_complete(WHOLE, "another", destination)
        attempts.close()
    with runs.run() as (destination, attempts):
        assert not attempts.is_complete(WHOLE, "f", destination)


def test_two_attempts_of_a_moment_are_two(runs: Runs) -> None:
    begun = runs.leave(WHOLE, ENDED)
    with runs.run() as (destination, attempts):
        destination.take_place(begun.table, begun.staging)
        attempts.close()
    runs.clock.now -= 5
    with runs.run() as (destination, attempts):
        again = attempts.begin(WHOLE, "f", destination)
    assert (begun.generation, again.generation) == (1_700_000_000_000, 1_700_000_000_001)


def test_a_stream_whose_rows_are_gone_is_not_complete(runs: Runs) -> None:
    begun = runs.leave(ADDED, ENDED)
    with runs.run() as (destination, attempts):
        assert attempts.is_complete(ADDED, "f", destination)
        destination.table(begun.table).remove([Unit(None, None, 1).uri])
        assert not attempts.is_complete(ADDED, "f", destination)


def test_slices_of_a_table_that_is_added_to_stay_for_a_month(runs: Runs) -> None:
    for seconds in (0, HISTORY_S // 2, HISTORY_S):
        runs.clock.now = 1_700_000_000.0 + seconds
        with runs.run() as (destination, attempts):
            attempts.begin(ADDED, "f", destination)
            attempts.take(ADDED.descriptor, ENDED, 0)
            attempts.keep([], ())
            attempts.close()
    ledger = SqliteDestination(runs.folder / "x.sqlite")
    began_at = [each.attempt // 1000 - 1_700_000_000 for each in ledger.slice_entries("orders")]
    assert began_at == [0, HISTORY_S // 2, HISTORY_S]
    runs.clock.now += 1
    with runs.run() as (destination, attempts):
        attempts.begin(ADDED, "f", destination)
        attempts.take(ADDED.descriptor, ENDED, 0)
        attempts.keep([], ())
    first, *_ = ledger.slice_entries("orders")
    assert first.attempt // 1000 - 1_700_000_000 == HISTORY_S // 2
