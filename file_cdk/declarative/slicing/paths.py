"""Looks a value up in a record by a path, as `dpath` does: a step may be a pattern, and lists have numbers as names."""

import re
from collections.abc import Iterator, Sequence
from fnmatch import translate
from functools import lru_cache
from typing import Any

from file_cdk.core.errors import ConfigError

_PATTERN = re.compile(r"[*?[]")


def steps_of(path: str) -> tuple[str, ...]:
    """Of `a/b/c`."""
    return tuple(path.strip("/").split("/")) if path.strip("/") else ()


def value_at(record: Any, path: Sequence[str]) -> Any:
    """None where there is none. Raises ConfigError where a pattern has several."""
    if not any(map(_PATTERN.search, path)):
        for step in path:
            record = _child(record, step)
            if record is None:
                return None
        return record
    found = list(_all(record, tuple(path)))
    if len(found) > 1:
        raise ConfigError(
            f"the path {'/'.join(path)!r} leads to several values of a record",
            remedy="Name the one that is meant",
        )
    return found[0] if found else None


def _child(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and re.fullmatch(r"-?[0-9]+", step) and -len(value) <= int(step) < len(value):
        return value[int(step)]
    return None


def _all(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    if not path:
        yield value
        return
    step, rest = path[0], path[1:]
    if step == "**":
        yield from _all(value, rest)
        for _, child in _children(value):
            yield from _all(child, path)
        return
    matches = _pattern(step)
    for name, child in _children(value):
        if matches.match(name):
            yield from _all(child, rest)


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from ((str(number), child) for number, child in enumerate(value))


@lru_cache(maxsize=256)
def _pattern(step: str) -> re.Pattern[str]:
    return re.compile(translate(step))
