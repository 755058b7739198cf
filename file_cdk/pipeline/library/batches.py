"""Where the rows of `read` go: a destination that hands on record batches, all of one schema.

What was handed on cannot be taken back, and what is read last may ask for another type of a column. So rows wait, as far as
they may, until it is known what columns there are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from datetime import UTC, datetime

import pyarrow as pa

from file_cdk.core.arrow_types import merge_schemas, without_nulls
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError, FileChangedError, FileError, SchemaFrozenError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import (
    MAX_RAW_BYTES_KEPT,
    MAX_REJECTS_KEPT,
    Encoder,
    FileLoad,
    LoadedFile,
    RefusedFile,
    RejectedRecord,
    Rejects,
    StreamTable,
    TableName,
)
from file_cdk.core.system.memory import MemoryShares
from file_cdk.destinations.arrow_ipc import ArrowIpcEncoder, decode

Put = Callable[[pa.RecordBatch], None]


class WidenedError(Exception):
    """Rows that wait were decoded for a narrower type than others turned out to need: all are to be read again, for `schema`.
    Nothing was handed on."""

    def __init__(self, schema: pa.Schema) -> None:
        super().__init__()
        self.schema = schema


@dataclass(slots=True)
class Batches:
    """A destination of one stream's rows.

    known: columns that are there in any case. hold_bytes: maximum of rows that wait, in bytes; None: all do until the end.
    began: called at each file, when it is under way.
    """

    put: Put
    known: pa.Schema
    hold_bytes: int | None
    began: Callable[[], None] = lambda: None
    encoder: Encoder = field(default_factory=lambda: ArrowIpcEncoder(numbers_rows=False))
    rejects: list[RejectedRecord] = field(default_factory=list)
    """The first of all files', with as much of their text as is kept of one file's."""
    _raw_bytes: int = 0
    _table: "_Table | None" = None

    def limit_memory(self, memory: MemoryShares) -> None:
        if self.hold_bytes is not None:
            self.hold_bytes = min(self.hold_bytes, memory.held_bytes)

    def open(self) -> None:
        pass

    def table(self, table: TableName, *, anew: bool = False) -> StreamTable:
        if anew or table.merge is not None:
            raise ConfigError(
                f"rows of {table.stream!r} are neither merged nor in place of others where they are read",
                remedy="Take the mode out of the stream's configuration, or sync into a database and read from there",
            )
        self._table = _Table(self, table.stream, self.known)
        return self._table

    def keep(self, stream: str, file: RemoteFile, rejects: Rejects) -> None:
        now = datetime.now(UTC)
        for reject in rejects.first[: MAX_REJECTS_KEPT - len(self.rejects)]:
            raw = reject.raw if self._raw_bytes < MAX_RAW_BYTES_KEPT else None
            self._raw_bytes += len(raw or b"")
            self.rejects.append(
                RejectedRecord(
                    stream, file.uri, file.modified_at, reject.row, reject.byte, reject.reason, _as_text(raw), now, ""
                )
            )

    def put_in_place(self, table: TableName) -> None:
        raise ConfigError(f"there is no table {table.stream!r} to replace")

    def finish(self) -> pa.Schema:
        """After the last file; the schema of all batches. Raises WidenedError."""
        assert self._table is not None
        return self._table.settled()

    def close(self) -> None:
        pass


@dataclass(slots=True)
class _Table:
    """settles once: from then on, the schema stays."""

    to: Batches
    stream: str
    schema: pa.Schema
    needed: pa.Schema = field(init=False)
    """What the rows of files that are complete were decoded for."""
    settled_as: pa.Schema | None = None
    waiting: list[pa.RecordBatch] = field(default_factory=list)
    waiting_bytes: int = 0
    at_work: RemoteFile | None = None
    in_part: RemoteFile | None = None
    """The file of which rows were handed on, until it is complete."""

    def __post_init__(self) -> None:
        self.needed = self.schema

    def widen(self, schema: pa.Schema, *, anew: bool = False) -> None:
        merged = merge_schemas([self.needed if anew else self.schema, schema])
        self.schema = pa.schema([(column.name, without_nulls(column.type)) for column in merged])
        if self.settled_as is not None:
            self._refuse_growth(self.settled_as)

    def _refuse_growth(self, settled: pa.Schema) -> None:
        assert self.at_work is not None
        for column in self.schema:
            was = _type_in(settled, column.name)
            if was == column.type:
                continue
            need = f"is new ({column.type})" if was is None else f"was {was} and is to be {column.type}"
            remedy = (
                "Name the columns that are wanted (columns=[…])"
                if was is None
                else f"Say what it is, as in cast={{{column.name!r}: 'text'}} for a column of that type"
            )
            raise SchemaFrozenError(
                f"column {column.name!r} {need} in this file, and batches of other columns were handed out before",
                was=None if was is None else str(was),
                needed=str(column.type),
                uri=self.at_work.uri,
                column=column.name,
                remedy=f"{remedy}; or take all rows at once (to_arrow, to_polars, to_pandas), for which columns and types are "
                "found from all files",
            )

    def unloaded(self, files: Sequence[RemoteFile], *, with_rejects: bool = False) -> list[bool]:  # noqa: ARG002
        return [True] * len(files)

    def begin(self, file: RemoteFile) -> FileLoad:
        self.to.began()
        self.at_work = file
        if self.in_part is not None and self.in_part.uri == file.uri:
            if self.in_part != file:
                raise FileChangedError(
                    "the file changed when a part of its rows had been handed out",
                    uri=file.uri,
                    remedy="Read it when nobody writes to it",
                )
            raise FileError(
                "the file turned out to be written in another way than it began, when a part of its rows had been handed out",
                uri=file.uri,
                remedy="Say how it is written with `format`; or take all rows at once (to_arrow, to_polars, to_pandas)",
            )
        return _Load(self, file)

    def flush(self, *, keep_waiting: bool = False) -> Sequence[RefusedFile]:  # noqa: ARG002
        return ()

    def record_failure(self, file: RemoteFile, error: str, rejects: Rejects | None = None) -> None:
        pass  # whoever reads is told, and gets no more

    def failed(self, limit: int) -> list[str]:  # noqa: ARG002
        return []

    def forget_failed(self, uris: Sequence[str]) -> None:
        pass

    def loaded(self) -> Iterator[Sequence[str]]:
        return iter(())

    def remove(self, uris: Sequence[str]) -> None:
        pass

    def is_over(self, more_bytes: int) -> bool:
        limit = self.to.hold_bytes
        return limit is not None and self.waiting_bytes + more_bytes > limit

    def settled(self) -> pa.Schema:
        """Hands on what waits. Raises WidenedError where a part of it was decoded for another type."""
        if self.settled_as is None:
            schema = self.schema
            for batch in self.waiting:
                if any(_type_in(schema, column.name) != column.type for column in batch.schema):
                    raise WidenedError(schema)
            self.settled_as = schema
            waiting, self.waiting = self.waiting, []
            for batch in waiting:
                self.to.put(_fitted(batch, schema))
        return self.settled_as


@dataclass(slots=True)
class _Load:
    table: _Table
    file: RemoteFile
    waiting: list[pa.RecordBatch] = field(default_factory=list)
    waiting_bytes: int = 0

    def write(self, block: bytes | bytearray | memoryview, rows_before: int) -> None:  # noqa: ARG002 - rows have no numbers
        table = self.table
        batches = [batch for batch in decode(block) if batch.num_rows]
        if table.settled_as is None:
            self.waiting += batches
            self.waiting_bytes += len(block)
            if not table.is_over(self.waiting_bytes):
                return
            table.waiting += self.waiting
            batches, self.waiting = [], []
        schema = table.settled()
        table.in_part = self.file
        for batch in batches:
            table.to.put(_fitted(batch, schema))

    def commit(self, loaded: LoadedFile) -> None:
        table = self.table
        if loaded.rejects.counts:
            table.to.keep(table.stream, self.file, loaded.rejects)
        table.needed = table.schema
        table.waiting += self.waiting
        table.waiting_bytes += self.waiting_bytes
        table.in_part = None

    def abort(self) -> None:
        self.waiting = []


def _fitted(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    if batch.schema.equals(schema):
        return batch
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    arrays = [
        columns[column.name] if column.name in columns else pa.nulls(batch.num_rows, column.type) for column in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _type_in(schema: pa.Schema, name: str) -> pa.DataType | None:
    index = schema.get_field_index(name)
    return None if index < 0 else schema.field(index).type


def _as_text(raw: bytes | None) -> str | bytes | None:
    try:
        return None if raw is None else raw.decode()
    except UnicodeDecodeError:
        return raw
