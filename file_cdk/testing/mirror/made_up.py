"""Records made up from a JSON Schema: a function of it and a seed alone."""

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

Path = tuple[str, ...]

_DEEPEST = 6
_WORDS = ("plain", "two words", 'a "quoted" one', "Zürich", "back\\slash", "line\nbreak", "日本", "tab\there", "")


def made_up(schema: Mapping[str, Any], seed: str, whole: frozenset[Path]) -> dict[str, Any]:
    """whole: paths that are neither null nor missing. Where the schema allows both, some others are; texts have quotes, line
    breaks and letters of several scripts in them."""
    value = _object(schema, seed, (), whole)
    return value if isinstance(value, dict) else {}


def put(record: dict[str, Any], path: Path, value: Any) -> None:
    """Makes the mappings above it; those that are there are copied, because others may have them too."""
    for key in path[:-1]:
        below = record.get(key)
        record[key] = dict(below) if isinstance(below, dict) else {}
        record = record[key]
    record[path[-1]] = value


def taken(record: Any, path: Sequence[str]) -> Any:
    """What stands there, or None."""
    for key in path:
        if not isinstance(record, dict):
            return None
        record = record.get(key)
    return record


def types_at(schema: Mapping[str, Any], path: Sequence[str]) -> set[str]:
    """The types that the schema allows there, null among them; none where it says nothing."""
    for key in path:
        schema = _plain(schema).get("properties", {}).get(key, {})
    return set(_types(_plain(schema)))


def number_of(seed: str, below: int) -> int:
    return crc32(seed.encode()) % below


def _value(schema: Mapping[str, Any], seed: str, path: Path, whole: frozenset[Path]) -> Any:
    schema = _plain(schema)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        choices = [choice for choice in schema["enum"] if choice is not None]
        return choices[number_of(seed, len(choices))] if choices else None
    kinds = [kind for kind in _types(schema) if kind != "null"] or ["string"]
    match kinds[0]:
        case "object":
            return _object(schema, seed, path, whole)
        case "array":
            count = 1 + number_of(seed, 2) if len(path) < _DEEPEST else 0
            items = schema.get("items")
            item = items if isinstance(items, Mapping) else {"type": "string"}
            return [_value(item, f"{seed}/{index}", (*path, str(index)), whole) for index in range(count)]
        case "integer":
            return number_of(seed, 100_000)
        case "number":
            return number_of(seed, 10_000_000) / 100
        case "boolean":
            return number_of(seed, 2) == 1
        case _:
            return _text(schema, seed, path)


def _object(schema: Mapping[str, Any], seed: str, path: Path, whole: frozenset[Path]) -> dict[str, Any]:
    if len(path) > _DEEPEST:
        return {}
    value: dict[str, Any] = {}
    required = schema.get("required") or ()
    for name, field in (schema.get("properties") or {}).items():
        here = (*path, name)
        below = f"{seed}/{name}"
        luck = number_of(below + "?", 13)
        if here not in whole and "null" in _types(_plain(field)) and luck < 2:
            if luck == 0 or name in required:
                value[name] = None
            continue
        value[name] = _value(field, below, here, whole)
    return value


def _text(schema: Mapping[str, Any], seed: str, path: Path) -> str:
    number = number_of(seed, 1_000_000)
    day = f"2024-{1 + number % 12:02}-{1 + number % 28:02}"
    match schema.get("format"):
        case "date-time":
            return f"{day}T{number % 24:02}:{number % 60:02}:{number % 59:02}Z"
        case "date":
            return day
        case "time":
            return f"{number % 24:02}:{number % 60:02}:00"
        case "email":
            return f"someone{number}@example.org"
        case "uri" | "url":
            return f"https://example.org/{number}"
        case "uuid":
            return f"{number:08x}-0000-4000-8000-{number:012x}"
        case _:
            return f"{_WORDS[number % len(_WORDS)]} {path[-1] if path else ''} {number}"


def _plain(schema: Any) -> Mapping[str, Any]:
    """The first alternative that is not null, where there are several."""
    if not isinstance(schema, Mapping):
        return {}
    for several in ("anyOf", "oneOf", "allOf"):
        for choice in schema.get(several) or ():
            if isinstance(choice, Mapping) and choice.get("type") != "null":
                return _plain(choice)
    return schema


def _types(schema: Mapping[str, Any]) -> list[str]:
    kinds = schema.get("type")
    if kinds is None:
        return ["object"] if "properties" in schema else []
    return [kinds] if isinstance(kinds, str) else list(kinds)
