"""Where a request may take what is secret: to the origin that it is meant for, and to no other."""

from urllib.parse import urlsplit

import msgspec

from file_cdk.declarative.http.messages import Request
from file_cdk.declarative.http.secrets import Secrets

_OF_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})
_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int | None]
"""Scheme, host, port."""


class SecretInBodyError(Exception):
    """A request that cannot go to another origin: its body has a secret."""


def origin_of(url: str) -> Origin:
    """Raises ValueError for what is no URL."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme)


def is_same(before: Origin, after: Origin) -> bool:
    """A step up to TLS of the same host leaves an origin what it is."""
    is_step_up = before[0] == "http" and after[0] == "https" and (before[2], after[2]) == (80, 443)
    return before == after or (is_step_up and before[1] == after[1])


def without_secrets(request: Request, secrets: Secrets) -> Request:
    """Without header fields that have one. Raises SecretInBodyError."""
    if request.body is not None and secrets.hidden_bytes(request.body) != request.body:
        raise SecretInBodyError
    headers = tuple(field for field in request.headers if not _is_secret(field, secrets))
    return msgspec.structs.replace(request, headers=headers)


def for_foreign_url(request: Request, foreign_url: str, secrets: Secrets) -> Request:
    """Also without parameters that have one, unless the API gave them itself. Raises SecretInBodyError."""
    request = without_secrets(request, secrets)
    before, _, query = request.url.partition("?")
    given = foreign_url.partition("?")[2].split("&")
    kept = [pair for pair in query.split("&") if pair in given or secrets.hidden(pair) == pair]
    return msgspec.structs.replace(request, url=f"{before}?{'&'.join(kept)}" if any(kept) else before)


def _is_secret(field: tuple[str, str], secrets: Secrets) -> bool:
    name, value = field
    return name.lower() in _OF_CREDENTIALS or secrets.hidden(value) != value
