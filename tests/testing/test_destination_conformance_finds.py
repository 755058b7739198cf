"""What is wrong with a destination is found by the conformance suite: one fault each, put in front of DuckDB."""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from duckdb_landing import DuckDBLanding

from file_cdk.core.errors import ConfigError
from file_cdk.core.files import RemoteFile
from file_cdk.core.instants import EPOCH
from file_cdk.core.ports import LoadedFile, MergeRule, TableName
from file_cdk.destinations.duckdb.destination import KEEP_AFTER_VARIABLE
from file_cdk.testing.destination_conformance import DestinationConformance
from file_cdk.testing.landing import run_and_die
from file_cdk.testing.merge_conformance import MergeConformance
from file_cdk.testing.resumable_conformance import ResumableConformance

NOT_IN_PLACE = "test_a_new_table_that_is_not_put_in_place_leaves_nothing"


class Faulty:
    """Passes on whatever it is asked, but for what a subclass does wrong."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class KeepsAborted(Faulty):
    def begin(self, file: RemoteFile) -> Any:
        return KeepsAbortedLoad(self.inner.begin(file))


class KeepsAbortedLoad(Faulty):
    aborted = False

    def abort(self) -> None:
        if not self.aborted:
            self.inner.commit(LoadedFile(1))
        self.aborted = True


class ForgetsItsLedger(Faulty):
    def unloaded(self, files: Sequence[RemoteFile], *, with_rejects: bool = False) -> list[bool]:
        return [True] * len(files)


class KnowsNamesAlone(Faulty):
    def unloaded(self, files: Sequence[RemoteFile], *, with_rejects: bool = False) -> list[bool]:
        known = set(self.inner.failed(100))
        return [file.uri in known for file in files]


class AppendsVersions(Faulty):
    """Loads a newer version beside the older one, under another name."""

    def begin(self, file: RemoteFile) -> Any:
        return self.inner.begin(RemoteFile(f"{file.uri}-{file.etag}", file.size_bytes, file.modified_at, file.etag))

    def unloaded(self, files: Sequence[RemoteFile], *, with_rejects: bool = False) -> list[bool]:
        renamed = [RemoteFile(f"{f.uri}-{f.etag}", f.size_bytes, f.modified_at, f.etag) for f in files]
        found: list[bool] = self.inner.unloaded(renamed, with_rejects=with_rejects)
        return found


class DropsFailures(Faulty):
    def record_failure(self, file: RemoteFile, error: str, rejects: Any = None) -> None:
        pass


class ForgetsEntriesAlone(Faulty):
    """Leaves the rows of removed files."""

    def remove(self, uris: Sequence[str]) -> None:
        self.inner.forget_failed(uris)


class KeepsNothing(Faulty):
    def keep(self, position: int, progress: object) -> None:
        pass


class ForgetsNothing(Faulty):
    def forget_begun(self, uris: Sequence[str]) -> None:
        pass


class NeverMerges(Faulty):
    def merge(self) -> int | None:
        return None


class IgnoresTheCursor(Faulty):
    pass


class ShowsDeleted(Faulty):
    pass


class MergesByAnyRule(Faulty):
    pass


class FaultyDestination(Faulty):
    def __init__(self, inner: Any, table: type[Faulty]) -> None:
        super().__init__(inner)
        self.faulty_table = table

    def table(self, table: TableName, *, anew: bool = False) -> Any:
        if self.faulty_table is BuildsInTheOld:
            anew = False
        elif self.faulty_table is LeavesTheNew and anew:
            return self.inner.table(TableName(f"new {table.stream}"))
        rule = table.merge
        if rule is not None and self.faulty_table is IgnoresTheCursor:
            table = replace(table, merge=MergeRule(rule.keys, None, rule.deleted))
        elif rule is not None and self.faulty_table is ShowsDeleted:
            table = replace(table, merge=MergeRule(rule.keys, rule.cursor))
        elif self.faulty_table is MergesByAnyRule:
            table = replace(table, merge=MergeRule(("id",), "at", "gone"))
        try:
            return self.faulty_table(self.inner.table(table, anew=anew))
        except ConfigError:
            if self.faulty_table is not TakesEverySource:
                raise
            return self.inner.table(TableName(table.stream))

    def put_in_place(self, table: TableName) -> None:
        if self.faulty_table is KeepsTheOldBeside:
            for part in list(self.inner.table(table).loaded()):
                new = self.inner.table(table, anew=True)
                for uri in part:
                    new.begin(RemoteFile(uri, 10, EPOCH)).commit(LoadedFile(0))
                new.flush()
        if self.faulty_table is not BuildsInTheOld:
            self.inner.put_in_place(table)


class TakesEverySource(Faulty):
    pass


class BuildsInTheOld(Faulty):
    """Answers the stream's own table where a new one is asked for."""


class KeepsTheOldBeside(Faulty):
    """Keeps entries of files that the new table does not have."""


class LeavesTheNew(Faulty):
    """Does not remove the new table that was not put in place."""


@dataclass(frozen=True)
class FaultyLanding(DuckDBLanding):
    faulty_table: type[Faulty]

    def destination(self) -> Any:
        return FaultyDestination(super().destination(), self.faulty_table)


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (KeepsAborted, "test_an_aborted_load_leaves_what_was_there"),
        (ForgetsItsLedger, "test_a_committed_file_is_kept"),
        (ForgetsItsLedger, "test_a_file_without_rows_is_loaded"),
        (KnowsNamesAlone, "test_size_time_and_etag_make_a_version"),
        (AppendsVersions, "test_a_newer_version_replaces_the_older"),
        (DropsFailures, "test_a_failure_is_noted_until_the_file_is_loaded_or_gone"),
        (ForgetsItsLedger, "test_a_file_with_rejects_can_be_asked_for_again"),
        (ForgetsEntriesAlone, "test_a_removed_file_leaves_nothing"),
        (BuildsInTheOld, "test_a_new_table_takes_the_place_of_the_old"),
        (KeepsTheOldBeside, "test_a_new_table_takes_the_place_of_the_old"),
        (BuildsInTheOld, NOT_IN_PLACE),
        (LeavesTheNew, NOT_IN_PLACE),
        (TakesEverySource, "test_the_files_of_another_source_are_refused"),
    ],
)
def test_the_suite_finds(fault: type[Faulty], check: str, tmp_path: Path) -> None:
    arguments = [False] if check == NOT_IN_PLACE else []  # closed, not killed
    right = DuckDBLanding(str(tmp_path / "right.duckdb"))
    getattr(DestinationConformance(), check)(right, *arguments)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(DestinationConformance(), check)(FaultyLanding(str(tmp_path / "wrong.duckdb"), fault), *arguments)


@pytest.mark.parametrize(
    ("fault", "check", "argument"),
    [
        (KeepsNothing, "test_a_killed_load_goes_on", False),
        (ForgetsNothing, "test_progress_is_forgotten", "forgotten"),
    ],
)
def test_the_suite_for_progress_finds(
    monkeypatch: pytest.MonkeyPatch, fault: type[Faulty], check: str, argument: object, tmp_path: Path
) -> None:
    monkeypatch.setenv(KEEP_AFTER_VARIABLE, "0")
    getattr(ResumableConformance(), check)(DuckDBLanding(str(tmp_path / "right.duckdb")), argument)
    with pytest.raises(AssertionError):
        getattr(ResumableConformance(), check)(FaultyLanding(str(tmp_path / "wrong.duckdb"), fault), argument)


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (NeverMerges, "test_the_greatest_cursor_is_shown"),
        (NeverMerges, "test_what_a_dead_run_left_is_merged_by_the_next"),
        (IgnoresTheCursor, "test_the_greatest_cursor_is_shown"),
        (ShowsDeleted, "test_a_row_that_is_deleted_hides_the_older_ones"),
        (MergesByAnyRule, "test_another_rule_is_refused"),
        (ForgetsEntriesAlone, "test_all_rows_may_go"),
    ],
)
def test_the_suite_for_merging_finds(fault: type[Faulty], check: str, tmp_path: Path) -> None:
    getattr(MergeConformance(), check)(DuckDBLanding(str(tmp_path / "right.duckdb")))
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(MergeConformance(), check)(FaultyLanding(str(tmp_path / "wrong.duckdb"), fault))


def _go_on() -> None:
    pass


def _fail() -> None:
    raise ValueError("no such table")


def _find(name: str, folder: Path) -> None:
    assert (os.environ[name], Path.cwd()) == ("1", folder)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("target", [_go_on, _fail])
def test_a_process_that_does_not_die_is_found(target: Callable[[], None]) -> None:
    with pytest.raises(AssertionError, match="did not come to the place where it is killed"):
        run_and_die(target)


def test_a_process_that_dies_has_the_environment_and_the_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("FILE_CDK_TEST_ONE", "FILE_CDK_TEST_TWO"):
        monkeypatch.setenv(name, "1")
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        run_and_die(_find, name, folder)
