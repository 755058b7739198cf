"""The connector: a database file as its configuration names it."""

from destination_sqlite.config import SQLiteConfig
from file_cdk import DestinationConnector

connector = DestinationConnector(
    name="destination-sqlite", config_class=SQLiteConfig, make_url=lambda config: f"sqlite:{config.destination_path}"
)
