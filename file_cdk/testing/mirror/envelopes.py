"""Where the records of a page stand in a response's body."""

from collections.abc import Sequence
from typing import Any

Records = Sequence[dict[str, Any]]


class NoEnvelopeError(Exception):
    """No body has records at this path."""


def envelope(path: Sequence[str], records: Records, *, single: bool = False) -> Any:
    """A body in which the extractor's path leads to the records. A `*` is a list, or at the root a mapping, because the
    elements of a list there are bodies of their own; where nothing but names follows, each of its elements holds one record.

    single: the path leads to one record that is no list (no record: to an empty mapping). Raises NoEnvelopeError.
    """
    if path and path[0] == "*":
        return {f"key {number}": value for number, value in enumerate(_below(path, records, single=single))}
    return _below(path, records, single=single)


def _below(path: Sequence[str], records: Records, *, single: bool) -> Any:
    if not path:
        return (records[0] if records else {}) if single else list(records)
    key, *rest = path
    if key == "**":
        raise NoEnvelopeError("the extractor looks at any depth (**)")
    if key != "*":
        return {key: _below(rest, records, single=single)}
    if "*" in rest:
        half = (len(records) + 1) // 2
        groups = [records[:half], records[half:]] if len(records) > 1 else [records]
        return [_below(rest, group, single=False) for group in groups]
    return [_below(rest, [record], single=True) for record in records]
