"""Rejected records: kept in the transaction of their file, replaced with it, and read back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from databases import AT, T0, change, query, version

from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import MAX_RAW_BYTES, MAX_REJECTS_KEPT, LoadedFile, Reject, Rejects, StreamTable, TableName
from file_cdk.destinations.arrow_ipc import ArrowIpcEncoder
from file_cdk.destinations.duckdb.destination import DuckDBDestination
from file_cdk.destinations.duckdb.limits import WriteLimits

GROUPED = WriteLimits()
STREAMED = WriteLimits(rows=1, size_bytes=1, files=1)


def rejects(*found: Reject) -> Rejects:
    kept = Rejects()
    for reject in found:
        kept.add(reject)
    return kept


def bad(row: int, raw: bytes | None = b"x,y") -> Reject:
    return Reject(row, row * 10, "too few values", raw)


def load(table: StreamTable, file: RemoteFile, rows: int, found: Rejects | None = None) -> None:
    batch = pa.record_batch({"a": pa.array(range(rows), pa.int64())})
    table.widen(batch.schema)
    writer = table.begin(file)
    writer.write(ArrowIpcEncoder().encode(batch, file, 1, 0), 0)
    writer.commit(LoadedFile(rows, found or Rejects()))


def opened(path: Path, limits: WriteLimits = GROUPED, run: str = "r1") -> DuckDBDestination:
    destination = DuckDBDestination(path, run=run, limits=limits)
    destination.open()
    return destination


KEPT = 'SELECT url, modified_at, "row" FROM _file_cdk_rejects'
COUNTED = "SELECT url, status, rejected FROM _file_cdk_files ORDER BY rowid"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.duckdb"


@pytest.fixture(params=[GROUPED, STREAMED], ids=["grouped", "streamed"])
def limits(request: pytest.FixtureRequest) -> WriteLimits:
    given: WriteLimits = request.param
    return given


def test_a_row_for_each_in_the_order_they_came(path: Path, limits: WriteLimits) -> None:
    destination = opened(path, limits)
    table = destination.table(TableName("t"))
    load(table, version("b"), 3, rejects(bad(2), Reject(4, None, "not UTF-8", b"caf\xe9"), Reject(None, 7, "no", None)))
    load(table, version("clean", 1), 1)
    load(table, version("a", 2), 1, rejects(bad(1, "é\0\n".encode()), bad(3, b"")))
    destination.close()
    assert query(path, "SELECT * EXCLUDE rejected_at FROM _file_cdk_rejects") == [
        ("t", "b", AT, 2, 20, "too few values", "x,y", None, "r1"),
        ("t", "b", AT, 4, None, "not UTF-8", None, b"caf\xe9", "r1"),
        ("t", "b", AT, None, 7, "no", None, None, "r1"),
        ("t", "a", AT + timedelta(hours=2), 1, 10, "too few values", "é\0\n", None, "r1"),
        ("t", "a", AT + timedelta(hours=2), 3, 30, "too few values", "", None, "r1"),
    ]
    assert query(path, COUNTED) == [("b", "loaded", 3), ("clean", "loaded", 0), ("a", "loaded", 2)]
    [(rejected_at,)] = query(path, "SELECT DISTINCT max(rejected_at) FROM _file_cdk_rejects")
    assert abs(datetime.now(UTC).replace(tzinfo=None) - rejected_at) < timedelta(minutes=5)


def test_a_record_cut_within_a_character_is_text_still(path: Path) -> None:
    destination = opened(path)
    cut = b"." * (MAX_RAW_BYTES - 1) + "é".encode()
    short = b"." * 10 + "é".encode()[:1]
    load(destination.table(TableName("t")), version("a"), 1, rejects(bad(1, cut), bad(2, short)))
    destination.close()
    assert query(path, "SELECT length(raw), raw_bytes FROM _file_cdk_rejects") == [
        (MAX_RAW_BYTES - 1, None),
        (None, short),
    ]


def test_rejects_and_rows_are_committed_together(path: Path) -> None:
    destination = opened(path)
    table = destination.table(TableName("t"))
    load(table, version("a"), 1, rejects(bad(1)))
    load(table, version("b"), 1, rejects(bad(1)))
    count = "SELECT (SELECT count(*) FROM _file_cdk_rejects), (SELECT count(*) FROM _file_cdk_files)"
    session = destination._session
    assert session is not None
    assert session.execute(count) == [(0, 0)]  # both wait for company
    table.flush()
    assert session.execute(count) == [(2, 2)]
    destination.close()


@pytest.mark.parametrize(("now", "expected"), [((), []), ((5, 6), [5, 6])], ids=["clean", "with others"])
def test_a_new_version_replaces_the_rejects_of_the_old_one_only(
    path: Path, limits: WriteLimits, now: tuple[int, ...], expected: list[int]
) -> None:
    destination = opened(path, limits)
    for stream in ("t", "u"):
        table = destination.table(TableName(stream))
        load(table, version("a"), 1, rejects(bad(1), bad(2)))
        load(table, version("b"), 1, rejects(bad(3)))
    destination.close()
    destination = opened(path, limits, "r2")
    load(destination.table(TableName("t")), version("a", 1), 1, rejects(*map(bad, now)))
    destination.close()
    assert query(path, KEPT + " WHERE stream = 't'") == [
        ("b", AT, 3),
        *(("a", AT + timedelta(hours=1), row) for row in expected),
    ]
    assert query(path, KEPT + " WHERE stream = 'u'") == [("a", AT, 1), ("a", AT, 2), ("b", AT, 3)]


def test_versions_of_one_file_in_one_group_leave_the_last_ones(path: Path) -> None:
    destination = opened(path)
    table = destination.table(TableName("t"))
    load(table, version("a"), 1, rejects(bad(1)))
    load(table, version("a", 1), 1, rejects(bad(2)))
    destination.close()
    assert query(path, KEPT) == [("a", AT + timedelta(hours=1), 2)]


def test_a_file_that_failed_has_its_rejects_too(path: Path) -> None:
    destination = opened(path)
    table = destination.table(TableName("t"))
    table.record_failure(version("a"), "too many", rejects(bad(1), bad(2)))
    assert table.unloaded([version("a")]) == [True]
    table.record_failure(version("a", 1), "too many", rejects(bad(3)))
    table.record_failure(version("b"), "gone")
    destination.close()
    assert query(path, KEPT) == [("a", AT + timedelta(hours=1), 3)]
    assert query(path, COUNTED) == [("a", "failed", 1), ("b", "failed", None)]
    destination = opened(path)
    load(destination.table(TableName("t")), version("a", 2), 1)
    destination.close()
    assert query(path, KEPT) == []
    assert query(path, COUNTED) == [("b", "failed", None), ("a", "loaded", 0)]


def test_a_failure_with_rejects_replaces_those_of_the_version_that_is_loaded(path: Path) -> None:
    destination = opened(path)
    table = destination.table(TableName("t"))
    load(table, version("a"), 1, rejects(bad(1)))
    table.record_failure(version("a", 1), "too many", rejects(bad(2), bad(3)))
    destination.close()
    later = AT + timedelta(hours=1)
    assert query(path, KEPT) == [("a", later, 2), ("a", later, 3)]
    assert query(path, COUNTED) == [("a", "loaded", 1), ("a", "failed", 2)]


@pytest.mark.parametrize("found", [None, Rejects()], ids=["unknown", "none"])
def test_a_failure_without_rejects_leaves_those_of_the_version_that_is_loaded(
    path: Path, found: Rejects | None
) -> None:
    destination = opened(path)
    table = destination.table(TableName("t"))
    load(table, version("a"), 1, rejects(bad(1)))
    table.record_failure(version("a", 1), "gone", found)
    load(table, version("b"), 1, rejects(bad(1)))
    table.record_failure(version("b", 1), "too many", rejects(bad(2)))
    table.record_failure(version("b", 2), "gone", found)
    destination.close()
    assert query(path, KEPT) == [("a", AT, 1)]


def test_a_file_whose_rows_are_refused_keeps_its_rejects(path: Path) -> None:
    destination = opened(path)
    destination.table(TableName("t")).widen(pa.schema([("a", pa.int64())]))
    load(destination.table(TableName("t")), version("first"), 0, rejects())
    destination.close()
    change(path, "ALTER TABLE t ALTER a TYPE TINYINT")
    destination = opened(path)
    table = destination.table(TableName("t"))
    load(table, version("small"), 3, rejects(bad(1)))
    load(table, version("large"), 200, rejects(bad(2), bad(3)))
    with pytest.raises(DestinationError):
        destination.close()
    assert query(path, KEPT) == [("small", AT, 1), ("large", AT, 2), ("large", AT, 3)]
    assert query(path, COUNTED) == [("first", "loaded", 0), ("small", "loaded", 1), ("large", "failed", 2)]


def test_an_aborted_load_leaves_the_older_rejects(path: Path) -> None:
    destination = opened(path, STREAMED)
    table = destination.table(TableName("t"))
    load(table, version("a"), 1, rejects(bad(1)))
    writer = table.begin(version("a", 1))
    writer.write(ArrowIpcEncoder().encode(pa.record_batch({"a": [1, 2]}), version("a", 1), 1, 0), 0)
    writer.abort()
    destination.close()
    assert query(path, KEPT) == [("a", AT, 1)]


def test_a_failure_can_be_noted_while_another_file_is_being_written(path: Path) -> None:
    destination = opened(path, STREAMED)
    table = destination.table(TableName("t"))
    load(table, version("big"), 1, rejects(bad(9)))
    writer = table.begin(version("big", 1))
    writer.write(ArrowIpcEncoder().encode(pa.record_batch({"a": [1, 2]}), version("big", 1), 1, 0), 0)
    table.record_failure(version("other"), "too many", rejects(bad(1)))
    writer.commit(LoadedFile(2, rejects(bad(2))))
    destination.close()
    assert query(path, KEPT) == [("other", AT, 1), ("big", AT + timedelta(hours=1), 2)]


def test_a_dropped_table_takes_its_rejects_along(path: Path) -> None:
    destination = opened(path)
    table = destination.table(TableName("t"))
    load(table, version("a"), 1, rejects(bad(1)))
    load(table, version("none left"), 0, rejects(bad(2)))
    load(destination.table(TableName("u")), version("a"), 1, rejects(bad(3)))
    table.record_failure(version("b"), "too many", rejects(bad(4)))
    destination.close()
    change(path, "DROP TABLE t")
    destination = opened(path)
    load(destination.table(TableName("t")), version("c"), 1)
    destination.close()
    assert query(path, KEPT + " ORDER BY 3") == [("none left", AT, 2), ("a", AT, 3), ("b", AT, 4)]


def test_files_loaded_with_rejects_can_be_asked_for(path: Path) -> None:
    destination = opened(path)
    table = destination.table(TableName("t"))
    load(table, version("clean"), 1)
    load(table, version("dirty"), 1, rejects(bad(1)))
    load(table, version("failed once"), 1)
    table.flush()
    table.record_failure(version("failed once", 1), "too many", rejects(bad(1)))
    asked = [version("new"), version("dirty"), version("clean"), version("failed once"), version("dirty", 1)]
    assert table.unloaded(asked) == [True, False, False, False, True]
    assert table.unloaded(asked, with_rejects=True) == [True, True, False, False, True]
    load(table, version("dirty"), 2)
    table.flush()
    assert table.unloaded([version("dirty")], with_rejects=True) == [False]
    destination.close()
    assert query(path, "SELECT count(*) FROM t WHERE _file_url = 'dirty'") == [(2,)]


def many(size_bytes: int) -> Rejects:
    return rejects(*(bad(row, bytes([65 + row % 26]) * size_bytes) for row in range(1, MAX_REJECTS_KEPT + 1_001)))


@pytest.mark.parametrize("raw_bytes", [10, MAX_RAW_BYTES + 1])
def test_as_many_as_are_kept_fit_into_the_default_memory(path: Path, raw_bytes: int) -> None:
    destination = DuckDBDestination(path)
    destination.open()
    table = destination.table(TableName("t"))
    found = many(raw_bytes)
    for number in range(4):
        load(table, version(f"f{number}"), 10, found)
    table.record_failure(version("bad"), "too many", found)
    destination.close()
    assert query(path, "SELECT count(*), count(DISTINCT url) FROM _file_cdk_rejects") == [(5 * MAX_REJECTS_KEPT, 5)]
    assert query(path, "SELECT DISTINCT rejected FROM _file_cdk_files") == [(MAX_REJECTS_KEPT + 1_000,)]
    destination = DuckDBDestination(path)
    records = destination.rejects()
    rows = [record.row for record in records]
    assert rows == [*range(1, MAX_REJECTS_KEPT + 1)] * 5
    assert destination.rejected() == 5 * (MAX_REJECTS_KEPT + 1_000)


def test_a_database_from_before_there_were_rejects_gets_their_table(path: Path) -> None:
    destination = opened(path)
    load(destination.table(TableName("t")), version("a"), 1)
    destination.close()
    change(path, "DROP TABLE _file_cdk_rejects")
    destination = opened(path)
    table = destination.table(TableName("t"))
    assert table.unloaded([version("a")], with_rejects=True) == [False]
    load(table, version("b"), 1, rejects(bad(1)))
    destination.close()
    assert query(path, KEPT) == [("b", AT, 1)]


def test_a_table_of_another_shape_is_refused_for_writing_and_reading(path: Path) -> None:
    destination = opened(path)
    load(destination.table(TableName("t")), version("a"), 1, rejects(bad(1)))
    destination.close()
    change(path, "ALTER TABLE _file_cdk_rejects DROP COLUMN raw_bytes")
    with pytest.raises(DestinationError, match=r"'_file_cdk_rejects' in DuckDB database .* has other columns"):
        DuckDBDestination(path).open()
    with pytest.raises(DestinationError, match=r"'_file_cdk_rejects' in DuckDB database .* has other columns"):
        DuckDBDestination(path).rejects()


def test_a_table_dropped_meanwhile_is_an_error_without_values(path: Path) -> None:
    destination = opened(path)
    table = destination.table(TableName("t"))
    session = destination._session
    assert session is not None
    session.execute("DROP TABLE _file_cdk_rejects")
    with pytest.raises(DestinationError, match="the rejected records") as caught:
        table.record_failure(version("a"), "too many", rejects(bad(1, b"hunter2")))
    assert "hunter2" not in str(caught.value)
    destination.close()
    assert query(path, COUNTED) == []


class TestReading:
    @pytest.fixture
    def filled(self, path: Path) -> Iterator[DuckDBDestination]:
        destination = opened(path)
        table = destination.table(TableName("t"))
        load(table, version("b"), 1, rejects(bad(1), Reject(2, None, "not UTF-8", b"\xff")))
        load(table, version("a", 1), 1, rejects(Reject(None, 5, "empty", None)))
        load(destination.table(TableName("U")), version("c"), 1, rejects(bad(7, "ß\n".encode())))
        load(destination.table(TableName("clean")), version("d"), 1)
        destination.close()
        yield destination
        DuckDBDestination(path).open()  # nothing is left open

    def test_records_in_the_order_they_were_loaded(self, filled: DuckDBDestination) -> None:
        found = list(filled.rejects())
        assert [(r.stream, r.url, r.row, r.byte, r.reason, r.raw) for r in found] == [
            ("t", "b", 1, 10, "too few values", "x,y"),
            ("t", "b", 2, None, "not UTF-8", b"\xff"),
            ("t", "a", None, 5, "empty", None),
            ("U", "c", 7, 70, "too few values", "ß\n"),
        ]
        assert {r.modified_at for r in found if r.url == "a"} == {T0 + timedelta(hours=1)}
        assert {r.run for r in found} == {"r1"}
        assert all(r.rejected_at.tzinfo is UTC for r in found)

    @pytest.mark.parametrize(
        ("stream", "limit", "urls", "counted"),
        [
            (None, None, "bbac", 4),
            ("t", None, "bba", 3),
            ("t", 1, "b", 3),
            ("u", 10, "c", 1),  # as DuckDB finds the table
            ("clean", None, "", 0),
            (None, 0, "", 4),
        ],
    )
    def test_of_one_stream_or_all(
        self, filled: DuckDBDestination, stream: str | None, limit: int | None, urls: str, counted: int
    ) -> None:
        assert "".join(record.url for record in filled.rejects(stream, limit)) == urls
        assert filled.rejected(stream) == counted

    def test_an_unknown_stream_is_a_mistake(self, filled: DuckDBDestination) -> None:
        with pytest.raises(ConfigError, match=r"no sync loaded a table 'T2' .* Loaded are: 'U', 'clean', 't'"):
            filled.rejects("T2")

    def test_an_iterator_that_is_given_up_closes_the_database(self, filled: DuckDBDestination) -> None:
        records = filled.rejects()
        assert next(records).url == "b"
        del records

    def test_it_writes_nothing(self, filled: DuckDBDestination, path: Path) -> None:
        before = path.read_bytes()
        path.chmod(0o444)
        list(filled.rejects())
        path.chmod(0o644)
        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_listed(path: Path) -> None:
    def refusal() -> str:
        with pytest.raises(DestinationError) as caught:
            DuckDBDestination(path).rejects()
        return str(caught.value)

    assert refusal() == f"there is no DuckDB database {str(path)!r}. Check the path"
    assert not path.exists()
    path.touch()
    assert "is not a DuckDB database" in refusal()
    assert path.read_bytes() == b""
    path.unlink()
    change(path, "CREATE TABLE mine AS SELECT 1 AS a")
    assert "has no table '_file_cdk_rejects'" in refusal()
    with duckdb.connect(str(path)):
        assert "open in this process already" in refusal()
