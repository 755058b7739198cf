"""What destinations in SQL databases have in common: runs, what is asked of a ledger, tables and full refreshes."""

# ruff: noqa: S608 - names are constant, and values are parameters

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import astuple, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from file_cdk.core.errors import DestinationError, InternalError
from file_cdk.core.ledger import (
    KeptState,
    LedgerEntry,
    Mismatch,
    Run,
    RunCounts,
    SliceEntry,
    SlicesRead,
    SlicesStatus,
    StreamStatus,
)
from file_cdk.core.ports import Encoder, Known, RejectedRecord, TableName
from file_cdk.destinations.merge_rules import rename_rule, set_rule
from file_cdk.destinations.names import BESIDE
from file_cdk.destinations.sql import asking, slices
from file_cdk.destinations.sql.database import Database, Place, transaction
from file_cdk.destinations.sql.ledger import (
    RUNS,
    Ledger,
    create_ledger,
    forget_origin,
    now,
    shared_table,
    tables_known,
    unfinished,
)
from file_cdk.destinations.sql.ledger_of_slices import read_slices, write_slices
from file_cdk.destinations.sql.merging import SqlMerges, begun_beside, ledger_of
from file_cdk.destinations.sql.states import read_states, write_states

if TYPE_CHECKING:
    from file_cdk.destinations.sql.table import SqlTable


class LedgerDestination:
    """What a Destination with a ledger is without its tables: Inspectable, a RunLog, a StateKeeper, a SliceKeeper, a
    LedgerKeeper, and KnowsTables.

    For one process and one thread. run: the name of this run in the ledger; by default the time and something random.
    """

    def __init__(self, place: Place, run: str | None) -> None:
        self._place = place
        self.run = run or f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}-{os.urandom(3).hex()}"
        self._db: Database | None = None

    def connect(self) -> Database:
        """As the one run that may write. Raises DestinationError; DestinationInUseError names who has it open."""
        raise NotImplementedError

    def let_go(self) -> None:
        """After the connection was closed, if there was one."""

    @property
    def encoder(self) -> Encoder:
        from file_cdk.destinations.arrow_ipc import ArrowIpcEncoder  # where there is something to load

        return ArrowIpcEncoder()

    def open(self) -> None:
        """Creates what is missing. Raises DestinationError; DestinationInUseError names who has it open."""
        try:
            self._db = self.connect()
            with transaction(self._db, "opening"):
                create_ledger(self._db)
                self._remove_unfinished(self._db)
        except BaseException:
            self._let_go()
            raise

    def begin_run(self, version: str, source: str, options: str) -> None:
        """See core.ledger.RunLog."""
        sql = f"INSERT INTO {RUNS} (run, started_at, version, source, options) VALUES (?, ?, ?, ?, ?)"
        self._record(sql, self.run, now(), version, source, options)

    def end_run(self, exit_code: int | None, error: str | None, counts: RunCounts) -> None:
        columns = ("ended_at", "exit_code", "error", *(field.name for field in fields(RunCounts)))
        sql = f"UPDATE {RUNS} SET {', '.join(f'{column} = ?' for column in columns)} WHERE run = ?"
        self._record(sql, now(), exit_code, error, *astuple(counts), self.run)

    def _record(self, sql: str, *values: object) -> None:
        db = self._ledger("").database
        with transaction(db, "recording the run"), db.translating("recording the run"):
            db.execute(sql, values)

    def states(self, source: str) -> Sequence[KeptState]:
        """See core.ledger.StateKeeper."""
        return read_states(self._ledger("").database, source)

    def keep_states(self, source: str, states: Sequence[KeptState], forgotten: Sequence[str] = ()) -> None:
        write_states(self._ledger("").database, self.run, source, states, forgotten)

    def slices(self, stream: str, attempt: int) -> Iterator[SliceEntry]:
        """See core.ledger.SliceKeeper."""
        return read_slices(self._ledger("").database, stream, attempt)

    def keep_slices(
        self, source: str, states: Sequence[KeptState], forgotten: Sequence[str], slices: SlicesRead
    ) -> None:
        db = self._ledger("").database
        with transaction(db, "keeping slices"):
            write_states(db, self.run, source, states, forgotten)
            write_slices(db, slices)

    def tables_of(self, origin: str, name: str) -> Mapping[str, str]:
        """See core.ledger.KnowsTables."""
        if self._db is not None:
            return tables_known(self._db, origin, name)
        return asking.known_tables(self._place, origin, name)

    def forget_table(self, name: str) -> None:
        forget_origin(self._ledger("").database, name)

    def check(self) -> bool:
        """See core.ports.Inspectable; this and what follows are for a destination that is not open."""
        return self._place.check()

    def known(self, table: TableName) -> AbstractContextManager[Known]:
        return asking.known(self._place, table)

    def rejects(self, stream: str | None = None, limit: int | None = None) -> Iterator[RejectedRecord]:
        return asking.rejects(self._place, stream, limit)

    def rejected(self, stream: str | None = None) -> int:
        return asking.rejected(self._place, stream)

    def streams(self, stream: str | None = None) -> Sequence[StreamStatus]:
        """See core.ledger.LedgerKeeper, also for what follows."""
        return asking.streams(self._place, stream)

    def runs(self, limit: int) -> Sequence[Run]:
        return asking.runs(self._place, limit)

    def entries(
        self, stream: str | None = None, urls: Sequence[str] | None = None, *, failed: bool = False
    ) -> Iterator[LedgerEntry]:
        return asking.entries(self._place, stream, urls, failed=failed)

    def loaded(self, stream: str) -> Iterator[Sequence[str]]:
        return asking.loaded(self._place, stream)

    def slices_read(self, stream: str | None = None) -> Sequence[SlicesStatus]:
        """See core.ledger.SliceLedger, also for what follows."""
        return slices.slices_read(self._place, stream)

    def slice_entries(self, stream: str) -> Iterator[SliceEntry]:
        return slices.entries(self._place, stream)

    def states_kept(self, source: str | None = None) -> Sequence[KeptState]:
        return slices.states_kept(self._place, source)

    def mismatches(self, stream: str | None = None, *, repair: bool = False) -> Sequence[Mismatch]:
        return asking.mismatches(self._place, stream, repair=repair)

    def reset(self, stream: str, urls: Sequence[str] = ()) -> int:
        return asking.reset(self._place, stream, urls)

    def _remove_unfinished(self, db: Database) -> None:
        """What a full refresh built that was not put in place, but for why files failed."""
        for beside in unfinished(db):
            self._remove_built(db, beside)

    def _remove_built(self, db: Database, beside: str) -> None:
        self._ledger(beside.removeprefix(BESIDE)).keep_failures_of(beside)
        self._ledger(beside).drop()
        set_rule(SqlMerges(db), beside, None)

    def _replace(self, stream: str, built: str) -> None:
        """The table of the stream `built` takes the place of the other's, with what the ledger knows of either."""
        old, new = self._ledger(stream), self._ledger(built)
        origin = old.source()
        with transaction(old.database, f"replacing table {stream!r}"):
            old.drop()
            new.take_place_of(stream)
            rename_rule(SqlMerges(old.database), new.name, old.name)
            if origin is not None:
                old.claim(origin)

    def _ledger(self, stream: str) -> Ledger:
        if self._db is None:
            raise InternalError("the destination is not open")
        return Ledger(self._db, self.run, stream)

    def _let_go(self) -> None:
        db, self._db = self._db, None
        try:
            if db is not None:
                with db.translating("closing"):
                    db.close()
        finally:
            self.let_go()


class SqlDestination(LedgerDestination):
    """A Destination. table_class: of its tables, which are all on one connection."""

    table_class: "type[SqlTable]"

    def __init__(self, place: Place, run: str | None) -> None:
        super().__init__(place, run)
        self._tables: dict[str, SqlTable] = {}
        self._beside: dict[str, SqlTable] = {}
        self._writing: SqlTable | None = None

    def table(self, table: TableName, *, anew: bool = False) -> "SqlTable":
        """See core.ports.Destination; always the same object of one stream."""
        if table.stream not in self._tables:
            for other in self._tables:
                if self._ledger(other).database.folded(other) == self._ledger(other).database.folded(table.stream):
                    raise shared_table(self._ledger(other).database, other, table.stream)
            own = ledger_of(self._ledger(table.stream), table, as_it_is=anew)
            self._tables[table.stream] = self.table_class.of(own, table, self._begins)
        if not anew:
            return self._tables[table.stream]
        if table.stream not in self._beside:
            beside = begun_beside(self._ledger(BESIDE + table.stream), table)
            self._beside[table.stream] = self.table_class(beside, self._begins, table.merge)
        return self._beside[table.stream]

    def put_in_place(self, table: TableName) -> None:
        if table.stream not in self._beside:
            raise InternalError(f"no table was built to replace {table.stream!r}")
        self._replace(table.stream, BESIDE + table.stream)
        self._beside.pop(table.stream)
        self._tables.pop(table.stream)

    def take_place(self, table: TableName, built: TableName) -> None:
        """See core.ledger.Replacing."""
        for each in (table, built):
            self.table(each).flush()
        self._replace(table.stream, built.stream)
        for each in (table, built):
            self._tables.pop(each.stream)

    def _begins(self, table: "SqlTable") -> None:
        """Files of one table at most share a transaction."""
        if self._writing is not None and self._writing is not table:
            self._writing.flush()
        self._writing = table

    def close(self) -> None:
        """Flushes and closes, also after an error. Safe to call twice. Raises DestinationError when flushing fails."""
        # First that whose rows may wait: the others would end its transaction without them.
        tables = sorted([*self._tables.values(), *self._beside.values()], key=lambda each: each is not self._writing)
        self._tables, self._beside, self._writing = {}, {}, None
        if self._db is None:
            return
        try:
            for table in tables:
                table.close()
            with suppress(DestinationError), transaction(self._db, "closing"):  # the next `open` tries again
                self._remove_unfinished(self._db)
            self.before_closing(self._db)
        finally:
            self._let_go()

    def before_closing(self, database: Database) -> None:
        """After all was flushed."""
