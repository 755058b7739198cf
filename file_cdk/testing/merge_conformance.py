"""The part of the conformance suite for destinations whose tables may show one row of each key: see core/merging.py.

    class TestShelfDestination(MergeConformance):
        def make_landing(self, tmp_path):
            return ShelfLanding(tmp_path)

`Landing.rows` answers what the table shows; in which order does not matter here.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest

from file_cdk.core.errors import ConfigError, RowsRefusedError
from file_cdk.core.ledger import LedgerKeeper
from file_cdk.core.merging import MergingTable, merging
from file_cdk.core.ports import Destination, MergeRule, TableName
from file_cdk.testing.destination_conformance import DestinationConformance
from file_cdk.testing.landing import STREAM, Landing, load_whole, open_table, run_and_die, version

RULE = MergeRule(("id",), "at", "gone")
_BY_FILE = MergeRule(("id",))


@contextmanager
def merged_table(
    landing: Landing, rule: MergeRule = RULE, *, anew: bool = False
) -> Iterator[tuple[Destination, MergingTable]]:
    destination = landing.destination()
    destination.open()
    name = TableName(STREAM, merge=rule)
    try:
        table = merging(destination.table(name, anew=anew), name)
        assert table is not None
        yield destination, table
    finally:
        destination.close()


def load_merged(
    landing: Landing, files: Sequence[tuple[str, int, list[dict[str, Any]]]], rule: MergeRule = RULE
) -> None:
    """files: uri, number of the version, rows."""
    with merged_table(landing, rule) as (destination, table):
        for uri, number, rows in files:
            load_whole(destination, table, version(uri, number), rows)
        assert table.flush() == []
        table.merge()


def shown(landing: Landing, column: str = "v") -> list[Any]:
    return sorted((row[column] for row in landing.rows(STREAM)), key=lambda value: (value is not None, value))


def row(id_: object, at: object, v: object, *, gone: bool | None = False) -> dict[str, Any]:
    return {"id": id_, "at": at, "gone": gone, "v": v}


class MergeConformance(DestinationConformance):
    """Subclass it with a name that begins with `Test`."""

    def test_the_greatest_cursor_is_shown(self, landing: Landing) -> None:
        load_merged(landing, [("a", 0, [row(1, 2, "a1"), row(2, 1, "a2"), row(3, None, "a3")])])
        load_merged(landing, [("b", 1, [row(1, 1, "b1"), row(2, 3, "b2"), row(3, -5, "b3"), row(4, 0, "b4")])])
        assert shown(landing) == ["a1", "b2", "b3", "b4"]

    def test_of_equal_cursors_the_later_file_is_shown_then_the_later_row(self, landing: Landing) -> None:
        load_merged(landing, [("b", 0, [row(1, 1, "b"), row(1, 1, "bb"), row(2, 1, "b2")])])
        assert shown(landing) == ["b2", "bb"]
        load_merged(landing, [("a", 0, [row(1, 1, "a")])])  # was modified when b was
        assert shown(landing) == ["b2", "bb"]
        load_merged(landing, [("c", 1, [row(1, 1, "c")]), ("ä", 1, [row(2, 1, "ä2")]), ("z", 1, [row(2, 1, "z2")])])
        assert shown(landing) == ["c", "ä2"]

    def test_without_a_cursor_the_later_file_is_shown(self, landing: Landing) -> None:
        load_merged(landing, [("b", 1, [{"id": "x", "v": 1}, {"id": "y", "v": 2}])], _BY_FILE)
        load_merged(landing, [("c", 0, [{"id": "x", "v": 3}, {"id": "z", "v": 4}])], _BY_FILE)
        assert shown(landing) == [1, 2, 4]

    def test_texts_are_compared_as_bytes(self, landing: Landing) -> None:
        load_merged(
            landing, [("b", 0, [row("k", "a", "low"), row("k", "B", "up"), row("K", "ä", "uml"), row("K", "z", "z")])]
        )
        assert shown(landing) == ["low", "uml"]

    def test_dates_are_cursors(self, landing: Landing) -> None:
        load_merged(landing, [("a", 0, [row(1, date(2024, 1, 31), "new"), row(1, date(2023, 12, 31), "old")])])
        assert shown(landing) == ["new"]

    def test_keys_of_several_columns(self, landing: Landing) -> None:
        rule = MergeRule(("id", "at"), "v")
        load_merged(landing, [("a", 0, [row(1, 1, 1), row(1, 2, 2), row(2, 1, 3), row(1, 1, 4)])], rule)
        load_merged(landing, [("b", 0, [row(1, 2, 5), row(2, 2, 6)])], rule)
        assert shown(landing) == [3, 4, 5, 6]

    def test_rows_without_a_key_are_shown_each(self, landing: Landing) -> None:
        load_merged(landing, [("a", 0, [row(None, 1, "a"), row(None, 1, "aa"), row(1, 1, "a1")])])
        load_merged(landing, [("b", 0, [row(None, 0, "b"), row(None, 0, "gone", gone=True)])])
        assert shown(landing) == ["a", "a1", "aa", "b"]
        load_merged(landing, [("a", 1, [row(None, 1, "new")])])
        assert shown(landing) == ["b", "new"]

    def test_a_row_that_is_deleted_hides_the_older_ones(self, landing: Landing) -> None:
        load_merged(landing, [("a", 0, [row(1, 1, "a1"), row(2, 1, "a2")])])
        load_merged(
            landing, [("b", 0, [row(1, 2, "b1", gone=True), row(2, 0, "b2", gone=True), row(3, 1, "b3", gone=None)])]
        )
        assert shown(landing) == ["a2", "b3"]
        load_merged(landing, [("c", 0, [row(1, 3, "c1")])])
        assert shown(landing) == ["a2", "b3", "c1"]

    @pytest.mark.parametrize("how", ["replaced", "removed"])
    def test_what_a_file_hid_shows_again_without_it(self, landing: Landing, how: str) -> None:
        load_merged(landing, [("a", 0, [row(1, 1, "a1"), row(2, 1, "a2"), row(3, 1, "a3")])])
        load_merged(landing, [("b", 0, [row(1, 2, "b1"), row(2, 2, "b2", gone=True)])])
        assert shown(landing) == ["a3", "b1"]
        if how == "replaced":
            load_merged(landing, [("b", 1, [row(4, 1, "b4")])])
            assert shown(landing) == ["a1", "a2", "a3", "b4"]
        else:
            with merged_table(landing) as (_, table):
                table.remove(["b"])
                table.merge()
            assert shown(landing) == ["a1", "a2", "a3"]

    def test_all_rows_may_go(self, landing: Landing) -> None:
        load_merged(landing, [("a", 0, [row(1, 1, "a1")])])
        with merged_table(landing) as (_, table):
            table.remove(["a"])
            assert table.merge() == 0
        assert shown(landing) == []
        load_merged(landing, [("a", 1, [row(1, 1, "again")])])
        assert shown(landing) == ["again"]

    def test_the_table_grows_with_its_files(self, landing: Landing) -> None:
        """Columns, types of others, and that of the key."""
        load_merged(landing, [("a", 0, [{"id": 1, "v": 1}, {"id": 2, "v": 2}])], _BY_FILE)
        load_merged(landing, [("b", 1, [{"id": 2, "v": 2.5, "more": "x"}])], _BY_FILE)
        assert sorted((row["v"], row["more"]) for row in landing.rows(STREAM)) == [(1, None), (2.5, "x")]
        load_merged(landing, [("c", 2, [{"id": "1", "v": 3}, {"id": "x", "v": 4}])], _BY_FILE)
        assert sorted((row["id"], row["v"]) for row in landing.rows(STREAM)) == [("1", 3), ("2", 2.5), ("x", 4)]

    def test_a_merge_answers_how_many_rows_are_shown(self, landing: Landing) -> None:
        with merged_table(landing) as (destination, table):
            assert table.merge() is None
            load_whole(destination, table, version("a"), [row(1, 1, "a1"), row(1, 2, "a2"), row(2, 1, "a3")])
            table.flush()
            assert table.merge() == 2
            assert table.merge() is None
        with merged_table(landing) as (_, table):
            assert table.unloaded([version("a"), version("b")]) == [False, True]
            assert table.merge() is None

    def test_what_a_dead_run_left_is_merged_by_the_next(self, landing: Landing) -> None:
        load_merged(landing, [("a", 0, [row(1, 1, "a1"), row(2, 1, "a2")])])
        run_and_die(_load_and_die, landing)
        assert shown(landing) == ["a1", "a2"]
        with merged_table(landing) as (_, table):
            assert table.unloaded([version("b")]) == [False]
            assert table.merge() == 2
        assert shown(landing) == ["a2", "b1"]

    def test_an_aborted_load_changes_nothing(self, landing: Landing) -> None:
        load_merged(landing, [("a", 0, [row(1, 1, "a1")])])
        with merged_table(landing) as (_, table):
            load = table.begin(version("a", 1))
            load.abort()
            table.merge()
        assert shown(landing) == ["a1"]

    def test_another_rule_is_refused(self, landing: Landing) -> None:
        load_merged(landing, [("a", 0, [row(1, 1, "a1"), row(1, 2, "a2")])])
        for rule in (None, MergeRule(("v",)), MergeRule(("id",), "at")):
            with pytest.raises(ConfigError, match="full-refresh"), open_table(landing, merge=rule):
                pass
        assert shown(landing) == ["a2"]

    def test_rows_of_all_files_do_not_become_merged(self, landing: Landing) -> None:
        with open_table(landing) as (destination, table):
            load_whole(destination, table, version("a"), [{"id": 1, "v": 1}, {"id": 1, "v": 2}])
        with pytest.raises(ConfigError, match="full-refresh"), open_table(landing, merge=_BY_FILE):
            pass
        assert shown(landing) == [1, 2]

    def test_a_new_table_may_have_another_rule(self, landing: Landing) -> None:
        files = [("a", 0, [row(1, 1, "a1"), row(1, 2, "a2"), row(2, 0, "a3", gone=True)])]
        with open_table(landing) as (destination, table):
            load_whole(destination, table, version("a"), files[0][2])
        for rule, expected in (
            (RULE, ["a2"]),
            (MergeRule(("at",)), ["a1", "a2", "a3"]),
            (MergeRule(("id",), "v"), ["a2", "a3"]),
        ):
            _refresh(landing, rule)
            assert shown(landing) == expected
            load_merged(landing, [("b", 0, [row(9, 9, "b")])], rule)
            assert shown(landing) == [*expected, "b"]
        with open_table_anew(landing) as (destination, new):
            load_whole(destination, new, version("a"), files[0][2])
            new.flush()
            assert sorted(uri for part in destination.table(TableName(STREAM)).loaded() for uri in part) == ["a", "b"]
            destination.put_in_place(TableName(STREAM))
        assert shown(landing) == ["a1", "a2", "a3"]
        with open_table(landing) as (_, table):
            assert table.unloaded([version("a"), version("b")]) == [False, True]

    def test_a_new_merged_table_that_is_not_put_in_place_leaves_nothing(self, landing: Landing) -> None:
        load_merged(landing, [("a", 0, [row(1, 1, "a1")])])
        with merged_table(landing, _BY_FILE, anew=True) as (destination, new):
            load_whole(destination, new, version("b"), [row(2, 1, "b")])
            new.flush()
            new.merge()
        assert shown(landing) == ["a1"]
        load_merged(landing, [("b", 0, [row(1, 2, "b1")])])
        assert shown(landing) == ["b1"]

    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            ([{"at": 1, "v": "x"}], "no column 'id'"),
            ([{"id": 1, "v": "x"}], "no column 'at'"),
            ([{"v": "x"}], "no columns 'id', 'at'"),
            ([{"id": 1, "at": "yesterday"}], "are text"),
        ],
    )
    def test_a_file_that_cannot_be_merged_is_refused(
        self, landing: Landing, rows: list[dict[str, Any]], said: str
    ) -> None:
        load_merged(landing, [("a", 0, [row(1, 1, "a1")])])
        with merged_table(landing) as (destination, table), pytest.raises(RowsRefusedError, match=said):
            load_whole(destination, table, version("b"), rows)
        assert shown(landing) == ["a1"]

    def test_numbers_in_a_cursor_of_text_are_refused(self, landing: Landing) -> None:
        load_merged(landing, [("a", 0, [row(1, "2024-01-31", "a1")])])
        with merged_table(landing) as (destination, table), pytest.raises(RowsRefusedError, match="compared as text"):
            load_whole(destination, table, version("b"), [row(1, "x", "b1"), row(1, "10", "b2")])
        assert shown(landing) == ["a1"]

    def test_a_file_without_rows_needs_no_columns(self, landing: Landing) -> None:
        load_merged(landing, [("a", 0, [])])
        load_merged(landing, [("b", 0, [row(1, 1, "b1")])])
        load_merged(landing, [("b", 1, [])])
        assert shown(landing) == []

    def test_the_ledger_is_about_all_rows(self, landing: Landing) -> None:
        load_merged(landing, [("a", 0, [row(1, 1, "a1"), row(1, 2, "a2")]), ("b", 0, [row(1, 3, "b1")])])
        destination = landing.destination()
        if not isinstance(destination, LedgerKeeper):
            pytest.skip("its ledger cannot be asked")
        [status] = destination.streams()
        assert (status.stream, status.files, status.rows) == (STREAM, 2, 3)
        assert destination.mismatches() == destination.mismatches(repair=True) == []
        assert destination.reset(STREAM, ["b"]) == 1
        with merged_table(landing) as (_, table):
            assert table.unloaded([version("a"), version("b")]) == [False, True]
            table.merge()
        assert shown(landing) == ["b1"]


@contextmanager
def open_table_anew(landing: Landing) -> Iterator[tuple[Destination, Any]]:
    destination = landing.destination()
    destination.open()
    try:
        yield destination, destination.table(TableName(STREAM), anew=True)
    finally:
        destination.close()


def _refresh(landing: Landing, rule: MergeRule) -> None:
    rows = [row(1, 1, "a1"), row(1, 2, "a2"), row(2, 0, "a3", gone=True)]
    with merged_table(landing, rule, anew=True) as (destination, new):
        load_whole(destination, new, version("a"), rows)
        new.flush()
        new.merge()
        destination.put_in_place(TableName(STREAM, merge=rule))


def _load_and_die(landing: Landing) -> None:
    with merged_table(landing) as (destination, table):
        load_whole(destination, table, version("b"), [row(1, 2, "b1")])
        table.flush()
        os.kill(os.getpid(), signal.SIGKILL)
