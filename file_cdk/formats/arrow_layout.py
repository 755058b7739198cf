"""Arrow types and arrays whichever way they are laid out: wrapped as extensions, as views, as slices of larger ones."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

import pyarrow as pa

from file_cdk.core.arrow_kernels import pc
from file_cdk.core.arrow_values import null_mask, scalar_of

ArrayStep = Callable[[pa.Array], pa.Array]


def unwrapped_type(kind: pa.DataType) -> pa.DataType:
    """The type of `unwrapped` arrays: string for UUIDs, their storage for other extension types."""
    if isinstance(kind, pa.UuidType):
        return pa.string()
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def unwrapped(array: pa.Array) -> pa.Array:
    """What `core.arrow_types.normal` says that extension types stand for."""
    if isinstance(array.type, pa.Bool8Type):
        return array.storage.cast(pa.bool_())
    if isinstance(array.type, pa.UuidType):
        return spelled(array.storage, lambda value: str(UUID(bytes=value)))
    return array.storage if isinstance(array.type, pa.BaseExtensionType) else array


def plain_lists(lists: pa.Array) -> pa.ListArray:
    """The lists, of any layout, as plain ones."""
    t = pa.types
    if t.is_list(lists.type):
        return lists
    if t.is_list_view(lists.type) or t.is_large_list_view(
        lists.type
    ):  # pyarrow 26 casts them to lists of wrong offsets
        return pa.ListArray.from_arrays(list_offsets(lists), lists.flatten(), mask=null_mask(lists))
    return lists.cast(pa.list_(lists.type.value_type))


def map_entries(maps: pa.MapArray) -> pa.ListArray:
    return maps.cast(pa.list_(pa.struct([("key", maps.type.key_type), ("value", maps.type.item_type)])))


def list_offsets(lists: pa.Array) -> pa.Array:
    """Where each list begins in `flatten()`, which leaves out whatever lies under a null."""
    ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(lists), 0)).cast(pa.int32())
    return pa.concat_arrays([pa.array([0], pa.int32()), ends])


# The same array with other values inside


def spelled(array: pa.Array, spell: Callable[[Any], str]) -> pa.Array:
    """The text that `spell` gives of each Python value; null stays null."""
    return pa.array([None if value is None else spell(value) for value in array.to_pylist()], pa.string())


def with_members(structs: pa.StructArray, columns: Sequence[pa.Array]) -> pa.StructArray:
    names = [field.name for field in structs.type]
    return pa.StructArray.from_arrays(columns, names=names, mask=null_mask(structs))


def with_items(lists: pa.Array, convert: ArrayStep, kind: pa.ListType | None = None) -> pa.ListArray:
    """kind: of the result, should it have a name of its own for the items."""
    plain = plain_lists(lists)
    values = convert(plain.flatten())
    return pa.ListArray.from_arrays(list_offsets(plain), values, type=kind, mask=null_mask(plain))


def with_entries(
    maps: pa.MapArray, convert_key: ArrayStep | None, convert_item: ArrayStep | None, kind: pa.MapType | None = None
) -> pa.MapArray:
    """kind: as of `with_items`."""
    entries = map_entries(maps)
    keys, items = entries.flatten().flatten()
    keys = keys if convert_key is None else convert_key(keys)
    items = items if convert_item is None else convert_item(items)
    return pa.MapArray.from_arrays(list_offsets(entries), keys, items, type=kind, mask=null_mask(maps))


# Keys of maps


def has_key_twice(maps: pa.MapArray) -> bool:
    """Whether some map has the same key more than once. Keys of nested types are not looked at."""
    entries = map_entries(maps)
    if (pc.max(pc.list_value_length(entries)).as_py() or 0) < 2 or pa.types.is_nested(maps.type.key_type):
        return False
    offsets = list_offsets(entries)
    ids = _key_numbers(entries.flatten().field(0)).cast(pa.int64())
    suspects = _suspects(ids, offsets)
    return any(
        len(set(numbers)) < len(numbers)
        for start, end in suspects
        if (numbers := ids.slice(start, end - start).to_pylist())
    )


def _key_numbers(keys: pa.Array) -> pa.Array:
    encoded = keys if pa.types.is_dictionary(keys.type) else unwrapped(keys).dictionary_encode()
    return encoded.indices


def _suspects(ids: pa.Array, offsets: pa.Array) -> list[tuple[int, int]]:
    """Where maps begin and end that may have a key twice, all those that have among them.

    Each key has one of 62 bits. The sum of a map's bits has as many as there are keys if no two have the same.
    """
    count = scalar_of(_BITS)
    bits = pc.shift_left(
        pc.cast(pc.equal(ids, ids), pa.int64()), pc.subtract(ids, pc.multiply(pc.divide(ids, count), count))
    )
    sums = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(bits)]).take(offsets)
    starts, ends = offsets.slice(0, len(offsets) - 1), offsets.slice(1)
    found = _ones(pc.subtract(sums.slice(1), sums.slice(0, len(sums) - 1)))
    odd = pc.not_equal(found, pc.subtract(ends, starts).cast(pa.uint64()))
    return list(zip(starts.filter(odd).to_pylist(), ends.filter(odd).to_pylist(), strict=True))


_BITS = 62


def _ones(numbers: pa.Array) -> pa.Array:
    """How many bits are set: counted in pairs, fours, bytes, and these added by a multiplication."""

    def number(value: int) -> pa.Scalar:
        return scalar_of(value, pa.uint64())

    x = numbers.view(pa.uint64())
    x = pc.subtract(x, pc.bit_wise_and(pc.shift_right(x, number(1)), number(0x5555555555555555)))
    pairs = number(0x3333333333333333)
    x = pc.add(pc.bit_wise_and(x, pairs), pc.bit_wise_and(pc.shift_right(x, number(2)), pairs))
    x = pc.bit_wise_and(pc.add(x, pc.shift_right(x, number(4))), number(0x0F0F0F0F0F0F0F0F))
    return pc.shift_right(pc.multiply(x, number(0x0101010101010101)), number(56))


def last_of_each_key(maps: pa.MapArray) -> pa.MapArray:
    """The same maps with one value for each key, in the place of its last one."""
    entries = map_entries(maps)
    flat, offsets, kept = entries.flatten(), list_offsets(entries).to_pylist(), []
    numbers = _key_numbers(flat.field(0)).to_pylist()
    ends = [0]
    for start, end in pairwise(offsets):
        last = {numbers[at]: at for at in range(start, end)}
        kept += sorted(last.values())
        ends.append(len(kept))
    keys, items = taken(flat.field(0), kept), taken(flat.field(1), kept)
    return pa.MapArray.from_arrays(pa.array(ends, pa.int32()), keys, items, mask=null_mask(maps))


def taken(array: pa.Array, rows: Sequence[int]) -> pa.Array:
    """The values at these places, which ascend. Arrow's own `take` has no kernel for views."""
    try:
        return array.take(pa.array(rows, pa.int64()))
    except pa.ArrowNotImplementedError:
        starts = [at for at, row in enumerate(rows) if not at or rows[at - 1] + 1 != row]
        runs = [array.slice(rows[start], end - start) for start, end in pairwise([*starts, len(rows)])]
        return pa.concat_arrays(runs) if runs else array.slice(0, 0)
