"""The connector: URLs as its configuration or the command line names them."""

import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import Field, field_validator
from source_http.addresses import name_files

from file_cdk import (
    ConfigError,
    Connector,
    GlobPatterns,
    Location,
    ObjectReader,
    SourceConfig,
    StreamReader,
    redacted,
    split_member,
)

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_WILDCARD = re.compile(r"[*?\[{]")
_LINE_END = re.compile(r"[\r\n\0]|%0[ad0]", re.IGNORECASE)


class SmartOpenConfig(SourceConfig):
    """Configuration of source-smart-open."""

    urls: list[str] = Field(
        title="URLs",
        description="URLs of the files, each as smart_open takes it, such as ftp://user:password@host/path/a.csv.",
        min_length=1,
        repr=False,
    )
    transport_params: dict[str, Any] = Field(
        default_factory=dict,
        title="Transport Parameters",
        description="What smart_open is to be given as transport_params, as far as JSON can say it.",
        repr=False,
        json_schema_extra={"airbyte_secret": True},
    )

    @field_validator("urls")
    @classmethod
    def _name_files(cls, value: list[str]) -> list[str]:
        for url in value:
            if not _SCHEME.match(url):
                raise ValueError(f"{redacted(url)!r} is no URL with a scheme")
            if _LINE_END.search(url):
                raise ValueError(f"{redacted(url)!r} has a line end or a null character in it")
            if not _parts(url).path.rpartition("/")[2]:
                raise ValueError(f"{redacted(url)!r} names no file: folders cannot be listed")
        urls = list(dict.fromkeys(value))
        try:
            name_files([urlsplit(url) for url in urls])
        except ConfigError as exc:
            raise ValueError(str(exc)) from None
        return urls


def _parts(url: str) -> Any:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(f"{redacted(url)!r} is no URL") from None
    return parts


def make_reader(config: SmartOpenConfig) -> StreamReader:
    from source_smart_open.store import EPOCH, SmartOpenSettings, SmartOpenStore  # `spec` does without

    settings = SmartOpenSettings(tuple(config.urls), dict(config.transport_params), config.start_at or EPOCH)
    return ObjectReader(SmartOpenStore(settings))


def locate(url: str) -> Location:
    """The file at a URL; after an archive's name and `!`, what is inside. Asks no server. Raises ConfigError for patterns,
    since smart_open lists nothing."""
    archive, inner = split_member(url) or (url, "")
    if _WILDCARD.search(archive):
        raise ConfigError(
            f"{redacted(archive)}: files cannot be listed here, so patterns mean nothing",
            remedy="List the URLs in a YAML file with the source's configuration",
        )
    parts = urlsplit(archive)
    if not parts.path.rpartition("/")[2]:
        raise ConfigError(f"{redacted(archive)} names no file", remedy="Folders cannot be listed: name the file itself")
    _, [uri] = name_files([parts])
    outer = GlobPatterns.escape(uri)
    globs: tuple[str, ...] = (outer,)
    if inner := inner.rstrip("/"):
        literal = GlobPatterns.escape(inner)
        globs = (f"{outer}!{inner}",) if _WILDCARD.search(inner) else (f"{outer}!{literal}", f"{outer}!{literal}/**")
    return Location({"urls": [archive]}, globs, PurePosixPath(unquote(parts.path)).stem)


def describe_credentials(config: SmartOpenConfig) -> str:
    found = sorted({f"user {unquote(user)!r} from the URL" for url in config.urls if (user := urlsplit(url).username)})
    if config.transport_params:
        found.append("transport_params from the configuration")
    return " and ".join(found) or "anonymous"


connector = Connector(
    name="source-smart-open",
    config_class=SmartOpenConfig,
    make_reader=make_reader,
    locate=locate,
    name_origin=lambda config: name_files([urlsplit(url) for url in config.urls])[0],
    describe_credentials=describe_credentials,
)
