"""What a configuration of source-azure-blob-storage may hold: that of Airbyte's connector of the same name, and two more kinds
of credentials."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from file_cdk import (
    ConfigError,
    ConfigModel,
    Field,
    SourceConfig,
    field_validator,
    model_validator,
    secret_field,
)

_ACCOUNT = re.compile(r"[A-Za-z0-9-]{1,100}")
CONTAINER = re.compile(r"\$root|\$web|\$logs|[a-z0-9](?:-?[a-z0-9]){2,62}")


_secret = partial(secret_field, min_length=1)


class Oauth2(ConfigModel, title="Authenticate via Oauth2"):
    auth_type: Literal["oauth2"] = "oauth2"
    tenant_id: str = _secret("Tenant ID", "Tenant of the user who gave consent.")
    client_id: str = _secret("Client ID", "Id of the application that the user gave consent to.")
    client_secret: str = _secret("Client Secret", "Secret of that application.")
    refresh_token: str = _secret("Refresh Token", "Gets access tokens.")


class ClientCredentials(ConfigModel, title="Authenticate via Client Credentials"):
    auth_type: Literal["client_credentials"] = "client_credentials"
    app_tenant_id: str = _secret("Tenant ID", "Tenant that the application is registered in.")
    app_client_id: str = _secret("Client ID", "Id of the application (service principal).")
    app_client_secret: str = _secret("Client Secret", "Secret of the application.")


class StorageAccountKey(ConfigModel, title="Authenticate via Storage Account Key"):
    auth_type: Literal["storage_account_key"] = "storage_account_key"
    azure_blob_storage_account_key: str = _secret(
        "Azure Blob Storage account key", "One of the storage account's two keys."
    )

    @field_validator("azure_blob_storage_account_key")
    @classmethod
    def _is_key(cls, value: str) -> str:
        if not is_account_key(value.strip()):
            raise ValueError("is no account key: those are base64 text, with = at the end as a rule")
        return value.strip()


class SasToken(ConfigModel, title="Authenticate via SAS Token"):
    auth_type: Literal["sas_token"] = "sas_token"
    sas_token: str = _secret("SAS Token", "Shared access signature that may read and list, such as `sv=…&sig=…`.")

    @field_validator("sas_token")
    @classmethod
    def _is_sas(cls, value: str) -> str:
        if (token := plain_sas(value)) is None:
            raise ValueError("is no shared access signature: it lacks sig=")
        return token


class ConnectionString(ConfigModel, title="Authenticate via Connection String"):
    auth_type: Literal["connection_string"] = "connection_string"
    connection_string: str = _secret("Connection String", "As the portal shows it, with an account key or a SAS token.")

    @field_validator("connection_string")
    @classmethod
    def _is_connection_string(cls, value: str) -> str:
        try:
            connection_of(value)
        except ConfigError as exc:
            raise ValueError(exc.message) from None
        return value


Credentials = Oauth2 | ClientCredentials | StorageAccountKey | SasToken | ConnectionString


_OLDER_KEY = "azure_blob_storage_account_key"
_OLDER_PREFIX = "azure_blob_storage_blobs_prefix"
_CONTAINER_NAME = "azure_blob_storage_container_name"


class AzureConfig(SourceConfig):
    """Configuration of source-azure-blob-storage."""

    older_keys: ClassVar[frozenset[str]] = frozenset(
        {_OLDER_KEY, _OLDER_PREFIX, "azure_blob_storage_schema_inference_limit", "format"}
    )

    azure_blob_storage_account_name: str = Field(
        title="Azure Blob Storage account name",
        description="Name of the storage account.",
        json_schema_extra={"examples": ["mystorageaccount"], "order": 3},
    )
    azure_blob_storage_container_name: str = Field(
        title="Azure blob storage container (Bucket) Name",
        description="Name of the container that holds the files.",
        json_schema_extra={"examples": ["mycontainer"], "order": 4},
    )
    azure_blob_storage_endpoint: str | None = Field(
        default=None,
        title="Endpoint Domain Name",
        description=(
            "Domain or URL of the blob service if it is not blob.core.windows.net: that of another cloud, a private endpoint, "
            "or an emulator, such as http://127.0.0.1:10000/devstoreaccount1. Plain http only if it is written out."
        ),
        json_schema_extra={"examples": ["blob.core.windows.net"], "order": 11},
    )
    credentials: Credentials | None = Field(
        default=None,
        title="Authentication",
        description=(
            "Credentials for the container. Without them the environment is looked at, and where that has none, the "
            "container is read anonymously."
        ),
        json_schema_extra={"order": 2},
    )

    @model_validator(mode="before")
    @classmethod
    def _of_older_versions(cls, raw: Any) -> Any:
        """The account key stood at the top, and before that a container was one stream of JSON Lines."""
        if not isinstance(raw, Mapping) or not raw.get(_OLDER_KEY):
            return raw
        config = dict(raw)
        if "streams" not in raw:
            prefix = raw.get(_OLDER_PREFIX) or ""
            stream = {"name": raw.get(_CONTAINER_NAME), "legacy_prefix": prefix, "format": {"filetype": "jsonl"}}
            config["streams"] = [stream]
        if not raw.get("credentials"):
            config["credentials"] = {"auth_type": "storage_account_key", _OLDER_KEY: raw[_OLDER_KEY]}
        return config

    @field_validator("azure_blob_storage_account_name")
    @classmethod
    def _is_account(cls, value: str) -> str:
        if not _ACCOUNT.fullmatch(value.strip()):
            raise ValueError("must be the name of a storage account alone, without domain")
        return value.strip()

    @field_validator("azure_blob_storage_container_name")
    @classmethod
    def _is_container(cls, value: str) -> str:
        if not CONTAINER.fullmatch(value.strip()):
            raise ValueError("must be the name of a container: 3 to 63 lower-case letters, digits and single hyphens")
        return value.strip()

    @field_validator("azure_blob_storage_endpoint")
    @classmethod
    def _is_endpoint(cls, value: str | None) -> str | None:
        text = (value or "").strip()
        if not text:
            return None
        endpoint_of(text, "account")  # to see whether it is one; existing configurations keep what they say
        return text


# What the texts say that a user may have: endpoints, connection strings, signatures


DEFAULT_DOMAIN = "blob.core.windows.net"
_ENDPOINT = re.compile(r"https?://[^/?#@\s]+(/[A-Za-z0-9-]+)?", re.IGNORECASE)
_SIGNATURE = re.compile(r"(?:^|&)sig=[^&]")

# Microsoft publishes both for its emulators; they open nothing else.
EMULATOR_ACCOUNT = "devstoreaccount1"
_EMULATOR_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_EMULATOR_ENDPOINT = f"http://127.0.0.1:10000/{EMULATOR_ACCOUNT}"


def endpoint_of(text: str, account: str) -> str:
    """The account's URL, without a trailing slash: `https://account.blob.core.windows.net`.

    A domain that begins with `blob.` is that of the service, which the account's name goes before; https unless it is
    written out. Raises ValueError, without the text.
    """
    url = (text if "://" in text else f"https://{text}").rstrip("/")
    if not _ENDPOINT.fullmatch(url):
        raise ValueError("must be a domain such as blob.core.windows.net, or the URL of an account without parameters")
    parts = urlsplit(url)
    try:
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        raise ValueError("must name a host, and a port that is a number if any")
    if host.startswith("blob."):
        return f"{parts.scheme}://{account}.{parts.netloc}{parts.path}"
    return url


def is_account_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) > 0
    except (binascii.Error, ValueError):
        return False


def plain_sas(text: str) -> str | None:
    """Without a leading question mark; None if it has no signature."""
    token = text.strip().lstrip("?").strip("&")
    return token if _SIGNATURE.search(token) and not re.search(r"[\s#]", token) else None


@dataclass(frozen=True, slots=True)
class Connection:
    """What a connection string says. endpoint: the account's URL. Without key and sas: anonymous."""

    account: str | None
    endpoint: str
    key: str | None = field(default=None, repr=False)
    sas: str | None = field(default=None, repr=False)


def connection_of(text: str) -> Connection:
    """Raises ConfigError, which shows nothing of it."""
    settings = [part.partition("=") for part in text.strip().split(";") if part.strip()]
    if not all(equals for _, equals, _ in settings):
        raise ConfigError("is no connection string: it should read Name=value;Name=value")
    parts = {name.strip().lower(): value.strip() for name, _, value in settings}
    if parts.get("usedevelopmentstorage", "").lower() == "true":
        return Connection(EMULATOR_ACCOUNT, _EMULATOR_ENDPOINT, _EMULATOR_KEY)
    account, key, sas = parts.get("accountname"), parts.get("accountkey"), parts.get("sharedaccesssignature")
    endpoint = parts.get("blobendpoint")
    if not endpoint:
        if not account:
            raise ConfigError("is no connection string: it lacks AccountName or BlobEndpoint")
        scheme = parts.get("defaultendpointsprotocol", "https").lower()
        endpoint = f"{scheme}://{account}.blob.{parts.get('endpointsuffix', 'core.windows.net')}"
    if key is not None and not is_account_key(key):
        raise ConfigError("has an AccountKey that is not base64 text")
    if sas is not None and (sas := plain_sas(sas)) is None:
        raise ConfigError("has a SharedAccessSignature without sig=")
    try:
        url = endpoint_of(endpoint, account or "")
    except ValueError:
        raise ConfigError("has an endpoint that is no URL of an account") from None
    told = urlsplit(url)
    name, _, domain = (told.hostname or "").partition(".")
    named = name if domain.startswith(("blob.", "dfs.")) else told.path.strip("/") or None
    return Connection(account or named, url, key, sas)
