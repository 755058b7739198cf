"""source-s3: objects in S3 and what speaks its protocol, as an Airbyte-protocol source and as `s3://` URLs for `file-cdk`."""

from file_cdk import run_connector


def main() -> None:
    run_connector("source_s3.source:connector", ends_process=True)
