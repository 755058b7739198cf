"""Row groups of a Parquet file decoded batch by batch: bounded, checked, and counted against the footer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from file_cdk.core.arrow_kernels import pc
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import MalformedFileError
from file_cdk.core.files import RemoteFile
from file_cdk.formats.arrow_layout import taken
from file_cdk.formats.parquet.footer import Footer, malformed
from file_cdk.formats.parquet.values import Column, NullKeyError, faults, null_keys, with_wider_decimals

_BATCH_BYTES = 1024 * 1024
"""Estimated size of a batch as JSON data; with one column chunk per column open, about what stays in the CPU's cache."""
_MAX_BATCH_ROWS = 16 * 1024
_VALUE_BYTES = 16
"""A value's estimated size as JSON, name included: encoded Parquet may hardly take a bit for it."""

_WORST_BATCH_BYTES = 8 * 1024 * 1024
"""Maximum of a batch if each value of a dictionary is its longest, in bytes."""
_HARMLESS_VALUE_BYTES = 1024
_HARMLESS_DICTIONARY_BYTES = 64 * 1024
_PROBED_ROWS = 64
"""Rows that are decoded to learn something of them: few enough for values of any length."""

_BUFFERED_ABOVE_BYTES = 32 * 1024 * 1024
_BUFFER_BYTES = 1024 * 1024


def open_parquet(stream: IO[bytes], file: RemoteFile, footer: Footer) -> pq.ParquetFile:
    """The file, to be decoded in bounded memory."""
    with malformed(file, "the schema in its footer cannot be read"):
        return pq.ParquetFile(
            stream,
            metadata=footer.metadata,
            pre_buffer=False,
            buffer_size=_BUFFER_BYTES if footer.largest_row_group_bytes > _BUFFERED_ABOVE_BYTES else 0,
            page_checksum_verification=True,  # of pages that have one
        )


@dataclass(frozen=True, slots=True)
class Rows:
    """batch: of rows that can be read. rejected: the others, by their place among both, with the reason."""

    batch: pa.RecordBatch
    rejected: Mapping[int, str]


def decode_row_group(
    stream: IO[bytes], parquet: pq.ParquetFile, group: int, columns: Sequence[Column], file: RemoteFile, every: int
) -> Iterator[Rows]:
    """These columns of one row group, in that order, which is the file's. every: how many columns the file has.

    Raises MalformedFileError, naming the row group and, where one column is at fault, that one, when its data cannot be
    decoded, or has not as many rows as the footer says. Without columns, one is decoded all the same for its rows.
    """
    metadata = parquet.metadata
    place = f"row group {group + 1} of {metadata.num_row_groups}"
    expected = metadata.row_group(group).num_rows
    names = [column.name for column in columns]
    decoded = names or parquet.schema_arrow.names[:1]
    if not decoded:
        if expected:
            raise MalformedFileError(f"{place} has no columns where the footer says {expected} rows", uri=file.uri)
        return
    rows = 0
    try:
        with malformed(file, f"{place} cannot be decoded: its data is damaged"):
            batches = parquet.iter_batches(
                batch_size=_batch_rows(stream, metadata, group, decoded),
                row_groups=[group],
                columns=None if len(decoded) == every else decoded,
                use_threads=False,
            )
            for batch in batches:
                rows += batch.num_rows
                yield _meant(batch, columns) if names else Rows(batch.select([]), {})
    except MalformedFileError as exc:
        exc.column = _column_at_fault(parquet, group, decoded, file)
        raise
    if rows != expected:
        raise MalformedFileError(f"{place} has {rows} rows where the footer says {expected}", uri=file.uri)


def _meant(batch: pa.RecordBatch, columns: Sequence[Column]) -> Rows:
    """Raises pa.ArrowInvalid."""
    try:
        meant = _converted(batch, columns)
        meant.validate(full=True)  # text that is not UTF-8 is found here or not at all
    except (pa.ArrowInvalid, NullKeyError):
        return _readable(batch, columns)
    return Rows(meant, {})


def _converted(batch: pa.RecordBatch, columns: Sequence[Column]) -> pa.RecordBatch:
    if not any(column.convert for column in columns):
        return batch
    arrays = [a if c.convert is None else c.convert(a) for c, a in zip(columns, batch.columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])


def _readable(batch: pa.RecordBatch, columns: Sequence[Column]) -> Rows:
    """The rows of a batch in which some values mean nothing, or have more digits than they should."""
    rejected: dict[int, str] = {}
    for column, array in zip(columns, batch.columns, strict=True):
        if column.convert is not None:
            rejected |= _said(column, null_keys(array, column.convert))
    rows = [row for row in range(batch.num_rows) if row not in rejected]
    meant = _converted(_only(batch, rows) if rejected else batch, columns)
    arrays = [with_wider_decimals(array) for array in meant.columns]
    for column, array in zip(columns, arrays, strict=True):
        rejected |= _said(column, {rows[at]: reason for at, reason in _faults(array).items()})
    meant = pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])
    if any(row in rejected for row in rows):
        meant = _only(meant, [at for at, row in enumerate(rows) if row not in rejected])
    meant.validate(full=True)
    return Rows(meant, dict(sorted(rejected.items())))


def _only(batch: pa.RecordBatch, rows: Sequence[int]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([taken(array, rows) for array in batch.columns], names=batch.schema.names)


def _said(column: Column, found: Mapping[int, str]) -> dict[int, str]:
    return {row: f"column {column.name!r} has {reason}" for row, reason in found.items()}


def _faults(array: pa.Array) -> dict[int, str]:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return faults(array)
    return {}


def _column_at_fault(parquet: pq.ParquetFile, group: int, names: Sequence[str], file: RemoteFile) -> str | None:
    """The first of the columns that cannot be decoded alone."""
    for name in names:
        try:
            with malformed(file, "cannot be decoded"):
                batches = parquet.iter_batches(
                    batch_size=_PROBED_ROWS, row_groups=[group], columns=[name], use_threads=False
                )
                for _ in batches:
                    pass
        except MalformedFileError:
            return name
    return None


# How many rows make a batch


def _batch_rows(stream: IO[bytes], metadata: pq.FileMetaData, group: int, names: Sequence[str]) -> int:
    row_group = metadata.row_group(group)
    rows = max(row_group.num_rows, 1)
    leaves = metadata.schema
    chosen = frozenset(names)
    indices = [index for index in range(row_group.num_columns) if _is_part_of(leaves.column(index).path, chosen)]
    chunks = [row_group.column(index) for index in indices]
    encoded_bytes = sum(chunk.total_uncompressed_size for chunk in chunks)
    values = sum(chunk.num_values for chunk in chunks)
    row_bytes = max(encoded_bytes // rows, _VALUE_BYTES * values // rows, 1)
    fitting = min(_BATCH_BYTES // row_bytes, _MAX_BATCH_ROWS)
    suspects = [index for index in indices if _may_repeat_long_values(row_group.column(index))]
    if worst := _longest_row_bytes(stream, metadata, group, suspects):
        fitting = min(fitting, _WORST_BATCH_BYTES // worst)
    return int(max(1, fitting))


def _is_part_of(path: str, names: frozenset[str]) -> bool:
    """Whether a leaf of the schema may belong to one of these columns; a dot in a name is no different from one between."""
    end = len(path)
    while end > 0:
        if path[:end] in names:
            return True
        end = path.rfind(".", 0, end)
    return path in names


def _may_repeat_long_values(chunk: pq.ColumnChunkMetaData) -> bool:
    """Whether its encoded size says little: a value of a dictionary takes some bits for each row that has it."""
    if chunk.physical_type != "BYTE_ARRAY" or not chunk.has_dictionary_page:
        return False
    if chunk.total_uncompressed_size <= _HARMLESS_DICTIONARY_BYTES:
        return False
    statistics = chunk.statistics  # writers leave out the greatest value, or all, where values are long
    if statistics is None or not statistics.has_min_max:
        return True
    return max(len(statistics.min_raw), len(statistics.max_raw)) > _HARMLESS_VALUE_BYTES


def _longest_row_bytes(stream: IO[bytes], metadata: pq.FileMetaData, group: int, leaves: Sequence[int]) -> int:
    """What a row takes in these columns if every value is the longest of the dictionaries; 0 where that is not known."""
    if not leaves:
        return 0
    row_group = metadata.row_group(group)
    paths = [metadata.schema.column(index).path for index in leaves]
    try:
        parquet = pq.ParquetFile(
            stream,
            metadata=metadata,
            pre_buffer=False,
            buffer_size=_BUFFER_BYTES,
            read_dictionary=paths,
            arrow_extensions_enabled=False,  # JSON as plain text
        )
        # Whatever rows are asked for, a dictionary comes whole.
        batches = parquet.iter_batches(batch_size=_PROBED_ROWS, row_groups=[group], columns=paths, use_threads=False)
        batch = next(batches, None)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return 0  # said when the data is decoded
    columns = [] if batch is None else batch.columns
    lengths = [pc.max(pc.binary_length(found)).as_py() or 0 for column in columns for found in _dictionaries(column)]
    values = sum(row_group.column(index).num_values for index in leaves)
    return int(max(lengths, default=0) * values // max(row_group.num_rows, 1))


def _dictionaries(array: pa.Array) -> Iterator[pa.Array]:
    t = pa.types
    if t.is_dictionary(array.type):
        yield array.dictionary
    elif t.is_struct(array.type):
        for index in range(array.type.num_fields):
            yield from _dictionaries(array.field(index))
    elif t.is_map(array.type):
        yield from _dictionaries(array.keys)
        yield from _dictionaries(array.items)
    elif t.is_list(array.type) or t.is_large_list(array.type):
        yield from _dictionaries(array.values)
