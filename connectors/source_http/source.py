"""The connector: URLs as its configuration or the command line names them."""

import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from file_cdk import ConfigError, Connector, GlobPatterns, Location, ObjectReader, StreamReader, split_member
from source_http.addresses import Addresses, basic_authorization
from source_http.config import BasicCredentials, HttpConfig

_WILDCARD = re.compile(r"[*?\[{]")


def make_reader(config: HttpConfig) -> StreamReader:
    from source_http.store import EPOCH, HttpSettings, HttpStore  # what it imports, `spec` does without

    return ObjectReader(
        HttpStore(
            HttpSettings(
                urls=tuple(config.urls),
                headers=dict(config.headers),
                authorization=_authorization(config),
                skip_missing=config.missing == "skip",
                undated_at=config.start_at or EPOCH,
                base_url=config.base_url,
            )
        )
    )


def _authorization(config: HttpConfig) -> str | None:
    if config.credentials is None:
        return None
    if isinstance(config.credentials, BasicCredentials):
        return basic_authorization(config.credentials.username, config.credentials.password)
    return f"Bearer {config.credentials.token}"


def locate(url: str) -> Location:
    """The file at a URL, or all that a template stands for; after an archive's name and `!`, what is inside.

    Asks no server. Raises ConfigError for patterns, which no HTTP server can be asked for.
    """
    before_query, mark, query = url.partition("?")
    member = split_member(before_query)
    archive, inner = member or (before_query, "")
    if "*" in archive:
        raise ConfigError(
            "HTTP servers cannot be listed, so `*` in a URL means nothing",
            remedy="Use braces, such as {01..12} or {a,b}, or write %2A for an asterisk",
        )
    source = archive + mark + query
    uris = list(Addresses.of([source]).by_uri)
    return Location({"urls": [source]}, _globs(archive, uris, inner), _table_name(archive, uris))


def _globs(archive: str, uris: list[str], inner: str) -> tuple[str, ...]:
    outer = GlobPatterns.escape(uris[0]) if len(uris) == 1 else "**"
    if not inner:
        return (outer,)
    if len(uris) > 1:
        suffixes = PurePosixPath(archive).suffixes
        outer = "**/*" + "".join(suffixes[-2:] if suffixes[-2:-1] == [".tar"] else suffixes[-1:])
    inner = inner.rstrip("/")
    if _WILDCARD.search(inner):
        return (f"{outer}!{inner}",)
    literal = GlobPatterns.escape(inner)
    return f"{outer}!{literal}", f"{outer}!{literal}/**"


def _table_name(archive: str, uris: list[str]) -> str:
    """The file's name, or the last folder before the braces; otherwise the host's."""
    parts = urlsplit(archive.partition("{")[0] if len(uris) > 1 else archive)
    folder, _, name = unquote(parts.path).rpartition("/")
    if len(uris) == 1:
        return PurePosixPath(name).stem
    return PurePosixPath(folder).name or parts.hostname or "files"


def describe_credentials(config: HttpConfig) -> str:
    """In words, without asking any server."""
    found = []
    if any(address.authorization for address in config.addresses.by_uri.values()):
        found.append("user from the URL")
    if isinstance(config.credentials, BasicCredentials):
        found.append(f"user {config.credentials.username!r} from the configuration")
    elif config.credentials is not None:
        found.append("bearer token from the configuration")
    if config.headers:
        found.append(f"header {', '.join(sorted(config.headers))} from the configuration")
    return " and ".join(found) or "anonymous"


connector = Connector(
    name="source-http",
    config_class=HttpConfig,
    make_reader=make_reader,
    locate=locate,
    name_origin=lambda config: config.addresses.root,
    describe_credentials=describe_credentials,
)
