"""Memory does not grow with the size of a file, though all of a file is one transaction."""

import subprocess
import sys
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_cdk.core.errors import RowsRefusedError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, TableName
from file_cdk.core.system.memory import MemoryShares
from file_cdk.destinations.duckdb.destination import DuckDBDestination
from file_cdk.destinations.duckdb.limits import ROW_GROUP_ROWS, WriteLimits
from file_cdk.destinations.duckdb.memory import VECTOR_ROWS, MemoryBudget, Tail

LOADING = """
import resource, sys
from datetime import UTC, datetime
import pyarrow as pa
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, TableName
from file_cdk.destinations.duckdb.destination import DuckDBDestination

ROWS = 10_000
destination = DuckDBDestination(sys.argv[1], memory_limit_bytes=96 << 20)
destination.open()
file = RemoteFile("large.csv", 10, datetime(2024, 1, 1, tzinfo=UTC))
batch = pa.record_batch({f"c{n}": pa.array([f"{n * i:020}" for i in range(ROWS)]) for n in range(4)})
block = destination.encoder.encode(batch, file, 1, 0)
table = destination.table(TableName("t"))
table.widen(batch.schema)
load = table.begin(file)
blocks = int(sys.argv[2]) * 1_000_000 // len(block)
for number in range(blocks):
    load.write(block, number * ROWS)
load.commit(LoadedFile(blocks * ROWS))
destination.close()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.process
def test_a_large_file_takes_no_more_memory_than_a_medium_one(tmp_path: Path) -> None:
    peaks = []
    for megabytes in (200, 1000):
        done = subprocess.run(
            [sys.executable, "-c", LOADING, str(tmp_path / f"{megabytes}.duckdb"), str(megabytes)],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 64 << 20, f"peaks of {[peak >> 20 for peak in peaks]} MB"


@given(st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 100)), min_size=1, max_size=30))
def test_the_heaviest_vector_is_never_underrated(pieces: list[tuple[int, int]]) -> None:
    tail = Tail()
    for rows, size_bytes in pieces:
        tail.add(rows, size_bytes)
    ends = list(accumulate(rows for rows, _ in pieces))
    touched = [
        sum(size for (rows, size), end in zip(pieces, ends, strict=True) if end - rows < at + VECTOR_ROWS and end > at)
        for at in range(ends[-1])
    ]
    assert tail.heaviest_bytes >= max(touched)
    assert len(tail.pieces) <= VECTOR_ROWS + 1


def batch(*sizes: int) -> pa.RecordBatch:
    return pa.record_batch({"v": ["x" * size for size in sizes]})


def load(destination: DuckDBDestination, uri: str, rows: pa.RecordBatch) -> None:
    table = destination.table(TableName("t"))
    table.widen(rows.schema)
    file = RemoteFile(uri, 10, datetime(2024, 1, 1, tzinfo=UTC))
    load = table.begin(file)
    try:
        load.write(destination.encoder.encode(rows, file, 1, 0), 0)
        load.commit(LoadedFile(rows.num_rows))
    except BaseException:
        load.abort()
        raise


@pytest.mark.parametrize("value_bytes", [60 << 20, 30 << 20], ids=["as it comes", "in a group"])
def test_rows_that_no_memory_suffices_for_cost_their_file(tmp_path: Path, value_bytes: int) -> None:
    path = tmp_path / "x.duckdb"
    destination = DuckDBDestination(path)
    destination.open()
    session = destination._session
    assert session is not None
    session.memory.available_bytes = 140 << 20
    load(destination, "before", batch(1, 2))
    try:
        load(destination, "too large", batch(value_bytes, value_bytes // 8))
        [refused] = destination.table(TableName("t")).flush()
        error = refused.error
    except RowsRefusedError as exc:
        error = exc
    assert error.uri == "too large"
    assert "140 MiB" in str(error)
    load(destination, "after", batch(3))
    destination.close()
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT _file_url, sum(length(v)) FROM t GROUP BY 1 ORDER BY 1").fetchall() == [
            ("after", 3),
            ("before", 3),
        ]


def test_memory_is_asked_for_where_values_are_long_only(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    for expected_mib, sizes in ((80, [100] * 5000), (80 + 2 * 80, [80 << 20]), (80 + 2 * 80, [1])):
        destination = DuckDBDestination(path)
        destination.open()
        load(destination, f"{sizes[0]}", batch(*sizes))
        destination.table(TableName("t")).flush()
        session = destination._session
        assert session is not None
        assert expected_mib <= session.memory.limit_bytes >> 20 <= expected_mib * 1.1
        destination.close()


def limit_mib(connection: duckdb.DuckDBPyConnection) -> float:
    [(text,)] = connection.execute("SELECT current_setting('memory_limit')").fetchall()
    assert text.endswith(" MiB")
    return float(text.removesuffix(" MiB"))


@pytest.mark.parametrize(
    ("fixed_mib", "columns", "available_mib", "during_mib"),
    [
        (None, 14, 4096, 240),
        (None, 4, 4096, 80),  # enough as it is
        (None, 14, 230, 80),  # more than there is
        (None, 32, 4096, 96),  # more than several threads are worth
        (150, 14, 4096, 150),
    ],
)
def test_threads_are_given_more_memory_while_they_insert(
    fixed_mib: int | None, columns: int, available_mib: int, during_mib: int
) -> None:
    with duckdb.connect() as connection:
        budget = MemoryBudget(connection, None if fixed_mib is None else fixed_mib << 20)
        budget.available_bytes = available_mib << 20
        budget.provide(columns)
        before_mib = limit_mib(connection)
        assert before_mib == (fixed_mib or max(80, 64 + columns))
        with budget.shared_by_threads():
            assert limit_mib(connection) == during_mib
        assert limit_mib(connection) == before_mib
        assert budget.limit_bytes == before_mib * (1 << 20)


def test_rows_that_threads_insert_stay_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    destination = DuckDBDestination(path)
    destination.open()
    table = destination.table(TableName("t"))
    columns = {f"c{number}": pa.array(range(50_000)) for number in range(8)}
    rows = pa.record_batch({**columns, "t": pa.array([f"{number:>5}" for number in range(50_000)])})
    table.widen(rows.schema)
    expected = []
    for uri, blocks in (("a", 7), ("b", 9), ("c", 1)):
        file = RemoteFile(uri, 10, datetime(2024, 1, 1, tzinfo=UTC))
        load = table.begin(file)
        for number in range(blocks):
            load.write(destination.encoder.encode(rows, file, 1, 0), number * rows.num_rows)
        load.commit(LoadedFile(blocks * rows.num_rows))
        expected += [
            (uri, block * rows.num_rows + row + 1, row, f"{row:>5}") for block in range(blocks) for row in range(50_000)
        ]
    assert len(expected) > 6 * ROW_GROUP_ROWS
    destination.close()
    with duckdb.connect(str(path)) as connection:
        stored = connection.execute("SELECT _file_url, _file_row, c3, t FROM t ORDER BY rowid").fetchall()
    assert stored == expected


def test_a_share_of_memory_is_kept_to_and_what_needs_more_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    destination = DuckDBDestination(path)
    destination.limit_memory(MemoryShares(held_bytes=8 << 20, database_bytes=72 << 20))
    destination.open()
    load(destination, "narrow", batch(1, 2))
    with pytest.raises(
        RowsRefusedError, match=r"it may have 72 MiB \(file 'long'\)\. Give a larger budget \(--memory\)"
    ):
        load(destination, "long", batch(60 << 20))
    load(destination, "wide", pa.record_batch({f"c{number}": ["x"] for number in range(300)}))
    [refused] = destination.table(TableName("t")).flush()
    assert "it may have 72 MiB (file 'wide'). Give a larger budget (--memory)" in str(refused.error)
    session = destination._session
    assert session is not None
    assert session.memory.limit_bytes == 72 << 20
    destination.close()
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT _file_url, count(*) FROM t GROUP BY 1").fetchall() == [("narrow", 2)]


@pytest.mark.parametrize(
    ("held_bytes", "rows"), [(64 << 20, 4), (48 << 20, 3), (20 << 20, 1), (1 << 20, 1), (1 << 30, 4)]
)
def test_fewer_rows_are_held_where_there_is_less_room(held_bytes: int, rows: int) -> None:
    limits = WriteLimits().within(held_bytes)
    assert (limits.rows, limits.size_bytes) == (rows * ROW_GROUP_ROWS, min(held_bytes, 64 << 20))
    assert limits.files == WriteLimits().files
