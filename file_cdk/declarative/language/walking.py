"""All components in a resolved manifest, or in a part of one, where its types have components."""

from collections.abc import Iterator, Mapping
from typing import Any

from file_cdk.declarative.language.registry import Taken, component_types, fields_of

Path = tuple[str | int, ...]
Found = Iterator[tuple[Path, Mapping[str, Any]]]


def components(value: Mapping[str, Any], path: Path = ()) -> Found:
    """value: a component. Each that has a `type`, with its path, those outside before those inside; not what stands in one of a
    type that does not exist, in a component of custom code, or in a mapping that is a user's own (a request's body, a schema)."""
    kind = value.get("type")
    if isinstance(kind, str):
        yield path, value
        yield from _inside(kind, value, path)


def _inside(kind: str, value: Mapping[str, Any], path: Path) -> Found:
    fields = fields_of(kind) if kind in component_types() else {}
    for name, field in fields.items():
        if name in value:
            yield from _in(field.taken, value[name], (*path, name))


def _in(taken: Taken, value: Any, path: Path) -> Found:
    if isinstance(value, dict):
        if taken.components and isinstance(value.get("type"), str):
            yield from components(value, path)
        elif len(taken.components) == 1:
            yield from _inside(taken.components[0], value, path)
        elif taken.values is not None:
            for key, each in value.items():
                yield from _in(taken.values, each, (*path, key))
    elif isinstance(value, list) and taken.items is not None:
        for index, each in enumerate(value):
            yield from _in(taken.items, each, (*path, index))
