"""The ids by which an Iceberg table knows its columns, and its data files say which of them they have.

A column keeps its id while it has its type, or one that Iceberg lets it grow to. With any other type it is a column of a new id,
so that snapshots from before are still read as they were; its data files are written again (see files/table.py).
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from file_cdk.core.arrow_types import is_list, normal
from file_cdk.core.errors import InternalError
from file_cdk.destinations.files.table import FilesTable
from file_cdk.destinations.iceberg.types import is_promoted

if TYPE_CHECKING:
    from pyiceberg.table import Table

_ID = b"PARQUET:field_id"


class FieldIds:
    """known: the fields of the table. last: the greatest id that was ever given to one."""

    def __init__(self, known: Sequence[pa.Field], last: int) -> None:
        self._known = {field.name: field for field in known}
        self._numbers = count(last + 1)
        self._new: dict[tuple[str, pa.DataType], pa.Field] = {}

    @classmethod
    def first(cls) -> Self:
        """Of a table that there is not yet: it begins with the columns that tell where rows came from."""
        numbers = count(1)
        known = [_with_ids(field, numbers.__next__) for field in FilesTable.metadata]
        return cls(known, len(known))

    @classmethod
    def of(cls, table: "Table") -> Self:
        from pyiceberg.io.pyarrow import schema_to_pyarrow

        fields = schema_to_pyarrow(table.schema())
        return cls([field.with_type(_small(field.type)) for field in fields], table.metadata.last_column_id)

    def schema(self, columns: Mapping[str, pa.DataType]) -> pa.Schema:
        """Of the table that has these columns, with their ids. columns: types by names in the table."""
        kinds = {**columns, **{field.name: field.type for field in FilesTable.metadata}}
        return pa.schema([self._field(name, kind) for name, kind in kinds.items()])

    def _field(self, name: str, kind: pa.DataType) -> pa.Field:
        known = self._known.get(name)
        if known is not None and is_promoted(known.type, kind):
            return known if pa.types.is_nested(kind) else known.with_type(kind)
        if (name, kind) not in self._new:
            self._new[name, kind] = _with_ids(pa.field(name, kind), self._numbers.__next__)
        return self._new[name, kind]

    def check(self, columns: pa.Schema, data_file: pa.Schema) -> None:
        """Whether a data file has the ids of these columns."""
        for field in data_file:
            if _ids(field) != _ids(columns.field(field.name)):
                raise InternalError(f"column {field.name!r} has other ids in a data file than in its table")


def _with_ids(field: pa.Field, next_id: Callable[[], int]) -> pa.Field:
    """The field, and all within it, with an id each."""
    own = field.with_metadata({_ID: str(next_id())})
    kind, t = field.type, pa.types
    if t.is_struct(kind):
        return own.with_type(pa.struct([_with_ids(each, next_id) for each in kind]))
    if t.is_map(kind):
        key, value = pa.field("key", kind.key_type, nullable=False), pa.field("value", kind.item_type)
        return own.with_type(pa.map_(_with_ids(key, next_id), _with_ids(value, next_id)))
    if t.is_list(kind):
        return own.with_type(pa.list_(_with_ids(pa.field("element", kind.value_type), next_id)))
    return own


def _small(kind: pa.DataType) -> pa.DataType:
    """A type as pyiceberg has it, as ours has it; fields within it keep their ids."""
    t = pa.types
    if t.is_struct(kind):
        return pa.struct([each.with_type(_small(each.type)) for each in kind])
    if t.is_map(kind):
        key, value = kind.key_field, kind.item_field
        return pa.map_(key.with_type(_small(key.type)), value.with_type(_small(value.type)))
    if is_list(kind):
        return pa.list_(kind.value_field.with_type(_small(kind.value_type)))
    return kind if t.is_integer(kind) or t.is_floating(kind) else normal(kind)


def _ids(field: pa.Field) -> list[int]:
    """Of the field, and of all within it."""
    kind, t = field.type, pa.types
    found = [int(field.metadata[_ID])] if field.metadata and _ID in field.metadata else []
    inner: list[pa.Field] = []
    if t.is_struct(kind):
        inner = list(kind)
    elif t.is_map(kind):
        inner = [kind.key_field, kind.item_field]
    elif t.is_list(kind):
        inner = [kind.value_field]
    return found + [number for each in inner for number in _ids(each)]
