"""States that Airbyte's connector wrote: it names a file by a URL, and not by its key."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from file_cdk import renamed_state
from source_gcs.config import GcsConfig

_ADDRESS = "https://storage.googleapis.com/"


def adopted(config: GcsConfig, state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The state with keys for URLs. Nothing of a signature stays in it, of whichever bucket the URL is."""
    return renamed_state(state, lambda uri: _key(config.bucket, uri))


def _key(bucket: str, uri: str) -> str:
    # With a service account: `https://storage.googleapis.com/bucket/quoted%20key`, from old versions with the parameters of
    # a signature behind it; with OAuth: `gs://bucket/key` as it is.
    if uri.startswith(_ADDRESS):
        address, _, _ = uri.partition("?")
        key = address.removeprefix(f"{_ADDRESS}{bucket}/")
        return address if key == address else unquote(key)
    return uri.removeprefix(f"gs://{bucket}/")
