"""The connector: a folder as its configuration names it."""

from destination_files.config import FilesConfig
from file_cdk import DestinationConnector


def _url(config: FilesConfig) -> str:
    path = config.destination_path
    return path if "://" in path else f"files:{path}"


connector = DestinationConnector(name="destination-files", config_class=FilesConfig, make_url=_url)
