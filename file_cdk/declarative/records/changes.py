"""What is done to each record: fields put in, fields taken out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.components.transformations import AddFields, RemoveFields, Transformation
from file_cdk.declarative.records.paths import Key, Path, matches, put, remove, remove_where
from file_cdk.declarative.records.record import Record, UnfitRecordError, decoded, is_json
from file_cdk.declarative.templates import Condition, Template

Scope = dict[str, Any]

VALUE_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (float,),
    "integer": (int,),
    "boolean": (bool,),
}
_WILD = "*?["


class Change(Protocol):
    """texts: all of its templates."""

    @property
    def texts(self) -> tuple[str, ...]: ...

    def apply(self, record: Record, scope: Scope, /) -> None:
        """scope: of the page, with `record`. Raises UnfitRecordError."""


@dataclass(frozen=True, slots=True)
class Addition:
    path: Path
    value: Template


@dataclass(frozen=True, slots=True)
class Additions:
    """One after the other: a template sees what those before it have put in."""

    fields: tuple[Addition, ...]
    condition: Condition | None
    parameters: Mapping[str, Any]
    texts: tuple[str, ...]

    def apply(self, record: Record, scope: Scope) -> None:
        scope = {**scope, "parameters": self.parameters}
        for field in self.fields:
            value = field.value.value(scope)
            if self.condition and not self.condition.holds({**scope, "value": value, "path": list(field.path)}):
                continue
            if not is_json(value):
                raise UnfitRecordError(f"would get a value at {'.'.join(field.path)!r} that JSON has not")
            put(record.members, field.path, value)
            put(record.seen, field.path, value)


@dataclass(frozen=True, slots=True)
class Removals:
    """With a condition, each value that it holds for goes, wherever it is; without, what the pointers lead to."""

    pointers: tuple[Path, ...]
    condition: Condition | None
    texts: tuple[str, ...]

    def apply(self, record: Record, scope: Scope) -> None:
        for tree in (record.members, record.seen):
            for pointer in self.pointers:
                self._remove(tree, pointer, scope)

    def _remove(self, tree: dict[str, Any], pointer: Path, scope: Scope) -> None:
        condition = self.condition

        def is_pointed_at(path: tuple[Key, ...], _: Any) -> bool:
            return matches(path, pointer)

        def holds(_: tuple[Key, ...], value: Any) -> bool:
            if isinstance(value, dict | list):
                return False
            value = decoded(bytes(value)) if isinstance(value, msgspec.Raw) else value
            assert condition
            return condition.holds({"config": scope["config"], "parameters": {}, "property": value})

        if condition:
            remove_where(tree, holds)
        elif any(sign in part for part in pointer for sign in _WILD):
            remove_where(tree, is_pointed_at)
        else:
            remove(tree, pointer)


def change(component: Transformation, where: str) -> Change:
    """Raises ConfigError for a transformation that is not known yet."""
    if isinstance(component, AddFields):
        condition = Condition(component.condition, f"{where}.condition") if component.condition else None
        fields = tuple(
            Addition(
                field.path, Template(field.value, f"{where}.fields[{n}].value", VALUE_TYPES.get(field.value_type or ""))
            )
            for n, field in enumerate(component.fields)
        )
        texts = tuple(field.value for field in component.fields)
        return Additions(fields, condition, component.parameters, (*texts, component.condition))
    if isinstance(component, RemoveFields):
        for pointer in component.field_pointers:
            if pointer.count("**") > 1:
                raise ConfigError(f"{where}: a field pointer has `**` twice")
        condition = Condition(component.condition, f"{where}.condition") if component.condition else None
        return Removals(component.field_pointers, condition, (component.condition,))
    raise ConfigError(f"{where}: the transformation {type(component).__name__} is not supported yet")
