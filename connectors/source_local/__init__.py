"""source-local: files in a folder, as an Airbyte-protocol source and as paths and `file://` URLs for `file-cdk`."""

from file_cdk import run_connector


def main() -> None:
    run_connector("source_local.source:connector", ends_process=True)
