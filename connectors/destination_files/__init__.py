"""destination-files: a folder of Parquet files, on this machine or in a bucket, as an Airbyte-protocol destination."""

from file_cdk import run_destination


def main() -> None:
    run_destination("destination_files.destination:connector", ends_process=True)
