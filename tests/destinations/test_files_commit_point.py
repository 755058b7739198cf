"""Data files that count by commits of their table: rows and ledger are both as before a commit, or both as after it."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pytest

from file_cdk.core.errors import DestinationError
from file_cdk.core.ports import TableName
from file_cdk.destinations.files.destination import FilesDestination
from file_cdk.destinations.files.folder import Folder
from file_cdk.destinations.files.manifest import Change, latest, numbered
from file_cdk.destinations.files.storage import Storage
from file_cdk.testing.landing import load_whole, version


@dataclass
class Tables:
    """A commit point of which a table is a file: the number of the last commit, and the names of its data files."""

    storage: Storage
    changes: list[Change] = field(default_factory=list)
    fails: str = ""
    """When the next commit fails."""

    def is_needed(self, change: Change) -> bool:
        return True

    def commit(self, change: Change, number: int) -> None:
        if self.fails == "before":
            raise DestinationError("the table cannot be had")
        self.changes.append(change)
        facts = {"number": number, "paths": [file.path for file in change.after]}
        self.storage.put(f"{change.stream}.table", json.dumps(facts).encode())
        if self.fails == "after":
            raise DestinationError("the answer cannot be had")

    def reached(self, stream: str, number: int) -> bool:
        try:
            return bool(json.loads(self.storage.read(f"{stream}.table"))["number"] >= number)
        except DestinationError as exc:
            if isinstance(exc.__cause__, FileNotFoundError):
                return False
            raise


class Lake(FilesDestination):
    def commit_point(self, storage: Storage) -> Tables:
        self.point = Tables(storage)
        return self.point


def load(lake: Lake, stream: str, uri: str, rows: Sequence[dict[str, int]]) -> None:
    table = lake.table(TableName(stream))
    load_whole(lake, table, version(uri), list(rows))
    table.flush()


def opened(path: Path) -> Lake:
    lake = Lake(path)
    lake.open()
    return lake


def test_a_commit_tells_what_changes(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as lake:
        load(lake, "t", "a", [{"n": 1}])
        load(lake, "u", "a", [{"m": 1}])
        load(lake, "t", "a", [{"n": 2}, {"n": 3}])
        lake.begin_run("1", "source", "")
    first, other, second = lake.point.changes
    assert (first.stream, other.stream, second.stream) == ("t", "u", "t")
    assert (first.before, [file.rows for file in first.after]) == ((), [1])
    assert (second.before, [file.rows for file in second.after]) == (first.after, [2])
    assert second.columns == {"n": pa.int64()}


@pytest.mark.parametrize(("fails", "counts"), [("before", 1), ("after", 2)])
def test_the_ledger_is_as_the_table_is(tmp_path: Path, fails: str, counts: int) -> None:
    lake = opened(tmp_path)
    load(lake, "t", "a", [{"n": 1}])
    lake.point.fails = fails
    with pytest.raises(DestinationError, match="cannot be had"):
        load(lake, "t", "b", [{"n": 2}])
    lake.point.fails = ""
    with pytest.raises(DestinationError, match="cannot be had"):
        load(lake, "u", "c", [{"n": 3}])  # whatever comes then: the copy of the ledger is not what counts
    lake.close()
    assert [each.files for each in Lake(tmp_path).streams()] == [counts]
    with closing(opened(tmp_path)) as again:
        assert again.table(TableName("t")).unloaded([version("a"), version("b")]) == [False, counts == 1]
        load(again, "t", "d", [{"n": 4}])
    assert [(each.files, each.rows) for each in Lake(tmp_path).streams()] == [(counts + 1, counts + 1)]


def test_a_number_is_not_used_again(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as lake:
        load(lake, "t", "a", [{"n": 1}])
    lake = opened(tmp_path)
    lake.point.fails = "before"
    with pytest.raises(DestinationError, match="cannot be had"):
        load(lake, "t", "b", [{"n": 2}])
    lake.close()
    folder = Folder(str(tmp_path))
    void = numbered(folder.listed())[-1]
    assert latest(folder, lake.point).name < void
    with closing(opened(tmp_path)) as again:
        load(again, "t", "c", [{"n": 3}])
        assert [name for name in numbered(folder.listed()) if name > void][-1] == latest(folder, again.point).name
    with closing(opened(tmp_path)) as last:
        assert last.table(TableName("t")).unloaded([version("a"), version("b"), version("c")]) == [False, True, False]
