"""The conformance suite for destinations that keep the progress of large files: the suite of all destinations, and more."""

import os
import signal
from collections import Counter

import pyarrow as pa
import pytest

from file_cdk.core.ports import LoadedFile, Reject, Rejects, StreamTable
from file_cdk.core.progress import LoadProgress, Resumable, resumable
from file_cdk.testing.destination_conformance import DestinationConformance
from file_cdk.testing.landing import STREAM, Landing, load_whole, open_table, run_and_die, version, write, write_into


class ResumableConformance(DestinationConformance):
    """In its place for a destination whose tables are Resumable; here they are to keep progress as soon as they are asked."""

    @pytest.mark.parametrize("has_older", [False, True])
    def test_a_killed_load_goes_on(self, landing: Landing, has_older: bool) -> None:
        """What was kept is seen by nobody, survives the process, and is a part of the file in the end."""
        older = [{"n": 1}] if has_older else []
        with open_table(landing) as (destination, table):
            if has_older:
                load_whole(destination, table, version("a"), older)
        run_and_die(_keep_and_die, landing)
        assert landing.rows(STREAM) == older
        with open_table(landing) as (destination, table):
            assert table.unloaded([version("a", 1)]) == [True]
            progress = _progress(2)
            assert list(_resumable(table).begun()) == [progress]
            table.widen(pa.schema([("n", pa.int64())]))
            load = _resumable(table).resume(progress)
            write_into(load, destination, table, progress.file, 2, [{"n": 4}])
            load.commit(LoadedFile(3))
        assert landing.rows(STREAM) == [{"n": 2}, {"n": 3}, {"n": 4}]
        with open_table(landing) as (_, table):
            assert table.unloaded([version("a", 1)]) == [False]
            assert not _resumable(table).begun()

    @pytest.mark.parametrize("how", ["begun", "loaded", "removed", "forgotten"])
    def test_progress_is_forgotten(self, landing: Landing, how: str) -> None:
        run_and_die(_keep_and_die, landing)
        with open_table(landing) as (destination, table):
            match how:
                case "begun":
                    table.begin(version("a", 1)).abort()
                case "loaded":
                    load_whole(destination, table, version("a", 2), [{"n": 9}])
                case "removed":
                    table.remove(["a"])
                case _:
                    _resumable(table).forget_begun(["a", "unknown"])
            assert not _resumable(table).begun()
        assert landing.rows(STREAM) == ([{"n": 9}] if how == "loaded" else [])


def _resumable(table: StreamTable) -> Resumable:
    found = resumable(table)
    assert found is not None, "the table keeps no progress"
    return found


def _progress(rows: int) -> LoadProgress:
    rejects = Rejects()
    rejects.add(Reject(2, 3, "bad", b"\xff"))
    return LoadProgress(version("a", 1), rows + 1, rows, Counter(odd=1), rejects, Counter(strange=2), "as it was")


def _keep_and_die(landing: Landing) -> None:
    with open_table(landing) as (destination, table):
        load = write(destination, table, version("a", 1), [{"n": 2}], [{"n": 3}])
        _resumable(table).keep(3, lambda: _progress(2))
        write_into(load, destination, table, version("a", 1), 2, [{"n": -1}])
        os.kill(os.getpid(), signal.SIGKILL)
