"""Tables of a SQL database that show one row of each key; see destinations/merging.py."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, TypeVar

from file_cdk.core.dataclass import dataclass
from file_cdk.core.ports import TableName
from file_cdk.destinations.merge_rules import open_merge, set_rule
from file_cdk.destinations.names import ROWS_OF
from file_cdk.destinations.sql.database import Database, transaction
from file_cdk.destinations.sql.ledger import Ledger

_DOING = "merging rows"
LedgerT = TypeVar("LedgerT", bound=Ledger)


@dataclass(frozen=True, slots=True)
class SqlMerges:
    """A MergeDatabase."""

    database: Database

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.database.translating(_DOING):
            return self.database.execute(sql, parameters).fetchall()

    def transaction(self) -> AbstractContextManager[None]:
        return transaction(self.database, _DOING)

    def declared(self, table: str) -> Mapping[str, str]:
        with self.database.translating(_DOING):
            return self.database.declared(table)

    def table_name(self, stream: str) -> str:
        return self.database.table_name(stream)

    def by_bytes(self, text: str) -> str:
        return self.database.by_bytes(text)

    def parts(self, keys: Sequence[str], rows: int) -> Sequence[str]:  # noqa: ARG002 - these databases sort on disk
        return ["1 = 1"]

    def where(self, stream: str) -> str:
        return Ledger(self.database, "", stream).where


def ledger_of(ledger: LedgerT, table: TableName, *, as_it_is: bool = False) -> LedgerT:
    """That of the table that has the stream's rows. as_it_is: whatever is to become of them. Raises what open_merge does."""
    rule = open_merge(SqlMerges(ledger.database), table, as_it_is=as_it_is)
    return ledger if rule is None else replace(ledger, stream=ROWS_OF + ledger.stream)


def begun_beside(ledger: LedgerT, table: TableName) -> LedgerT:
    """That of a new table, which is to take another's place: it is noted that it was begun."""
    with transaction(ledger.database, "beginning a full refresh"):
        ledger.claim("")
        set_rule(SqlMerges(ledger.database), ledger.stream, table.merge)
    return ledger if table.merge is None else replace(ledger, stream=ROWS_OF + ledger.stream)
