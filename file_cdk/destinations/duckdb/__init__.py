"""A DuckDB database: rows, rejects and the ledger of files move in one transaction."""

from file_cdk.destinations.duckdb.destination import DuckDBDestination

__all__ = ["DuckDBDestination"]
