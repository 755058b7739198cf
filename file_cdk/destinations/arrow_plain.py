"""Columns in those layouts that databases read from Arrow: the same values, of what is rare in it.

What a database does with a layout it does not know differs: DuckDB 2.0 refuses decimals of 256 bits and halves, ends with a
fault of its own for dictionaries of structs and for scales below zero, and takes runs for JSON.
"""

import pyarrow as pa

from file_cdk.core.errors import FileError

_PLAIN = frozenset(
    kind.id
    for kind in (
        *(
            pa.string(),
            pa.large_string(),
            pa.binary(),
            pa.large_binary(),
            pa.bool_(),
            pa.null(),
            pa.date32(),
            pa.date64(),
        ),
        *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
        *(pa.float32(), pa.float64(), pa.timestamp("us"), pa.time32("ms"), pa.time64("us"), pa.duration("us")),
    )
)
"""Most columns, told at a glance."""


def plain(batch: pa.RecordBatch, uri: str) -> pa.RecordBatch:
    """The batch itself where its columns are plain. Raises FileError for a type whose values no column holds."""
    if all(map(_is_plain, batch.schema.types)):
        return batch
    target = pa.schema([pa.field(field.name, plain_type(field.type)) for field in batch.schema])
    for field in target:
        if _has_union(field.type):
            raise FileError(
                f"has values of type {field.type}, and no column of a table holds those of a union",
                uri=uri,
                column=field.name,
                remedy="Write its members to columns of their own",
            )
    columns = [_converted(column, field.type) for column, field in zip(batch.columns, target, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=target)


def _is_plain(kind: pa.DataType) -> bool:
    return kind.id in _PLAIN or (isinstance(kind, pa.Decimal128Type) and kind.scale >= 0)


def plain_type(kind: pa.DataType) -> pa.DataType:
    t = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _plain_extension(kind)
    if t.is_run_end_encoded(kind):
        return plain_type(kind.value_type)
    if t.is_dictionary(kind):
        values = plain_type(kind.value_type)
        return values if t.is_nested(values) or not values.equals(kind.value_type) else kind
    if t.is_float16(kind):
        return pa.float32()
    if t.is_decimal(kind):
        digits, scale = kind.precision - min(kind.scale, 0), max(kind.scale, 0)
        return pa.string() if digits > 38 else pa.decimal128(digits, scale)
    return _plain_nested(kind)


def _plain_extension(kind: pa.BaseExtensionType) -> pa.DataType:
    if isinstance(kind, pa.UuidType):
        return kind  # databases know it, and write it as everyone does
    return pa.bool_() if isinstance(kind, pa.Bool8Type) else plain_type(kind.storage_type)


def _plain_nested(kind: pa.DataType) -> pa.DataType:
    t = pa.types
    if t.is_struct(kind):
        return pa.struct([field.with_type(plain_type(field.type)) for field in kind])
    if t.is_map(kind):
        return pa.map_(plain_type(kind.key_type), plain_type(kind.item_type))
    if t.is_list_view(kind) or t.is_large_list_view(kind):
        values = plain_type(kind.value_type)
        return kind if values.equals(kind.value_type) else pa.large_list(values)
    if t.is_large_list(kind):
        return pa.large_list(plain_type(kind.value_type))
    if t.is_fixed_size_list(kind):
        return pa.list_(plain_type(kind.value_type), kind.list_size)
    if t.is_list(kind):
        return pa.list_(plain_type(kind.value_type))
    return kind


def _has_union(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _has_union(kind.value_type)
    return pa.types.is_union(kind) or any(_has_union(kind.field(at).type) for at in range(kind.num_fields))


def _converted(column: pa.Array, target: pa.DataType) -> pa.Array:
    """The column as `target`, which is what `plain_type` made of its type."""
    kind, t = column.type, pa.types
    if kind.equals(target):
        return column
    if isinstance(kind, pa.Bool8Type):
        return column.storage.cast(target)
    if isinstance(kind, pa.BaseExtensionType):
        return _converted(column.storage, target)
    if t.is_run_end_encoded(kind):
        import pyarrow.compute as pc  # 0.15 s, for what hardly ever comes

        return _converted(pc.run_end_decode(column), target)
    if t.is_dictionary(kind):
        return _converted(column.dictionary_decode(), target)
    if t.is_list_view(kind) or t.is_large_list_view(kind):
        return _from_view(column, target)
    if t.is_struct(kind):
        parts = [_converted(column.field(at), field.type) for at, field in enumerate(target)]
        return pa.StructArray.from_arrays(parts, fields=list(target), mask=column.is_null())
    if t.is_map(kind):
        entries = pa.StructArray.from_arrays(
            [_converted(column.keys, target.key_type), _converted(column.items, target.item_type)],
            fields=[target.key_field, target.item_field],
        )
        return _with_children(column, target, entries)
    if t.is_nested(kind):
        return _with_children(column, target, _converted(column.values, target.value_type))
    return column.cast(target)


def _with_children(column: pa.Array, target: pa.DataType, values: pa.Array) -> pa.Array:
    """A list with the places of `column`. values: all of its array, be `column` a part of it."""
    own = 1 if pa.types.is_fixed_size_list(target) else 2
    return pa.Array.from_buffers(target, len(column), column.buffers()[:own], offset=column.offset, children=[values])


def _from_view(column: pa.Array, target: pa.DataType) -> pa.Array:
    # pyarrow 26 casts list views to lists whose offsets are wrong.
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(column).cast(pa.int64()), 0)
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(lengths)])
    values = _converted(column.flatten(), target.value_type)
    return pa.LargeListArray.from_arrays(offsets, values, type=target, mask=column.is_null())
