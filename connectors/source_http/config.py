"""What a configuration of source-http holds."""

import re
from typing import Literal

from file_cdk import (
    ConfigError,
    ConfigModel,
    Field,
    SourceConfig,
    field_validator,
    model_validator,
    secret_field,
)
from source_http.addresses import Addresses

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PRINTABLE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OURS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "host",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "range",
        "transfer-encoding",
    }
)
"""Headers that say which bytes of which version are wanted, and how they travel."""


class BasicCredentials(ConfigModel):
    auth_type: Literal["basic"] = "basic"
    username: str = Field(title="Username", description="Name to log in with.", min_length=1)
    password: str = secret_field("Password", "Password to log in with.", "")


class BearerCredentials(ConfigModel):
    auth_type: Literal["bearer"] = "bearer"
    token: str = secret_field("Token", "Token to send with every request.", min_length=1)

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, value: str) -> str:
        if not _PRINTABLE.fullmatch(value):
            raise ValueError("cannot have line ends or characters beyond Latin-1 in it")
        return value


Credentials = BasicCredentials | BearerCredentials


class HttpConfig(SourceConfig):
    """Configuration of source-http."""

    urls: list[str] = Field(
        title="URLs",
        description=(
            "URLs of the files. Braces stand for several: https://host/data/{2023..2024}-{01..12}.csv.gz; at most 100,000 "
            "in all."
        ),
        min_length=1,
        repr=False,
    )
    base_url: str | None = Field(
        default=None,
        title="Base URL",
        description=(
            "Folder that the files' paths are relative to; by default the lowest one that has them all, which is another "
            "when URLs are added elsewhere."
        ),
        repr=False,
    )
    credentials: Credentials | None = Field(
        default=None, title="Credentials", description="How to log in; by default not at all.", repr=False
    )
    headers: dict[str, str] = Field(
        default_factory=dict,
        title="Headers",
        description="Headers to send with every request to the hosts of the URLs, but not to where these redirect.",
        repr=False,
        json_schema_extra={"additionalProperties": {"type": "string", "airbyte_secret": True}},
    )
    missing: Literal["fail", "skip"] = Field(
        default="fail",
        title="Missing Files",
        description="What to do about a URL with braces in it for which the server has no file.",
    )

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"{name!r} cannot be the name of a header")
            if name.lower() in _OURS:
                raise ValueError(f"{name} is set by the connector")
            if not _PRINTABLE.fullmatch(text):
                raise ValueError(f"the value of {name} cannot have line ends or characters beyond Latin-1 in it")
        return value

    @model_validator(mode="after")
    def _files_have_names(self) -> None:
        try:
            _ = self.addresses
        except ConfigError as exc:
            raise ValueError(f"urls: {exc}") from None

    @property
    def addresses(self) -> Addresses:
        return Addresses.of(self.urls, self.base_url)
