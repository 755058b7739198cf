"""What is wrong with a record of runs, or with what a ledger answers, is found by their suites: one fault each, before DuckDB."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from duckdb_landing import DuckDBLanding

from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.ledger import LedgerEntry, Mismatch, Run, RunCounts, StreamStatus
from file_cdk.destinations.duckdb.destination import DuckDBDestination
from file_cdk.testing.landing import STREAM
from file_cdk.testing.ledger_conformance import LedgerConformance, RunLogConformance


class RecordsAtTheEnd(DuckDBDestination):
    """A run that is killed is not in the record."""

    def begin_run(self, version: str, source: str, options: str) -> None:
        self.begun = version, source, options

    def end_run(self, exit_code: int | None, error: str | None, counts: RunCounts) -> None:
        super().begin_run(*self.begun)
        super().end_run(exit_code, error, counts)


class NeverEnds(DuckDBDestination):
    def end_run(self, exit_code: int | None, error: str | None, counts: RunCounts) -> None:
        pass


class EndsAll(DuckDBDestination):
    """Those that were killed, too."""

    def end_run(self, exit_code: int | None, error: str | None, counts: RunCounts) -> None:
        own = self.run
        for (name,) in self._ledger("").session.run("faking", "SELECT run FROM _file_cdk_runs"):
            self.run = name
            super().end_run(exit_code, error, counts)
        self.run = own


class DropsTheError(DuckDBDestination):
    def end_run(self, exit_code: int | None, error: str | None, counts: RunCounts) -> None:
        super().end_run(exit_code, None, counts)


class DropsTheCounts(DuckDBDestination):
    def end_run(self, exit_code: int | None, error: str | None, counts: RunCounts) -> None:
        super().end_run(exit_code, error, replace(counts, files_removed=0))


class OldestFirst(DuckDBDestination):
    def runs(self, limit: int) -> Sequence[Run]:
        return super().runs(limit)[::-1]


class KnowsNoLimit(DuckDBDestination):
    def runs(self, limit: int) -> Sequence[Run]:
        return super().runs(limit + 1)


class InLocalTime(DuckDBDestination):
    def runs(self, limit: int) -> Sequence[Run]:
        return [replace(each, started_at=each.started_at.replace(tzinfo=None)) for each in super().runs(limit)]


class TiesRunsToLoads(DuckDBDestination):
    """A run that had a load aborted is taken back."""

    def end_run(self, exit_code: int | None, error: str | None, counts: RunCounts) -> None:
        super().end_run(exit_code, error, counts)
        if self._tables[STREAM]._ledger.has_rows():
            self._ledger("").session.run("faking", "DELETE FROM _file_cdk_runs")


class CountsFailures(DuckDBDestination):
    def streams(self, stream: str | None = None) -> Sequence[StreamStatus]:
        return [replace(each, files=each.files + each.failed) for each in super().streams(stream)]


class TakesUnknownForNone(DuckDBDestination):
    def streams(self, stream: str | None = None) -> Sequence[StreamStatus]:
        return [replace(each, uncounted=0) for each in super().streams(stream)]


class TellsAllStreams(DuckDBDestination):
    def streams(self, stream: str | None = None) -> Sequence[StreamStatus]:
        super().streams(stream)
        return super().streams()


class LacksSkipped(DuckDBDestination):
    def entries(self, *arguments: Any, **options: Any) -> Iterator[LedgerEntry]:
        return (replace(each, skipped=0) for each in super().entries(*arguments, **options))


class HidesFailures(DuckDBDestination):
    def entries(self, *arguments: Any, **options: Any) -> Iterator[LedgerEntry]:
        return (each for each in super().entries(*arguments, **options) if each.status == "loaded")


class ChoosesByStreamAlone(DuckDBDestination):
    def entries(
        self, stream: str | None = None, urls: Sequence[str] | None = None, *, failed: bool = False
    ) -> Iterator[LedgerEntry]:
        return super().entries(stream, failed=failed)


class AnswersOfNothing(DuckDBDestination):
    def streams(self, stream: str | None = None) -> Sequence[StreamStatus]:
        try:
            return super().streams(stream)
        except DestinationError:
            return []


class ResetsTheUnknown(DuckDBDestination):
    def reset(self, stream: str, urls: Sequence[str] = ()) -> int:
        try:
            return super().reset(stream, urls)
        except ConfigError:
            return 0


class ResetsNothing(DuckDBDestination):
    def reset(self, stream: str, urls: Sequence[str] = ()) -> int:
        self.streams(stream)
        return len(set(urls) & {"a"}) or 2


class ResetsAll(DuckDBDestination):
    def reset(self, stream: str, urls: Sequence[str] = ()) -> int:
        super().reset(stream)
        return len(set(urls) & {"a"}) or 2


class ResetsByRemoving(DuckDBDestination):
    """The rows go at once."""

    def reset(self, stream: str, urls: Sequence[str] = ()) -> int:
        for uri in urls:
            DuckDBLanding(self.path).delete_row(stream, uri)
        return super().reset(stream, urls)


class SeesNoMismatch(DuckDBDestination):
    def mismatches(self, stream: str | None = None, *, repair: bool = False) -> Sequence[Mismatch]:
        super().mismatches(stream, repair=repair)
        return []


class RepairsNothing(DuckDBDestination):
    def mismatches(self, stream: str | None = None, *, repair: bool = False) -> Sequence[Mismatch]:
        return super().mismatches(stream)


class RepairsWhenAsked(DuckDBDestination):
    """Changes the ledger although that was not said."""

    def mismatches(self, stream: str | None = None, *, repair: bool = False) -> Sequence[Mismatch]:
        return super().mismatches(stream, repair=True)


class ForgetsWhatFailedBeside(DuckDBDestination):
    def close(self) -> None:
        for table in self._beside.values():
            table.forget_failed(["a"])
        super().close()


@dataclass(frozen=True)
class FaultyLanding(DuckDBLanding):
    faulty: type[DuckDBDestination]

    def destination(self) -> Any:
        return self.faulty(self.path)


RUNS = [
    (RecordsAtTheEnd, "test_a_killed_run_has_begun_and_not_ended"),
    (EndsAll, "test_a_killed_run_has_begun_and_not_ended"),
    (NeverEnds, "test_a_run_is_recorded"),
    (DropsTheCounts, "test_a_run_is_recorded"),
    (InLocalTime, "test_a_run_is_recorded"),
    (DropsTheError, "test_a_run_that_ended_early_says_why"),
    (OldestFirst, "test_the_latest_runs_come_first"),
    (KnowsNoLimit, "test_the_latest_runs_come_first"),
    (TiesRunsToLoads, "test_what_a_load_does_leaves_the_record_alone"),
]
LEDGER = [
    (CountsFailures, "test_streams_are_told_with_their_counts", ()),
    (TakesUnknownForNone, "test_streams_are_told_with_their_counts", ()),
    (TellsAllStreams, "test_streams_are_told_with_their_counts", ()),
    (LacksSkipped, "test_entries_are_told", ()),
    (HidesFailures, "test_entries_are_told", ()),
    (ChoosesByStreamAlone, "test_entries_are_chosen", ()),
    (AnswersOfNothing, "test_what_does_not_exist_is_refused", ()),
    (ResetsTheUnknown, "test_what_does_not_exist_is_refused", ()),
    (ResetsNothing, "test_files_that_are_reset_are_loaded_again", (["a", "unknown"],)),
    (ResetsNothing, "test_files_that_are_reset_are_loaded_again", ([],)),
    (ResetsAll, "test_files_that_are_reset_are_loaded_again", (["a", "unknown"],)),
    (ResetsByRemoving, "test_files_that_are_reset_are_loaded_again", (["a", "unknown"],)),
    (SeesNoMismatch, "test_rows_that_somebody_deleted_are_found_and_repaired", ()),
    (RepairsNothing, "test_rows_that_somebody_deleted_are_found_and_repaired", ()),
    (RepairsWhenAsked, "test_rows_that_somebody_deleted_are_found_and_repaired", ()),
    (ForgetsWhatFailedBeside, "test_what_failed_in_a_new_table_is_told", ()),
]
_FAILURES = (AssertionError, ValueError, TypeError, pytest.fail.Exception)
"""How a check may say that something is wrong: it may as well stumble over an answer of another kind."""


@pytest.mark.parametrize(("fault", "check"), RUNS)
def test_the_suite_for_runs_finds(fault: type[DuckDBDestination], check: str, tmp_path: Path) -> None:
    with pytest.raises(_FAILURES):
        getattr(RunLogConformance(), check)(FaultyLanding(str(tmp_path / "wrong.duckdb"), fault))


@pytest.mark.parametrize(("fault", "check", "arguments"), LEDGER)
def test_the_suite_for_ledgers_finds(
    fault: type[DuckDBDestination], check: str, arguments: Sequence[Any], tmp_path: Path
) -> None:
    with pytest.raises(_FAILURES):
        getattr(LedgerConformance(), check)(FaultyLanding(str(tmp_path / "wrong.duckdb"), fault), *arguments)


def test_each_check_of_the_suites_has_a_fault_that_it_finds() -> None:
    own = {name for suite in (RunLogConformance, LedgerConformance) for name in vars(suite) if name.startswith("test_")}
    assert own == {check for _, check in RUNS} | {check for _, check, _ in LEDGER}
