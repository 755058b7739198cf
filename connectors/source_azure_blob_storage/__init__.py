"""source-azure-blob-storage: blobs of an Azure container, as an Airbyte-protocol source and as `az://` URLs for `file-cdk`."""

from file_cdk import run_connector


def main() -> None:
    run_connector("source_azure_blob_storage.source:connector", ends_process=True)
