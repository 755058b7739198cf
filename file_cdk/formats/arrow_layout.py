"""Arrow types and arrays whichever way they are laid out: wrapped as extensions, as views, as slices of larger ones."""

from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc


def unwrapped_type(kind: pa.DataType) -> pa.DataType:
    """The type of `unwrapped` arrays: string for UUIDs, their storage for other extension types."""
    if isinstance(kind, pa.UuidType):
        return pa.string()
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def unwrapped(array: pa.Array) -> pa.Array:
    if isinstance(array.type, pa.UuidType):
        texts = (None if value is None else str(UUID(bytes=value)) for value in array.storage.to_pylist())
        return pa.array(texts, pa.string())
    return array.storage if isinstance(array.type, pa.BaseExtensionType) else array


def is_list(kind: pa.DataType) -> bool:
    t = pa.types
    return bool(
        t.is_list(kind)
        or t.is_large_list(kind)
        or t.is_fixed_size_list(kind)
        or t.is_list_view(kind)
        or t.is_large_list_view(kind)
    )


def plain_lists(lists: pa.Array) -> pa.ListArray:
    """From lists of any layout."""
    return lists if pa.types.is_list(lists.type) else lists.cast(pa.list_(lists.type.value_type))


def map_entries(maps: pa.MapArray) -> pa.ListArray:
    return maps.cast(pa.list_(pa.struct([("key", maps.type.key_type), ("value", maps.type.item_type)])))


def list_offsets(lists: pa.ListArray) -> pa.Array:
    """Where each list begins in `flatten()`, which leaves out whatever lies under a null."""
    ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(lists), 0))
    return pa.concat_arrays([pa.array([0], pa.int32()), ends])
