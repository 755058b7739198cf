"""Statements and transactions of one connection."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from file_cdk.core.errors import DestinationError
from file_cdk.destinations.duckdb.memory import MemoryBudget
from file_cdk.destinations.duckdb.session import INPUT, Session
from file_cdk.destinations.sql.database import transaction


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    connection = duckdb.connect(str(tmp_path / "x.duckdb"))
    session = Session("x.duckdb", connection, MemoryBudget(connection))
    session.run("creating", "CREATE TABLE t (a BIGINT)")
    yield session
    session.close()


def test_rows_handed_over_are_found_by_name(session: Session) -> None:
    rows = pa.table({"a": [1, 2, 3]}).to_reader()
    assert session.run("reading", f"SELECT a + ? FROM {INPUT} ORDER BY 1", [10], rows) == [(11,), (12,), (13,)]


def test_a_transaction_is_all_or_nothing(session: Session) -> None:
    with transaction(session, "adding"):
        session.run("adding", "INSERT INTO t VALUES (1)")
    with pytest.raises(ZeroDivisionError):
        add_and_fail(session)
    with pytest.raises(
        DestinationError, match=r"adding in DuckDB database 'x\.duckdb' failed: values do not fit"
    ) as caught:
        session.run("adding", "INSERT INTO t VALUES ('private text')")
    assert "private" not in str(caught.value)
    assert session.run("reading", "SELECT a FROM t") == [(1,)]


def add_and_fail(session: Session) -> None:
    with transaction(session, "adding"):
        session.run("adding", "INSERT INTO t VALUES (2)")
        raise ZeroDivisionError


def test_sessions_have_transactions_of_their_own(session: Session) -> None:
    other = session.another()
    with transaction(session, "adding"):
        session.run("adding", "INSERT INTO t VALUES (1)")
        assert other.run("reading", "SELECT a FROM t") == []
    assert other.run("reading", "SELECT a FROM t") == [(1,)]
    other.close()


def test_an_interrupt_during_a_query_is_an_interrupt(session: Session) -> None:
    """At the latest when the query ends, which is after about a second: DuckDB does not always notice it before."""
    with pytest.raises(KeyboardInterrupt):
        compute_until_interrupted(session)
    assert session.run("reading", "SELECT a FROM t") == []


def compute_until_interrupted(session: Session) -> None:
    timer = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
    with transaction(session, "computing"):
        session.run("adding", "INSERT INTO t VALUES (1)")
        timer.start()
        session.run("computing", "SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000) b")
        timer.join()


@pytest.mark.parametrize(
    ("fixed_mb", "limits"),
    [
        (None, ["80.0 MiB", "320.0 MiB", "1.0 GiB", "1.0 GiB"]),
        (100, ["100.0 MiB", "100.0 MiB", "100.0 MiB", "100.0 MiB"]),
    ],
)
def test_the_memory_limit_grows_with_columns_only(session: Session, fixed_mb: int | None, limits: list[str]) -> None:
    budget = MemoryBudget(session.connection, fixed_mb and fixed_mb << 20)
    found: list[tuple[str]] = []
    for columns in (3, 256, 1024, 5):
        budget.provide(columns)
        found += session.run("reading", "SELECT current_setting('memory_limit')")
    assert found == [(limit,) for limit in limits]
