"""What a URL of Azure means: a container, what of it is wanted, and a name for the table."""

import re
from typing import Any

from file_cdk import ConfigError, GlobPatterns, Location, split_member
from source_azure_blob_storage.access import ACCOUNT_VARIABLES, CONNECTION_VARIABLE, ambient_account
from source_azure_blob_storage.addresses import plain_sas
from source_azure_blob_storage.config import CONTAINER

_WILDCARD = re.compile(r"[*?\[{]")
_EXTENSION = re.compile(r"[^.]\.[A-Za-z][A-Za-z0-9]{0,7}")
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
    globs, name = _wanted(key)
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


def _wanted(key: str) -> tuple[tuple[str, ...], str]:
    """Patterns, and what the table may be called."""
    if member := split_member(key):
        return _inside(*member)
    if wildcard := _WILDCARD.search(key):
        return (key,), _last(key[: wildcard.start()].rpartition("/")[0])
    if not key:
        return ("**",), ""
    if key.endswith("/"):
        return (GlobPatterns.escape(key) + "**",), _last(key)
    literal = GlobPatterns.escape(key)
    if _EXTENSION.search(_last(key)):
        return (literal,), _stem(key)
    return (literal, f"{literal}/**"), _last(key)


def _inside(archive: str, inner: str) -> tuple[tuple[str, ...], str]:
    outer = archive if _WILDCARD.search(archive) else GlobPatterns.escape(archive)
    inner = inner.rstrip("/")
    if wildcard := _WILDCARD.search(inner):
        # Also literally: a member's name, as `_file_url` has it, may look like a pattern.
        wanted, name = [inner, GlobPatterns.escape(inner)], _last(inner[: wildcard.start()].rpartition("/")[0])
    elif inner:
        literal = GlobPatterns.escape(inner)
        wanted, name = [literal, f"{literal}/**"], _stem(inner)
    else:
        wanted, name = ["**"], ""
    if not name:
        folder = _WILDCARD.split(archive, maxsplit=1)[0].rpartition("/")[0]
        name = _last(folder) if _WILDCARD.search(archive) else _stem(archive)
    return tuple(f"{outer}!{each}" for each in wanted), name


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _stem(path: str) -> str:
    """Name without its extensions."""
    name = _last(path)
    return name[:1] + name[1:].partition(".")[0]
