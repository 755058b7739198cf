"""Connections to a Postgres database, and which run may write there."""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

import hashlib
import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError, DestinationError, DestinationInUseError
from file_cdk.core.uris import redacted
from file_cdk.destinations.names import quoted, shortened_name
from file_cdk.destinations.postgres.copying import Copying
from file_cdk.destinations.postgres.driver import library
from file_cdk.destinations.postgres.errors import translating, unconnected
from file_cdk.destinations.sql.ledger import COLUMNS, FILES, REJECTS, RUNS, STREAMS, urls

if TYPE_CHECKING:
    import psycopg

    from file_cdk.destinations.sqlite.session import SqliteDatabase

LONGEST_NAME_BYTES = 63
_CONNECT_TIMEOUT_S = 15

_TEXT = 'TEXT COLLATE "C"'
_ENTRY = (
    f"stream {_TEXT}, url {_TEXT}, etag TEXT, modified_at TIMESTAMP, size_bytes BIGINT, rows BIGINT, rejected BIGINT"
)
_POSITION = "position BIGINT GENERATED ALWAYS AS IDENTITY"

_LAYOUTS: Mapping[str, str] = {
    FILES: f"{_ENTRY}, status TEXT, error TEXT, loaded_at TIMESTAMP, run TEXT, skipped BIGINT)",
    # All columns of the files, with the names and types of the columns that hold them, in the table's order.
    COLUMNS: f"stream {_TEXT}, name TEXT, column_name TEXT, type TEXT, {_POSITION})",
    STREAMS: f"stream {_TEXT} PRIMARY KEY, source TEXT)",
    REJECTS: f"stream {_TEXT}, url {_TEXT}, modified_at TIMESTAMP, row BIGINT, byte_offset BIGINT, reason TEXT, raw TEXT, "
    f"raw_bytes BYTEA, rejected_at TIMESTAMP, run TEXT, {_POSITION})",
    RUNS: f"run {_TEXT}, started_at TIMESTAMP, version TEXT, source TEXT, options TEXT, ended_at TIMESTAMP, exit_code BIGINT, "
    "error TEXT, files_read BIGINT, files_failed BIGINT, files_skipped BIGINT, files_removed BIGINT, rows BIGINT, "
    "rejected BIGINT, size_bytes BIGINT)",
}


def _key(url: str) -> str:
    """Its hash, since an index takes no texts of more than about 2,600 bytes."""
    return f"sha256(CAST(replace({url}, '\\', '\\\\') AS BYTEA))"


_INDEXES = (
    f"CREATE UNIQUE INDEX IF NOT EXISTS {FILES}_of_file ON {FILES} ({_key('url')}, stream, status)",
    f"CREATE INDEX IF NOT EXISTS {REJECTS}_of_file ON {REJECTS} ({_key('url')}, stream)",
)

_KINDS = (
    "CASE relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' "
)
_KINDS += "WHEN 'f' THEN 'foreign table' WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'type' ELSE 'index' END"
_OF_SCHEMA = "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema()"

_MARK = re.compile(r"""("[^"]*")|('[^']*')|(\?)|%""")


@lru_cache(1000)
def _with_marks(sql: str) -> bytes:
    """`?` as psycopg has it, but in names and texts."""
    return _MARK.sub(lambda found: "%s" if found[3] else found[0].replace("%", "%%"), sql).encode()


def _rows(cursor: object) -> Callable[[Sequence[Any]], tuple[Any, ...]]:  # noqa: ARG001 - as psycopg calls it
    return _row


def _row(values: Sequence[Any]) -> tuple[Any, ...]:
    """Times as the ledger has them: text with six digits after the point."""
    return tuple(value.isoformat(" ", "microseconds") if isinstance(value, datetime) else value for value in values)


@dataclass(frozen=True, slots=True)
class _Answer:
    """A cursor whose `fetchall` is empty after a statement that has no rows, as sqlite3 has it."""

    cursor: "psycopg.Cursor[Any]"

    @property
    def rowcount(self) -> int:
        return self.cursor.rowcount

    def fetchall(self) -> list[Any]:
        return [] if self.cursor.description is None else self.cursor.fetchall()


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """See sql/database.py."""

    connection: "psycopg.Connection[Any]"
    name: str
    copying: Copying = field(default_factory=Copying)

    kind: ClassVar[str] = "Postgres"
    begin: ClassVar[str] = "BEGIN"
    layouts: ClassVar[Mapping[str, str]] = _LAYOUTS
    indexes: ClassVar[Sequence[str]] = _INDEXES
    order: ClassVar[str] = "position"
    file_order: ClassVar[str] = "ORDER BY stream, url, position"
    reserved: ClassVar[str] = "pg_"
    same_name: ClassVar[str] = "where names have 63 bytes"

    @property
    def in_transaction(self) -> bool:
        from psycopg.pq import TransactionStatus

        return self.connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    def copy(self, sql: str, rows: memoryview) -> None:
        """See Copying.write. Each statement but this one ends it."""
        self.copying.write(self.connection, sql, rows)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> _Answer:
        self.copying.end()
        return _Answer(self.connection.execute(_with_marks(sql), parameters))

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> _Answer:
        self.copying.end()
        cursor = self.connection.cursor()
        cursor.executemany(_with_marks(sql), rows)
        return _Answer(cursor)

    def stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Any]:
        self.copying.end()
        with self.connection.cursor() as cursor:
            yield from cursor.stream(_with_marks(sql), parameters)

    def translating(self, doing: str, uri: str | None = None) -> AbstractContextManager[None]:
        return translating(self.name, doing, uri)

    def key(self, url: str) -> str:
        return _key(url)

    def among(self, column: str) -> str:
        """With an array: of a query within, Postgres guesses that it has 100 rows, and reads the whole table."""
        values = f"SELECT {_key('value')} FROM json_array_elements_text(CAST(? AS json)) AS value"
        return f"{_key(column)} = ANY (ARRAY({values}))"

    def urls(self, uris: Sequence[str]) -> str:
        return urls(uris)

    def tables(self) -> dict[str, str]:
        return dict(self.execute(f"SELECT relname, {_KINDS} {_OF_SCHEMA}").fetchall())

    def columns(self, table: str) -> list[str]:
        found = self.execute(
            f"SELECT attname FROM pg_attribute a JOIN (SELECT c.oid {_OF_SCHEMA} AND relname = ?) t ON a.attrelid = t.oid "
            "WHERE attnum > 0 AND NOT attisdropped ORDER BY attnum",
            [table],
        )
        return [name for (name,) in found.fetchall()]

    def declared(self, table: str) -> dict[str, str]:
        found = self.execute(
            f"SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute a JOIN (SELECT c.oid {_OF_SCHEMA} "
            "AND relname = ?) t ON a.attrelid = t.oid WHERE attnum > 0 AND NOT attisdropped ORDER BY attnum",
            [table],
        )
        return dict(found.fetchall())

    def by_bytes(self, text: str) -> str:
        return f'{text} COLLATE "C"'

    def rows_by_file(self, table: str) -> str:
        return f"SELECT _file_url, NULL, count(*) FROM {quoted(table)} GROUP BY 1"

    def table_name(self, stream: str) -> str:
        return shortened_name(stream, LONGEST_NAME_BYTES)

    def folded(self, stream: str) -> str:
        return self.table_name(stream)

    def close(self) -> None:
        self.connection.close()


@dataclass(frozen=True, slots=True)
class PostgresPlace:
    """A schema of a database. name: the URL as it may be shown. conninfo: what libpq takes; it may hold a password."""

    name: str
    conninfo: str = field(repr=False)
    schema: str | None

    @classmethod
    def of(cls, url: str) -> Self:
        """Raises ConfigError."""
        error = library()
        from psycopg.conninfo import conninfo_to_dict

        name = redacted(url)
        try:
            parts = urlsplit(url)
            options = parse_qsl(parts.query, keep_blank_values=True)
            schema = dict(options).get("schema")
            others = urlencode([(key, value) for key, value in options if key != "schema"])
            conninfo = urlunsplit(parts._replace(query=others))
            conninfo_to_dict(conninfo)
        except (ValueError, error) as exc:
            raise ConfigError(
                f"{name!r} is no URL of a Postgres database",
                remedy="Write postgres://user@host:port/database, and after a `?` options such as schema=, sslmode=; "
                "percent-encode what is special in a password",
            ) from exc
        if parts.path in ("", "/") and not os.environ.get("PGDATABASE") and "dbname" not in dict(options):
            raise ConfigError(f"{name!r} names no database", remedy="Write postgres://user@host/database")
        if schema == "" or (schema or "").startswith("pg_") or "\0" in (schema or ""):
            raise ConfigError(f"{name!r} names no schema for tables", remedy="Name another one: ?schema=NAME")
        return cls(name, conninfo, schema)

    def connected(self, *, read_only: bool = False) -> PostgresDatabase:
        """Raises DestinationError. Creates the schema if it was named and is missing, unless read_only."""
        import psycopg
        from psycopg.conninfo import conninfo_to_dict

        known = conninfo_to_dict(self.conninfo)
        try:
            connection: psycopg.Connection[Any] = psycopg.connect(
                self.conninfo,
                autocommit=True,
                row_factory=_rows,
                application_name=_this_run(),
                client_encoding="UTF8",
                connect_timeout=known.get("connect_timeout", _CONNECT_TIMEOUT_S),
            )
        except psycopg.Error as exc:
            password = known.get("password") or os.environ.get("PGPASSWORD")
            raise unconnected(exc, self.name, str(password) if password else None) from exc
        try:
            db = PostgresDatabase(connection, self.name)
            with db.translating("opening"):
                self._prepare(db, read_only)
        except BaseException:
            connection.close()
            raise
        return db

    def _prepare(self, db: PostgresDatabase, read_only: bool) -> None:
        db.execute("SELECT set_config('datestyle', 'ISO', false), set_config('timezone', 'UTC', false)")
        db.execute("SELECT set_config('extra_float_digits', '1', false), set_config('bytea_output', 'hex', false)")
        db.execute("SELECT set_config('standard_conforming_strings', 'on', false)")
        # A plan that is kept is one for the rows that a table had then: it would read all of the ledger for each file.
        db.execute("SELECT set_config('plan_cache_mode', 'force_custom_plan', false)")
        if self.schema is not None:
            has = "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = ?)"
            if not read_only and not db.execute(has, [self.schema]).fetchall()[0][0]:
                db.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(self.schema)}")
            db.execute("SELECT set_config('search_path', ?, false)", [quoted(self.schema)])
        if db.execute("SELECT current_schema()").fetchall() == [(None,)] and not read_only:
            raise DestinationError(
                f"Postgres database {self.name!r} has no schema for new tables",
                remedy="Name one that the user may create tables in: ?schema=NAME",
            )

    def hold(self, db: PostgresDatabase) -> None:
        """As the one run that writes into the schema, until the connection ends. Raises DestinationInUseError."""
        with db.translating("opening"):
            [(schema,)] = db.execute("SELECT current_schema()").fetchall()
            key = int.from_bytes(hashlib.sha256(f"file-cdk {schema}".encode()).digest()[:8], "big", signed=True)
            if db.execute("SELECT pg_try_advisory_lock(?)", [key]).fetchall()[0][0]:
                return
            found = db.execute(
                "SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory' AND granted "
                "AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
                "AND objsubid = 1 AND (CAST(classid AS BIGINT) << 32) | CAST(objid AS BIGINT) = ?",
                [key],
            ).fetchall()
        who = _described(found[0][0] if found else "")
        raise DestinationInUseError(
            f"Postgres database {self.name!r} is in use by {who}",
            remedy="Wait until it ends (file-cdk sync --wait SECONDS does), or end it, and run again",
        )

    def is_absent(self) -> bool:
        with closing(self.connected(read_only=True)) as db, db.translating("reading the ledger"):
            return FILES not in db.tables()

    def absent(self) -> DestinationError:
        return DestinationError(
            f"Postgres database {self.name!r} has no table {FILES!r}",
            remedy="Name a database, and a schema of it, that file-cdk sync has written",
        )

    def reading(self) -> AbstractContextManager[PostgresDatabase]:
        return closing(self.connected(read_only=True))

    @contextmanager
    def correcting(self) -> Iterator[PostgresDatabase]:
        with closing(self.connected()) as db:
            self.hold(db)
            yield db

    def scratch(self) -> "AbstractContextManager[SqliteDatabase]":
        from file_cdk.destinations.sqlite.session import scratch  # a sync has no use for it

        return scratch()

    def check(self) -> bool:
        """Whether a sync has written there; otherwise a table is made and rolled back."""
        with closing(self.connected(read_only=True)) as db, db.translating("opening"):
            self.hold(db)
            db.execute("BEGIN")
            if self.schema is not None:
                db.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(self.schema)}")
            db.execute("CREATE TABLE _file_cdk_check (x INTEGER)")
            db.execute("ROLLBACK")
            return FILES in db.tables()


_RUN = re.compile(r"file-cdk (\d+)@(\S*) (\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\dZ)")


def _this_run() -> str:
    """The connection's application_name, which everyone may read; Postgres cuts it after 63 bytes."""
    host = socket.gethostname().encode("ascii", "replace").decode().replace(" ", "_")
    begin, end = f"file-cdk {os.getpid()}@", f" {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return begin + host[: LONGEST_NAME_BYTES - len(begin) - len(end)] + end


def _described(application_name: str) -> str:
    found = _RUN.fullmatch(application_name)
    if found is None:
        return "another run"
    pid, host, day, time = found.groups()
    own = _RUN.fullmatch(_this_run())
    if own is not None and own.groups()[:2] == (pid, host):
        return f"another run in this process, since {day} {time}"
    return f"another run: process {pid} on host {host!r}, since {day} {time}"
