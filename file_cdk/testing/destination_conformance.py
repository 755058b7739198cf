"""The conformance suite for destinations: what file_cdk relies on, checked against a destination of yours with pytest.

    from file_cdk.testing.destination_conformance import DestinationConformance

    class TestShelfDestination(DestinationConformance):
        def make_landing(self, tmp_path):
            return ShelfLanding(tmp_path)

where ShelfLanding is a Landing: it makes destinations of one place, and reads back what they wrote there.
"""

import os
import pickle
import random
import signal
from collections.abc import Mapping
from datetime import timedelta
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pytest

from file_cdk.core.errors import ConfigError, FileCdkError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Destination, LoadedFile, Reject, Rejects, StreamTable, TableName
from file_cdk.testing.landing import STREAM, Landing, load_whole, open_table, run_and_die, version, write
from file_cdk.testing.type_matrix import COLUMNS, REFUSED, ROWS, decoded, is_kept


class DestinationConformance:
    """Subclass it with a name that begins with `Test`, and say how a landing is made; each test gets a new one."""

    def make_landing(self, tmp_path: Path) -> Landing:
        """An empty place of its own. tmp_path: a new folder, for a destination that wants one."""
        raise NotImplementedError(f"{type(self).__name__} needs make_landing, or a fixture named landing")

    @pytest.fixture
    def landing(self, tmp_path: Path) -> Landing:
        return self.make_landing(tmp_path)

    def test_a_committed_file_is_kept(self, landing: Landing) -> None:
        """Its rows in their order, from several splits, and its entry in the ledger, read back by a new destination."""
        with open_table(landing) as (destination, table):
            load_whole(destination, table, version("a"), [{"n": 1}, {"n": 2}], [{"n": 3}])
        assert landing.rows(STREAM) == [{"n": 1}, {"n": 2}, {"n": 3}]
        with open_table(landing) as (_, table):
            assert table.unloaded([version("a"), version("b")]) == [False, True]

    def test_an_aborted_load_leaves_what_was_there(self, landing: Landing) -> None:
        with open_table(landing) as (destination, table):
            load_whole(destination, table, version("a"), [{"n": 1}])
            load = write(destination, table, version("a", 1), [{"n": 2}])
            load.abort()
            load.abort()
            assert table.unloaded([version("a", 1)]) == [True]
        assert landing.rows(STREAM) == [{"n": 1}]

    @pytest.mark.parametrize("is_committed", [False, True], ids=["before the commit", "after commit and flush"])
    def test_a_killed_process_leaves_a_version_in_whole(self, landing: Landing, is_committed: bool) -> None:
        with open_table(landing) as (destination, table):
            load_whole(destination, table, version("a"), [{"n": 1}])
        run_and_die(_load_and_die, landing, is_committed)
        with open_table(landing) as (_, table):
            assert table.unloaded([version("a"), version("a", 1)]) == [is_committed, not is_committed]
        assert landing.rows(STREAM) == ([{"n": 2}, {"n": 3}] if is_committed else [{"n": 1}])

    @pytest.mark.parametrize("how", ["flush", "failure", "removal"])
    def test_what_is_done_to_one_table_keeps_what_waits_for_another(self, landing: Landing, how: str) -> None:
        """A file is in the ledger with its rows, or not at all."""
        run_and_die(_load_beside_and_die, landing, how)
        with open_table(landing) as (_, table):
            [is_missing] = table.unloaded([version("a")])
        assert landing.rows(STREAM) == ([] if is_missing else [{"n": 1}])

    def test_tables_are_flushed_when_the_destination_is_closed(self, landing: Landing) -> None:
        """Whichever of them was asked for first."""
        destination = landing.destination()
        destination.open()
        try:
            others = destination.table(TableName("others"))
            load_whole(destination, destination.table(TableName(STREAM)), version("a"), [{"n": 1}])
            assert others.unloaded([version("a")]) == [True]
        finally:
            destination.close()
        assert landing.rows(STREAM) == [{"n": 1}]
        with open_table(landing) as (_, table):
            assert table.unloaded([version("a")]) == [False]

    def test_a_newer_version_replaces_the_older(self, landing: Landing) -> None:
        with open_table(landing) as (destination, table):
            load_whole(destination, table, version("a"), [{"n": 1}])
            load_whole(destination, table, version("b"), [{"n": 2}])
        with open_table(landing) as (destination, table):
            load_whole(destination, table, version("a", 1), [{"n": 3}])
            table.flush()
            assert table.unloaded([version("a"), version("a", 1), version("b")]) == [True, False, False]
        assert landing.rows(STREAM) == [{"n": 2}, {"n": 3}]

    def test_size_time_and_etag_make_a_version(self, landing: Landing) -> None:
        file = version("a")
        others = [
            RemoteFile("a", file.size_bytes + 1, file.modified_at, file.etag),
            RemoteFile("a", file.size_bytes, file.modified_at + timedelta(microseconds=1), file.etag),
            RemoteFile("a", file.size_bytes, file.modified_at, None),
        ]
        with open_table(landing) as (destination, table):
            load_whole(destination, table, file, [{"n": 1}])
        with open_table(landing) as (_, table):
            assert table.unloaded([*others, file]) == [True, True, True, False]

    def test_a_table_grows_with_its_files(self, landing: Landing) -> None:
        with open_table(landing) as (destination, table):
            load_whole(destination, table, version("a"), [{"n": 1}])
        with open_table(landing) as (destination, table):
            load_whole(destination, table, version("b"), [{"n": 1.5, "more": "x"}])
            assert table.schema.names == ["n", "more"]
            load_whole(destination, table, version("c"), [{"n": 2}])
        assert landing.rows(STREAM) == [{"n": 1, "more": None}, {"n": 1.5, "more": "x"}, {"n": 2, "more": None}]

    def test_a_file_without_rows_is_loaded(self, landing: Landing) -> None:
        with open_table(landing) as (_, table):
            table.begin(version("a")).commit(LoadedFile(0))
        with open_table(landing) as (_, table):
            assert table.unloaded([version("a")]) == [False]
        assert landing.rows(STREAM) == []

    def test_a_failure_is_noted_until_the_file_is_loaded_or_gone(self, landing: Landing) -> None:
        with open_table(landing) as (destination, table):
            load_whole(destination, table, version("a"), [{"n": 1}])
            table.flush()
            for uri in "ab":
                table.record_failure(version(uri, 1), "no table at all")
        with open_table(landing) as (destination, table):
            assert sorted(table.failed(10)) == ["a", "b"]
            assert len(table.failed(1)) == 1
            assert table.unloaded([version("a", 1), version("b", 1)]) == [True, True]
            load_whole(destination, table, version("a", 2), [{"n": 2}])
            table.flush()
            assert list(table.failed(10)) == ["b"]
            table.forget_failed(["b"])
        with open_table(landing) as (_, table):
            assert list(table.failed(10)) == []
        assert landing.rows(STREAM) == [{"n": 2}]

    def test_a_removed_file_leaves_nothing(self, landing: Landing) -> None:
        rejects = Rejects()
        rejects.add(Reject(2, 10, "not valid", b"?"))
        with open_table(landing) as (destination, table):
            for number, uri in enumerate("abcd"):
                load_whole(destination, table, version(uri), [{"n": number}])
            table.begin(version("e")).commit(LoadedFile(0, rejects))
            table.flush()
            table.record_failure(version("b", 1), "no table at all")
        with open_table(landing) as (_, table):
            assert sorted(chain.from_iterable(table.loaded())) == list("abcde")
            for part in table.loaded():
                table.remove([uri for uri in part if uri in "abe"])
            table.remove(["never loaded"])
        with open_table(landing) as (_, table):
            assert sorted(chain.from_iterable(table.loaded())) == ["c", "d"]
            assert list(table.failed(10)) == []
            assert table.unloaded([version("a"), version("c"), version("e")]) == [True, False, True]
        assert [row["n"] for row in landing.rows(STREAM)] == [2, 3]

    def test_urls_may_be_long(self, landing: Landing) -> None:
        """And differ at their ends alone: paths have up to 4,096 bytes, and those within archives come after them."""
        # Chance, which no database can compress until it fits into a page of an index.
        long = "\\ż/" + random.Random(0).randbytes(8_000).hex()  # noqa: S311 - no secret
        files = [long + end for end in "abc"]
        rejects = Rejects()
        rejects.add(Reject(2, 4, "not a number", b"x"))
        with open_table(landing) as (destination, table):
            for number, uri in enumerate(files):
                write(destination, table, version(uri), [{"n": number}]).commit(LoadedFile(1, rejects))
        with open_table(landing) as (destination, table):
            load_whole(destination, table, version(files[0], 1), [{"n": 3}])
            table.flush()
            table.record_failure(version(files[1], 1), "no table at all", rejects)
            table.remove([files[2]])
            assert list(table.failed(10)) == [files[1]]
            table.forget_failed([files[1]])
        with open_table(landing) as (_, table):
            assert sorted(chain.from_iterable(table.loaded())) == files[:2]
            assert table.unloaded([version(files[0], 1), version(files[1]), version(files[2])]) == [False, False, True]
        assert [row["n"] for row in landing.rows(STREAM)] == [1, 3]

    def test_a_new_table_takes_the_place_of_the_old(self, landing: Landing) -> None:
        """Rows, columns, types and ledger; until then the old one is as it was."""
        with open_table(landing) as (destination, table):
            load_whole(destination, table, version("a"), [{"n": "x", "old": 1}])
            load_whole(destination, table, version("b"), [{"n": "y", "old": 2}])
            table.flush()
            table.record_failure(version("c"), "no table at all")
        with open_table(landing) as (destination, old):
            new = _new_table(destination)
            assert new.schema.names == []
            assert new.unloaded([version("a")]) == [True]
            load_whole(destination, new, version("a"), [{"n": 1}, {"n": 2}])
            load_whole(destination, new, version("d"), [{"n": 3}])
            new.flush()
            assert old.unloaded([version("a"), version("b"), version("d")]) == [False, False, True]
            assert list(old.failed(10)) == ["c"]
            destination.put_in_place(TableName(STREAM))
        assert landing.rows(STREAM) == [{"n": 1}, {"n": 2}, {"n": 3}]
        with open_table(landing) as (_, table):
            assert table.schema.names == ["n"]
            assert table.unloaded([version("a"), version("b"), version("d")]) == [False, True, False]
            assert sorted(chain.from_iterable(table.loaded())) == ["a", "d"]
            assert list(table.failed(10)) == []

    @pytest.mark.parametrize("is_killed", [False, True], ids=["closed", "killed"])
    def test_a_new_table_that_is_not_put_in_place_leaves_nothing(self, landing: Landing, is_killed: bool) -> None:
        with open_table(landing) as (destination, table):
            load_whole(destination, table, version("a"), [{"n": 1}])
        if is_killed:
            run_and_die(_refresh_and_die, landing)
        else:
            with open_table(landing) as (destination, _):
                load_whole(destination, _new_table(destination), version("a"), [{"m": 2}])
        assert landing.rows(STREAM) == [{"n": 1}]
        with open_table(landing) as (destination, table):
            assert table.unloaded([version("a")]) == [False]
            new = _new_table(destination)
            assert new.schema.names == []
            assert new.unloaded([version("a")]) == [True]
            load_whole(destination, new, version("b"), [{"k": 3}])
            new.flush()
            destination.put_in_place(TableName(STREAM))
        assert landing.rows(STREAM) == [{"k": 3}]

    def test_a_file_with_rejects_can_be_asked_for_again(self, landing: Landing) -> None:
        rejects = Rejects()
        rejects.add(Reject(2, 4, "not a number", b"x\xff"))
        with open_table(landing) as (destination, table):
            write(destination, table, version("a"), [{"n": 1}]).commit(LoadedFile(1, rejects))
            load_whole(destination, table, version("b"), [{"n": 2}])
        with open_table(landing) as (_, table):
            files = [version("a"), version("b")]
            assert table.unloaded(files) == [False, False]
            assert table.unloaded(files, with_rejects=True) == [True, False]

    def test_values_of_every_type_are_kept(self, landing: Landing) -> None:
        """In the type that the table's schema says files are to be decoded for, or in one that says the same."""
        with open_table(landing) as (destination, table):
            table.widen(pa.schema({name: column.type for name, column in COLUMNS.items()}))
            types = {field.name: field.type for field in table.schema}
            _load(destination, table, {name: decoded(column, types[name]) for name, column in COLUMNS.items()})
        rows = landing.rows(STREAM)
        assert len(rows) == ROWS
        changed = [
            (name, value, row[name])
            for name, column in COLUMNS.items()
            for value, row in zip(column.to_pylist(), rows, strict=True)
            if not is_kept(row[name], value)
        ]
        assert changed == []

    @pytest.mark.parametrize("kind", REFUSED)
    def test_values_that_no_table_holds_are_refused_by_name(self, landing: Landing, kind: str) -> None:
        with open_table(landing) as (destination, table):
            load_whole(destination, table, version("before"), [{"n": 1}])
            with pytest.raises(FileCdkError, match=kind):
                _load(destination, table, {"v": REFUSED[kind]})
        assert landing.rows(STREAM) == [{"n": 1}]

    def test_the_files_of_another_source_are_refused(self, landing: Landing) -> None:
        with open_table(landing, "one") as (destination, table):
            load_whole(destination, table, version("a"), [{"n": 1}])
        with pytest.raises(ConfigError), open_table(landing, "two"):
            pass
        with open_table(landing, "one") as (_, table):
            assert table.unloaded([version("a")]) == [False]

    def test_the_encoder_pickles_and_repeats_itself(self, landing: Landing) -> None:
        """It goes to workers."""
        encoder = landing.destination().encoder
        batch, file = pa.record_batch({"n": [1, 2]}), version("a")
        there = pickle.loads(pickle.dumps(encoder))
        assert encoder.encode(batch, file, 1, 0) == there.encode(batch, file, 1, 0)

    def test_closing_twice_does_nothing(self, landing: Landing) -> None:
        destination = landing.destination()
        destination.open()
        destination.close()
        destination.close()


def _load(destination: Destination, table: StreamTable, columns: Mapping[str, pa.Array]) -> None:
    file = version("a")
    load = table.begin(file)
    try:
        batch = pa.record_batch(dict(columns))
        load.write(destination.encoder.encode(batch, file, 1, 0), 0)
        load.commit(LoadedFile(batch.num_rows))
        table.flush()
    except BaseException:
        load.abort()
        raise


def _new_table(destination: Destination) -> StreamTable:
    return destination.table(TableName(STREAM), anew=True)


def _refresh_and_die(landing: Landing) -> None:
    with open_table(landing) as (destination, _):
        new = _new_table(destination)
        load_whole(destination, new, version("a"), [{"m": 2}])
        new.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def _load_beside_and_die(landing: Landing, how: str) -> None:
    with open_table(landing) as (destination, table):
        other = destination.table(TableName("others"))
        load_whole(destination, table, version("a"), [{"n": 1}])
        if how == "flush":
            other.flush()
        elif how == "failure":
            other.record_failure(version("b"), "no table at all")
        else:
            other.remove(["b"])
        os.kill(os.getpid(), signal.SIGKILL)


def _load_and_die(landing: Landing, is_committed: bool) -> None:
    with open_table(landing) as (destination, table):
        load = write(destination, table, version("a", 1), [{"n": 2}, {"n": 3}])
        if is_committed:
            load.commit(LoadedFile(2))
            table.flush()
        os.kill(os.getpid(), signal.SIGKILL)
