"""What is verified and repaired of a folder whose table shows one row of each key."""

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from file_cdk.cli import main
from file_cdk.core.merging import merging
from file_cdk.core.ports import MergeRule, TableName
from file_cdk.destinations.files.destination import FilesDestination
from file_cdk.destinations.files.folder import Folder
from file_cdk.destinations.files.manifest import latest
from file_cdk.destinations.names import ROWS_OF
from file_cdk.testing.landing import load_whole, version

T = TableName("t", merge=MergeRule(("id",)))


def sync(lake: Path) -> None:
    """Loads what is to be loaded, as a sync does."""
    destination = FilesDestination(lake)
    destination.open()
    with closing(destination):
        table = merging(destination.table(T), T)
        assert table is not None
        for number, uri in enumerate("ab"):
            file = version(uri, number)
            if table.unloaded([file]) == [True]:
                load_whole(destination, table, file, [{"id": "both", "v": uri}, {"id": uri, "v": uri}])
        table.flush()
        table.merge()


def paths(lake: Path, stream: str) -> Sequence[Path]:
    return [lake / file.path for file in latest(Folder(str(lake))).tables.get(stream, [])]


def shown(lake: Path) -> int:
    return sum(file.rows for file in latest(Folder(str(lake))).tables.get("t", []))


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    sync(tmp_path / "lake")
    return tmp_path / "lake"


def test_lost_rows_of_both_tables_are_repaired(lake: Path) -> None:
    for path in (*paths(lake, "t"), *paths(lake, f"{ROWS_OF}t")):
        path.unlink()
    destination = FilesDestination(lake)
    found = [(each.url, each.expected, each.present) for each in destination.mismatches(repair=True)]
    assert found == [("a", 2, 0), ("b", 2, 0), (None, 3, 0)]
    sync(lake)
    assert shown(lake) == 3
    assert destination.mismatches() == []
    assert all(map(os.path.exists, paths(lake, "t")))


@pytest.mark.parametrize("name", [None, "T"])
def test_lost_rows_of_the_merged_table_alone_are_made_anew(
    lake: Path, name: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in paths(lake, "t"):
        path.unlink()
    command = ["status", f"{lake}/", *([] if name is None else ["--table", name])]
    assert main([*command, "--verify"]) == 5
    assert "t: 0 rows of the merged table, where 3 were written" in capsys.readouterr().out
    assert main([*command, "--repair"]) == 0
    assert "loads 0 files again and makes 1 merged table anew" in capsys.readouterr().out
    sync(lake)
    assert shown(lake) == 3
    assert all(map(os.path.exists, paths(lake, "t")))
    assert main([*command, "--verify"]) == 0


def test_data_files_of_what_is_shown_end_at_the_target_size(tmp_path: Path) -> None:
    with closing(FilesDestination(tmp_path, target_file_bytes=1)) as destination:
        destination.open()
        table = merging(destination.table(T), T)
        assert table is not None
        load_whole(destination, table, version("a"), [{"id": number} for number in range(140_000)])
        table.merge()
        assert [path.suffix for path in paths(tmp_path, "t")] == [".parquet"] * 2
