"""What a configuration of source-gcs may hold: that of Airbyte's connector of the same name, and an endpoint."""

import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Literal

from file_cdk import ConfigModel, Field, SourceConfig, field_validator, model_validator, secret_field

DEFAULT_ENDPOINT = "https://storage.googleapis.com"

_ENDPOINT = re.compile(r"https?://[^/?#@\s]+", re.IGNORECASE)
_KEY_FIELDS = ("client_email", "private_key", "token_uri")


_secret = partial(secret_field, min_length=1)


class OAuthCredentials(ConfigModel, title="Authenticate via Google (OAuth)"):
    auth_type: Literal["Client"] = "Client"
    client_id: str = _secret("Client ID", "Id of the OAuth client.")
    client_secret: str = _secret("Client Secret", "Secret of the OAuth client.")
    access_token: str = secret_field("Access Token", "Used until it expires; may be empty.")
    refresh_token: str = _secret("Refresh Token", "Gets further access tokens.")


class ServiceAccountCredentials(ConfigModel, title="Service Account Authentication."):
    auth_type: Literal["Service"] = "Service"
    service_account: str = _secret("Service Account Information.", "Key of the service account, in JSON format.")

    @field_validator("service_account", mode="before")
    @classmethod
    def _key_as_text(cls, value: Any) -> Any:
        # In a YAML file a mapping is what comes to mind; the specification says text, as users' configurations have it.
        return json.dumps(value) if isinstance(value, Mapping) else value

    @field_validator("service_account")
    @classmethod
    def _is_key(cls, value: str) -> str:
        try:
            key = json.loads(value)
        except ValueError:
            key = None
        if not isinstance(key, dict):
            raise ValueError("must be the JSON text of a service account key")
        if absent := [name for name in _KEY_FIELDS if not isinstance(key.get(name), str)]:
            raise ValueError(f"is no service account key: it lacks {', '.join(absent)}")
        return value


def _without_empty_globs(stream: Any) -> Any:
    is_all = isinstance(stream, Mapping) and stream.get("globs") == []
    return {key: value for key, value in stream.items() if key != "globs"} if is_all else stream


class GcsConfig(SourceConfig):
    """Configuration of source-gcs."""

    older_keys: ClassVar[frozenset[str]] = frozenset({"service_account"})

    credentials: OAuthCredentials | ServiceAccountCredentials | None = Field(
        default=None,
        title="Authentication",
        description=(
            "Credentials for the bucket. Without them, application default credentials are looked for, and where there "
            "are none, the bucket is read anonymously."
        ),
    )
    bucket: str = Field(title="Bucket", description="Name of the GCS bucket where the file(s) exist.", min_length=1)
    sanitize_signed_urls: bool | None = Field(
        default=False, title="Sanitize File URLs", description="Has no effect: file urls are never signed."
    )
    endpoint: str | None = Field(
        default=None,
        title="Endpoint",
        description=(
            "Address of the service if it is not https://storage.googleapis.com, such as that of a private endpoint or an "
            "emulator. Plain http only if it is written out."
        ),
    )

    @model_validator(mode="before")
    @classmethod
    def _key_of_older_configurations(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            return raw
        if "streams" not in raw and "gcs_bucket" in raw:
            raise ValueError(
                "this is a configuration of a version before 0.3: name the bucket in `bucket`, and give `streams`, each with "
                "`name`, `globs` and `format`"
            )
        # Before there were two kinds of credentials, the key stood at the top.
        if raw.get("service_account") and not raw.get("credentials"):
            return {**raw, "credentials": {"auth_type": "Service", "service_account": raw["service_account"]}}
        return raw

    @model_validator(mode="before")
    @classmethod
    def _no_globs_are_all(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping) or not isinstance(streams := raw.get("streams"), list):
            return raw
        return {**raw, "streams": [_without_empty_globs(stream) for stream in streams]}

    @field_validator("bucket")
    @classmethod
    def _is_bucket_name(cls, value: str) -> str:
        if not BUCKET.fullmatch(value):
            raise ValueError("must be the name of a bucket alone, without gs:// and path")
        return value

    @field_validator("endpoint")
    @classmethod
    def _is_endpoint(cls, value: str | None) -> str | None:
        return None if not value else endpoint_of(value)


BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}")
"""What may be the name of a bucket, at the least."""


def endpoint_of(text: str) -> str:
    """`https://host:port` without a trailing slash; https unless it says otherwise. Raises ValueError, without the text."""
    endpoint = text.rstrip("/") if "://" in text else f"https://{text.rstrip('/')}"
    if not _ENDPOINT.fullmatch(endpoint):
        raise ValueError("must be an address such as https://storage.example.org, without user, path and parameters")
    return endpoint
