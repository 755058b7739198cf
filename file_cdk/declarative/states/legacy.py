"""States of streams as they were before: made into those of today before anything else looks at them."""

from collections.abc import Mapping
from typing import Any

from file_cdk.declarative.states.plain import NO_CURSOR


def per_partition(stored: Mapping[str, Any], partition_field: str, cursor_field: str) -> Mapping[str, Any]:
    """`{parent's key: {cursor field: moment}}` as a state with partitions; anything else as it is."""
    if not stored or "states" in stored:
        return stored
    if not all(isinstance(value, dict) and list(value) == [cursor_field] for value in stored.values()):
        return stored
    return {"states": [{"partition": {partition_field: key}, "cursor": value} for key, value in stored.items()]}


def of_parent(stored: Mapping[str, Any], parent: str, cursor_field: str | None) -> Mapping[str, Any]:
    """The state of a parent within that of the stream below it. Before there was one, the stream's own stands for it: that of all
    partitions, or the only value that there is. cursor_field: the parent's; None without a cursor."""
    stored = {name: value for name, value in stored.items() if name != NO_CURSOR}
    found: Mapping[str, Any] | None = (stored.get("parent_state") or {}).get(parent) or stored.get("state")
    if found is not None:
        return found
    values = list(stored.values())
    if cursor_field is None or len(values) != 1 or isinstance(values[0], bool):
        return {}
    return {cursor_field: values[0]} if isinstance(values[0], str | int | float) else {}
