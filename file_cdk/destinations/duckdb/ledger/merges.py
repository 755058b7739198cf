"""How merges use a DuckDB database; see destinations/merging.py."""

# ruff: noqa: S608 - names are constant, and values are parameters

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from file_cdk.destinations.duckdb.ledger.entries import IN_SCHEMA
from file_cdk.destinations.duckdb.session import Session

MERGING = "merging rows"

_SORTED_ROWS = 500_000
"""Maximum of rows that are sorted at once, as far as keys are spread evenly. Measured: a million rows took a third less CPU in
four parts than in one, which DuckDB sorts on disk."""


@dataclass(frozen=True, slots=True)
class DuckDBMerges:
    """A MergeDatabase."""

    session: Session

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.session.run(MERGING, sql, parameters)

    def transaction(self) -> AbstractContextManager[None]:
        return self.session.transaction(MERGING)

    def declared(self, table: str) -> Mapping[str, str]:
        sql = f"SELECT column_name, data_type FROM duckdb_columns() WHERE {IN_SCHEMA} AND lower(table_name) = lower(?) "
        return dict(self.run(f"{sql} ORDER BY column_index", [table]))

    def table_name(self, stream: str) -> str:
        return stream

    def by_bytes(self, text: str) -> str:
        return text

    def parts(self, keys: Sequence[str], rows: int) -> Sequence[str]:
        count = -(-rows // _SORTED_ROWS)
        return [f"hash({', '.join(keys)}) % {count} = {part}" for part in range(count)] if count > 1 else ["true"]

    def where(self, stream: str) -> str:
        return f"table {stream!r} in DuckDB database {self.session.path!r}"
