"""What a URL of Azure means: a container, what of it is wanted, and a name for the table."""

import re
from typing import Any

from file_cdk import ConfigError, Location, globs_of_key
from source_azure_blob_storage.access import ACCOUNT_VARIABLES, CONNECTION_VARIABLE, ambient_account
from source_azure_blob_storage.config import CONTAINER, plain_sas

_HOST = re.compile(r"([a-z0-9-]+)\.(?:blob|dfs)\.([a-z0-9.-]+)", re.IGNORECASE)
_PARAMETERS = re.compile(r"[a-z]+=[^&#/]*(?:&[a-z]+=[^&#]*)*")
_SCHEMES = ("az", "abfs", "abfss")
_REMEDY = (
    "Write az://container/folder/*.csv, az://account.blob.core.windows.net/container/… or "
    "abfs://container@account.dfs.core.windows.net/…"
)


def locate(url: str) -> Location:
    """Everything in a container, all below a path that ends in `/`, what a pattern matches, or the blob of exactly that key,
    and all below it when that does not look like a file's. Keys are taken literally, not as URLs have them.

    The account of `az://container/…` is the one that the environment names. A SAS token may follow a question mark. Does no
    request. Raises ConfigError when no account or container is named.
    """
    scheme, _, rest = url.partition("://")
    if scheme not in _SCHEMES:
        raise ConfigError("the URL is none of Azure's", remedy=_REMEDY)
    rest, sas = _without_signature(rest)
    config, key = _container(rest)
    if sas is not None:
        config["credentials"] = {"auth_type": "sas_token", "sas_token": sas}
    globs, name = globs_of_key(key)
    return Location(config, globs, name or config["azure_blob_storage_container_name"].lstrip("$"))


def _without_signature(rest: str) -> tuple[str, str | None]:
    # A question mark may also be a wildcard, or part of a key: a signature tells.
    before, _, after = rest.rpartition("?")
    if _PARAMETERS.fullmatch(after) and (sas := plain_sas(after)) is not None:
        return before, sas
    return rest, None


def _container(rest: str) -> tuple[dict[str, Any], str]:
    """What is to be configured, and the path in the container."""
    first, _, path = rest.partition("/")
    if "@" in first:  # container@account.dfs.core.windows.net
        container, _, host = first.partition("@")
        if ":" in container:
            raise ConfigError("the URL has credentials in it", remedy="Put them into the environment or a SAS token")
        account, endpoint = _account_of(host)
    elif "." in first:  # no name of a container has a dot
        account, endpoint = _account_of(first)
        container, _, path = path.partition("/")
    else:
        container, endpoint = first, None
        account = ambient_account() or ""
        if not account:
            raise ConfigError(
                "the URL names no storage account, and the environment does not either",
                remedy=f"Set {ACCOUNT_VARIABLES[0]} or {CONNECTION_VARIABLE}, or write "
                "az://account.blob.core.windows.net/container/…",
            )
    if not CONTAINER.fullmatch(container):
        raise ConfigError("the URL names no container", remedy=_REMEDY)
    config = {"azure_blob_storage_account_name": account, "azure_blob_storage_container_name": container}
    return config if endpoint is None else {**config, "azure_blob_storage_endpoint": endpoint}, path


def _account_of(host: str) -> tuple[str, str | None]:
    """The account, and the address of its blob service if it is not in the public cloud."""
    found = _HOST.fullmatch(host)
    if found is None:
        raise ConfigError("the URL names no storage account", remedy=_REMEDY)
    account, domain = found[1].lower(), found[2].lower()
    return account, None if domain == "core.windows.net" else f"https://{account}.blob.{domain}"
