"""destination-duckdb: a DuckDB database, as an Airbyte-protocol destination."""

from file_cdk import run_destination


def main() -> None:
    run_destination("destination_duckdb.destination:connector", ends_process=True)
