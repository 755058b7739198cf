"""What columns and types the first files are decoded for, found from a few of them.

A guess that is too narrow costs a second reading of the file that refutes it; one that is too wide stays in the table for
good. So nobody may widen a column by values of a file that is not loaded in the end: where the samples disagree, a file has
a say once it was read to its end without fault.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from file_cdk.core.arrow_types import merge_schemas
from file_cdk.core.files import RemoteFile

if TYPE_CHECKING:
    import pyarrow as pa

TRIED_BYTES = 64 << 20
"""Of all files together that are read to their end to be believed; the types of others come when they are loaded."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the beginning of a file asks for."""

    file: RemoteFile
    schema: "pa.Schema"


def guess(samples: Sequence[Sample], is_readable: Callable[[Sample], bool]) -> "pa.Schema":
    """All columns of the samples, each with a type that those hold of which it is known that they can be loaded.

    is_readable: reads the whole file. Asked, smallest file first, only of files that are at odds with others, and no longer
    than it makes a difference.
    """
    merged = merge_schemas(sample.schema for sample in samples)
    disputed = {name for sample in samples for name in _narrower(sample.schema, merged)}
    if not disputed:
        return merged
    believed: set[RemoteFile] = set()
    guessed = _of_believed(samples, disputed, believed)
    left_bytes = TRIED_BYTES
    for sample in sorted(samples, key=lambda sample: sample.file.size_bytes):
        if not disputed.intersection(sample.schema.names):
            continue
        left_bytes -= sample.file.size_bytes
        if left_bytes < 0 or _same_types(guessed, merged):
            break
        if is_readable(sample):
            believed.add(sample.file)
            guessed = _of_believed(samples, disputed, believed)
    return guessed


def _narrower(schema: "pa.Schema", merged: "pa.Schema") -> list[str]:
    """The columns that hold values, but not all that others have."""
    own = merge_schemas([schema])
    return [
        column.name for column in own if not _is_null(column.type) and column.type != merged.field(column.name).type
    ]


def _is_null(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_null(kind))


def _of_believed(samples: Sequence[Sample], disputed: set[str], believed: set[RemoteFile]) -> "pa.Schema":
    import pyarrow as pa

    return merge_schemas(
        pa.schema([column for column in sample.schema if column.name not in disputed or sample.file in believed])
        for sample in samples
    )


def _same_types(left: "pa.Schema", right: "pa.Schema") -> bool:
    return {column.name: column.type for column in left} == {column.name: column.type for column in right}
