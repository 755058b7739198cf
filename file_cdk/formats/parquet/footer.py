"""The footer of a Parquet file: what is in it, and where its row groups begin.

Layout: https://parquet.apache.org/docs/file-format/ . Everything that pyarrow says about a file it cannot read is said
again here in words that hold none of the file's values.
"""

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import MalformedFileError
from file_cdk.core.files import RemoteFile
from file_cdk.formats.parquet.schema import (
    MAX_DECIMAL_DIGITS,
    FitSchema,
    ThriftError,
    fit_schema,
    has_odd_name,
    is_whole,
    too_wide_decimal,
)
from file_cdk.formats.parquet.trailer import DAMAGED, MAGIC, TRAILER_BYTES, bytes_at, footer_bytes_of
from file_cdk.formats.parquet.values import Column, columns_of

_SIGNATURE_BYTES = 28
"""Nonce and tag behind a footer that is not encrypted itself; it is signed only where columns are encrypted."""
_UNFIT = "is whole, but the schema in its footer breaks the rules of Parquet"
_SHORT_INTEGERS = frozenset({"INT_8", "INT_16", "UINT_8", "UINT_16"})
_ENCRYPTED = "has encrypted columns, which this version cannot read"


@dataclass(frozen=True, slots=True)
class Footer:
    """Metadata of one file version. `starts`: where each row group begins, in the file's order of row groups.
    left_out: names of columns that have no data.

    A row group begins with its first column chunk. Writers put row groups one after the other; should one lie elsewhere,
    it counts as beginning where the one before it does, so that the order of records stays that of the footer.
    """

    metadata: pq.FileMetaData
    starts: tuple[int, ...]
    size_bytes: int
    columns: tuple[Column, ...]
    left_out: tuple[str, ...]

    @property
    def largest_row_group_bytes(self) -> int:
        """About how many bytes of file the largest row group takes."""
        return max((end - start for start, end in pairwise((*self.starts, self.size_bytes))), default=0)

    def row_groups(self, start: int, end: int) -> range:
        """The row groups that begin in `[start, end)`."""
        return range(bisect_left(self.starts, start), bisect_left(self.starts, end))

    def start_of(self, row_group: int) -> int:
        """Where this row group begins; behind the last one, the file's size."""
        return self.starts[row_group] if row_group < len(self.starts) else self.size_bytes


def read_footer(stream: IO[bytes], file: RemoteFile) -> Footer:
    """Raises MalformedFileError."""
    size_bytes = stream.seek(0, os.SEEK_END)
    footer_bytes = footer_bytes_of(stream, file, size_bytes)
    stream.seek(0)
    fit = None
    try:
        with malformed(file, DAMAGED):
            parquet = pq.ParquetFile(stream)
    except MalformedFileError as exc:
        parquet, fit = _opened_fit(stream, file, size_bytes, footer_bytes, exc)
    metadata = parquet.metadata
    if fit is None and footer_bytes == metadata.serialized_size + _SIGNATURE_BYTES:
        # pyarrow ends the process when it is asked about a column chunk that is encrypted.
        raise MalformedFileError(_ENCRYPTED, uri=file.uri)
    with malformed(file, DAMAGED):
        if fit is None and _is_unfit(parquet):
            parquet, fit = _opened_fit(stream, file, size_bytes, footer_bytes, None)
            metadata = parquet.metadata
        if metadata.num_row_groups and metadata.num_columns and metadata.row_group(0).column(0).file_path:
            raise MalformedFileError("is a summary of other Parquet files, which hold its rows", uri=file.uri)
        starts = _starts(metadata)
    if any(not 0 <= start < size_bytes for start in starts):
        raise MalformedFileError("is not a whole Parquet file: its footer names data that it lacks", uri=file.uri)
    with malformed(file, "the schema in its footer cannot be read"):
        columns = columns_of(parquet.schema_arrow, metadata.schema, fit)
    twice = [name for name, count in Counter(column.name for column in columns).items() if count > 1]
    if twice:
        raise MalformedFileError("two columns have the same name", uri=file.uri, column=twice[0])
    return Footer(metadata, starts, size_bytes, columns, fit.left_out if fit else ())


def _is_unfit(parquet: pq.ParquetFile) -> bool:
    """Whether pyarrow opens the file and yet reads it wrongly."""
    schema = parquet.metadata.schema
    leaves = map(schema.column, range(len(schema)))
    if any(leaf.physical_type == "INT96" or leaf.converted_type in _SHORT_INTEGERS for leaf in leaves):
        return True
    return any(
        _has_empty_struct(field.type)
        for field in parquet.schema_arrow
        if field.type.num_fields or pa.types.is_struct(field.type)
    )


def _has_empty_struct(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind) and not kind.num_fields:
        return True
    return any(_has_empty_struct(kind.field(index).type) for index in range(kind.num_fields))


def _opened_fit(
    stream: IO[bytes], file: RemoteFile, size_bytes: int, footer_bytes: int, fault: MalformedFileError | None
) -> tuple[pq.ParquetFile, FitSchema]:
    """The file with a schema that is fit for pyarrow. fault: what it said of the file's own, which is raised if the footer
    is damaged; otherwise the reason is looked for."""
    footer = bytes_at(stream, size_bytes - TRAILER_BYTES - footer_bytes, footer_bytes)
    try:
        if fault is not None and not is_whole(footer):
            raise fault
        if has_odd_name(footer):
            raise MalformedFileError("has a column whose name is not valid UTF-8", uri=file.uri)
        wide = too_wide_decimal(footer)
        fit = fit_schema(footer)
    except ThriftError:
        raise fault or MalformedFileError(DAMAGED, uri=file.uri) from None
    if wide is not None:
        message = f"has decimals of {wide[1]} digits, and at most {MAX_DECIMAL_DIGITS} can be read"
        raise MalformedFileError(message, uri=file.uri, column=wide[0])
    whole = MAGIC + fit.footer + len(fit.footer).to_bytes(4, "little") + MAGIC
    stream.seek(0)
    with malformed(file, DAMAGED if fault is None else _UNFIT):
        metadata = pq.read_metadata(pa.BufferReader(whole))
        return pq.ParquetFile(stream, metadata=metadata, pre_buffer=False), fit


def _starts(metadata: pq.FileMetaData) -> tuple[int, ...]:
    starts: list[int] = []
    latest = 0
    for index in range(metadata.num_row_groups):
        row_group = metadata.row_group(index)
        if row_group.num_columns:
            column = row_group.column(0)
            start = column.data_page_offset
            if column.has_dictionary_page and column.dictionary_page_offset:  # some writers put 0 there
                start = min(start, column.dictionary_page_offset)
            latest = max(latest, start)
        starts.append(latest)
    return tuple(starts)


_ARROW_ERRORS = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, pa.ArrowCapacityError)


@contextmanager
def malformed(file: RemoteFile, message: str) -> Iterator[None]:
    """Turns what pyarrow raises about a file's bytes into MalformedFileError; what the stream raises passes unchanged."""
    try:
        yield
    except (*_ARROW_ERRORS, UnicodeDecodeError, OSError) as exc:
        if isinstance(exc, OSError) and exc.errno is not None:  # the operating system's, not pyarrow's
            raise
        reason = str(exc).lower()
        if "encrypt" in reason:
            message = _ENCRYPTED
        elif isinstance(exc, pa.ArrowCapacityError) or "chunked array" in reason:
            message = f"{message.partition(':')[0]}: one of its rows has more than 2 GiB in one column"
        elif "byte_array length for decimal" in reason or "frombigendian" in reason:
            message = f"{message.partition(':')[0]}: one of its decimals has no bytes, or more than its digits can fill"
        elif isinstance(exc, pa.ArrowNotImplementedError) or "support" in reason:
            message = f"{message.partition(':')[0]}: it uses an encoding or a compression that is not supported"
        raise MalformedFileError(message, uri=file.uri) from None
