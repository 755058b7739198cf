"""What a Delta table's log says of a data file's values, by which readers leave data files out."""

import json
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from file_cdk.destinations.files.data import opened
from file_cdk.destinations.files.manifest import DataFile
from file_cdk.destinations.files.storage import Storage

_MAX_CHARACTERS = 64
"""Longer texts have no limits in the log."""


def statistics_of(storage: Storage, file: DataFile) -> str:
    """From the file's own. Not of doubles, among which NaN has no place, nor of decimals and what is nested."""
    facts: dict[str, Any] = {"numRecords": file.rows}
    with opened(storage, file.path) as parquet:
        kinds = {field.name: field.type for field in parquet.schema_arrow}
        found: dict[str, list[pq.Statistics | None]] = {}
        for group in map(parquet.metadata.row_group, range(parquet.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                found.setdefault(column.path_in_schema, []).append(column.statistics)
    known = {name: [each for each in found.get(name, ()) if each is not None] for name in kinds}
    for name, kind in kinds.items():
        each = known[name]
        if not each or len(each) != len(found[name]) or pa.types.is_nested(kind):
            continue
        if all(one.has_null_count for one in each):
            facts.setdefault("nullCount", {})[name] = sum(one.null_count for one in each)
        limits = _limits(kind, each)
        if limits is not None:
            facts.setdefault("minValues", {})[name], facts.setdefault("maxValues", {})[name] = map(_plain, limits)
    return json.dumps(facts)


def _limits(kind: pa.DataType, found: "list[pq.Statistics]") -> tuple[Any, Any] | None:
    t = pa.types
    if not (t.is_integer(kind) or t.is_date(kind) or t.is_timestamp(kind) or t.is_string(kind)):
        return None
    with_values = [each for each in found if each.num_values]
    if not with_values or not all(each.has_min_max for each in with_values):
        return None
    least, greatest = min(each.min for each in with_values), max(each.max for each in with_values)
    if isinstance(least, str) and max(len(least), len(greatest)) > _MAX_CHARACTERS:
        return None
    return least, greatest


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        text = value.replace(tzinfo=None).isoformat(timespec="microseconds")
        return text if value.tzinfo is None else f"{text}Z"
    return value.isoformat() if isinstance(value, date) else value
