"""A resolved manifest against the types of its components: unknown types and fields, missing fields, values of the wrong kind.

The `type` that is written decides what a part is held against, so that what is said of it is said of that type.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from file_cdk.declarative.language.registry import (
    SCALARS,
    Taken,
    component_types,
    fields_of,
    is_typed,
    takes_more_fields,
)
from file_cdk.declarative.language.walking import Path

Severity = Literal["error", "warning"]


class Finding(msgspec.Struct, frozen=True):
    """path: of what is at fault, in the resolved manifest. nearest: the name that may have been meant.

    An error is what the manifest cannot run with; a warning what does not do as it looks."""

    path: Path
    message: str
    nearest: str | None = None
    severity: Severity = "error"


def findings(resolved: Any, names: tuple[str, ...] = ("DeclarativeSource",)) -> Iterator[Finding]:
    """names: of the types that may stand there."""
    yield from _component(names, resolved, ())


def close_to(name: Any, names: Iterable[str]) -> str | None:
    import difflib  # for a mistake alone

    return next(iter(difflib.get_close_matches(str(name), [*names], 1)), None)


def listed(names: Sequence[str], last: str = "or") -> str:
    """`a, b or c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def _component(names: tuple[str, ...], value: Any, path: Path) -> Iterator[Finding]:
    kind = value.get("type")
    if kind is None:
        if len(names) > 1:
            yield Finding(path, f"has no `type`: {listed(names)}")
            return
        kind = names[0]
        if is_typed(kind) and kind not in _UNTYPED:
            told = f"has no `type: {kind}`: it is taken for one here, and refused by airbyte-cdk"
            yield Finding(path, told, severity="warning")
    elif len(names) == 1 and not is_typed(names[0]):
        kind = names[0]
    elif kind not in names:
        yield _wrong_type(kind, names, path)
        return
    yield from _fields(kind, value, path)


_UNTYPED = frozenset(
    {
        "AsyncJobStatusMap",
        "AuthFlow",
        "ComplexFieldType",
        "ConcurrencyLevel",
        "HttpRequestRegexMatcher",
        "JwtHeaders",
        "JwtPayload",
        "LegacyToPerPartitionStateMigration",
        "OAuthConfigSpecification",
        "Rate",
        "RefreshTokenUpdater",
        "RequestBodyGraphQlQuery",
        "SchemaTypeIdentifier",
        "StreamGroup",
        "TypesMap",
    }
)
"""Components that every runner takes without `type`."""


def _wrong_type(kind: Any, names: tuple[str, ...], path: Path) -> Finding:
    at = (*path, "type")
    if isinstance(kind, str) and kind in component_types():
        return Finding(at, f"a {kind} cannot stand here, but {listed(names)}", close_to(kind, names))
    near = close_to(kind, names) or close_to(kind, component_types())
    told = f"there is no component of the type {kind!r}"
    return Finding(at, told if near else f"{told}: here stands {listed(names)}", near)


def _fields(kind: str, value: Any, path: Path) -> Iterator[Finding]:
    known = fields_of(kind)
    for field in known.values():
        if field.required and value.get(field.name) is None:
            yield Finding(path, f"{kind} has no {field.name!r}, which it must have: {described(field.taken)}")
    pushed = value.get("$parameters") or {}
    for key, each in value.items():
        at = (*path, key)
        if key in known:
            yield from _value(known[key].taken, each, at)
        elif key not in ("type", "$parameters") and key not in pushed and not takes_more_fields(kind):
            near = close_to(key, known)
            has = f": it has {listed(sorted(known), 'and')}" if not near and 0 < len(known) <= 8 else ""
            severity: Severity = "error" if kind == "DeclarativeSource" else "warning"
            yield Finding(at, f"{kind} has no field {key!r}, which is passed over{has}", near, severity)


def _value(taken: Taken, value: Any, path: Path) -> Iterator[Finding]:
    if taken.anything or value is None:
        return
    if isinstance(value, dict) and taken.components and ("type" in value or taken.values is None):
        yield from _component(taken.components, value, path)
    elif isinstance(value, dict) and taken.values is not None:
        for key, each in value.items():
            yield from _value(taken.values, each, (*path, key))
    elif isinstance(value, list) and taken.items is not None:
        for index, each in enumerate(value):
            if each is None and not taken.items.anything:
                yield Finding((*path, index), f"takes {described(taken.items)}; this is null")
            yield from _value(taken.items, each, (*path, index))
    elif not _is_scalar(taken, value):
        near = close_to(value, taken.literals) if isinstance(value, str) else None
        yield Finding(path, f"takes {described(taken)}; this is {_kind(value)}{_remedy(taken, value)}", near)


def _is_scalar(taken: Taken, value: Any) -> bool:
    match value:
        case str():
            return str in taken.scalars or value in taken.literals
        case bool():
            return bool in taken.scalars
        case int():
            return int in taken.scalars or float in taken.scalars
        case float():
            return float in taken.scalars
    return False


def described(taken: Taken) -> str:
    """`a whole number or a text`, `a list of texts`, `HttpRequester or CustomRequester`."""
    if taken.anything:
        return "anything"
    words = [SCALARS[each] for each in taken.scalars]
    words += [repr(each) for each in taken.literals]
    words += taken.components
    if taken.items is not None:
        words.append("a list" if taken.items.anything else f"a list, of {described(taken.items)} each")
    if taken.values is not None:
        words.append("a mapping" if taken.values.anything else f"a mapping, of {described(taken.values)} each")
    return listed(words)


def _kind(value: Any) -> str:
    match value:
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case str():
            return repr(value) if len(value) <= 40 else "a text"
    return SCALARS[type(value)]


def _remedy(taken: Taken, value: Any) -> str:
    if isinstance(value, (int, float)) and str in taken.scalars:
        return ": put it in quotes"
    if isinstance(value, str) and not taken.scalars and taken.items is not None and _is_scalar(taken.items, value):
        return ": write it as an item of a list"
    return ""
