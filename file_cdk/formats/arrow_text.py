"""Arrow arrays as text: nested values become JSON, other values the text they have in records."""

import json
from collections.abc import Callable
from itertools import pairwise
from math import isfinite
from typing import Any

import pyarrow as pa

from file_cdk.core.arrow_kernels import pc
from file_cdk.core.arrow_types import is_list
from file_cdk.core.arrow_values import utf8_text
from file_cdk.core.instants import date_text, elapsed_text, instant_text
from file_cdk.formats.arrow_layout import list_offsets, map_entries, plain_lists, spelled, unwrapped


def as_text(array: pa.Array) -> pa.Array:
    """Raises pa.ArrowNotImplementedError for values of a union or of calendar intervals."""
    t = pa.types
    array = unwrapped(array)
    if t.is_dictionary(array.type):
        return as_text(array.dictionary_decode())
    if t.is_run_end_encoded(array.type):
        return as_text(pc.run_end_decode(array))
    kind = array.type
    if t.is_nested(kind) and not t.is_union(kind):
        encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
        return pa.array((None if value is None else encode(value) for value in _json_values(array)), pa.string())
    if t.is_floating(kind):
        # pyarrow writes 1.0 as "1", which reads as an integer.
        text = array.cast(pa.float64()).cast(pa.string())
        return pc.if_else(
            pc.match_substring_regex(text, "^-?[0-9]+$"), pc.binary_join_element_wise(text, ".0", ""), text
        )
    if t.is_timestamp(kind):
        if kind.tz:
            array = array.cast(pa.timestamp(kind.unit, "UTC"))
        text = pc.replace_substring(array.cast(pa.string()), " ", "T", max_replacements=1)
        return _with_odd_years(text, array, lambda ticks: instant_text(ticks, kind.unit) + ("Z" if kind.tz else ""))
    if t.is_date(kind):
        days = array.cast(pa.date32())
        return _with_odd_years(days.cast(pa.string()), days.cast(pa.int32()), date_text)
    if t.is_duration(kind):
        return spelled(array.cast(pa.int64()), lambda ticks: elapsed_text(ticks, kind.unit))
    if t.is_binary(kind) or t.is_large_binary(kind) or t.is_binary_view(kind) or t.is_fixed_size_binary(kind):
        return utf8_text(array, pa.string())
    return array.cast(pa.string())


def _with_odd_years(text: pa.Array, array: pa.Array, spell: Callable[[int], str]) -> pa.Array:
    """Arrow writes years beyond four digits without a sign, and some values not at all."""
    odd = pc.invert(pc.match_substring_regex(text, "^[0-9]{4}-"))
    if pc.any(odd).as_py() is not True:
        return text
    texts = [spell(value) for value in array.filter(odd).cast(pa.int64()).to_pylist()]
    return pc.replace_with_mask(text, pc.and_kleene(odd, array.is_valid()), pa.array(texts, pa.string()))


def _json_values(array: pa.Array) -> list[Any]:
    """Values that `json` can write: numbers and booleans as such, whatever JSON has no type for as text."""
    t = pa.types
    array = unwrapped(array)
    kind = array.type
    if t.is_dictionary(kind):
        return _json_values(array.dictionary_decode())
    if t.is_struct(kind):
        names = [f.name for f in kind]
        members = [_json_values(array.field(index)) for index in range(len(names))]
        valid = array.is_valid().to_pylist()
        rows = zip(*members, strict=True) if members else [()] * len(array)
        return [dict(zip(names, row, strict=True)) if ok else None for ok, row in zip(valid, rows, strict=True)]
    if t.is_map(kind):
        entries = map_entries(array)
        flat = entries.flatten()
        pairs = list(zip(as_text(flat.field(0)).to_pylist(), _json_values(flat.field(1)), strict=True))
        return [None if found is None else dict(found) for found in _json_lists(entries, pairs)]
    if is_list(kind):
        lists = plain_lists(array)
        return _json_lists(lists, _json_values(lists.flatten()))
    if t.is_integer(kind) or t.is_boolean(kind) or t.is_null(kind):
        return list(array.to_pylist())
    if t.is_floating(kind):
        return [value if value is None or isfinite(value) else repr(value) for value in array.to_pylist()]
    return list(as_text(array).to_pylist())


def _json_lists(lists: pa.ListArray, values: list[Any]) -> list[list[Any] | None]:
    """`values`, those of `lists.flatten()`, as lists again."""
    offsets = list_offsets(lists).to_pylist()
    valid = lists.is_valid().to_pylist()
    return [values[start:end] if ok else None for ok, (start, end) in zip(valid, pairwise(offsets), strict=True)]
