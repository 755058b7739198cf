"""source-http: files at known URLs, as an Airbyte-protocol source and as `http://` and `https://` URLs for `file-cdk`."""

from file_cdk import run_connector


def main() -> None:
    run_connector("source_http.source:connector", ends_process=True)
