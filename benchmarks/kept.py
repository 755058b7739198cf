"""What a database holds of the files that benchmarks/kills.py loads: asked while no run has it open."""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from file_cdk.destinations.delta import DeltaDestination
from file_cdk.destinations.files.agreeing import AgreeingPlace
from file_cdk.destinations.files.database import DATA, FilesDatabase, copied
from file_cdk.destinations.files.destination import FilesDestination, storage_of
from file_cdk.destinations.files.manifest import latest
from file_cdk.destinations.iceberg import IcebergDestination
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
_LEDGER_COLUMNS = {
    "_file_cdk_files": {
        "url": "VARCHAR",
        "rows": "BIGINT",
        "rejected": "BIGINT",
        "status": "VARCHAR",
        "loaded_at": "TIMESTAMP",
    },
    "_file_cdk_rejects": {"url": "VARCHAR"},
}
_COMMITS = {"_file_cdk_files": "loaded_at", "_file_cdk_parts": "kept_at"}


_READ = {
    "parquet": "read_parquet({}, union_by_name = true)",
    "csv": "read_csv({}, union_by_name = true)",
    "jsonl": "read_json({}, union_by_name = true, format = 'newline_delimited')",
}
"""By the end of a data file's name."""

ROWS_OF = "_file_cdk_rows_of_"


def _rows(streams: Sequence[str]) -> str:
    each = [f"SELECT _file_url, id, version, note FROM {name}" for name in streams]
    return (
        "SELECT _file_url, min(version), max(version), count(*), count(DISTINCT id), min(id), max(id), "
        "min(CASE WHEN replace(note, '\n', ' ') = 'row ' || id || ', as it was written' THEN 1 ELSE 0 END) "
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
        if isinstance(latest, str):
            latest = datetime.fromisoformat(latest)
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


class SqlitePlace(_Asked):
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def url(self) -> str:
        return str(self._path)

    def asked(self, sql: str) -> list[Any]:
        """Of a copy, with its journals: what the killed run left is for the next one to mend."""
        if not self._path.exists():
            return []
        with tempfile.TemporaryDirectory() as scratch:
            for path in self._path.parent.glob(f"{self._path.name}*"):
                shutil.copy(path, scratch)
            with contextlib.closing(sqlite3.connect(Path(scratch, self._path.name))) as connection:
                return connection.execute(sql).fetchall()


class _Tables(_Asked):
    """Each question is put to a copy, in memory, of what readers of the tables have, and of the ledger."""

    tables = "SELECT table_name FROM duckdb_tables()"

    def found(self) -> Iterator[tuple[str, pa.Table]]:
        """Each table's name and rows, as its format's library reads them."""
        raise NotImplementedError

    def destination(self) -> FilesDestination:
        raise NotImplementedError

    def asked(self, sql: str) -> list[Any]:
        with duckdb.connect() as connection:
            for name, found in self.found():  # noqa: B007 - DuckDB finds it by its name
                connection.execute(f"CREATE OR REPLACE TABLE {name} AS FROM found")
            self._copy_ledger(connection)
            return connection.execute(sql).fetchall()

    def _copy_ledger(self, connection: duckdb.DuckDBPyConnection) -> None:
        place = self.destination()._place
        assert isinstance(place, AgreeingPlace)
        if place.is_absent():
            return
        with place.reading() as ledger:
            _copy_merged_rows(ledger, connection)
            for name, columns in _LEDGER_COLUMNS.items():
                rows = ledger.execute(f"SELECT {', '.join(columns)} FROM {name}").fetchall()
                connection.execute(f"CREATE TABLE {name} ({', '.join(f'{c} {kind}' for c, kind in columns.items())})")
                if rows:
                    marks = ", ".join("?" * len(columns))
                    connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)


def _copy_merged_rows(ledger: FilesDatabase, connection: duckdb.DuckDBPyConnection) -> None:
    """All rows of streams whose tables show one of each key are in no table."""
    paths: dict[str, list[str]] = {}
    for stream, path in ledger.execute(f"SELECT stream, path FROM {DATA}").fetchall():
        if stream.startswith(ROWS_OF):
            paths.setdefault(stream, []).append(path)
    for stream, of_stream in paths.items():
        tables = [pq.read_table(pa.BufferReader(ledger.storage.read(path))) for path in of_stream]
        found = pa.concat_tables(tables, promote_options="permissive")  # noqa: F841 - DuckDB finds it by its name
        connection.execute(f"CREATE TABLE {stream} AS FROM found")


class DeltaTables(_Tables):
    def __init__(self, path: Path) -> None:
        self._path = path
        self.url = f"delta:{path}/"

    def destination(self) -> FilesDestination:
        return DeltaDestination(self._path)

    def found(self) -> Iterator[tuple[str, pa.Table]]:
        from deltalake import DeltaTable

        for log in self._path.glob("*/_delta_log/*0.json"):
            table = log.parent.parent
            yield table.name, DeltaTable(table).to_pyarrow_table()


class IcebergTables(_Tables):
    def __init__(self, path: Path) -> None:
        self._path = path
        self.url = f"iceberg:{path}/"

    def destination(self) -> FilesDestination:
        return IcebergDestination(self.url)

    def found(self) -> Iterator[tuple[str, pa.Table]]:
        from pyiceberg.catalog.sql import SqlCatalog

        if not (self._path / "catalog.sqlite").exists():
            return
        with contextlib.closing(SqlCatalog("default", uri=f"sqlite:///{self._path}/catalog.sqlite")) as catalog:
            for name in catalog.list_tables("default") if catalog.namespace_exists("default") else []:
                yield name[-1], catalog.load_table(name).scan().to_arrow()


class PostgresPlace(_Asked):
    """A new database of the server."""

    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"

    def __init__(self, server: PostgresServer) -> None:
        self.url = server.url(server.create_database())

    def asked(self, sql: str) -> list[Any]:
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(sql.encode()).fetchall()


class FilesPlace:
    """A folder, or a prefix of a bucket, of data files."""

    def __init__(self, url: str) -> None:
        self.url = url

    def last_commit(self) -> float:
        found = storage_of(self.url).listed("_file_cdk/manifests")
        return max((at.timestamp() for at in found.values()), default=0.0)

    def held(self, streams: Sequence[str], *, merged: bool) -> Held:
        storage = storage_of(self.url)
        manifest = latest(storage)
        with tempfile.TemporaryDirectory() as scratch, duckdb.connect() as connection, copied(storage) as ledger:
            for stream, files in manifest.tables.items():
                paths = [Path(scratch, file.path) for file in files]
                for path, file in zip(paths, files, strict=True):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(storage.read(file.path))
                read = _READ[files[0].path.rpartition(".")[2]].format(list(map(str, paths)))
                connection.execute(f"CREATE VIEW {stream} AS FROM {read}")
            return Held(
                sorted(connection.execute(_rows([ROWS_OF + s for s in streams] if merged else streams)).fetchall()),
                dict(ledger.execute(_REJECTS).fetchall()),
                sorted(ledger.execute(_LEDGER).fetchall()),
                0,
                sorted(name for name in manifest.tables if not name.startswith(ROWS_OF)),
                sorted(each for s in streams for each in connection.execute(_shown(s)).fetchall()) if merged else [],
            )
