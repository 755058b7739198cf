"""What a database holds of the files that benchmarks/kills.py loads: asked while no run has it open."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, Protocol

import duckdb

from file_cdk.testing.servers.postgres import PostgresServer


@dataclass(frozen=True, slots=True)
class Held:
    """rows: of each file its url, the lowest and the highest version, how many, how many ids, the lowest and the highest, and
    whether each note is as it was written. rejects: by url. ledger: url, rows, rejects, status. parts: of files in progress.
    shown: where rows are merged, of each stream and file, how many of its rows are shown, and the sum of their ids."""

    rows: list[Any]
    rejects: dict[str, int]
    ledger: list[Any]
    parts: int
    tables: list[str]
    shown: list[Any]


class Place(Protocol):
    @property
    def url(self) -> str: ...

    def last_commit(self) -> float:
        """Seconds since 1970; 0 when there was none."""

    def held(self, streams: Sequence[str], *, merged: bool) -> Held: ...


_REJECTS = "SELECT url, count(*) FROM _file_cdk_rejects GROUP BY 1"
_LEDGER = "SELECT url, rows, rejected, status FROM _file_cdk_files"
_COMMITS = {"_file_cdk_files": "loaded_at", "_file_cdk_parts": "kept_at"}


ROWS_OF = "_file_cdk_rows_of_"


def _rows(streams: Sequence[str]) -> str:
    each = [f"SELECT _file_url, id, version, note FROM {name}" for name in streams]
    return (
        "SELECT _file_url, min(version), max(version), count(*), count(DISTINCT id), min(id), max(id), "
        "bool_and(replace(note, chr(10), ' ') = 'row ' || id || ', as it was written') "
        f"FROM ({' UNION ALL '.join(each)}) u GROUP BY 1"
    )


def _shown(stream: str) -> str:
    return f"SELECT _file_url, CAST(count(*) AS BIGINT), CAST(sum(id) AS BIGINT) FROM {stream} GROUP BY 1"


class _Asked:
    """A Place whose database answers SQL with rows."""

    tables: str

    def asked(self, sql: str) -> list[Any]:
        raise NotImplementedError

    def last_commit(self) -> float:
        known = {name for (name,) in self.asked(self.tables)}
        times = [f"SELECT max({column}) AS moment FROM {table}" for table, column in _COMMITS.items() if table in known]
        if not times:
            return 0.0
        [(latest,)] = self.asked(f"SELECT max(moment) FROM ({' UNION ALL '.join(times)}) u")
        return float(latest.replace(tzinfo=UTC).timestamp()) if latest else 0.0

    def held(self, streams: Sequence[str], *, merged: bool) -> Held:
        known = sorted(name for (name,) in self.asked(self.tables))
        parts = self.asked("SELECT count(*) FROM _file_cdk_parts")[0][0] if "_file_cdk_parts" in known else 0
        return Held(
            sorted(self.asked(_rows([ROWS_OF + name for name in streams] if merged else streams))),
            dict(self.asked(_REJECTS)),
            sorted(self.asked(_LEDGER)),
            parts,
            [name for name in known if not name.startswith("_file_cdk_")],
            sorted(each for name in streams for each in self.asked(_shown(name))) if merged else [],
        )


class DuckDBPlace(_Asked):
    tables = "SELECT table_name FROM duckdb_tables()"

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def url(self) -> str:
        return str(self._path)

    def asked(self, sql: str) -> list[Any]:
        if not self._path.exists():
            return []
        # Not written to: what the killed run left is for the next one to mend.
        with duckdb.connect(self.url, read_only=True) as connection:
            return connection.execute(sql).fetchall()


class PostgresPlace(_Asked):
    """A new database of the server."""

    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"

    def __init__(self, server: PostgresServer) -> None:
        self.url = server.url(server.create_database())

    def asked(self, sql: str) -> list[Any]:
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(sql.encode()).fetchall()
