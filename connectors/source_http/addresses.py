"""Which files a list of URLs and templates stands for, and what each is called below their common root."""

import base64
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from urllib.parse import SplitResult, quote, unquote, urlsplit

from file_cdk import ConfigError, redacted

MAX_URLS = 100_000
"""Maximum number of files of one configuration, those that its templates stand for included."""

_PARTS = re.compile(r"(https?)://(?:([^/?#]*)@)?([^#]*)(?:#.*)?", re.IGNORECASE | re.DOTALL)
_DEFAULT_PORT = {"http": 80, "https": 443}
_KEPT = "%/:;=&?@!$'()*+,~[]{}|"
"""Characters of a URL that are sent as they are, besides letters, digits and the like."""


@dataclass(frozen=True, slots=True)
class Address:
    """One file. url: with its query, without a user. authorization: what to send instead of the configured credentials,
    of a user in the URL. templated: braces stood for it."""

    uri: str
    url: str = field(repr=False)
    authorization: str | None = field(default=None, repr=False)
    templated: bool = False

    @property
    def shown(self) -> str:
        """The URL without its query, which may hold secrets."""
        return self.url.partition("?")[0]


@dataclass(frozen=True, slots=True)
class Addresses:
    """All files, in the order of the configuration. root: what their uris are relative to, such as `https://host/data`;
    without a host when they are on several, which their uris then begin with."""

    root: str
    ordered: Sequence[Address]
    by_uri: Mapping[str, Address]

    @classmethod
    def of(cls, urls: Iterable[str], base: str | None = None) -> "Addresses":
        """base: the root, if not the lowest common folder.

        Raises ConfigError for what is no URL of a file, too many of them, and two that cannot be told apart."""
        return _addresses(tuple(urls), base)


@lru_cache(maxsize=4)
def _addresses(urls: tuple[str, ...], base: str | None) -> Addresses:
    found = list(_expanded(urls))
    files = [urlsplit(address.url) for address in found]
    if base is None:
        root, uris = name_files(files)
    else:
        root, uris = _name_below(base, files)
    named = [replace(address, uri=uri) for address, uri in zip(found, uris, strict=True)]
    return Addresses(root, named, {address.uri: address for address in named})


def _expanded(urls: Sequence[str]) -> Iterator[Address]:
    """Each URL once; uri is still empty."""
    seen: set[str] = set()
    for text in urls:
        user_info, alternatives = _alternatives(text, MAX_URLS)
        authorization = None if user_info is None else _basic(user_info)
        for url in alternatives:
            if url not in seen:
                seen.add(url)
                if len(seen) > MAX_URLS:
                    raise _too_many()
                yield Address("", url, authorization, templated=len(alternatives) > 1)


def _alternatives(text: str, limit: int) -> tuple[str | None, list[str]]:
    """The user in the URL, if any, and the URLs that it stands for."""
    import bracex

    parts = _PARTS.fullmatch(text.strip())
    if parts is None:
        raise ConfigError(f"{redacted(text)!r} is no http:// or https:// URL")
    scheme, user_info, rest = parts[1].lower(), parts[2], parts[3]
    try:
        bodies = list(bracex.iexpand(rest, limit=limit))
    except bracex.ExpansionLimitException:
        raise _too_many() from None
    return user_info, [_normal(scheme, body) for body in bodies]


def _too_many() -> ConfigError:
    return ConfigError(
        f"the URLs stand for more than {MAX_URLS:,} files",
        remedy="Make streams of some of them in a source of their own",
    )


def _normal(scheme: str, body: str) -> str:
    """The same URL in one spelling: host in lower case, no default port, only characters that a URL may have."""
    authority, separator, rest = _before(body, "/?")
    shown = f"{scheme}://{authority}{separator}{rest.partition('?')[0]}"
    try:
        split = urlsplit(f"{scheme}://{authority}")
        host, port = split.hostname, split.port
    except ValueError:
        raise ConfigError(f"{shown!r} is no URL") from None
    if not host or separator != "/" or rest.partition("?")[0].rpartition("/")[2] == "":
        raise ConfigError(f"{shown!r} names no file", remedy="HTTP servers cannot be listed: name the files themselves")
    host = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORT[scheme]:
        host = f"{host}:{port}"
    return f"{scheme}://{host}/{quote(rest, safe=_KEPT)}"


def _before(text: str, separators: str) -> tuple[str, str, str]:
    found = re.search(f"[{separators}]", text)
    return (text, "", "") if found is None else (text[: found.start()], found[0], text[found.end() :])


def _basic(user_info: str) -> str:
    user, _, password = user_info.partition(":")
    return basic_authorization(unquote(user), unquote(password))


def basic_authorization(username: str, password: str) -> str:
    """The Authorization header of RFC 7617, in UTF-8."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def name_files(urls: Sequence[SplitResult]) -> tuple[str, list[str]]:
    """The common root, and each file's uri below it: its path, percent-decoded, after its host if there are several.

    The query is part of the uri only where two URLs differ in nothing else, less what is secret in it; an escape stays
    where decoding it would make two paths one. Raises ConfigError when two uris would still be equal.
    """
    hosts = {_host(url) for url in urls}
    folders = [url.path.split("/")[:-1] for url in urls]
    if len(hosts) > 1:
        return f"{urls[0].scheme}://", _distinct(urls, [_host(url) + url.path for url in urls])
    common = _common_length(folders)
    folder = unquote("/".join(folders[0][:common]))
    return f"{urls[0].scheme}://{next(iter(hosts))}{folder}", _below(common, urls)


def _name_below(base: str, urls: Sequence[SplitResult]) -> tuple[str, list[str]]:
    """As `name_files`, below a given folder. Raises ConfigError for what is elsewhere."""
    _, [inside] = _alternatives(base.rstrip("/") + "/%7B", 1)
    root = urlsplit(inside.removesuffix("/%7B"))
    segments = root.path.split("/")
    for url in urls:
        if (url.scheme, url.netloc) != (root.scheme, root.netloc) or url.path.split("/")[: len(segments)] != segments:
            raise ConfigError(f"{url._replace(query='').geturl()} is not below `base_url`")
    return unquote(root.geturl()), _below(len(segments), urls)


def _below(segments: int, urls: Sequence[SplitResult]) -> list[str]:
    return _distinct(urls, ["/".join(url.path.split("/")[segments:]) for url in urls])


def _host(url: SplitResult) -> str:
    return url.netloc.rpartition("@")[2]


def _common_length(folders: list[list[str]]) -> int:
    """How many segments all of them begin with: what the first and the last in order do."""
    pairs = zip(min(folders), max(folders), strict=False)
    return next((index for index, (one, other) in enumerate(pairs) if one != other), min(map(len, folders)))


def _distinct(urls: Sequence[SplitResult], raw: list[str]) -> list[str]:
    uris = [_decoded(path) for path in raw]
    for spelled in (_decoded, str):
        twice = {uri for uri, count in Counter(uris).items() if count > 1}
        if not twice:
            return uris
        uris = [
            uri if uri not in twice else spelled(path) + _shown_query(url.query)
            for uri, path, url in zip(uris, raw, urls, strict=True)
        ]
    twice = {uri for uri, count in Counter(uris).items() if count > 1}
    if twice:
        raise ConfigError(f"two URLs name the file {min(twice)!r}", remedy="Put them into sources of their own")
    return uris


def _decoded(path: str) -> str:
    try:
        text = unquote(path, errors="strict") if "%" in path else path
    except UnicodeDecodeError:
        return path
    return path if "\0" in text else text


def _shown_query(query: str) -> str:
    return redacted(f"?{query}") if query else ""
