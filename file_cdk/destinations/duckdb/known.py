"""What a database that no sync has open says about a stream, taken at one moment and kept beside it.

The database is locked only while its ledger is copied, so that a listing of hours keeps no sync from starting.
"""

# ruff: noqa: S608 - names are constant, and values are parameters

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from file_cdk.core.files import RemoteFile
from file_cdk.core.run_folder import run_folder
from file_cdk.destinations.duckdb.errors import translating
from file_cdk.destinations.duckdb.file import Settings, is_absent, open_to_read, open_to_write, remove
from file_cdk.destinations.duckdb.ledger import FILES, LAYOUTS, Ledger
from file_cdk.destinations.duckdb.load import WriteLimits
from file_cdk.destinations.duckdb.memory import NARROW_BYTES, MemoryBudget
from file_cdk.destinations.duckdb.rejects import REJECTS
from file_cdk.destinations.duckdb.session import INPUT, Session
from file_cdk.destinations.duckdb.table import DuckDBTable
from file_cdk.destinations.duckdb.types import missing_types

_DOING = "reading the ledger"
_SETTINGS: Settings = {"threads": 1}
_ROWS_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class KnownFiles:
    """A copy of the entries of one stream's loaded files; None where there are none to ask."""

    stream: str
    copy: Ledger | None = None
    has_table: bool = False

    def unloaded(self, files: Sequence[RemoteFile]) -> list[bool]:
        if self.copy is None or not files:
            return [True] * len(files)
        return self.copy.unloaded(self.stream, files, has_table=self.has_table)


@contextmanager
def known_files(path: str, stream: str, source: str | None, folder: str = "") -> Iterator[KnownFiles]:
    """See core.ports.Inspectable. The copy takes 128 MiB of memory at most, and else room for temporary files."""
    if is_absent(path):
        yield KnownFiles(stream)
        return
    with tempfile.TemporaryDirectory(prefix="ledger-", dir=run_folder()) as scratch:
        settings: Settings = {**_SETTINGS, "temp_directory": scratch, "autoinstall_known_extensions": False}
        with closing(duckdb.connect(":memory:", config={**settings})) as connection:
            target = Session(path, connection, MemoryBudget(connection, NARROW_BYTES))
            yield _copied(path, stream, source, folder, target)


def _copied(path: str, stream: str, source: str | None, folder: str, target: Session) -> KnownFiles:
    target.memory.provide(columns=0)
    with closing(open_to_read(path, _SETTINGS)) as connection:
        with translating(path, "opening"):
            session = Session(path, connection, MemoryBudget(connection))
        ledger = Ledger(session, run="")
        found = ledger.tables(_DOING)
        if not found >= LAYOUTS.keys() - {REJECTS}:
            return KnownFiles(stream)  # the next sync makes what is missing
        # Refuses what a sync would refuse.
        table = DuckDBTable(session, "", stream, WriteLimits(), missing_types(connection), lambda _: None)
        try:
            if source is not None:
                ledger.is_claimed(stream, source, has_table=table.exists)
            if folder and table.exists:
                ledger.require_folder(stream, folder)
            with translating(path, _DOING):
                entries = connection.sql(
                    f"SELECT * FROM {FILES} WHERE stream = ? AND status = 'loaded'", params=[stream]
                )
                rows = entries.to_arrow_reader(_ROWS_AT_ONCE)
                target.execute(f"CREATE TABLE {FILES} AS SELECT * FROM {INPUT}", rows=rows)
            return KnownFiles(stream, Ledger(target, run=""), table.exists)
        finally:
            table.close()


def check_database(path: str) -> bool:
    """See core.ports.Inspectable. A database that is missing is created and removed again."""
    absent = is_absent(path)
    empty = Path(path).stat() if absent and Path(path).exists() else None
    connection, _ = open_to_write(path, {})
    with closing(connection):
        if absent:
            with translating(path, "opening"):
                connection.execute("CHECKPOINT")
            remove(path)
        else:
            with translating(path, "opening"):
                session = Session(path, connection, MemoryBudget(connection))
            Ledger(session, run="").tables(_DOING)
    if empty is not None:
        Path(path).touch(mode=empty.st_mode)
    return not absent
