"""source-local: files in a folder, as an Airbyte-protocol source and as paths and `file://` URLs for `file-cdk`."""


def main() -> None:
    from source_local.source import connector

    connector.main()
