"""The connector: a bucket as its configuration or a URL names it."""

import os
from typing import TYPE_CHECKING

from file_cdk import ConfigError, Connector, imported
from source_gcs.access import Access, GcsSettings, access_of_key, describe
from source_gcs.config import DEFAULT_ENDPOINT, GcsConfig, OAuthCredentials, ServiceAccountCredentials, endpoint_of
from source_gcs.legacy import adopted

if TYPE_CHECKING:
    from file_cdk import ObstoreFirst, StreamReader

_EMULATOR = "STORAGE_EMULATOR_HOST"


def store_of(config: GcsConfig) -> "ObstoreFirst[GcsSettings]":
    """Asks nobody. Raises ConfigError for an emulator's address in the environment that is none."""
    from source_gcs.store import open_bucket  # what it imports, `spec` does without

    endpoint = config.endpoint or _emulator() or DEFAULT_ENDPOINT
    return open_bucket(GcsSettings(config.bucket, _access(config, endpoint), endpoint))


def _access(config: GcsConfig, endpoint: str) -> Access:
    credentials = config.credentials
    if isinstance(credentials, ServiceAccountCredentials):
        return access_of_key(credentials.service_account)
    if isinstance(credentials, OAuthCredentials):
        return Access("client", {key: value for key, value in credentials.as_dict().items() if key != "auth_type"})
    # What the machine has is for Google: it goes neither to an emulator nor over a line that others can read.
    emulated = config.endpoint is None and _emulator() is not None
    return Access("anonymous" if emulated or endpoint.lower().startswith("http:") else "ambient")


def _emulator() -> str | None:
    """Its address as Google's own client takes it: with or without a scheme, which is http then."""
    address = os.environ.get(_EMULATOR)
    if not address:
        return None
    try:
        return endpoint_of(address if "://" in address else f"http://{address}")
    except ValueError:
        raise ConfigError(f"the environment variable {_EMULATOR} holds no address", remedy="Unset it") from None


def make_reader(config: GcsConfig) -> "StreamReader":
    from file_cdk import ObjectReader

    return ObjectReader(store_of(config))


connector = Connector(
    name="source-gcs",
    config_class=GcsConfig,
    make_reader=make_reader,
    locate=imported("source_gcs.url:locate"),
    name_origin=lambda config: f"gs://{config.bucket}",
    describe_credentials=lambda config: describe(store_of(config).settings.access),
    adopt_state=adopted,
)
