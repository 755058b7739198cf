"""What is done to each record: fields put in, fields taken out."""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Protocol

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.components.transformations import (
    AddedFieldDefinition,
    AddFields,
    RemoveFields,
    Transformation,
)
from file_cdk.declarative.records.paths import Key, Path, matches, put, remove, remove_where
from file_cdk.declarative.records.record import Record, UnfitRecordError, encoded, is_json, plain
from file_cdk.declarative.templates import Condition, Template
from file_cdk.declarative.templates.plain import parse

Scope = Mapping[str, Any]

VALUE_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (float,),
    "integer": (int,),
    "boolean": (bool,),
}
_WILD = "*?["
_SPELLED_TWO_WAYS = re.compile(r'["\\/\x00-\x1f]')


class Change(Protocol):
    """texts: all of its templates."""

    @property
    def texts(self) -> tuple[str, ...]: ...

    def on(self, scope: Scope, /) -> Callable[[Record], None]:
        """What to do with each record of a page. scope: of the page. It raises UnfitRecordError."""


class Addition(msgspec.Struct, frozen=True):
    """spelled: the path's first name, as JSON; None where JSON may spell it otherwise, but for escapes by `\\u`.

    is_fixed: whether the value is the same for all records of a page.
    """

    path: Path
    value: Template
    spelled: bytes | None
    is_fixed: bool


class Additions(msgspec.Struct, frozen=True):
    """One after the other: a template sees what those before it have put in."""

    fields: tuple[Addition, ...]
    condition: Condition | None
    parameters: Mapping[str, Any]
    texts: tuple[str, ...]

    def on(self, scope: Scope) -> Callable[[Record], None]:
        own = {**scope, "parameters": self.parameters}
        fixed = [field.value.value(own) if field.is_fixed else None for field in self.fields]

        def put_in(record: Record) -> None:
            own["record"] = record.seen
            for field, found in zip(self.fields, fixed, strict=True):
                value = found if field.is_fixed else field.value.value(own)
                if self._is_put(field, value, own):
                    _put(record, field, value)

        return self._appending(fixed, put_in)

    def _appending(self, values: list[Any], put_in: Callable[[Record], None]) -> Callable[[Record], None]:
        """The same at once where all fields are outermost ones with the same value in all records of the page."""
        spelled = [field.spelled for field in self.fields if field.spelled and field.is_fixed and len(field.path) == 1]
        if self.condition or len(spelled) < len(self.fields) or not all(map(is_json, values)):
            return put_in
        try:
            members = encoded({field.path[0]: value for field, value in zip(self.fields, values, strict=True)})[1:]
        except UnfitRecordError:  # which each record is rejected with
            return put_in

        def append(record: Record) -> None:
            if record.seen is not None or not record.append(spelled, members):
                put_in(record)

        return append

    def _is_put(self, field: Addition, value: Any, scope: Scope) -> bool:
        return self.condition is None or self.condition.holds({**scope, "value": value, "path": list(field.path)})


def _put(record: Record, field: Addition, value: Any) -> None:
    if not is_json(value):
        raise UnfitRecordError(f"would get a value at {'.'.join(field.path)!r} that JSON has not")
    if len(field.path) == 1 and field.spelled is not None:
        record.set(field.path[0], field.spelled, _own(value))
    else:
        put(record.members, field.path, _own(value))
    if record.seen is not None:
        put(record.seen, field.path, _own(value))


def _own(value: Any) -> Any:
    """Of a container a copy: what is changed in one record, or in what templates see of it, is changed there alone."""
    return deepcopy(value) if isinstance(value, dict | list) else value


class Removals(msgspec.Struct, frozen=True):
    """With a condition, each value that it holds for goes, wherever it is; without, what the pointers lead to."""

    pointers: tuple[Path, ...]
    condition: Condition | None
    texts: tuple[str, ...]

    def on(self, scope: Scope) -> Callable[[Record], None]:
        def take_out(record: Record) -> None:
            trees = [record.members] if record.seen is None else [record.members, record.seen]
            for tree in trees:
                for pointer in self.pointers:
                    self._remove(tree, pointer, scope)

        return take_out

    def _remove(self, tree: dict[str, Any], pointer: Path, scope: Scope) -> None:
        condition = self.condition

        def is_pointed_at(path: tuple[Key, ...], _: Any) -> bool:
            return matches(path, pointer)

        def holds(_: tuple[Key, ...], value: Any) -> bool:
            if isinstance(value, dict | list):
                return False
            assert condition
            return condition.holds({"config": scope["config"], "parameters": {}, "property": plain(value)})

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
        fields = tuple(_addition(field, f"{where}.fields[{n}].value") for n, field in enumerate(component.fields))
        texts = tuple(field.value for field in component.fields)
        return Additions(fields, condition, component.parameters, (*texts, component.condition))
    if isinstance(component, RemoveFields):
        for pointer in component.field_pointers:
            if pointer.count("**") > 1:
                raise ConfigError(f"{where}: a field pointer has `**` twice")
        condition = Condition(component.condition, f"{where}.condition") if component.condition else None
        return Removals(component.field_pointers, condition, (component.condition,))
    raise ConfigError(f"{where}: the transformation {type(component).__name__} is not supported yet")


def _addition(field: AddedFieldDefinition, where: str) -> Addition:
    value = Template(field.value, where, VALUE_TYPES.get(field.value_type or ""))
    # What is no plain look-up may be another value each time, such as the time.
    is_fixed = parse(field.value) is not None and "record" not in value.names
    spelled = None if _SPELLED_TWO_WAYS.search(field.path[0]) else msgspec.json.encode(field.path[0])
    return Addition(field.path, value, spelled, is_fixed)
