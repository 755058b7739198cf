"""The columns of a file as a table asks for them: which of them never fit, and batches of exactly the types asked for."""

from collections.abc import Mapping

import pyarrow as pa

from file_cdk.core.arrow_types import merge, normal
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import TypeMismatchError
from file_cdk.formats.arrow_cast import EXACT, TypeCast

Misfits = dict[str, pa.DataType]
"""The columns that do not fit, and the type that each needs."""


@dataclass(frozen=True, slots=True)
class AskedColumns:
    """types: of the table's columns, by name. uri: of the file."""

    types: Mapping[str, pa.DataType]
    uri: str
    cast: TypeCast = EXACT

    def misfits(self, found: pa.Schema) -> Misfits:
        """By type alone, whatever the values are. A column that the table lacks is none while it has no value."""
        misfits = {}
        for column in found:
            kind = self.types.get(column.name)
            if kind is None:
                if not pa.types.is_null(column.type):
                    misfits[column.name] = column.type
                continue
            needed = merge(kind, column.type)  # in this order, a struct has its fields in the order asked for
            if not needed.equals(kind) and not needed.equals(normal(kind)):
                misfits[column.name] = needed
        return misfits

    def check(self, found: pa.Schema) -> None:
        """Raises TypeMismatchError for all misfits by type."""
        if misfits := self.misfits(found):
            raise TypeMismatchError(uri=self.uri, row=None, columns=misfits)

    def batch(
        self,
        columns: Mapping[str, pa.Array],
        rows: int,
        first_row: int,
        misfits: Mapping[str, pa.DataType] | None = None,
    ) -> pa.RecordBatch:
        """The columns, all of `rows` values and none a misfit by type, as the types asked for.

        Raises TypeMismatchError for those with a value that does not fit exactly, and for the `misfits` known before.
        """
        cast: dict[str, pa.Array] = {}
        needed = dict(misfits or {})
        for name, array in columns.items():
            kind = self.types[name]
            try:
                cast[name] = self.cast(array, kind)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                needed[name] = _wider(kind, array.type)
        if needed:
            raise TypeMismatchError(uri=self.uri, row=first_row, columns=needed)
        if not cast:
            return pa.RecordBatch.from_arrays([pa.nulls(rows)], names=[""]).select([])  # has rows all the same
        return pa.RecordBatch.from_arrays(list(cast.values()), names=list(cast))


def _wider(kind: pa.DataType, found: pa.DataType) -> pa.DataType:
    """What a column of type `kind` becomes for values that it does not hold exactly, though their type had it so."""
    for wider in (normal(kind), merge(kind, found)):
        if not wider.equals(kind):
            return wider
    return pa.string()
