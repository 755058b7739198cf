"""destination-postgres: a schema of a Postgres database, as an Airbyte-protocol destination."""

from file_cdk import run_destination


def main() -> None:
    run_destination("destination_postgres.destination:connector", ends_process=True)
