"""What the values of a Parquet column mean where pyarrow gives them as something else, and which of them mean nothing.

| in the file | here |
|---|---|
| ENUM | text |
| INT96 | instants in microseconds; in nanoseconds, or as text, where a batch has values that need it |
| INTERVAL | text in ISO 8601, as of Avro's durations |
| an integer of 8 or 16 bits that has more | the number that is stored |
| a time of day in UTC a little beyond the day: DuckDB writes 00:30+01:00 as -00:30 | that time of day |
| a decimal with more digits than its type says | a decimal of more digits |
| a map whose keys may be null, made a list by schema.py | a map |
| a map with the same key more than once | a map with its last value |

Text that is not UTF-8, another time beyond the day, and a map's key that is null reject their record.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from file_cdk.core.arrow_kernels import pc
from file_cdk.core.arrow_types import is_list
from file_cdk.core.arrow_values import are_within, null_mask, scalar_of
from file_cdk.core.dataclass import dataclass
from file_cdk.core.instants import duration_text, instant_text
from file_cdk.formats.arrow_layout import (
    ArrayStep,
    has_key_twice,
    last_of_each_key,
    list_offsets,
    map_entries,
    plain_lists,
    spelled,
    unwrapped,
    with_entries,
    with_items,
    with_members,
)
from file_cdk.formats.parquet.schema import INT96_BYTES, FitSchema

NOT_TEXT = "text that is not valid UTF-8"
NOT_A_TIME = "a time that is not within a day"
NULL_KEY = "a map with a key that is null"
TOO_LONG = "a decimal with too many digits"

_EPOCH_JULIAN_DAY = 2_440_588
_US_PER_DAY = 86_400_000_000
_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": _US_PER_DAY, "ns": 1000 * _US_PER_DAY}


class NullKeyError(Exception):
    """A map has a key that is null."""


@dataclass(frozen=True, slots=True)
class Column:
    """name: in the file. kind: of the arrays that `convert` gives of pyarrow's; None: these are right as they are.

    `convert` raises NullKeyError.
    """

    name: str
    kind: pa.DataType
    convert: ArrayStep | None


def columns_of(schema: pa.Schema, parquet: pq.ParquetSchema, fit: FitSchema | None) -> tuple[Column, ...]:
    """schema: pyarrow's of the same file. Columns without data below them are not in it."""
    reader = _Meanings(_leaf_meanings(parquet, fit.meanings if fit else {}), fit.maps if fit else frozenset())
    columns = []
    for field in schema:
        kind, convert = reader.of(field.type, (field.name,))
        columns.append(Column(field.name, kind, convert))
    return tuple(columns)


def _leaf_meanings(parquet: pq.ParquetSchema, known: Mapping[int, str]) -> Iterator[str]:
    for number in range(len(parquet)):
        leaf = parquet.column(number)
        if number in known:
            yield known[number]
        elif leaf.converted_type in ("ENUM", "INTERVAL") or leaf.logical_type.type == "ENUM":
            yield "interval" if leaf.converted_type == "INTERVAL" else "enum"
        elif leaf.logical_type.type == "TIME" and '"isAdjustedToUTC":true' in leaf.logical_type.to_json().replace(
            " ", ""
        ):
            yield "utc time"
        else:
            yield ""


@dataclass(slots=True)
class _Meanings:
    """Walks Arrow types beside the leaves of the Parquet schema, which stand in the same order."""

    leaves: Iterator[str]
    maps: frozenset[tuple[str, ...]]

    def of(self, kind: pa.DataType, path: tuple[str, ...]) -> tuple[pa.DataType, ArrayStep | None]:
        t = pa.types
        if isinstance(kind, pa.BaseExtensionType):
            inner, convert = self.of(kind.storage_type, path)
            return (kind, None) if convert is None else (inner, _after(lambda array: array.storage, convert))
        if t.is_dictionary(kind):
            inner, convert = self.of(kind.value_type, path)
            return (
                (kind, None) if convert is None else (inner, _after(lambda array: array.dictionary_decode(), convert))
            )
        if t.is_struct(kind):
            return self._struct(kind, path)
        if t.is_map(kind):
            return self._map(kind, path)
        if is_list(kind):
            return self._list(kind, path)
        return _scalar(kind, next(self.leaves))

    def _struct(self, kind: pa.StructType, path: tuple[str, ...]) -> tuple[pa.DataType, ArrayStep | None]:
        found = [self.of(field.type, (*path, field.name)) for field in kind]
        steps = [step for _, step in found]
        if not any(steps):
            return kind, None

        def convert(array: pa.StructArray) -> pa.Array:
            columns = [c if step is None else step(c) for c, step in zip(array.flatten(), steps, strict=True)]
            return with_members(array, columns)

        return pa.struct([pa.field(field.name, new) for field, (new, _) in zip(kind, found, strict=True)]), convert

    def _map(self, kind: pa.MapType, path: tuple[str, ...]) -> tuple[pa.DataType, ArrayStep | None]:
        entries = (*path, "key_value")
        key, key_step = self.of(kind.key_type, (*entries, "key"))
        item, item_step = self.of(kind.item_type, (*entries, "value"))
        if key_step is None and item_step is None:
            return kind, _with_keys_once
        return pa.map_(key, item), lambda array: _with_keys_once(with_entries(array, key_step, item_step))

    def _list(self, kind: pa.DataType, path: tuple[str, ...]) -> tuple[pa.DataType, ArrayStep | None]:
        inner, step = self.of(kind.value_type, (*path, "list"))
        if path in self.maps:
            return _map_of_pairs(inner, step)
        if step is None:
            return kind, None
        return pa.list_(inner), lambda array: with_items(array, step)


def _after(unwrap: ArrayStep, convert: ArrayStep) -> ArrayStep:
    return lambda array: convert(unwrap(array))


def _with_keys_once(array: pa.MapArray) -> pa.MapArray:
    """The last value of a key counts, says the specification of Parquet."""
    return last_of_each_key(array) if has_key_twice(array) else array


def _map_of_pairs(pairs: pa.StructType, step: ArrayStep | None) -> tuple[pa.DataType, ArrayStep]:
    """The step raises NullKeyError: Arrow ends the process when it is to make a map of null keys."""

    def convert(array: pa.ListArray) -> pa.Array:
        lists = plain_lists(array)
        flat = lists.flatten() if step is None else step(lists.flatten())
        keys, items = flat.flatten()
        if keys.null_count:
            raise NullKeyError
        return _with_keys_once(pa.MapArray.from_arrays(list_offsets(lists), keys, items, mask=null_mask(lists)))

    return pa.map_(pairs.field(0).type, pairs.field(1).type), convert


# Scalars


def _scalar(kind: pa.DataType, meaning: str) -> tuple[pa.DataType, ArrayStep | None]:
    match meaning:
        case "enum" if pa.types.is_binary(kind):
            return pa.string(), lambda array: array.view(pa.string())
        case "interval":
            return pa.string(), lambda array: spelled(array, duration_text)
        case "int96":
            return pa.timestamp("us"), _instants
        case "utc time" if pa.types.is_time(kind):
            return kind, _within_the_day
        case "uint8" | "uint16":
            bits = int(meaning.removeprefix("uint"))
            return kind, lambda array: _unsigned(array, bits)
    return kind, None


def _unsigned(array: pa.Array, bits: int) -> pa.Array:
    """Some write 255 as -1, which it is in 8 bits. A number that does not fit the bits stays as it is stored."""
    low = pc.min(array).as_py()
    if low is None or low >= 0:
        return array
    values = [v if v is None or not -(1 << bits - 1) <= v < 0 else v + (1 << bits) for v in array.to_pylist()]
    return pa.array(values, array.type)


def _within_the_day(array: pa.Array) -> pa.Array:
    kind = array.type
    per_day = _PER_DAY[kind.unit]
    ticks = array.view(pa.int32() if pa.types.is_time32(kind) else pa.int64())
    if are_within(ticks, 0, per_day - 1):
        return array
    wrapped = [v if v is None or not -per_day <= v < 2 * per_day else v % per_day for v in ticks.to_pylist()]
    return pa.array(wrapped, ticks.type).view(kind)


def _instants(array: pa.Array) -> pa.Array:
    """Nanoseconds of a day (8 bytes), then the Julian day (4), both little endian."""
    days, nanoseconds = _int96_parts(array)
    thousandth = pc.divide(nanoseconds, scalar_of(1000))
    try:
        if pc.all(pc.equal(pc.multiply(thousandth, scalar_of(1000)), nanoseconds)).as_py() is not False:
            return _sum(days, _US_PER_DAY, thousandth).cast(pa.timestamp("us"))
        return _sum(days, 1000 * _US_PER_DAY, nanoseconds).cast(pa.timestamp("ns"))
    except pa.ArrowInvalid:  # beyond the years that 64 bits hold
        pairs = zip(days.to_pylist(), nanoseconds.to_pylist(), strict=True)
        texts = [None if day is None else instant_text(day * 1000 * _US_PER_DAY + rest, "ns") for day, rest in pairs]
        return pa.array(texts, pa.string())


def _sum(days: pa.Array, per_day: int, rest: pa.Array) -> pa.Array:
    return pc.add_checked(pc.multiply_checked(days, scalar_of(per_day)), rest)


def _int96_parts(array: pa.FixedSizeBinaryArray) -> tuple[pa.Array, pa.Array]:
    """Days since 1970 and nanoseconds."""
    values = pc.fill_null(array, bytes(INT96_BYTES)) if array.null_count else array
    days, nanoseconds = pc.binary_slice(values, 8, 12), pc.binary_slice(values, 0, 8)
    since = pc.subtract(days.view(pa.int32()).cast(pa.int64()), scalar_of(_EPOCH_JULIAN_DAY))
    rest = nanoseconds.view(pa.int64())
    if not array.null_count:
        return since, rest
    valid, none = array.is_valid(), pa.nulls(len(array), pa.int64())
    return pc.if_else(valid, since, none), pc.if_else(valid, rest, none)


# Values that mean nothing


def with_wider_decimals(array: pa.Array) -> pa.Array:
    """Decimals that have more digits than their type says get a type that says so. Dictionaries are decoded, since a value
    that no row has any more may be wrong in them. Anything else stays."""
    t = pa.types
    kind = array.type
    if t.is_dictionary(kind):
        return with_wider_decimals(array.dictionary_decode())
    if t.is_decimal(kind):
        return _wider_decimals(array)
    if t.is_struct(kind) and kind.num_fields:
        return with_members(array, list(map(with_wider_decimals, array.flatten())))
    if t.is_map(kind):
        return with_entries(array, with_wider_decimals, with_wider_decimals)
    return with_items(array, with_wider_decimals) if is_list(kind) else array


def _wider_decimals(array: pa.Array) -> pa.Array:
    kind = array.type
    for wide in (pa.decimal128(38, kind.scale), pa.decimal256(76, kind.scale)):
        try:
            array.validate(full=True)
        except pa.ArrowInvalid:
            if wide.bit_width >= kind.bit_width:
                array = array.cast(wide, safe=False) if wide.bit_width > array.type.bit_width else array.view(wide)
        else:
            break
    return array


def faults(array: pa.Array) -> dict[int, str]:
    """The rows whose value means nothing, and why: the first reason of each."""
    t = pa.types
    if isinstance(array.type, pa.BaseExtensionType):
        return faults(unwrapped(array)) if not isinstance(array.type, pa.UuidType) else {}
    if t.is_dictionary(array.type):
        return faults(array.dictionary_decode())
    kind = array.type
    if t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind):
        return {
            row: NOT_TEXT for row, value in enumerate(array.cast(pa.large_binary()).to_pylist()) if not _is_text(value)
        }
    if t.is_time(kind):
        ticks = array.view(pa.int32() if t.is_time32(kind) else pa.int64()).to_pylist()
        return {row: NOT_A_TIME for row, v in enumerate(ticks) if v is not None and not 0 <= v < _PER_DAY[kind.unit]}
    if t.is_decimal(kind):
        return _each_alone(array, TOO_LONG)
    if t.is_struct(kind):
        found: dict[int, str] = {}
        for column in array.flatten():
            found = faults(column) | found
        return found
    if t.is_map(kind):
        lists = map_entries(array)
        keys, items = lists.flatten().flatten()
        return _of_parents(lists, faults(items) | faults(keys))
    if is_list(kind):
        plain = plain_lists(array)
        return _of_parents(plain, faults(plain.flatten()))
    return {}


def null_keys(array: pa.Array, convert: ArrayStep, first_row: int = 0) -> dict[int, str]:
    """The rows that cannot be converted for a key that is null, by halves."""
    try:
        convert(array)
    except NullKeyError:
        if len(array) == 1:
            return {first_row: NULL_KEY}
    else:
        return {}
    half = len(array) // 2
    left = null_keys(array.slice(0, half), convert, first_row)
    return left | null_keys(array.slice(half), convert, first_row + half)


def _is_text(value: bytes | None) -> bool:
    if value is None:
        return True
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _each_alone(array: pa.Array, reason: str) -> dict[int, str]:
    def is_right(row: int) -> bool:
        try:
            array.slice(row, 1).validate(full=True)
        except pa.ArrowInvalid:
            return False
        return True

    return {row: reason for row in range(len(array)) if not is_right(row)}


def _of_parents(lists: pa.ListArray, found: dict[int, str]) -> dict[int, str]:
    if not found:
        return {}
    offsets: Sequence[int] = list_offsets(lists).to_pylist()
    return {bisect_right(offsets, at) - 1: reason for at, reason in reversed(found.items())}
