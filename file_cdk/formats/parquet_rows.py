"""Row groups of a Parquet file decoded batch by batch: bounded, checked, and counted against the footer."""

from collections.abc import Iterator, Sequence
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from file_cdk.core.errors import MalformedFileError
from file_cdk.core.files import RemoteFile
from file_cdk.formats.parquet_footer import Footer, malformed

_BATCH_BYTES = 1024 * 1024
"""Estimated size of a batch as JSON data; with one column chunk per column open, about what stays in the CPU's cache."""
_MAX_BATCH_ROWS = 16 * 1024
_VALUE_BYTES = 16
"""A value's estimated size as JSON, name included: encoded Parquet may hardly take a bit for it."""

_WORST_BATCH_BYTES = 8 * 1024 * 1024
"""What a batch may take should each value of a dictionary be its longest."""
_HARMLESS_VALUE_BYTES = 1024
_HARMLESS_DICTIONARY_BYTES = 64 * 1024
_PROBED_ROWS = 64
"""Few enough for values of any length."""

_BUFFERED_ABOVE_BYTES = 32 * 1024 * 1024
_BUFFER_BYTES = 1024 * 1024


def open_parquet(stream: IO[bytes], file: RemoteFile, footer: Footer) -> pq.ParquetFile:
    """The file, to be decoded in bounded memory. Raises MalformedFileError when two of its columns have one name."""
    with malformed(file, "the schema in its footer cannot be read"):
        parquet = pq.ParquetFile(
            stream,
            metadata=footer.metadata,
            pre_buffer=False,
            buffer_size=_BUFFER_BYTES if footer.largest_row_group_bytes > _BUFFERED_ABOVE_BYTES else 0,
            # Nanoseconds end in 2262; the engines that write INT96 put 9999-12-31 into it, and nothing finer than these.
            coerce_int96_timestamp_unit="us",
        )
        names = parquet.schema_arrow.names
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedFileError("two columns have the same name", uri=file.uri, column=twice)
    return parquet


def decode_row_group(
    stream: IO[bytes], parquet: pq.ParquetFile, group: int, names: Sequence[str], file: RemoteFile
) -> Iterator[pa.RecordBatch]:
    """The named columns of one row group, in that order, which is the file's.

    Raises MalformedFileError, naming the row group and, where one column is at fault, that one, when its data cannot be
    decoded, or has not as many rows as the footer says. Without names, one column is decoded all the same for its rows.
    """
    metadata = parquet.metadata
    place = f"row group {group + 1} of {metadata.num_row_groups}"
    expected = metadata.row_group(group).num_rows
    everything = parquet.schema_arrow.names
    decoded = list(names) or everything[:1]
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
                columns=None if decoded == everything else decoded,
                use_threads=False,
            )
            for batch in batches:
                batch.validate(full=True)  # text that is not UTF-8 is found here or not at all
                rows += batch.num_rows
                yield batch if batch.schema.names == names else batch.select(list(names))
    except MalformedFileError as exc:
        exc.column = _column_at_fault(parquet, group, decoded, file)
        raise
    if rows != expected:
        raise MalformedFileError(f"{place} has {rows} rows where the footer says {expected}", uri=file.uri)


def _column_at_fault(parquet: pq.ParquetFile, group: int, names: Sequence[str], file: RemoteFile) -> str | None:
    """The first of the columns that cannot be decoded alone."""
    for name in names:
        try:
            with malformed(file, "cannot be decoded"):
                batches = parquet.iter_batches(
                    batch_size=_PROBED_ROWS, row_groups=[group], columns=[name], use_threads=False
                )
                for batch in batches:
                    batch.validate(full=True)
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
