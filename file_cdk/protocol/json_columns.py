"""Casts that bring an Arrow column into a form whose JSON is what users of the Airbyte file sources get for its type.

| Arrow type | JSON |
|---|---|
| null, boolean, integers, float64, string, list, struct | as the JSON writer has it; NaN and infinities are null |
| float16, float32 | the number's exact value as a double, so `0.10000000149011612` and not `0.1` |
| decimals | string, as Python's `str(Decimal)`: `"1.50"`, `"1.00E-8"` |
| binary | string; bytes that are not UTF-8 are written `\\xNN`, so that neither the row nor the byte is lost |
| timestamp | ISO 8601 string as `isoformat`: no fraction if it is zero, else 6 digits (9 below a microsecond); odd years signed |
| time | the same; date: `2024-01-02` |
| duration | number in the column's unit; month-day-nano interval: `[months, days, nanoseconds]` |
| dictionary, run-end encoded | its values |
| map | object; its keys become strings |
| uuid | string with dashes; any other extension type as its storage |

Nested types follow the same rules. All casts work on whole columns; none touches single values but the one for bytes that
are not UTF-8.
"""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from file_cdk.core.arrow_values import are_within, null_mask, scalar_of, utf8_text
from file_cdk.core.instants import date_text, instant_text

ToJson = Callable[[pa.Array], pa.Array]


@lru_cache(maxsize=1024)
def cast_for(kind: pa.DataType) -> ToJson | None:
    """The cast that a column of this type needs before the JSON writer; None when it needs none."""
    t = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _uuid_text if kind.extension_name == "arrow.uuid" else _after(lambda a: a.storage, kind.storage_type)
    if t.is_dictionary(kind):
        return _after(lambda a: a.dictionary_decode(), kind.value_type)
    if t.is_run_end_encoded(kind):
        return _after(pc.run_end_decode, kind.value_type)
    if t.is_nested(kind):
        return _nested_cast(kind)
    return _scalar_cast(kind)


def _scalar_cast(kind: pa.DataType) -> ToJson | None:
    t = pa.types
    if t.is_float16(kind) or t.is_float32(kind):
        return lambda array: array.cast(pa.float64())
    if t.is_decimal(kind):
        return lambda array: array.cast(pa.string())
    if t.is_large_binary(kind):
        return lambda array: utf8_text(array, pa.large_string())
    if t.is_binary(kind) or t.is_binary_view(kind) or t.is_fixed_size_binary(kind):
        return lambda array: utf8_text(array, pa.string())
    if t.is_timestamp(kind):
        return _timestamp_text
    if t.is_time(kind):
        return _time_text
    if t.is_date(kind):
        return _date_text
    if t.is_duration(kind):
        return lambda array: array.cast(pa.int64())
    if t.is_interval(kind):
        return lambda array: pa.array([None if v is None else list(v) for v in array.to_pylist()], pa.list_(pa.int64()))
    return None


def _after(unwrap: ToJson, kind: pa.DataType) -> ToJson:
    inner = cast_for(kind)
    return unwrap if inner is None else lambda array: inner(unwrap(array))


# Times

_PER_SECOND = {"us": 1_000_000, "ns": 1_000_000_000}
_FRACTION_AT = {"timestamp": 19, "time": 8}  # length of 2024-01-02T03:04:05 and of 03:04:05


def _timestamp_text(array: pa.Array) -> pa.Array:
    unit, zone = array.type.unit, array.type.tz
    if not _within_four_digit_years(array):
        offset = "+00:00" if zone else ""  # no zone has rules for those years
        return _spelled_apart(array, lambda ticks: instant_text(ticks, unit) + offset, _timestamp_text)
    if unit in ("s", "ms"):
        unit, array = "us", array.cast(pa.timestamp("us", zone))
    utc = array.cast(pa.timestamp(unit))
    if zone is None or zone == "UTC":
        local = utc
    else:
        try:
            local = pc.local_timestamp(array)
        except pa.ArrowInvalid:
            return array  # no time zone database on this machine; the JSON writer brings its own
    # Casting with a zone would be thirty times slower than casting the local time and adding the offset.
    try:
        text = local.cast(pa.timestamp("s")).cast(pa.string())  # nearly all are whole seconds, or nearly none
    except pa.ArrowInvalid:
        ticks = local.cast(pa.int64())
        text = _without_empty_fraction(local.cast(pa.string()), ticks, unit, _FRACTION_AT["timestamp"])
    text = pc.binary_replace_slice(text, 10, 11, "T")
    if zone is None:
        return text
    return pc.binary_join_element_wise(text, "+00:00" if zone == "UTC" else _offset_text(local, utc, unit), "")


def _date_text(array: pa.Array) -> pa.Array:
    days = array.cast(pa.date32())
    if not _within_four_digit_years(days.cast(pa.timestamp("s"))):
        return _spelled_apart(days, date_text, _date_text)
    return days.cast(pa.string())


def _spelled_apart(array: pa.Array, spell: Callable[[int], str], others: ToJson) -> pa.Array:
    """Values of years beyond four digits one by one, and the others in a column: the JSON writer has texts for some of
    them only, and a message about its own failure, or half a line, for the rest."""
    ticks = array.cast(pa.int64() if pa.types.is_timestamp(array.type) else pa.int32()).cast(pa.int64())
    low, high = _four_digit_years(array.type)
    odd = pc.or_(pc.less(ticks, scalar_of(low)), pc.greater_equal(ticks, scalar_of(high)))
    plain = others(pc.if_else(odd, pa.nulls(len(array), array.type), array))
    texts = list(map(spell, ticks.filter(odd).to_pylist()))
    return pc.replace_with_mask(plain, pc.and_kleene(odd, array.is_valid()), pa.array(texts, pa.string()))


def _offset_text(local: pa.Array, utc: pa.Array, unit: str) -> pa.Array:
    """`+01:00` for each row; a zone has few different offsets, so only those are formatted one by one."""
    offsets = pc.subtract(local.cast(pa.int64()), utc.cast(pa.int64()))
    distinct = pc.unique(offsets)
    seconds = [None if o is None else o // _PER_SECOND[unit] for o in distinct.to_pylist()]
    texts = [
        None if s is None else str(datetime(1970, 1, 1, tzinfo=timezone(timedelta(seconds=s))))[19:] for s in seconds
    ]
    return pa.array(texts, pa.string()).take(pc.index_in(offsets, value_set=distinct))


def _within_four_digit_years(array: pa.Array) -> bool:
    if array.type.unit == "ns":
        return True  # reaches from 1677 to 2262
    first, end = _four_digit_years(array.type)
    return are_within(array.cast(pa.int64()), first, end - 1)


def _four_digit_years(kind: pa.DataType) -> tuple[int, int]:
    """The first tick of years 1 to 9999, and the one after the last; a day off both ends for the zones."""
    ticks_a_day = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000}[kind.unit] if pa.types.is_timestamp(kind) else 1
    return -719_161 * ticks_a_day, 2_932_895 * ticks_a_day


def _time_text(array: pa.Array) -> pa.Array:
    unit = array.type.unit
    if unit in ("s", "ms"):
        unit, array = "us", array.cast(pa.time64("us"))
    return _without_empty_fraction(array.cast(pa.string()), array.cast(pa.int64()), unit, _FRACTION_AT["time"])


def _without_empty_fraction(text: pa.Array, ticks: pa.Array, unit: str, at: int) -> pa.Array:
    """`.000000` goes where the second is whole, and the last three of nine digits where the microsecond is."""
    shorter = text
    if unit == "ns":
        shorter = pc.if_else(_divisible(ticks, 1_000), pc.binary_replace_slice(text, at + 7, at + 10, ""), text)
    digits = 6 if unit == "us" else 9
    whole = pc.binary_replace_slice(text, at, at + 1 + digits, "")
    return pc.if_else(_divisible(ticks, _PER_SECOND[unit]), whole, shorter)


def _divisible(ticks: pa.Array, by: int) -> pa.Array:
    divisor = scalar_of(by)
    return pc.equal(pc.multiply(pc.divide(ticks, divisor), divisor), ticks)


def _uuid_text(array: pa.Array) -> pa.Array:
    storage = array.storage
    digits = pc.fill_null(storage, bytes(16)).cast(pa.binary())
    packed = digits.buffers()[2].to_pybytes()[16 * digits.offset : 16 * (digits.offset + len(digits))]
    text = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(array), [None, pa.py_buffer(packed.hex().encode())])
    for at in (8, 13, 18, 23):
        text = pc.binary_replace_slice(text.cast(pa.binary()), at, at, b"-")
    return pc.if_else(storage.is_valid(), text.cast(pa.string()), pa.scalar(None, pa.string()))


# Nested types: cast the children, keep offsets and nulls


def _nested_cast(kind: pa.DataType) -> ToJson | None:
    t = pa.types
    if t.is_struct(kind):
        casts = [cast_for(field.type) for field in kind]
        # The JSON writer panics on a slice of a struct that holds structs; put together anew it is no slice any more.
        needed = any(casts) or any(t.is_struct(field.type) for field in kind)
        return (lambda array: _cast_struct(array, casts)) if needed else None
    if t.is_map(kind):
        return _map_cast(kind)
    if t.is_list_view(kind) or t.is_large_list_view(kind):
        # No reader in use makes these, so their layout is not worth code of its own.
        plain = pa.large_list(kind.value_type)
        return _after(lambda array: pa.array(array.to_pylist(), plain), plain)
    if t.is_fixed_size_list(kind):
        inner = cast_for(pa.list_(kind.value_type))
        return None if inner is None else _after(lambda a: a.cast(pa.list_(kind.value_type)), pa.list_(kind.value_type))
    if t.is_list(kind) or t.is_large_list(kind):
        inner = cast_for(kind.value_type)
        return None if inner is None else lambda array: _cast_list(array, inner)
    return None


def _cast_struct(array: pa.StructArray, casts: list[ToJson | None]) -> pa.StructArray:
    children = [array.field(i) if cast is None else cast(array.field(i)) for i, cast in enumerate(casts)]
    fields = [pa.field(field.name, child.type) for field, child in zip(array.type, children, strict=True)]
    return pa.StructArray.from_arrays(children, fields=fields, mask=null_mask(array))


def _cast_list(array: pa.ListArray, cast: ToJson) -> pa.ListArray:
    offsets, start, stop = _own_offsets(array)
    values = cast(array.values.slice(start, stop - start))
    return type(array).from_arrays(offsets, values, mask=null_mask(array))


def _map_cast(kind: pa.MapType) -> ToJson | None:
    to_key = cast_for(kind.key_type)
    to_item = cast_for(kind.item_type)
    text_keys = pa.types.is_string(kind.key_type)
    if to_key is None and to_item is None and text_keys:
        return None

    def cast(array: pa.MapArray) -> pa.MapArray:
        offsets, start, stop = _own_offsets(array)
        keys, items = array.keys.slice(start, stop - start), array.items.slice(start, stop - start)
        keys = keys if to_key is None else to_key(keys)
        keys = keys if pa.types.is_string(keys.type) else keys.cast(pa.string())
        return pa.MapArray.from_arrays(
            offsets, keys, items if to_item is None else to_item(items), mask=null_mask(array)
        )

    return cast


def _own_offsets(array: pa.Array) -> tuple[pa.Array, int, int]:
    """Offsets that begin at 0, and the range of children that they cover: a slice must not cast its whole parent."""
    first, last = array.offsets[0], array.offsets[-1]
    return pc.subtract(array.offsets, first), first.as_py(), last.as_py()
