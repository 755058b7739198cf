"""Rows that workers make row groups of Parquet of, which the parent puts into data files as they are.

A worker knows neither how many rows are before its split nor which columns other files have. So the parent makes the numbers of
the rows, and columns of NULL, and joins them to the row group in the file's footer.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING

import pyarrow as pa

from file_cdk.core.arrow_values import repeated_number, repeated_text
from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import RemoteFile
from file_cdk.core.instants import microseconds
from file_cdk.core.ports import JsonLines
from file_cdk.core.uris import well_formed
from file_cdk.destinations.arrow_ipc import ROW_COLUMN, ArrowIpcEncoder, row_numbers
from file_cdk.destinations.arrow_plain import plain
from file_cdk.destinations.files import thrift
from file_cdk.destinations.files.data import parquet_options, translating
from file_cdk.destinations.files.manifest import DataFile
from file_cdk.destinations.files.storage import Storage
from file_cdk.destinations.files.types import table_type
from file_cdk.destinations.names import METADATA_COLUMNS, folded

if TYPE_CHECKING:  # imported where there are rows
    import pyarrow.parquet as pq

LARGE_BYTES = 16 << 20
"""A file of more, or with more rows in memory, gets data files of its own."""

_GROUP_BYTES = 8 << 20
"""Rows that a row group is made of, in bytes of memory, where the split has as many: of less, it takes longer to make."""

_LOOKED_AT_ROWS = 4096

_MAGIC = b"PAR1"
_FIRST_ROW = b"file_cdk.first_row"
_URL, _MODIFIED = list(METADATA_COLUMNS)[:2]

_NUM_ROWS, _ROW_GROUPS = 3, 4
_COLUMNS, _TOTAL_SIZE, _GROUP_AT, _COMPRESSED_SIZE, _ORDINAL = 1, 2, 5, 6, 7
_CHUNK_AT, _CHUNK = 2, 3
_PATH, _CHUNK_SIZE, _CHUNK_COMPRESSED, _DATA_AT, _INDEX_AT, _DICTIONARY_AT = 3, 6, 7, 9, 10, 11
"""Fields of FileMetaData, RowGroup, ColumnChunk and ColumnMetaData, which parquet.thrift of the Parquet format numbers."""


@dataclass(frozen=True, slots=True)
class RowGroupEncoder:
    """An Encoder of row groups, for large files; of others, and of rows that Parquet has other types for, as ArrowIpcEncoder.
    Implements core.ports.Gathering.

    A block is a Parquet file of one row group: columns that have values, `_file_url`, `_file_modified_at`. kind: the type of the
    last.
    """

    kind: pa.DataType
    line_oriented: bool = False
    gathered_bytes: int = _GROUP_BYTES

    def encode(
        self, batch: "pa.RecordBatch | JsonLines", file: RemoteFile, first_row: int, emitted_at_ms: int
    ) -> bytes | memoryview:
        """As ArrowIpcEncoder."""
        return ArrowIpcEncoder().encode(batch, file, first_row, emitted_at_ms)

    def gathers(self, file: RemoteFile) -> bool:
        return file.size_bytes >= LARGE_BYTES

    def encode_together(
        self, batches: Sequence[pa.RecordBatch], file: RemoteFile, first_row: int
    ) -> bytes | memoryview | None:
        """None where they are to go one by one."""
        table = pa.Table.from_batches([plain(batch, file.uri) for batch in batches])
        names = set(map(folded, table.schema.names))
        if len(names) < table.num_columns or not names.isdisjoint(METADATA_COLUMNS):
            return None
        table = table.select([at for at, column in enumerate(table.columns) if column.null_count < table.num_rows])
        if not all(field.type.equals(table_type(field.type)) for field in table.schema):
            return None
        modified = microseconds(file.modified_at.astimezone(UTC))
        rows = table.num_rows
        table = table.append_column(_URL, _repeated(well_formed(file.uri), rows))
        table = table.append_column(_MODIFIED, repeated_number(modified, rows).view(self.kind))
        return memoryview(_parquet(table.replace_schema_metadata({_FIRST_ROW: str(first_row)}))).cast("B")


def _repeated(text: str, rows: int) -> pa.DictionaryArray:
    """To Parquet, the same as an array of text, in a fifth of the time."""
    first = pa.Array.from_buffers(pa.int32(), rows, [None, pa.py_buffer(bytes(4 * rows))])
    return pa.DictionaryArray.from_arrays(first, repeated_text(text, 1))


def _parquet(table: pa.Table) -> pa.Buffer:
    """A file of one row group."""
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, **parquet_options(table.schema, _unlike(table))) as writer:
        writer.write_table(table, row_group_size=max(table.num_rows, 1))
    return sink.getvalue()


def _unlike(table: pa.Table) -> list[str]:
    """Columns of text of whose first values most differ: to make a dictionary of them, which is then given up, takes longer."""
    found = []
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_string(field.type) and column.null_count < table.num_rows:
            first = column.slice(0, _LOOKED_AT_ROWS)
            if 2 * len(first.unique()) > len(first) - first.null_count:
                found.append(field.name)
    return found


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A block that RowGroupEncoder made of a large file. types: of the data columns. first_row: within the split."""

    file: "pq.ParquetFile"
    data: pa.Buffer
    rows: int
    types: Mapping[str, pa.DataType]
    first_row: int

    @classmethod
    def of(cls, block: bytes | bytearray | memoryview) -> "RowGroup | None":
        """None of another block."""
        if bytes(block[: len(_MAGIC)]) != _MAGIC:
            return None
        import pyarrow.parquet as pq

        data = pa.py_buffer(block)
        file = pq.ParquetFile(pa.BufferReader(data))
        schema = file.schema_arrow
        types = {field.name: field.type for field in schema if field.name not in METADATA_COLUMNS}
        return cls(file, data, file.metadata.num_rows, types, int((schema.metadata or {})[_FIRST_ROW]))

    def batch(self) -> pa.RecordBatch:
        """As ArrowIpcEncoder has the rows."""
        [whole] = self.file.read(columns=list(self.types), use_threads=False).combine_chunks().to_batches()
        fields = [pa.field(name, kind) for name, kind in self.types.items()]
        return pa.RecordBatch.from_arrays(
            [*whole.columns, row_numbers(self.first_row, self.rows)],
            schema=pa.schema([*fields, pa.field(ROW_COLUMN, pa.int64())]),
        )


class RowGroupWriter:
    """Writes one data file of row groups that are made already. It is durable when `close` returns; `abort` leaves nothing."""

    def __init__(self, storage: Storage, path: str, schema: pa.Schema) -> None:
        """schema: the table's."""
        self.path, self.schema = path, schema
        self._storage = storage
        self._rows = 0
        self._groups: list[thrift.Struct] = []
        self._new = storage.create(path)
        self.size_bytes = 0
        self._write(_MAGIC)

    def append(self, group: RowGroup, columns: Mapping[str, str], rows_before: int) -> None:
        """columns: names of the table's columns, by those of the group. rows_before: of the file, in earlier splits."""
        named = {columns.get(name, name): name for name in group.file.schema_arrow.names}
        numbers = row_numbers(rows_before + group.first_row, group.rows)
        own = pa.table(
            {
                field.name: numbers if field.name == ROW_COLUMN else pa.nulls(group.rows, field.type)
                for field in self.schema
                if field.name not in named
            }
        )
        [made] = self._copied(group.data)
        chunks = _by_column(made, columns)
        for row_group in self._copied(_parquet(own)):
            chunks |= _by_column(row_group, {})
        ordered = [chunk for name in self.schema.names for chunk in chunks[name]]
        facts = [chunk[_CHUNK].value for chunk in ordered]
        made[_COLUMNS] = thrift.structs(ordered)
        made[_TOTAL_SIZE] = thrift.number(sum(each[_CHUNK_SIZE].value for each in facts))
        made[_COMPRESSED_SIZE] = thrift.number(sum(each[_CHUNK_COMPRESSED].value for each in facts))
        made[_GROUP_AT] = thrift.number(min(_begin(each) for each in facts))
        made.pop(_ORDINAL, None)
        self._groups.append(made)
        self._rows += group.rows

    def _copied(self, file: pa.Buffer) -> list[thrift.Struct]:
        """Adds the data of a Parquet file. Answers its row groups, which say where the data are now."""
        footer, size_bytes = _footer(file)
        moved = self.size_bytes - len(_MAGIC)
        self._write(file.slice(len(_MAGIC), size_bytes - len(_MAGIC)))
        groups: list[thrift.Struct] = footer[_ROW_GROUPS].value.values
        for chunk in (chunk for group in groups for chunk in group[_COLUMNS].value.values):
            chunk[_CHUNK_AT] = thrift.number(0)  # which nobody is to read
            facts = chunk[_CHUNK].value
            for field in (_DATA_AT, _INDEX_AT, _DICTIONARY_AT):
                if field in facts:
                    facts[field] = thrift.number(facts[field].value + moved)
        return groups

    def _write(self, data: bytes | pa.Buffer) -> None:
        with translating(self._storage, self.path):
            self._new.file.write(data)
        self.size_bytes += len(data)

    def close(self) -> DataFile:
        footer, _ = _footer(_parquet(self.schema.empty_table()))
        footer[_NUM_ROWS] = thrift.number(self._rows)
        footer[_ROW_GROUPS] = thrift.structs(self._groups)
        data = thrift.encoded(footer)
        self._write(data + len(data).to_bytes(4, "little") + _MAGIC)
        with translating(self._storage, self.path):
            return DataFile(self.path, self._rows, self._new.finish())

    def abort(self) -> None:
        self._new.give_up()


def _footer(file: pa.Buffer) -> tuple[thrift.Struct, int]:
    """What a file of Parquet ends with, and where that begins."""
    size_bytes = int.from_bytes(file.slice(file.size - 8, 4).to_pybytes(), "little")
    begin = file.size - 8 - size_bytes
    return thrift.parsed(file.slice(begin, size_bytes).to_pybytes()), begin


def _by_column(group: thrift.Struct, columns: Mapping[str, str]) -> dict[str, list[thrift.Struct]]:
    """The chunks of each column: of a nested one, several. columns: new names."""
    found: dict[str, list[thrift.Struct]] = {}
    for chunk in group[_COLUMNS].value.values:
        facts = chunk[_CHUNK].value
        first, *rest = facts[_PATH].value.values
        name = columns.get(first.decode(), first.decode())
        facts[_PATH] = thrift.texts([name.encode(), *rest])
        found.setdefault(name, []).append(chunk)
    return found


def _begin(facts: thrift.Struct) -> int:
    """Of the pages of a chunk."""
    return int(min(facts[field].value for field in (_DATA_AT, _DICTIONARY_AT) if field in facts))
