"""URLs as they go over the wire: joined, with their parameters, percent-encoded as `requests` has it."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, quote, quote_plus, urlencode, urljoin, urlsplit, urlunsplit

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.http.origins import is_same, origin_of

_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PLAIN = re.compile(
    r"(https?://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?"
    r"(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6(?:[0-4][0-9]{3}|5(?:[0-4][0-9]{2}|5(?:[0-2][0-9]|3[0-5])))))?)"  # to 65535
    r"((?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?)(?:\?([A-Za-z0-9._~&=-]+))?"
)
"""URLs that are sent as they are written, as most of them: to parse one takes longer than all else of it."""
_ESCAPE = re.compile(r"%([0-9A-Za-z]{2})")
_SAFE = "!#$&'()*+,/:;=?@[]~"


@lru_cache(maxsize=1024)  # pages of a slice have the same
def joined(base: str, path: str) -> str:
    """The path below the base, one slash between them; the base where there is no path. A path that is a URL takes its place."""
    if not path:
        return base
    return urljoin(base if base.endswith("/") else base + "/", path)


def followed(base: str, link: str) -> tuple[str, bool]:
    """The URL that an API gave for the next page, and whether it is of another origin than the base.

    APIs behind a proxy give their own address without TLS: it is asked by TLS then, as what is below the base is.
    """
    url = joined(base, link)
    try:
        own, its = origin_of(base), origin_of(url)
        if is_same(its, own) and its != own:
            return urlsplit(url)._replace(scheme=own[0], netloc=urlsplit(base).netloc).geturl(), False
        return url, not is_same(own, its)
    except ValueError:
        raise _no_url() from None


def with_parameters(url: str, parameters: Mapping[str, Any]) -> str:
    """The whole URL. A parameter that the URL already has, first of its name, with the same value, is not put in again.

    Raises ConfigError for what is no URL.
    """
    place = _place(url)
    if place.own:
        parameters = {name: value for name, value in parameters.items() if place.own.get(name) != str(value)}
    query = "&".join(filter(None, (place.query, encoded(parameters))))
    return f"{place.before}{'?' if query else ''}{query}{place.fragment}"


def encoded(values: Mapping[str, Any]) -> str:
    """`a=1&b=x+y`: for each value of a list its name again; None is left out."""
    pairs: list[str] = []
    for name, value in values.items():
        if type(value) is int or type(value) is str:
            text = _quoted_plus(value) if type(value) is str else str(value)
            pairs.append(f"{_quoted_plus(str(name))}={text}")
            continue
        several = value if isinstance(value, Iterable) and not isinstance(value, str | bytes) else [value]
        for each in several:
            if isinstance(each, str | int | float):
                pairs.append(f"{_quoted_plus(str(name))}={_quoted_plus(str(each))}")
            elif each is not None:
                pairs.append(urlencode([(name, each)], doseq=True))
    return "&".join(filter(None, pairs))


_quoted_plus = lru_cache(maxsize=1024)(quote_plus)


class _Place(msgspec.Struct, frozen=True):
    """A URL in parts, encoded. own: its parameters, decoded, the first of each name."""

    before: str
    query: str
    fragment: str
    own: Mapping[str, str]


@lru_cache(maxsize=1024)
def _place(url: str) -> _Place:
    plain = _PLAIN.fullmatch(url)
    if plain is None:
        return _parsed(url)
    origin, path, query = plain.groups(default="")
    return _Place(origin + (path or "/"), query, "", _parameters(query))


def _parameters(query: str) -> Mapping[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()} if query else {}


def _parsed(url: str) -> _Place:
    try:
        from urllib3.exceptions import LocationParseError
        from urllib3.util import parse_url
    except ImportError:
        remedy = "Install it with: pip install 'file-cdk[manifests]'"
        raise ConfigError("urllib3 is not installed", remedy=remedy) from None
    try:
        own = _parameters(urlsplit(url).query)
        parts = parse_url(url.lstrip())
    except (LocationParseError, ValueError):
        raise _no_url() from None
    if parts.scheme not in ("http", "https") or not parts.host:
        raise _no_url()
    netloc = f"{parts.auth}@" if parts.auth else ""
    netloc += _ascii(parts.host) + (f":{parts.port}" if parts.port else "")
    whole = urlunsplit((parts.scheme, netloc, parts.path or "/", parts.query or "", parts.fragment or ""))
    before, sign, fragment = _quoted(whole).partition("#")
    before, _, query = before.partition("?")
    return _Place(before, query, sign + fragment, own)


def _ascii(host: str) -> str:
    if host.isascii():
        if host.startswith(("*", ".")):
            raise _no_url()
        return host
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        raise _no_url() from None


def _no_url() -> ConfigError:
    return ConfigError("the request's URL is none", remedy="Check url, or url_base and path, with this configuration")


def _quoted(url: str) -> str:
    """Percent signs stay where they encode something; letters, digits and `-._~` need no encoding."""
    try:
        return quote(_ESCAPE.sub(_unreserved_plain, url), safe=_SAFE + "%")
    except ValueError:  # a percent sign that encodes nothing
        return quote(url, safe=_SAFE)


def _unreserved_plain(escape: re.Match[str]) -> str:
    letter = chr(int(escape[1], 16))
    return letter if letter in _UNRESERVED else escape[0]
