"""source-declarative-manifest: an HTTP API that a manifest describes, as an Airbyte-protocol source."""

from pathlib import Path

from file_cdk import run_manifest

_OF_AN_IMAGE = Path("/airbyte/integration_code/source_declarative_manifest/manifest.yaml")
"""Where images that are made of a manifest alone have it."""


def main() -> None:
    run_manifest(_OF_AN_IMAGE if _OF_AN_IMAGE.exists() else None, ends_process=True)
