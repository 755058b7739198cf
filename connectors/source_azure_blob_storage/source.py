"""The connector: a container as its configuration or a URL names it."""

from file_cdk import Connector, ObjectReader, ObstoreFirst
from source_azure_blob_storage.access import Target, describe, target_of
from source_azure_blob_storage.config import AzureConfig
from source_azure_blob_storage.url import locate


def store_of(config: AzureConfig) -> ObstoreFirst[Target]:
    """Asks nobody. Raises ConfigError for what contradicts itself."""
    from source_azure_blob_storage.store import open_container  # `spec` does without

    return open_container(target_of(config))


connector = Connector(
    name="source-azure-blob-storage",
    config_class=AzureConfig,
    make_reader=lambda config: ObjectReader(store_of(config)),
    locate=locate,
    name_origin=lambda config: (
        f"az://{config.azure_blob_storage_account_name}/{config.azure_blob_storage_container_name}"
    ),
    describe_credentials=lambda config: describe(target_of(config).access),
)
