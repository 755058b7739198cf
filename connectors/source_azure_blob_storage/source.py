"""The connector: a container as its configuration or a URL names it."""

from typing import TYPE_CHECKING

from file_cdk import Connector, imported
from source_azure_blob_storage.access import Target, describe, target_of
from source_azure_blob_storage.config import AzureConfig

if TYPE_CHECKING:
    from file_cdk import ObstoreFirst, StreamReader


def store_of(config: AzureConfig) -> "ObstoreFirst[Target]":
    """Asks nobody. Raises ConfigError for what contradicts itself."""
    from source_azure_blob_storage.store import open_container  # `spec` does without

    return open_container(target_of(config))


def make_reader(config: AzureConfig) -> "StreamReader":
    from file_cdk import ObjectReader

    return ObjectReader(store_of(config))


connector = Connector(
    name="source-azure-blob-storage",
    config_class=AzureConfig,
    make_reader=make_reader,
    locate=imported("source_azure_blob_storage.url:locate"),
    name_origin=lambda config: (
        f"az://{config.azure_blob_storage_account_name}/{config.azure_blob_storage_container_name}"
    ),
    describe_credentials=lambda config: describe(target_of(config).access),
)
