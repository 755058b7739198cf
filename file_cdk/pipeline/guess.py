"""What columns and types the first files are decoded for, found from a few of them.

A guess that is too narrow costs a second reading of the file that refutes it; one that is too wide stays in the table for
good. So nobody may type a column by values of a file that is not loaded in the end: where the samples disagree, a file has
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


def guess(samples: Sequence[Sample], is_readable: Callable[[Sample], bool], *, others: bool) -> "pa.Schema":
    """The columns of the samples, each with the type that those need of which it is known that they can be loaded; without
    the columns of which none is.

    is_readable: reads the whole file. Asked, smallest file first, only of files that are at odds with others, and only
    where it makes a difference. others: whether files are to be loaded that there is no sample of, and that have no say;
    then also of files with columns that none has that is known to be readable.
    """
    merged = merge_schemas(sample.schema for sample in samples)
    disputed = {name for sample in samples for name in _narrower(sample.schema, merged)}
    believed: set[RemoteFile] = set()
    refuted: set[RemoteFile] = set()
    proved: set[str] = set() if others else set(merged.names)
    guessed = _believing(samples, disputed, believed, refuted)
    left_bytes = TRIED_BYTES
    for sample in sorted(samples, key=lambda sample: sample.file.size_bytes):
        wider = _believing(samples, disputed, believed | {sample.file}, refuted)
        if wider.equals(guessed) and proved.issuperset(sample.schema.names):
            continue
        left_bytes -= sample.file.size_bytes
        if left_bytes < 0:
            break
        if is_readable(sample):
            believed.add(sample.file)
            proved.update(sample.schema.names)
            guessed = wider
        else:
            refuted.add(sample.file)
            guessed = _believing(samples, disputed, believed, refuted)
    return guessed


def _narrower(schema: "pa.Schema", merged: "pa.Schema") -> list[str]:
    """The columns of a type that does not hold all that others have."""
    return [column.name for column in merge_schemas([schema]) if column.type != merged.field(column.name).type]


def _believing(
    samples: Sequence[Sample], disputed: set[str], believed: set[RemoteFile], refuted: set[RemoteFile]
) -> "pa.Schema":
    import pyarrow as pa

    return merge_schemas(
        pa.schema([column for column in sample.schema if column.name not in disputed or sample.file in believed])
        for sample in samples
        if sample.file not in refuted
    )
