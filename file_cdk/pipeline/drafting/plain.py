"""A valid configuration as plain values: what differs from the default, and references to environment variables in place of
secrets."""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

from file_cdk.core.config import StreamConfig
from file_cdk.core.config.model import ConfigModel, fields_of
from file_cdk.core.config.values import OneOf
from file_cdk.core.uris import redacted

_ALWAYS = frozenset({"globs", "format"})
"""Of a stream: what says what it is."""

_NAMES_A_VARIABLE = ("columns", "salt")
"""Where the text of a variable's name is what is wanted. Anywhere else `$${` stands for `${`."""

_NO_NAME = re.compile(r"[^A-Z0-9]+")


class Referring:
    """References to environment variables, one for each secret. variables: their names -> where each secret was.

    prefix: how the variables' names begin, but for those of fields whose names begin as the variables of an SDK do.
    """

    def __init__(self, prefix: str) -> None:
        self.variables: dict[str, str] = {}
        self._prefix = prefix

    def reference(self, path: tuple[str, ...]) -> str:
        name = variable_of(self._prefix, path[-1])
        free, number = name, 1
        while free in self.variables:
            number += 1
            free = f"{name}_{number}"
        self.variables[free] = ".".join(path)
        return f"${{{free}}}"


def variable_of(prefix: str, field: str) -> str:
    """`SFTP_PASSWORD` for `password` of sftp; `AWS_SECRET_ACCESS_KEY` for the field that is called so."""
    name = _NO_NAME.sub("_", field.upper()).strip("_")
    prefix = _NO_NAME.sub("_", prefix.upper()).strip("_")
    return name if name.startswith(("AWS_", "AZURE_", "GOOGLE_", f"{prefix}_")) else f"{prefix}_{name}"


def plain(model: ConfigModel, referring: Referring, path: tuple[str, ...] = ()) -> dict[str, Any]:
    """In the order of the class's fields."""
    found: dict[str, Any] = {}
    for name, field in fields_of(type(model)).items():
        value = getattr(model, name)
        is_tag = isinstance(field.kind, OneOf) and len(field.kind.values) == 1
        is_needed = field.spec.required or is_tag or (isinstance(model, StreamConfig) and name in _ALWAYS)
        if not is_needed and (value is None or value == field.spec.default_value()):
            continue
        is_secret = bool(field.spec.json_schema_extra.get("airbyte_secret"))
        found[name] = _plain(value, is_secret, referring, (*path, name))
    unknown = {name: value for name, value in vars(model).items() if name not in fields_of(type(model))}
    return found | {name: _plain(value, False, referring, (*path, name)) for name, value in unknown.items()}


def _plain(value: Any, is_secret: bool, referring: Referring, path: tuple[str, ...]) -> Any:
    match value:
        case ConfigModel():
            return plain(value, referring, path)
        case Enum():
            return value.value
        case str():
            if value and (is_secret or redacted(value) != value):
                return referring.reference(path)
            return value if path[-2:] == _NAMES_A_VARIABLE else literal(value)
        case frozenset():
            return sorted(value)
        case Mapping():
            return {key: _plain(each, is_secret, referring, (*path, key)) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each, is_secret, referring, path) for each in value]
    return value


def literal(value: Any) -> Any:
    """Plain values of which no text is taken for a reference."""
    match value:
        case str():
            return value.replace("${", "$${")
        case Mapping():
            return {key: literal(each) for key, each in value.items()}
        case list():
            return list(map(literal, value))
    return value


def secrets_of(model: type[ConfigModel]) -> list[str]:
    """The fields of the class itself that hold secrets."""
    return [name for name, field in fields_of(model).items() if field.spec.json_schema_extra.get("airbyte_secret")]
