"""The connector: a database file as its configuration names it."""

from destination_duckdb.config import DuckDBConfig
from file_cdk import DestinationConnector

connector = DestinationConnector(
    name="destination-duckdb", config_class=DuckDBConfig, make_url=lambda config: f"duckdb:{config.destination_path}"
)
