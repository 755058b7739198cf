"""`_file_cdk_runs`: one row for each sync into the database. Times are UTC; `ended_at` is null of a run that was killed."""

# ruff: noqa: S608 - names are constant, and values are parameters

from collections.abc import Mapping
from dataclasses import astuple, fields
from datetime import UTC, datetime
from typing import Any

from file_cdk.core.ledger import Run, RunCounts
from file_cdk.destinations.duckdb.session import Session

RUNS = "_file_cdk_runs"

_COUNTS = [field.name for field in fields(RunCounts)]

RUNS_LAYOUT: Mapping[str, str] = {
    "run": "VARCHAR",
    "started_at": "TIMESTAMP",
    "version": "VARCHAR",
    "source": "VARCHAR",
    "options": "VARCHAR",
    "ended_at": "TIMESTAMP",
    "exit_code": "INTEGER",
    "error": "VARCHAR",
    **dict.fromkeys(_COUNTS, "BIGINT"),
}

_DOING = "recording the run"


def begin(session: Session, run: str, version: str, source: str, options: str) -> None:
    session.run(
        _DOING,
        f"INSERT INTO {RUNS} (run, started_at, version, source, options) VALUES (?, ?, ?, ?, ?)",
        [run, _now(), version, source, options],
    )


def end(session: Session, run: str, exit_code: int | None, error: str | None, counts: RunCounts) -> None:
    columns = ", ".join(f'"{column}" = ?' for column in ("ended_at", "exit_code", "error", *_COUNTS))
    session.run(_DOING, f"UPDATE {RUNS} SET {columns} WHERE run = ?", [_now(), exit_code, error, *astuple(counts), run])


def latest(session: Session, doing: str, limit: int) -> list[Run]:
    found = session.run(doing, f"SELECT * FROM {RUNS} ORDER BY started_at DESC, run DESC LIMIT {limit:d}")
    return [_run(*row) for row in found]


def _run(
    name: str,
    started_at: datetime,
    version: str,
    source: str,
    options: str,
    ended_at: datetime | None,
    exit_code: int | None,
    error: str | None,
    *counts: Any,
) -> Run:
    return Run(
        name,
        started_at.replace(tzinfo=UTC),
        version,
        source,
        options,
        None if ended_at is None else ended_at.replace(tzinfo=UTC),
        exit_code,
        error,
        RunCounts(*(count or 0 for count in counts)),
    )


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
