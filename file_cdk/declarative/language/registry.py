"""All types of components by their names, what fields each has, and what these take."""

import types
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, overload

import msgspec

from file_cdk.core.errors import ManifestError
from file_cdk.declarative.components.component import Component

_MODULES = (
    "authenticators",
    "budgets",
    "cursors",
    "custom",
    "errors",
    "later",
    "paging",
    "requesters",
    "selection",
    "slicing",
    "spec",
    "streams",
    "transformations",
)
_C = TypeVar("_C", bound=Component)

SCALARS: Mapping[type, str] = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
"""How kinds of values are called, by the class that stands for them in annotations."""


class Taken(msgspec.Struct, frozen=True):
    """What a field, an item or a value takes. anything: all of JSON.

    scalars: of SCALARS. literals: texts, and no others. components: names of types; `type` says which it is,
    unless there is one. items, values: of a list, of a mapping with names of its own; None where no such thing is taken.
    """

    anything: bool = False
    scalars: tuple[type, ...] = ()
    literals: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    items: "Taken | None" = None
    values: "Taken | None" = None


class ComponentField(msgspec.Struct, frozen=True):
    name: str
    taken: Taken
    required: bool


@cache
def component_types() -> Mapping[str, type[msgspec.Struct]]:
    """By the name that `type` has in a manifest, in the order of the alphabet."""
    found: dict[str, type[msgspec.Struct]] = {}
    for module in _MODULES:
        for value in vars(import_module(f"file_cdk.declarative.components.{module}")).values():
            if isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__module__.endswith(module):
                found[_name(value)] = value
    del found["CustomComponent"]
    return dict(sorted(found.items()))


@cache
def fields_of(name: str) -> Mapping[str, ComponentField]:
    """Of a component of that type, without `type` and `$parameters`, as its class has them. Raises KeyError."""
    fields = msgspec.structs.fields(component_types()[name])
    return {
        field.encode_name: ComponentField(field.encode_name, _taken(field.type), field.required)
        for field in fields
        if field.name != "parameters"
    }


def _name(component: type[msgspec.Struct]) -> str:
    return str(component.__struct_config__.tag or component.__name__)


def is_typed(name: str) -> bool:
    """Whether `type` may be written in a component of that name."""
    return issubclass(component_types()[name], Component)


def takes_more_fields(name: str) -> bool:
    """Whether a component has fields of its own that no class knows."""
    return name.startswith("Custom")


@overload
def decoded(raw: Mapping[str, Any], expected: type[_C], *, stream: str | None = None) -> _C: ...


@overload
def decoded(raw: Mapping[str, Any], *, stream: str | None = None) -> Any: ...


def decoded(raw: Mapping[str, Any], expected: Any = None, *, stream: str | None = None) -> Any:
    """The component that a resolved mapping says it is. expected: its class; of any type without.

    Raises ManifestError, which names the type, the field and the stream; `mistakes` tells more, and the line.
    """
    known = component_types()
    kind = raw.get("type")
    target: Any = expected or known.get(str(kind))
    if target is None:
        raise ManifestError(f"there is no component of the type {kind!r}", stream=stream)
    try:
        return msgspec.convert(raw, target)
    except msgspec.ValidationError as exc:
        message, _, path = str(exc).partition(" - at ")
        at = f"{kind}{path.strip('`').removeprefix('$')}" if path else str(kind)
        raise ManifestError(f"{at}: {message[:1].lower()}{message[1:]}", stream=stream) from None


def _taken(hint: Any) -> Taken:
    if hint is Any:
        return Taken(anything=True)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        named = next((each.extra["types"] for each in arguments[1:] if each.extra and "types" in each.extra), None)
        return _taken(arguments[0]) if named is None else Taken(components=tuple(named))
    if origin in (Union, types.UnionType):
        return _together([_taken(each) for each in arguments if each is not type(None)])
    if origin is Literal:
        return Taken(literals=tuple(map(str, arguments)))
    if origin in (list, tuple):
        return Taken(items=_taken(arguments[0]))
    if origin is dict:
        return Taken(values=_taken(arguments[1]))
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return Taken(components=(_name(hint),))
    if hint in SCALARS:
        return Taken(scalars=(hint,))
    raise TypeError(f"no field of a component can be {hint!r}")


def _together(kinds: list[Taken]) -> Taken:
    if len(kinds) == 1:
        return kinds[0]
    items = [each.items for each in kinds if each.items]
    values = [each.values for each in kinds if each.values]
    return Taken(
        any(each.anything for each in kinds),
        tuple(dict.fromkeys(one for each in kinds for one in each.scalars)),
        tuple(dict.fromkeys(one for each in kinds for one in each.literals)),
        tuple(dict.fromkeys(one for each in kinds for one in each.components)),
        _together(items) if items else None,
        _together(values) if values else None,
    )
