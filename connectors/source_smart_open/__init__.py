"""source-smart-open: files at URLs that smart_open opens and no other source does, such as `ftp://` and `hdfs://`."""

from file_cdk import run_connector


def main() -> None:
    run_connector("source_smart_open.source:connector", ends_process=True)
