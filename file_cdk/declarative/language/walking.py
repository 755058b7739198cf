"""All components in a resolved manifest, or in a part of one."""

from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str | int, ...]
_NOT_COMPONENTS = frozenset({"$parameters", "config_overrides", "definitions", "metadata", "schema", "schemas", "spec"})


def components(value: Any, path: Path = ()) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Each with its path, those outside before those inside; without what stands in schemas and definitions."""
    if isinstance(value, Mapping):
        if isinstance(value.get("type"), str):
            yield path, value
        for key, each in value.items():
            if key not in _NOT_COMPONENTS:
                yield from components(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from components(each, (*path, index))
