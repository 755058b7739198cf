"""What the texts say that a user may have: endpoints, connection strings, signatures. Pure functions, no I/O."""

import base64
import binascii
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from file_cdk import ConfigError

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
    parts = dict(_setting(part) for part in text.strip().split(";") if part.strip())
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
    return Connection(account or account_of(url), url, key, sas)


def account_of(endpoint: str) -> str | None:
    """What the URL of an account says that it is called."""
    parts = urlsplit(endpoint)
    name, dot, domain = (parts.hostname or "").partition(".")
    if dot and domain.startswith(("blob.", "dfs.")):
        return name
    return parts.path.strip("/") or None


def _setting(part: str) -> tuple[str, str]:
    name, equals, value = part.partition("=")
    if not equals:
        raise ConfigError("is no connection string: it should read Name=value;Name=value")
    return name.strip().lower(), value.strip()
