"""Values made those that a JSON Schema names, where they can be; one that cannot stays as it is."""

from collections.abc import Callable, Mapping
from typing import Any

from file_cdk.declarative.records.record import Record, is_json, plain

_YES = ("y", "yes", "t", "true", "on", "1")
_NO = ("n", "no", "f", "false", "off", "0")
_SCALARS = ("string", "number", "integer", "boolean", "null")
_MOST_REFERENCES = 100


class SchemaTypes:
    """schema: of the stream. Picklable."""

    texts: tuple[str, ...] = ()

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema

    def on(self, _scope: Mapping[str, Any]) -> Callable[[Record], None]:
        return self._fit

    def _fit(self, record: Record) -> None:
        """What is a value of its type already keeps its bytes."""
        for name, wanted in _mapping(self._resolved(self._schema), "properties").items():
            if name not in record.members:
                continue
            value = plain(record.members[name])
            made = self._made(value, wanted)
            if not _is_same(made, value) and is_json(made):
                record.members[name] = made

    def _made(self, value: Any, schema: Any) -> Any:
        """The value converted, then what is in it."""
        if not isinstance(schema, Mapping):
            return value
        value = _converted(value, schema)
        schema = self._resolved(schema)
        if isinstance(value, dict):
            properties = _mapping(schema, "properties")
            return {name: self._made(each, properties.get(name)) for name, each in value.items()}
        if isinstance(value, list):
            items = schema.get("items")
            return [self._made(each, items) for each in value]
        return value

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a `$ref` in it stands for."""
        for _ in range(_MOST_REFERENCES):
            reference = schema.get("$ref")
            if not isinstance(reference, str) or not reference.startswith("#"):
                return schema
            found: Any = self._schema
            for part in reference.removeprefix("#").split("/")[1:]:
                found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
            if not isinstance(found, Mapping):
                return {}
            schema = found
        return {}


def _mapping(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = schema.get(name)
    return found if isinstance(found, Mapping) else {}


def _converted(value: Any, schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type", [])
    if value is None and "null" in kind:
        return None
    if isinstance(kind, list):
        kinds = [each for each in kind if each != "null"]
        if len(kinds) != 1:
            return value
        kind = kinds[0]
    if kind == "array":
        return _as_array(value, schema)
    convert = _CONVERSIONS.get(kind)
    if convert is None:
        return value
    try:
        return convert(value)
    except (ValueError, TypeError, OverflowError):
        return value


def _as_array(value: Any, schema: Mapping[str, Any]) -> Any:
    items = schema.get("items")
    kinds = items.get("type", ()) if isinstance(items, Mapping) else ()
    # A text is taken letter by letter, as the conversions of others do: so only a list of types is one.
    if set(kinds).issubset(_SCALARS) and isinstance(value, str | int | float | type(None)):
        return [value]
    return value


def _as_boolean(value: Any) -> bool:
    if not isinstance(value, str):
        return bool(value)
    word = value.lower().strip()
    if word in _YES or word in _NO:
        return word in _YES
    raise ValueError


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "string": str,
    "number": float,
    "integer": int,
    "boolean": _as_boolean,
}


def _is_same(made: Any, value: Any) -> bool:
    if type(made) is not type(value):
        return False
    if isinstance(made, dict):
        return made.keys() == value.keys() and all(_is_same(made[name], value[name]) for name in made)
    if isinstance(made, list):
        return len(made) == len(value) and all(map(_is_same, made, value))
    return bool(made == value)
