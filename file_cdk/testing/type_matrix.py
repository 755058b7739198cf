"""A column of every Arrow type, with values at its edges, and whether a destination kept a value.

A destination may hold a value in another type, or as text: what counts is that it can be told from every other value.
"""

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from math import isfinite, isnan
from typing import Any
from uuid import UUID

import pyarrow as pa

from file_cdk.core.instants import elapsed_text
from file_cdk.formats.arrow_cast import EXACT

_MOMENTS = [datetime(1969, 12, 31, 23, 59, 59), None, datetime(2024, 2, 29, 12, 0, 1)]  # noqa: DTZ001 - zones are types'
_DURATIONS = [timedelta(days=-1, seconds=1), None, timedelta(days=400)]
_PAIR = pa.struct({"a": pa.int64(), "b": pa.string()})
_DEEP = pa.struct(
    {
        "number": pa.decimal128(5, 2),
        "day": pa.date32(),
        "moment": pa.timestamp("us"),
        "share": pa.float64(),
        "list": pa.list_(pa.int64()),
    }
)


def _of_extension(kind: Any, storage: pa.Array) -> pa.Array:
    return pa.ExtensionArray.from_storage(kind, storage)


_COLUMNS: Mapping[str, pa.Array] = {
    "bool": pa.array([True, None, False]),
    **{
        f"int{bits}": pa.array([-(2 ** (bits - 1)), None, 2 ** (bits - 1) - 1], f"int{bits}")
        for bits in (8, 16, 32, 64)
    },
    **{f"uint{bits}": pa.array([0, None, 2**bits - 1], f"uint{bits}") for bits in (8, 16, 32, 64)},
    "float16": pa.array([0.5, None, 65504.0, float("nan")], pa.float16()),
    "float32": pa.array([0.1, None, float("inf"), float("nan")], pa.float32()),
    "float64": pa.array([0.1, None, -1e300, 5e-324, float("nan"), float("-inf")]),
    "decimal32": pa.array([Decimal("1.25"), None], pa.decimal32(9, 2)),
    "decimal64": pa.array([Decimal("-1.250"), None], pa.decimal64(18, 3)),
    "decimal128": pa.array([Decimal("12345678901234567.891"), None], pa.decimal128(20, 3)),
    "decimal128 of 38 digits": pa.array([Decimal("9" * 38), None, Decimal("-" + "9" * 38)], pa.decimal128(38, 0)),
    "decimal128 of hundreds": pa.array([Decimal(12300), None], pa.decimal128(5, -2)),
    "decimal256": pa.array([Decimal("9" * 60 + ".0000000001"), None], pa.decimal256(76, 10)),
    "string": pa.array(["", None, "żółć 🦆", "a\"b\n'c\\"]),
    "large_string": pa.array(["x", None], pa.large_string()),
    "string_view": pa.array(["x" * 40, None], pa.string_view()),
    "binary": pa.array([b"", None, b"\x00\xff"]),
    "large_binary": pa.array([b"\x00", None], pa.large_binary()),
    "binary_view": pa.array([b"\x00" * 40, None], pa.binary_view()),
    "fixed_size_binary": pa.array([b"\x00\x01\x02\xff", None], pa.binary(4)),
    "date32": pa.array([date(1, 1, 1), None, date(9999, 12, 31)]),
    "date64": pa.array([date(1969, 12, 31), None], pa.date64()),
    "time32 of seconds": pa.array([time(23, 59, 59), None], pa.time32("s")),
    "time32 of milliseconds": pa.array([time(23, 59, 59, 999_000), None], pa.time32("ms")),
    "time64 of microseconds": pa.array([time(23, 59, 59, 999_999), None], pa.time64("us")),
    "time64 of nanoseconds": pa.array([86_399_999_999_000, None], pa.time64("ns")),
    **{f"timestamp in {unit}": pa.array(_MOMENTS, pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")},
    **{
        f"timestamp in {unit} of a zone": pa.array(_MOMENTS, pa.timestamp(unit, "Europe/Warsaw"))
        for unit in ("s", "ms", "us", "ns")
    },
    "timestamp at the ends": pa.array([-62_135_596_800_000_000, 253_402_300_799_999_999, None], pa.timestamp("us")),
    **{f"duration in {unit}": pa.array(_DURATIONS, pa.duration(unit)) for unit in ("s", "ms", "us", "ns")},
    "list": pa.array([[1, None], None, []], pa.list_(pa.int64())),
    "large_list": pa.array([[1, None], None, []], pa.large_list(pa.int64())),
    "fixed_size_list": pa.array([[1, 2], None], pa.list_(pa.int64(), 2)),
    "list_view": pa.array([[1, 2], None], pa.list_view(pa.int64())),
    "struct": pa.array([{"a": 1, "b": None}, None, {"a": None, "b": "x"}], _PAIR),
    "list of structs": pa.array(
        [
            [
                {
                    "number": Decimal("1.50"),
                    "day": date(2024, 2, 29),
                    "moment": _MOMENTS[2],
                    "share": float("nan"),
                    "list": [1],
                }
            ],
            [None, {"number": None, "day": None, "moment": None, "share": float("-inf"), "list": None}],
            None,
        ],
        pa.list_(_DEEP),
    ),
    "map": pa.array([[("k", 1), ("l", None)], [], None], pa.map_(pa.string(), pa.int64())),
    "map of integers": pa.array([[(1, "x")], None], pa.map_(pa.int64(), pa.string())),
    "dictionary": pa.array(["x", None, "x"]).dictionary_encode(),
    "run_end_encoded": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["x", "y"])),
    "uuid": _of_extension(pa.uuid(), pa.array([bytes(range(16)), None], pa.binary(16))),
    "bool8": _of_extension(pa.bool8(), pa.array([1, 0, None], pa.int8())),
    "json": _of_extension(pa.json_(), pa.array(['{"a": 1.0}', None])),
}
"""Nanoseconds are whole microseconds, since Python's values have no more; a column of nulls alone is none."""

ROWS = max(map(len, _COLUMNS.values()))


def _of_as_many_rows(column: pa.Array) -> pa.Array:
    if isinstance(column.type, pa.BaseExtensionType):
        return _of_extension(column.type, _of_as_many_rows(column.storage))
    if pa.types.is_run_end_encoded(column.type):
        ends = pa.concat_arrays([column.run_ends, pa.array([ROWS], column.run_ends.type)])
        return pa.RunEndEncodedArray.from_arrays(
            ends, pa.concat_arrays([column.values, pa.nulls(1, column.values.type)])
        )
    return pa.concat_arrays([column, pa.nulls(ROWS - len(column), column.type)])


COLUMNS: Mapping[str, pa.Array] = {name: _of_as_many_rows(column) for name, column in _COLUMNS.items()}
"""By name; each has as many rows."""

REFUSED: Mapping[str, pa.Array] = {
    "union": pa.UnionArray.from_dense(
        pa.array([0, 1], pa.int8()), pa.array([0, 0], pa.int32()), [pa.array([1]), pa.array(["x"])]
    ),
}
"""What no table holds."""


def decoded(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """As formats decode it for a column of this type. Raises pa.ArrowInvalid or pa.ArrowNotImplementedError."""
    return EXACT(column, kind)


def is_kept(kept: Any, original: Any) -> bool:
    """Whether what a destination gives back stands for the value that `to_pylist()` of a column has; for a date, its midnight
    does."""
    if original is None or kept is None:
        return original is kept
    if isinstance(original, list | dict):
        return _is_nested_kept(json.loads(kept) if isinstance(kept, str) else kept, original)
    if isinstance(kept, str) and not isinstance(original, str):
        return _is_spelled(kept, original)
    if isinstance(original, bool | int | float | Decimal):
        return _is_same_number(kept, original)
    if isinstance(original, timedelta) and isinstance(kept, pa.MonthDayNano):
        return not kept.months and timedelta(days=kept.days, microseconds=kept.nanoseconds / 1000) == original
    if isinstance(kept, datetime) and not isinstance(original, datetime):
        return kept == datetime.combine(original, time())
    return bool(kept == original)


def _is_nested_kept(kept: Any, original: Any) -> bool:
    if isinstance(original, dict):
        return set(kept) == set(original) and all(is_kept(kept[name], value) for name, value in original.items())
    if original and isinstance(original[0], tuple):  # a map
        found = list(kept.items()) if isinstance(kept, dict) else kept
        return len(found) == len(original) and all(
            is_kept(one, other)
            for pair, pairs in zip(found, original, strict=True)
            for one, other in zip(pair, pairs, strict=True)
        )
    return len(kept) == len(original) and all(map(is_kept, kept, original))


def _is_same_number(kept: Any, original: Any) -> bool:
    if isinstance(original, float) and not isfinite(original):
        return isnan(kept) if isnan(original) else bool(kept == original)
    return isinstance(kept, int | float | Decimal) and Decimal(kept) == Decimal(original)


def _is_spelled(text: str, original: Any) -> bool:
    # Where pandas is installed, pyarrow gives its kinds of datetime and timedelta for nanoseconds.
    kind = next(kind for kind in type(original).__mro__ if kind in _SPELLED)
    try:
        return bool(_SPELLED[kind](text, original))
    except (ValueError, InvalidOperation):
        return False


_SPELLED: Mapping[type, Callable[[str, Any], bool]] = {
    bool: lambda text, value: text == ("true" if value else "false"),
    int: lambda text, value: Decimal(text) == value,
    float: lambda text, value: _is_same_number(float(text), value),
    Decimal: lambda text, value: Decimal(text) == value,
    bytes: lambda text, value: text == value.decode("utf-8", "backslashreplace"),
    date: lambda text, value: date.fromisoformat(text) == value,
    datetime: lambda text, value: datetime.fromisoformat(text) == value,
    time: lambda text, value: time.fromisoformat(text) == value,
    timedelta: lambda text, value: text == elapsed_text(value // timedelta(microseconds=1), "us"),
    UUID: lambda text, value: UUID(text) == value,
}
