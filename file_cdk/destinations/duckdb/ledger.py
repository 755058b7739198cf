"""The ledger in a DuckDB database, where it differs from that of sql/ledger.py: what is asked of many files at once, and that
types of columns are the table's own."""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import DestinationError
from file_cdk.core.files import RemoteFile
from file_cdk.core.instants import EPOCH, MICROSECOND
from file_cdk.destinations.duckdb.session import COLUMNS_OF, IN_SCHEMA, INPUT, Session, as_stored
from file_cdk.destinations.names import quoted
from file_cdk.destinations.sql.ledger import COLUMNS, FILES, Ledger

if TYPE_CHECKING:
    import pyarrow as pa

_ADDED = {FILES: ("skipped",)}
"""Last columns of tables, which ledgers of earlier versions lack."""

_FEW_FILES = 1000
"""Maximum files that the ledger is asked of without Arrow, whose import takes as long as the answer."""

_FEW = (
    "(SELECT unnest(?::BIGINT[]) AS n, unnest(?::VARCHAR[]) AS url, unnest(?::VARCHAR[]) AS etag, "
    "make_timestamp(unnest(?::BIGINT[])) AS modified_at, unnest(?::BIGINT[]) AS size_bytes)"
)


def ledger_tables(session: Session, doing: str, does: str = "writes") -> Mapping[str, Mapping[str, str]]:
    """The columns of the ledger's tables that exist. Raises DestinationError when one has other columns than this version or an
    earlier one gave it. does: what with."""
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in session.run(
        doing,
        f"SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE {IN_SCHEMA} "
        "AND list_contains(?, table_name) ORDER BY table_name, column_index",
        [list(COLUMNS_OF)],
    ):
        found.setdefault(table, {})[column] = kind
    for table, columns in found.items():
        added = _ADDED.get(table, ())
        earlier = {column: kind for column, kind in COLUMNS_OF[table].items() if column not in added}
        if columns not in (COLUMNS_OF[table], earlier):
            others = "" if does == "reads" else ", or load into a new database"
            raise DestinationError(
                f"table {table!r} in DuckDB database {session.path!r} has other columns than this version {does}",
                remedy=f"Use the version of file_cdk that wrote it{others}",
            )
    return found


def add_columns(session: Session) -> None:
    """Those that an earlier version did not give the ledger's tables. Raises DestinationError; see ledger_tables."""
    doing = "preparing the ledger"
    found = ledger_tables(session, doing)
    for table, columns in _ADDED.items():
        for column in columns if table in found else ():
            if column not in found[table]:
                kind = COLUMNS_OF[table][column]
                session.run(doing, f"ALTER TABLE {table} ADD COLUMN {quoted(column)} {kind}")


def stand_in(session: Session) -> None:
    """Temporary tables and columns, all empty, for those that an earlier version did not make, in a database that is read."""
    doing = "reading the ledger"
    found = ledger_tables(session, doing, "reads")
    for table, columns in COLUMNS_OF.items():
        if table not in found:
            session.run(doing, f"CREATE TEMP TABLE {table} ({session.layouts[table]}")
        elif missing := [
            f"NULL::{kind} AS {quoted(name)}" for name, kind in columns.items() if name not in found[table]
        ]:
            # With the database's name: the view itself would be found by the schema's.
            [place] = session.run(doing, "SELECT current_database(), current_schema()")
            of = ".".join(map(quoted, place))
            session.run(doing, f"CREATE TEMP VIEW {table} AS SELECT *, {', '.join(missing)} FROM {of}.{table}")


@dataclass(frozen=True, slots=True)
class DuckDBLedger(Ledger):
    database: Session

    @property
    def session(self) -> Session:
        return self.database

    def unloaded(self, files: Sequence[RemoteFile], *, with_rejects: bool = False) -> list[bool]:
        if not files:
            return []
        few = len(files) <= _FEW_FILES
        found = self.session.run(
            "reading the ledger",
            f"SELECT f.n FROM {_FEW if few else INPUT} f ANTI JOIN {FILES} l "
            "ON l.stream = ? AND l.status = 'loaded' AND f.url = l.url AND f.modified_at = l.modified_at "
            "AND f.size_bytes = l.size_bytes AND f.etag IS NOT DISTINCT FROM l.etag "
            "AND NOT (coalesce(l.rejected, 0) > 0 AND ?)",
            [*(_few_versions(files) if few else ()), self.name, with_rejects],
            None if few else _versions(files),
        )
        answer = [False] * len(files)
        for (n,) in found:
            answer[n] = True
        return answer

    def loaded(self) -> Iterator[list[str]]:
        """See Session.parts."""
        with self.session.translating("reading the ledger"):
            sql = f"SELECT url FROM {FILES} WHERE stream = ? AND status = 'loaded'"
            for part in self.session.parts(sql, [self.name]):
                yield [url for (url,) in part]

    def renamed_columns(self) -> dict[str, str]:
        """Table column by the name in the files, where the two differ."""
        return dict(self.read(f"SELECT name, column_name FROM {COLUMNS} WHERE stream = ?"))

    def set_renamed_columns(self, columns: Mapping[str, str]) -> None:
        self._update(f"DELETE FROM {COLUMNS} WHERE stream = ?")
        self._insert(COLUMNS, [(self.name, name, column) for name, column in columns.items()])


def _few_versions(files: Sequence[RemoteFile]) -> list[Any]:
    """The parameters of _FEW."""
    return [
        list(range(len(files))),
        [as_stored(file.uri) for file in files],
        [None if file.etag is None else as_stored(file.etag) for file in files],
        [file.modified_us for file in files],
        [file.size_bytes for file in files],
    ]


def _versions(files: Sequence[RemoteFile]) -> "pa.RecordBatchReader":
    """The same as Arrow rows."""
    import pyarrow as pa

    from file_cdk.destinations.duckdb.arrow_columns import integers, reader, texts

    return reader(
        {
            "n": integers(range(len(files))),
            "url": texts([file.uri for file in files]),
            "etag": texts([file.etag for file in files]),
            "modified_at": integers([(file.modified_at - EPOCH) // MICROSECOND for file in files], pa.timestamp("us")),
            "size_bytes": integers([file.size_bytes for file in files]),
        }
    )
