"""Templates of a manifest, rendered by means of this kit's own: what the package's interpolation gives is held against it."""

import ast
import base64
import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from file_cdk.testing.mirror.cursor_texts import from_text, to_text

Chain = tuple[str, ...]
"""A look-up: the name first, then each key."""


class TemplateFailedError(Exception):
    """A template cannot be rendered with what the mirror knows."""


def rendered(anything: Any, scope: Mapping[str, Any]) -> Any:
    """The value of a text, or of a mapping or list of them, each text tried as a literal of Python."""
    if isinstance(anything, Mapping):
        return {str(text(key, scope)): rendered(value, scope) for key, value in anything.items()}
    if isinstance(anything, list):
        return [rendered(value, scope) for value in anything]
    return literal(text(anything, scope)) if isinstance(anything, str) else anything


def text(anything: Any, scope: Mapping[str, Any]) -> str:
    """Raises TemplateFailedError."""
    if not isinstance(anything, str):
        return "" if anything is None else str(anything)
    if "{{" not in anything and "{%" not in anything:
        return anything
    try:
        return _template(anything).render(scope)
    except Exception as exc:  # whatever filters and methods raise
        raise TemplateFailedError(f"{anything}: {exc}") from exc


def literal(value: str) -> Any:
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def names(anything: Any) -> set[str]:
    return {chain[0] for chain in chains(anything)}


def chains(anything: Any) -> set[Chain]:
    """Every look-up, as long as it can be followed: `response.get('a', {}).b` is (response, a, b)."""
    found: set[Chain] = set()
    for template in _texts(anything):
        for node in _environment.parse(template).body:
            _collect(node, found)
    return found


def numbers(anything: Any) -> set[int]:
    """The whole numbers that stand in templates."""
    parsed = (_environment.parse(template) for template in _texts(anything))
    values = (node.value for tree in parsed for node in tree.find_all(nodes.Const))
    return {value for value in values if isinstance(value, int) and not isinstance(value, bool)}


def compared(anything: Any) -> dict[Chain, Any]:
    """The constant that each look-up is asked to be equal to."""
    equal = {}
    for template in _texts(anything):
        for node in _environment.parse(template).find_all(nodes.Compare):
            right = node.ops[0]
            chain = _chain(node.expr)
            if chain and right.op == "eq" and isinstance(right.expr, nodes.Const):
                equal[chain] = right.expr.value
    return equal


def _texts(anything: Any) -> Iterator[str]:
    if isinstance(anything, Mapping):
        for key, value in anything.items():
            yield from _texts(key)
            yield from _texts(value)
    elif isinstance(anything, list):
        for value in anything:
            yield from _texts(value)
    elif isinstance(anything, str) and ("{{" in anything or "{%" in anything):
        yield anything


def _collect(node: nodes.Node, found: set[Chain]) -> None:
    chain = _chain(node)
    if chain:
        found.add(chain)
        return
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
        _collect(node.node.node, found)  # a method is no key
        for argument in (*node.args, *node.kwargs):
            _collect(argument, found)
        return
    for child in node.iter_child_nodes():
        _collect(child, found)


def _chain(node: nodes.Node) -> Chain | None:
    match node:
        case nodes.Name(name=name, ctx="load"):
            return (name,)
        case nodes.Getattr(node=inner, attr=key) | nodes.Getitem(node=inner, arg=nodes.Const(value=str(key))):
            above = _chain(inner)
        case nodes.Call(node=nodes.Getattr(node=inner, attr="get"), args=[nodes.Const(value=str(key)), *_]):
            above = _chain(inner)
        case _:
            return None
    return None if above is None else (*above, str(key))


def _now() -> datetime:
    return datetime.now(UTC)


def _today() -> date:
    return _now().date()


def _day_delta(days: int, format: str = "%Y-%m-%dT%H:%M:%S.%f%z") -> str:
    return to_text(_now() + timedelta(days=days), format)


def _format_datetime(value: Any, format: str, input_format: str | None = None) -> str:
    return to_text(value if isinstance(value, datetime) else from_text(value, input_format), format)


def _timestamp(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else from_text(value).timestamp()


def _duration(value: str) -> timedelta:
    found = re.fullmatch(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", value)
    if found is None:
        raise ValueError(f"{value} is no duration")
    years, months, weeks, days, hours, minutes, seconds = (int(number or 0) for number in found.groups())
    days += 365 * years + 30 * months
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def _snake_case(value: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", value).lower()


def _regex_search(value: str, pattern: str) -> str:
    found = re.search(pattern, value)
    return "" if found is None else found.group(1 if found.groups() else 0)


def _hash(value: Any, kind: str = "md5", salt: Any = None) -> str:
    return hashlib.new(kind, (str(value) + ("" if salt is None else str(salt))).encode()).hexdigest()


def _base64(value: Any) -> str:
    return base64.b64encode(value if isinstance(value, bytes) else str(value).encode()).decode()


_environment = ImmutableSandboxedEnvironment()
_environment.globals.update(
    now_utc=_now,
    today_utc=_today,
    today_with_timezone=lambda _zone: _today(),
    day_delta=_day_delta,
    duration=_duration,
    format_datetime=_format_datetime,
    str_to_datetime=from_text,
    timestamp=_timestamp,
    max=max,
    min=min,
    camel_case_to_snake_case=_snake_case,
    generate_uuid=lambda: str(uuid.uuid4()),
    sanitize_url=lambda value: urlsplit(value).netloc,
)
_environment.filters.update(
    hash=_hash,
    base64encode=_base64,
    base64decode=lambda value: base64.b64decode(value).decode(),
    regex_search=_regex_search,
    regex_replace=lambda value, pattern, by: re.sub(pattern, by, value),
)


@lru_cache(maxsize=4096)
def _template(source: str) -> jinja2.Template:
    return _environment.from_string(source)
