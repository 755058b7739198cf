"""source-gcs: objects of a Google Cloud Storage bucket, as an Airbyte-protocol source and as `gs://` URLs for `file-cdk`."""

from file_cdk import run_connector


def main() -> None:
    run_connector("source_gcs.source:connector", ends_process=True)
