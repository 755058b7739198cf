"""Delta and Iceberg tables that show one row of each key: what a commit changes, and what others may do to the table."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from delta_landing import DeltaLanding
from deltalake import DeltaTable
from iceberg_landing import IcebergLanding

from file_cdk.core.ports import TableName
from file_cdk.destinations.delta import DeltaDestination
from file_cdk.destinations.delta.commits import DeltaCommits
from file_cdk.destinations.files import destination as files_destination
from file_cdk.destinations.iceberg import IcebergDestination
from file_cdk.destinations.iceberg.commits import COMMIT, IcebergCommits
from file_cdk.testing.landing import STREAM, load_whole, run_and_die, version
from file_cdk.testing.merge_conformance import RULE, load_merged, merged_table, row, shown

LakeLanding = DeltaLanding | IcebergLanding
ROWS = "_file_cdk/rows"


@pytest.fixture(params=[DeltaLanding, IcebergLanding])
def landing(request: pytest.FixtureRequest, tmp_path: Path) -> LakeLanding:
    lake = tmp_path / "lake"
    return DeltaLanding(str(lake)) if request.param is DeltaLanding else IcebergLanding(f"iceberg:{lake}/")


def root_of(landing: LakeLanding) -> Path:
    return Path(landing.destination().path)


def commits(landing: LakeLanding) -> int:
    """How often the table was committed to."""
    if isinstance(landing, DeltaLanding):
        return len(list((root_of(landing) / STREAM / "_delta_log").glob("*.json")))
    return len(list((root_of(landing) / STREAM / "metadata").glob("*.metadata.json")))


def merge(landing: LakeLanding) -> int | None:
    with merged_table(landing) as (_, table):
        return table.merge()


def test_files_change_no_table_and_a_merge_is_one_commit(landing: LakeLanding) -> None:
    load_merged(landing, [("a", 0, [row(1, 1, "a1"), row(2, 1, "a2")])])
    assert commits(landing) == 1
    with merged_table(landing) as (destination, table):
        for number, uri in enumerate("bcd"):
            load_whole(destination, table, version(uri), [row(1, 2, f"{uri}1"), row(10 + number, 1, uri)])
            table.flush()
            assert (commits(landing), shown(landing)) == (1, ["a1", "a2"])
        assert table.merge() == 5
        assert commits(landing) == 2
    assert shown(landing) == ["a2", "b", "c", "d", "d1"]
    assert merge(landing) is None
    assert commits(landing) == 2


def test_a_full_refresh_is_one_commit(landing: LakeLanding) -> None:
    """Of all rows and those that are shown."""
    load_merged(landing, [("a", 0, [row(1, 1, "a1"), row(1, 2, "a2")]), ("b", 0, [row(2, 1, "b1")])])
    before = commits(landing)
    with merged_table(landing, anew=True) as (destination, new):
        load_whole(destination, new, version("a"), [row(1, 1, "new"), row(3, 1, "newer")])
        new.flush()
        new.merge()
        assert (commits(landing), shown(landing)) == (before, ["a2", "b1"])
        destination.put_in_place(TableName(STREAM, merge=RULE))
        assert (commits(landing), shown(landing)) == (before + 1, ["new", "newer"])
    with merged_table(landing) as (_, table):
        assert table.unloaded([version("a"), version("b")]) == [False, True]
        assert table.merge() is None
    [status] = landing.destination().streams()
    assert (status.files, status.rows) == (1, 2)


@pytest.mark.parametrize("at", ["before", "after"])
def test_a_merge_that_dies_at_its_commit_is_whole_or_not_at_all(landing: LakeLanding, at: str) -> None:
    load_merged(landing, [("a", 0, [row(1, 1, "a1"), row(2, 1, "a2")])])
    run_and_die(_merge_and_die, landing, at)
    assert shown(landing) == (["a1", "a2"] if at == "before" else ["a2", "b1"])
    with merged_table(landing) as (_, table):
        assert table.unloaded([version("a"), version("b")]) == [False, False]
        assert table.merge() == (2 if at == "before" else None)
    assert shown(landing) == ["a2", "b1"]
    assert landing.destination().mismatches() == []


def _merge_and_die(landing: LakeLanding, at: str) -> None:
    kind = DeltaCommits if isinstance(landing, DeltaLanding) else IcebergCommits
    commit = kind.commit

    def dying(*arguments: object) -> None:
        if at == "after":
            commit(*arguments)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGKILL)

    with merged_table(landing) as (destination, table):
        load_whole(destination, table, version("b"), [row(1, 2, "b1")])
        table.flush()
        kind.commit = dying  # type: ignore[method-assign,assignment]
        table.merge()


def test_rows_that_others_delete_are_shown_again(landing: LakeLanding) -> None:
    load_merged(landing, [("a", 0, [row(1, 1, "a1"), row(2, 1, "a2")])])
    landing.delete_row(STREAM, "a")
    assert len(shown(landing)) == 1
    assert merge(landing) == 2
    assert shown(landing) == ["a1", "a2"]
    assert merge(landing) is None


def test_a_table_that_others_drop_is_made_again(landing: LakeLanding) -> None:
    load_merged(landing, [("a", 0, [row(1, 1, "a1"), row(1, 2, "a2")]), ("b", 0, [row(3, 1, "b1")])])
    if isinstance(landing, DeltaLanding):
        shutil.rmtree(root_of(landing) / STREAM)
    else:
        _, point = tables_of(landing)
        point.catalog.drop_table(point.name_of(STREAM))
        point.close()
    assert shown(landing) == []
    load_merged(landing, [("c", 0, [row(3, 2, "c1")])])
    assert shown(landing) == ["a2", "c1"]
    [status] = landing.destination().streams()
    assert (status.files, status.rows) == (3, 4)


def tables_of(landing: IcebergLanding) -> tuple[IcebergDestination, IcebergCommits]:
    destination = landing.destination()
    return destination, destination.commit_point(destination._storage)


def test_what_others_compact_is_merged(tmp_path: Path) -> None:
    landing = DeltaLanding(str(tmp_path / "lake"))
    load_merged(landing, [("a", 0, [row(1, 1, "a1"), row(2, 1, "a2")])])
    DeltaTable(root_of(landing) / STREAM).optimize.z_order(["id"])
    load_merged(landing, [("b", 0, [row(1, 2, "b1")])])
    assert shown(landing) == ["a2", "b1"]
    assert landing.destination().mismatches() == []


def test_a_key_becomes_text_when_no_row_is_shown(landing: LakeLanding) -> None:
    load_merged(landing, [("a", 0, [row(1, 1, "a1")])])
    load_merged(landing, [("b", 0, [row("x", 1, "b1", gone=True), row("1", 2, "b2", gone=True)])])
    assert shown(landing) == []
    load_merged(landing, [("c", 0, [row("x", 2, "c1")])])
    assert [(each["id"], each["v"]) for each in landing.rows(STREAM)] == [("x", "c1")]


def test_columns_grow_that_only_hidden_rows_have(landing: LakeLanding) -> None:
    load_merged(landing, [("a", 0, [row(1, 5, "a1")])])
    load_merged(landing, [("b", 0, [row(1, 1, "b1") | {"more": 1.5, "nested": [{"x": 1}]}])])
    assert shown(landing) == ["a1"]
    load_merged(landing, [("c", 0, [row(1, 6, "c1") | {"more": "x", "nested": None}])])
    [only] = landing.rows(STREAM)
    assert (only["v"], only["more"], only["nested"]) == ("c1", "x", None)


def test_data_files_of_all_rows_go_an_hour_after_they_were_needed(
    landing: LakeLanding, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        load_merged(landing, [("a", number, [row(1, number, f"a{number}")])])
    rows = root_of(landing) / ROWS / STREAM
    assert len(list(rows.iterdir())) == 3
    (rows / "part-of-a-run-that-died.parquet").write_bytes(b"half")
    monkeypatch.setattr(files_destination, "KEPT_S", 0)
    merge(landing)
    assert len(list(rows.iterdir())) == 1
    assert shown(landing) == ["a2"]
    assert landing.destination().mismatches() == []


def test_the_table_has_the_number_of_its_commit(landing: LakeLanding) -> None:
    """By which the ledger's version counts that says what was merged."""
    load_merged(landing, [("a", 0, [row(1, 1, "a1")])])
    if isinstance(landing, DeltaLanding):
        number = DeltaTable(root_of(landing) / STREAM).transaction_version("file_cdk")
    else:
        _, point = tables_of(landing)
        table = point.table(STREAM)
        number = None if table is None else int(table.properties[COMMIT])
        point.close()
    manifest = root_of(landing) / "_file_cdk" / "manifests" / f"{number:012}.json"
    assert f'"awaits": "{STREAM}"' in manifest.read_text()


def test_lost_rows_are_loaded_again(tmp_path: Path) -> None:
    destination = DeltaDestination(tmp_path / "lake")
    landing = DeltaLanding(str(tmp_path / "lake"))
    load_merged(landing, [("a", 0, [row(1, 1, "a1")]), ("b", 0, [row(2, 1, "b1")])])
    for path in (tmp_path / "lake" / STREAM).glob("part-*"):
        path.unlink()
    [lost] = destination.mismatches(repair=True)
    assert (lost.url, lost.expected, lost.present) == (None, 2, 0)
    assert merge(landing) == 2
    assert destination.mismatches() == []
    assert shown(landing) == ["a1", "b1"]
