"""A user's configuration against the JSON Schema that a manifest's spec has for it: all that is wrong, and no value of it.

The keywords of draft 7 that say which values are valid. `format` says nothing, as with validators that are not told to look at
it, and `default` is for forms: it fills nothing in. (jsonschema takes 190 ms to import, and shows values in what it says.)
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from file_cdk.core.errors import ConfigError

Json = Mapping[str, Any]
_INTERNAL = frozenset({"_limit", "_page_size"})
_MAX_FAULTS = 20


def check_configuration(config: Json, schema: Json) -> None:
    """Raises ConfigError that names the fields at fault. Keys that begin with `__`, `_limit` and `_page_size` are internal."""
    check_value(
        {key: value for key, value in config.items() if key not in _INTERNAL and not key.startswith("__")}, schema
    )


def check_value(value: Any, schema: Json, at: str = "") -> None:
    """at: where in the configuration it is. Raises ConfigError that names what is at fault."""
    faults = _first(_faults(value, schema, at), _MAX_FAULTS)
    told = [f"{place or 'config'}: {message}" for place, message in faults]
    if told:
        raise ConfigError(f"invalid configuration: {'; '.join(dict.fromkeys(told))}")


Fault = tuple[str, str]
"""Where, with dots and brackets, and what."""


def is_valid(value: Any, schema: Any) -> bool:
    return next(_faults(value, schema, ""), None) is None


def _first(faults: Iterator[Fault], most: int) -> Iterator[Fault]:
    for fault, _ in zip(faults, range(most), strict=False):
        yield fault


def _faults(value: Any, schema: Any, at: str) -> Iterator[Fault]:
    if schema is False:
        yield at, "is not taken"
    if not isinstance(schema, Mapping):
        return
    for keyword, rule in schema.items():
        look = _KEYWORDS.get(keyword)
        if look is not None and isinstance(rule, _RULES.get(keyword, object)):
            yield from look(value, rule, schema, at)


def _kind(value: Any, rule: Any, _: Json, at: str) -> Iterator[Fault]:
    names = [rule] if isinstance(rule, str) else rule
    if not any(_is_of_type(value, name) for name in names):
        yield at, f"must be {' or '.join(map(str, names))}"


def _required(value: Any, rule: Any, _: Json, at: str) -> Iterator[Fault]:
    if isinstance(value, Mapping):
        for name in rule:
            if name not in value:
                yield _below(at, name), "is missing"


def _properties(value: Any, rule: Json, _: Json, at: str) -> Iterator[Fault]:
    if isinstance(value, Mapping):
        for name, schema in rule.items():
            if name in value:
                yield from _faults(value[name], schema, _below(at, name))


def _additional(value: Any, rule: Any, schema: Json, at: str) -> Iterator[Fault]:
    if not isinstance(value, Mapping):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name in value:
        if name not in known and not any(_is_found(pattern, name) for pattern in patterns):
            if rule is False:
                yield _below(at, name), "is no field of the configuration"
            else:
                yield from _faults(value[name], rule, _below(at, name))


def _by_pattern(value: Any, rule: Json, _: Json, at: str) -> Iterator[Fault]:
    if isinstance(value, Mapping):
        for pattern, schema in rule.items():
            for name in value:
                if _is_found(pattern, name):
                    yield from _faults(value[name], schema, _below(at, name))


def _items(value: Any, rule: Any, schema: Json, at: str) -> Iterator[Fault]:
    if not isinstance(value, list):
        return
    for index, each in enumerate(value):
        one = rule
        if isinstance(rule, list):
            one = rule[index] if index < len(rule) else schema.get("additionalItems", True)
        yield from _faults(each, one, f"{at}[{index}]")


def _contains(value: Any, rule: Any, _: Json, at: str) -> Iterator[Fault]:
    if isinstance(value, list) and not any(is_valid(each, rule) for each in value):
        yield at, "has no item of the kind that it must have"


def _choice(value: Any, rule: list[Any], _: Json, at: str) -> Iterator[Fault]:
    if not any(_is_same(value, each) for each in rule):
        yield at, f"must be one of {', '.join(map(repr, rule))}"


def _constant(value: Any, rule: Any, _: Json, at: str) -> Iterator[Fault]:
    if not _is_same(value, rule):
        yield at, f"must be {rule!r}"


def _pattern(value: Any, rule: str, _: Json, at: str) -> Iterator[Fault]:
    if isinstance(value, str) and not _is_found(rule, value):
        yield at, f"does not match the pattern {rule!r}"


def _all_of(value: Any, rule: list[Any], _: Json, at: str) -> Iterator[Fault]:
    for each in rule:
        yield from _faults(value, each, at)


def _any_of(value: Any, rule: list[Any], _: Json, at: str) -> Iterator[Fault]:
    if not any(is_valid(value, each) for each in rule):
        yield from _nearest(value, rule, at)


def _one_of(value: Any, rule: list[Any], _: Json, at: str) -> Iterator[Fault]:
    valid = sum(is_valid(value, each) for each in rule)
    if not valid:
        yield from _nearest(value, rule, at)
    elif valid > 1:
        yield at, "is of several kinds of which it must be one"


def _nearest(value: Any, rule: list[Any], at: str) -> Iterator[Fault]:
    """Of the one whose constants are those of the value: that is how variants are told apart."""
    meant = [each for each in rule if isinstance(each, Mapping) and _has_constants(value, each)]
    if len(meant) == 1:
        yield from _faults(value, meant[0], at)
    else:
        yield at, "is of none of the kinds that it may be"


def _negated(value: Any, rule: Any, _: Json, at: str) -> Iterator[Fault]:
    if is_valid(value, rule):
        yield at, "is of a kind that it must not be"


def _conditional(value: Any, rule: Any, schema: Json, at: str) -> Iterator[Fault]:
    yield from _faults(value, schema.get("then" if is_valid(value, rule) else "else", True), at)


def _unique(value: Any, rule: Any, _: Json, at: str) -> Iterator[Fault]:
    if rule and isinstance(value, list):
        for index, each in enumerate(value):
            if any(_is_same(each, other) for other in value[:index]):
                yield f"{at}[{index}]", "stands in the list twice"


def _limit(fits: Callable[[Any, Any], bool], kinds: tuple[type, ...], told: str) -> Any:
    def look(value: Any, rule: Any, _: Json, at: str) -> Iterator[Fault]:
        if isinstance(value, kinds) and not isinstance(value, bool) and not fits(value, rule):
            yield at, told.format(rule)

    return look


_NUMBERS = (int, float)
_KEYWORDS: Mapping[str, Callable[[Any, Any, Json, str], Iterator[Fault]]] = {
    "type": _kind,
    "required": _required,
    "properties": _properties,
    "patternProperties": _by_pattern,
    "additionalProperties": _additional,
    "items": _items,
    "contains": _contains,
    "enum": _choice,
    "const": _constant,
    "pattern": _pattern,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _negated,
    "if": _conditional,
    "uniqueItems": _unique,
    "minimum": _limit(lambda value, least: value >= least, _NUMBERS, "must be {} or more"),
    "maximum": _limit(lambda value, most: value <= most, _NUMBERS, "must be {} or less"),
    "exclusiveMinimum": _limit(lambda value, least: value > least, _NUMBERS, "must be more than {}"),
    "exclusiveMaximum": _limit(lambda value, most: value < most, _NUMBERS, "must be less than {}"),
    "minLength": _limit(lambda value, least: len(value) >= least, (str,), "must have {} characters or more"),
    "maxLength": _limit(lambda value, most: len(value) <= most, (str,), "must have {} characters or fewer"),
    "minItems": _limit(lambda value, least: len(value) >= least, (list,), "must have {} items or more"),
    "maxItems": _limit(lambda value, most: len(value) <= most, (list,), "must have {} items or fewer"),
    "minProperties": _limit(lambda value, least: len(value) >= least, (dict,), "must have {} keys or more"),
    "maxProperties": _limit(lambda value, most: len(value) <= most, (dict,), "must have {} keys or fewer"),
}


_RULES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("required", "enum", "allOf", "anyOf", "oneOf"), (list,)),
    **dict.fromkeys(("properties", "patternProperties"), (dict,)),
    "type": (str, list),
    "pattern": (str,),
    **dict.fromkeys(
        (name for name in _KEYWORDS if name.startswith(("min", "max", "exclusive"))),
        _NUMBERS,
    ),
}
"""What a keyword's rule has to be; one that is not says nothing, as `required: true` in a field of older drafts."""


def _is_of_type(value: Any, name: str) -> bool:
    match name:
        case "object":
            return isinstance(value, Mapping)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case "integer":
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            return whole and not isinstance(value, bool)
        case "number":
            return isinstance(value, _NUMBERS) and not isinstance(value, bool)
    return False


def _is_same(left: Any, right: Any) -> bool:
    """As JSON has it: true is not 1, and 1.0 is."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_is_same, left, right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_is_same(left[key], right[key]) for key in left)
    return bool(left == right)


def _has_constants(value: Any, schema: Json) -> bool:
    if not isinstance(value, Mapping):
        return False
    fixed = {
        name: each["const"]
        for name, each in schema.get("properties", {}).items()
        if isinstance(each, Mapping) and "const" in each
    }
    return bool(fixed) and all(name in value and _is_same(value[name], each) for name, each in fixed.items())


def _is_found(pattern: str, text: str) -> bool:
    from file_cdk.declarative.templates.faults import FaultError

    try:
        from file_cdk.declarative.templates.patterns import is_found  # its library takes 20 ms to import
    except ImportError as exc:
        remedy = "Install it with: pip install 'file-cdk[manifests]'"
        raise ConfigError(f"{exc.name} is not installed", remedy=remedy) from None
    try:
        return is_found(pattern, text)
    except FaultError as fault:
        raise ConfigError(f"the manifest's spec has the pattern {pattern!r}, which {fault.reason}") from None


def _below(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name
