"""The conformance suites for destinations that keep a record of runs, or whose ledger can be asked: see core/ledger.py.

    from file_cdk.testing.ledger_conformance import LedgerConformance

    class TestShelfDestination(LedgerConformance):
        def make_landing(self, tmp_path):
            return ShelfLanding(tmp_path)

Each is the suite of all destinations, and more. A destination that offers several optional ports names all their suites as bases.
"""

import os
import signal
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Protocol

import pytest

from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.ledger import LedgerKeeper, Mismatch, Run, RunCounts, RunLog
from file_cdk.core.ports import Destination, LoadedFile, Reject, Rejects, TableName
from file_cdk.testing.destination_conformance import DestinationConformance
from file_cdk.testing.landing import STREAM, Landing, load_whole, open_table, run_and_die, version, write

OTHER = "others"
COUNTS = RunCounts(files_read=1, files_failed=2, files_skipped=3, files_removed=4, rows=5, rejected=6, size_bytes=2**40)


class RunLogConformance(DestinationConformance):
    """For a destination that is a RunLog."""

    def recorded(self, landing: Landing, limit: int = 100) -> Sequence[Run]:
        """The runs that were recorded, the latest first. Override it for a destination that is no LedgerKeeper."""
        return _keeper(landing).runs(limit)

    def test_a_run_is_recorded(self, landing: Landing) -> None:
        before = datetime.now(UTC) - timedelta(seconds=1)
        _record(landing, "s3://żółć/*.csv", '{"max_rejects": 3}', 5, None)
        [run] = self.recorded(landing)
        assert (run.version, run.source, run.options) == ("1.2.3", "s3://żółć/*.csv", '{"max_rejects": 3}')
        assert (run.exit_code, run.error, run.counts) == (5, None, COUNTS)
        assert run.ended_at is not None
        assert before <= run.started_at <= run.ended_at <= datetime.now(UTC) + timedelta(seconds=1)

    def test_a_run_that_ended_early_says_why(self, landing: Landing) -> None:
        _record(landing, "in", "{}", None, "interrupted")
        [run] = self.recorded(landing)
        assert (run.exit_code, run.error) == (None, "interrupted")
        assert run.ended_at is not None

    def test_a_killed_run_has_begun_and_not_ended(self, landing: Landing) -> None:
        """Also when later ones have."""
        run_and_die(_begin_and_die, landing)
        _record(landing, "second", "{}", 0, None)
        second, first = self.recorded(landing)
        assert (first.source, first.ended_at, first.exit_code, first.error) == ("first", None, None, None)
        assert (second.source, second.exit_code) == ("second", 0)
        assert second.ended_at is not None
        assert first.name != second.name

    def test_the_latest_runs_come_first(self, landing: Landing) -> None:
        for source in ("one", "two", "three"):
            _record(landing, source, "{}", 0, None)
        assert [run.source for run in self.recorded(landing)] == ["three", "two", "one"]
        assert [run.source for run in self.recorded(landing, 2)] == ["three", "two"]

    def test_what_a_load_does_leaves_the_record_alone(self, landing: Landing) -> None:
        with open_table(landing) as (destination, table):
            _log(destination).begin_run("1.2.3", "in", "{}")
            write(destination, table, version("a"), [{"n": 1}]).abort()
            load_whole(destination, table, version("b"), [{"n": 2}])
            table.flush()
            _log(destination).end_run(0, None, COUNTS)
        assert [run.exit_code for run in self.recorded(landing)] == [0]
        assert landing.rows(STREAM) == [{"n": 2}]


class LedgerLanding(Landing, Protocol):
    """A Landing for the suite below."""

    def delete_row(self, stream: str, uri: str) -> None:
        """One row of the file, as somebody might by hand; the ledger stays as it is. Called while no destination is open."""


class LedgerConformance(DestinationConformance):
    """For a destination that is a LedgerKeeper."""

    def make_landing(self, tmp_path: Path) -> LedgerLanding:
        """See DestinationConformance."""
        raise NotImplementedError(f"{type(self).__name__} needs make_landing, or a fixture named landing")

    def test_streams_are_told_with_their_counts(self, landing: LedgerLanding) -> None:
        _fill(landing)
        goods, others = _keeper(landing).streams()
        assert (goods.stream, goods.files, goods.rows, goods.rejected, goods.skipped) == (STREAM, 2, 3, 1, 4)
        assert (goods.size_bytes, goods.failed, goods.again, goods.uncounted) == (20, 1, 0, 0)
        assert goods.newest_at == version("b", 1).modified_at
        assert (others.stream, others.files, others.rows, others.failed, others.uncounted) == (OTHER, 1, 0, 0, 1)
        for each in (goods, others):
            assert each.loaded_at is not None
            assert timedelta() <= datetime.now(UTC) - each.loaded_at < timedelta(hours=1)
        assert _keeper(landing).streams(OTHER) == [others]

    def test_entries_are_told(self, landing: LedgerLanding) -> None:
        _fill(landing)
        entries = list(_keeper(landing).entries())
        assert [(each.stream, each.url, each.status) for each in entries if each.status == "loaded"] == [
            (STREAM, "a", "loaded"),
            (STREAM, "b", "loaded"),
            (OTHER, "a", "loaded"),
        ]
        [failed] = [each for each in entries if each.status == "failed"]
        assert (failed.stream, failed.url, failed.error) == (STREAM, "b", "no table at all")
        assert failed.modified_at == version("b", 2).modified_at
        a = entries[0]
        assert (a.modified_at, a.size_bytes, a.etag) == (version("a").modified_at, 10, "e0")
        assert (a.rows, a.rejected, a.skipped, a.error) == (2, 1, 4, None)
        assert entries[-1].skipped is None

    def test_entries_are_chosen(self, landing: LedgerLanding) -> None:
        _fill(landing)
        keeper = _keeper(landing)
        chosen = [
            keeper.entries(OTHER),
            keeper.entries(STREAM, ["a", "nothing"]),
            keeper.entries(urls=["a"]),
            keeper.entries(failed=True),
            keeper.entries(STREAM, ["a"], failed=True),
            keeper.entries(STREAM, ["nothing"]),
            keeper.entries(STREAM, []),
            keeper.entries("nothing"),
        ]
        assert [[(each.stream, each.url) for each in found] for found in chosen] == [
            [(OTHER, "a")],
            [(STREAM, "a")],
            [(STREAM, "a"), (OTHER, "a")],
            [(STREAM, "b")],
            [],
            [],
            [],
            [],
        ]
        assert sorted(chain.from_iterable(keeper.loaded(STREAM))) == ["a", "b"]
        assert list(chain.from_iterable(keeper.loaded("nothing"))) == []

    def test_what_does_not_exist_is_refused(self, landing: LedgerLanding) -> None:
        keeper = _keeper(landing)
        for ask in (keeper.streams, lambda: keeper.runs(1), keeper.mismatches, lambda: keeper.reset(STREAM)):
            with pytest.raises(DestinationError):
                ask()
        assert list(keeper.entries()) == []
        _fill(landing)
        of_streams: Sequence[Callable[[str], object]] = (keeper.streams, keeper.mismatches, keeper.reset)
        for ask_of in of_streams:
            with pytest.raises(ConfigError):
                ask_of("nothing")

    @pytest.mark.parametrize("urls", [("a", "unknown"), ()], ids=["one file", "all"])
    def test_files_that_are_reset_are_loaded_again(self, landing: LedgerLanding, urls: Sequence[str]) -> None:
        _fill(landing)
        keeper = _keeper(landing)
        rows = landing.rows(STREAM)
        assert keeper.reset(STREAM, urls) == (1 if urls else 2)
        assert landing.rows(STREAM) == rows
        assert [(each.stream, each.again, each.failed) for each in keeper.streams()] == [
            (STREAM, 1 if urls else 2, 1 if urls else 0),
            (OTHER, 0, 0),
        ]
        with open_table(landing) as (destination, table):
            assert table.unloaded([version("a"), version("b", 1)]) == [True, not urls]
            assert destination.table(TableName(OTHER)).unloaded([version("a")]) == [False]
            load_whole(destination, table, version("a"), [{"n": 4}])
        assert [row["n"] for row in landing.rows(STREAM)] == [3, 4]
        assert keeper.mismatches() == []

    def test_rows_that_somebody_deleted_are_found_and_repaired(self, landing: LedgerLanding) -> None:
        _fill(landing)
        keeper = _keeper(landing)
        assert keeper.mismatches() == []
        landing.delete_row(STREAM, "a")
        wrong = [Mismatch(STREAM, "a", 2, 1)]
        assert list(keeper.mismatches()) == list(keeper.mismatches(STREAM)) == wrong
        assert keeper.mismatches(OTHER) == []
        with open_table(landing) as (_, table):
            assert table.unloaded([version("a")]) == [False]
        assert list(keeper.mismatches(repair=True)) == wrong
        with open_table(landing) as (destination, table):
            assert table.unloaded([version("a"), version("b", 1)]) == [True, False]
            load_whole(destination, table, version("a"), [{"n": 1}, {"n": 2}])
        assert [row["n"] for row in landing.rows(STREAM)] == [3, 1, 2]
        assert keeper.mismatches() == []

    def test_what_failed_in_a_new_table_is_told(self, landing: LedgerLanding) -> None:
        """Of one that was not put in place; what is loaded stays as it is."""
        _fill(landing)
        rows, before = landing.rows(STREAM), list(_keeper(landing).entries(STREAM, ["a"]))
        with open_table(landing) as (destination, _):
            new = destination.table(TableName(STREAM), anew=True)
            load_whole(destination, new, version("b", 2), [{"n": 9}])
            new.flush()
            new.record_failure(version("a"), "no such column")
        keeper = _keeper(landing)
        failed = list(keeper.entries(STREAM, ["a"], failed=True))
        assert [(each.error, each.modified_at) for each in failed] == [("no such column", version("a").modified_at)]
        assert [each for each in keeper.entries(STREAM, ["a"]) if each.status == "loaded"] == before
        assert landing.rows(STREAM) == rows
        with open_table(landing) as (destination, table):
            assert table.unloaded([version("a"), version("b", 1)]) == [False, False]
            new = destination.table(TableName(STREAM), anew=True)
            load_whole(destination, new, version("a"), [{"n": 9}])
            new.flush()
            destination.put_in_place(TableName(STREAM))
        assert list(keeper.entries(STREAM, failed=True)) == []


def _fill(landing: Landing) -> None:
    """`goods`: a (2 rows, one record rejected and four skipped) and b (1 row), of which a newer version failed; `others`: a,
    without rows, whose records nobody counted."""
    rejects = Rejects()
    rejects.add(Reject(2, 4, "not a number", b"x"))
    with open_table(landing) as (destination, table):
        write(destination, table, version("a"), [{"n": 1}, {"n": 2}]).commit(LoadedFile(2, rejects, 4))
        load_whole(destination, table, version("b", 1), [{"n": 3}])
        table.flush()
        table.record_failure(version("b", 2), "no table at all")
        destination.table(TableName(OTHER)).begin(version("a")).commit(LoadedFile(0, skipped=None))


def _keeper(landing: Landing) -> LedgerKeeper:
    destination = landing.destination()
    assert isinstance(destination, LedgerKeeper), "the destination is no LedgerKeeper"
    return destination


def _log(destination: Destination) -> RunLog:
    assert isinstance(destination, RunLog), "the destination is no RunLog"
    return destination


def _record(landing: Landing, source: str, options: str, exit_code: int | None, error: str | None) -> None:
    with open_table(landing) as (destination, _):
        log = _log(destination)
        log.begin_run("1.2.3", source, options)
        log.end_run(exit_code, error, COUNTS)


def _begin_and_die(landing: Landing) -> None:
    with open_table(landing) as (destination, _):
        _log(destination).begin_run("1.2.3", "first", "{}")
        os.kill(os.getpid(), signal.SIGKILL)
