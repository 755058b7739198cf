"""Mappings and lists with templates in them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.templates.literals import Types
from file_cdk.declarative.templates.template import Scope, Template


def compiled(
    anything: Any, where: str, *, key_types: Types | None = None, value_types: Types | None = None
) -> "Compiled":
    """A text, or mappings and lists of texts and anything else.

    key_types, value_types: see `Template.types`; what goes into a URL or a header has `(str,)` and `(str, list)`, so that
    `1.10` stays as it is.
    """
    if isinstance(anything, str):
        content: Any = Template(anything, where, value_types)
    else:
        content = _compiled(anything, where, key_types, value_types)
    return Compiled(content, _is_of_configuration(content))


class Compiled(msgspec.Struct, frozen=True):
    """is_of_configuration: see Template."""

    content: Any
    is_of_configuration: bool

    def value(self, scope: Scope) -> Any:
        """An entry of a mapping is left out where its value is None, comes to an empty text, or is looked up in what is
        not there. A text that is not part of anything is evaluated as a Template of its own."""
        if isinstance(self.content, Template):
            return self.content.value(scope)
        return _value(self.content, scope)


class _Entries(msgspec.Struct, frozen=True):
    entries: tuple[tuple[Any, Any], ...]


def _compiled(anything: Any, where: str, key_types: Types | None, value_types: Types | None) -> Any:
    if isinstance(anything, str):
        return _constant(Template(anything, where, value_types))
    if isinstance(anything, Mapping):
        entries = []
        for key, value in anything.items():
            compiled_key = _constant(Template(key, where, key_types)) if isinstance(key, str) else key
            entries.append((compiled_key, _compiled(value, f"{where}.{key}", key_types, value_types)))
        return _Entries(tuple(entries))
    if isinstance(anything, list | tuple):
        return [_compiled(value, f"{where}[{n}]", key_types, value_types) for n, value in enumerate(anything)]
    return anything


def _is_of_configuration(content: Any) -> bool:
    if isinstance(content, Template):
        return content.is_of_configuration
    if isinstance(content, _Entries):
        return all(_is_of_configuration(each) for entry in content.entries for each in entry)
    return not isinstance(content, list) or all(map(_is_of_configuration, content))


def _constant(template: Template) -> Any:
    """Its value, where it has no expression: most are names of parameters."""
    return template.value_or_none({}) if template.is_constant else template


def _value(content: Any, scope: Scope) -> Any:
    if isinstance(content, Template):
        return content.value_or_none(scope)
    if isinstance(content, list):
        return [_value(part, scope) for part in content]
    if not isinstance(content, _Entries):
        return content
    values = {}
    for key, part in content.entries:
        if (value := _value(part, scope)) is not None:
            values[_key(key, scope)] = value
    return values


def _key(key: Any, scope: Scope) -> Any:
    value = key.value_or_none(scope) if isinstance(key, Template) else key
    if isinstance(value, list | dict | set) or (value is None and isinstance(key, Template)):
        name = key.expression if isinstance(key, Template) else key
        raise ConfigError(f"the key {name!r} comes to a value that is no key")
    return value
