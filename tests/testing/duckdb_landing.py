"""A DuckDB database as the conformance suite for destinations takes it."""

from dataclasses import dataclass
from typing import Any

import duckdb

from file_cdk.core.ports import Destination
from file_cdk.destinations.names import METADATA_COLUMNS
from file_cdk.destinations.registry import destination_for


@dataclass(frozen=True)
class DuckDBLanding:
    path: str

    def destination(self) -> Destination:
        return destination_for(f"duckdb:{self.path}")

    def delete_row(self, stream: str, uri: str) -> None:
        with duckdb.connect(self.path) as connection:
            connection.execute(
                f'DELETE FROM "{stream}" WHERE rowid = (SELECT max(rowid) FROM "{stream}" WHERE _file_url = ?)', [uri]
            )

    def rows(self, stream: str) -> list[dict[str, Any]]:
        with duckdb.connect(self.path, read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            if not connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [stream]).fetchall():
                return []
            found = connection.sql(f'SELECT * FROM "{stream}" ORDER BY rowid').to_arrow_table()
            rows: list[dict[str, Any]] = found.drop_columns(list(METADATA_COLUMNS)).to_pylist()
            return rows
