"""What a configuration of source-smart-open holds."""

import re
from typing import Any
from urllib.parse import urlsplit

from source_http.addresses import name_files

from file_cdk import ConfigError, Field, SourceConfig, field_validator, redacted

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
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
