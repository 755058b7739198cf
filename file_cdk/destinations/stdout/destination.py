"""Rows that go out as they are decoded, file after file.

What was written cannot be taken back. So a file's rows wait until it is read to its end without fault, as far as they fit into
HELD_BYTES; of a larger one they go out, and what happens to it later is told.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from typing import Protocol

import pyarrow as pa

from file_cdk.core.arrow_types import merge_schemas, without_nulls
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Encoder, FileLoad, LoadedFile, RefusedFile, Rejects, StreamTable, TableName

_log = logging.getLogger(__name__)

HELD_BYTES = 32 << 20
"""Maximum of a file's rows that wait for its end, in bytes."""


class Rows(Protocol):
    """How blocks of the encoder go out."""

    @property
    def encoder(self) -> Encoder: ...

    def begin_stream(self, stream: str) -> None:
        """Of those whose rows come next."""

    def rows_of(self, block: bytes | bytearray | memoryview) -> int: ...

    def put(self, block: bytes | bytearray | memoryview, skip: int, file: RemoteFile, schema: pa.Schema) -> None:
        """All rows but the first `skip`. Raises DestinationError when they cannot go out."""

    def end(self, schema: pa.Schema) -> None:
        """After the last row of all."""


class StdoutDestination:
    """signals: wait while a piece of output is written, as long as it is open."""

    def __init__(self, rows: Rows, signals: AbstractContextManager[object]) -> None:
        self._rows = rows
        self._signals = signals
        self._table: _Table | None = None

    @property
    def encoder(self) -> Encoder:
        return self._rows.encoder

    def open(self) -> None:
        self._signals.__enter__()

    def table(self, table: TableName, *, anew: bool = False) -> StreamTable:
        if anew:
            raise ConfigError(
                f"stdout holds no table {table.stream!r} to replace: each run gives all files",
                remedy="Take the mode replace out of the stream's configuration",
            )
        if table.merge is not None:
            raise ConfigError(
                f"rows of {table.stream!r} cannot be merged on stdout",
                remedy="Take the mode merge out of the stream's configuration, or load into a database",
            )
        self._rows.begin_stream(table.stream)
        self._table = _Table(self._rows)
        return self._table

    def put_in_place(self, table: TableName) -> None:
        raise ConfigError(f"stdout holds no table {table.stream!r}")

    def finish(self) -> None:
        """When all streams came to their end; what ended otherwise has no end."""
        self._rows.end(pa.schema([]) if self._table is None else self._table.schema)

    def close(self) -> None:
        self._signals.__exit__(None, None, None)


@dataclass(slots=True)
class _Table:
    rows: Rows
    schema: pa.Schema = field(default_factory=lambda: pa.schema([]))
    needed: pa.Schema = field(default_factory=lambda: pa.schema([]))
    """What the rows that went out were decoded for."""
    out: tuple[RemoteFile, int] | None = None
    """The file of which a part went out, and how many rows: all of them are to follow."""

    def widen(self, schema: pa.Schema, *, anew: bool = False) -> None:
        merged = merge_schemas([self.needed if anew else self.schema, schema])
        self.schema = pa.schema([(column.name, without_nulls(column.type)) for column in merged])

    def unloaded(self, files: Sequence[RemoteFile], *, with_rejects: bool = False) -> list[bool]:  # noqa: ARG002
        return [True] * len(files)

    def begin(self, file: RemoteFile) -> FileLoad:
        skip = 0
        if self.out is not None and self.out[0].uri == file.uri:
            if self.out[0] != file:
                raise DestinationError(
                    f"the file changed when {self.out[1]:,} of its rows had been written to stdout",
                    uri=file.uri,
                    remedy="Run it again when nobody writes to the file",
                )
            skip = self.out[1]
        return _Load(self, file, skip)

    def flush(self, *, keep_waiting: bool = False) -> Sequence[RefusedFile]:  # noqa: ARG002
        return ()

    def record_failure(self, file: RemoteFile, error: str, rejects: Rejects | None = None) -> None:  # noqa: ARG002
        if self.out is not None and self.out[0].uri == file.uri:
            _log.warning("file %r failed when %s of its rows had been written to stdout", file.uri, f"{self.out[1]:,}")
            self.out = None

    def failed(self, limit: int) -> list[str]:  # noqa: ARG002
        return []

    def forget_failed(self, uris: Sequence[str]) -> None:
        pass

    def loaded(self) -> Iterator[Sequence[str]]:
        return iter(())

    def remove(self, uris: Sequence[str]) -> None:
        pass


@dataclass(slots=True)
class _Load:
    """skip: rows that went out when the file was read before."""

    table: _Table
    file: RemoteFile
    skip: int
    held: list[bytes | bytearray | memoryview] = field(default_factory=list)
    held_bytes: int = 0
    seen: int = 0

    def write(self, block: bytes | bytearray | memoryview, rows_before: int) -> None:  # noqa: ARG002 - rows have no numbers
        self.held.append(block)
        self.held_bytes += len(block)
        if self.held_bytes > HELD_BYTES:
            self._let_go()

    def commit(self, loaded: LoadedFile) -> None:  # noqa: ARG002
        self._let_go()
        self.table.out = None

    def abort(self) -> None:
        self.held.clear()

    def _let_go(self) -> None:
        table = self.table
        for block in self.held:
            rows = table.rows.rows_of(block)
            skip = min(max(self.skip - self.seen, 0), rows)
            self.seen += rows
            if skip < rows or not rows:
                table.rows.put(block, skip, self.file, table.schema)
                table.out = self.file, max(self.seen, self.skip)
        table.needed = table.schema
        self.held.clear()
        self.held_bytes = 0


Write = Callable[[bytes | memoryview], None]
"""Writes all of it. Raises OutputClosedError when nobody reads any more."""
