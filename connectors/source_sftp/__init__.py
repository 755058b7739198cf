"""source-sftp: files of an SFTP server, as an Airbyte-protocol source and as `sftp://` URLs for `file-cdk`."""

from file_cdk import run_connector


def main() -> None:
    run_connector("source_sftp.source:connector", ends_process=True)
