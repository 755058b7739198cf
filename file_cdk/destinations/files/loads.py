"""What waits in memory of a file that is loaded, and what of it is in data files already."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import TypeVar

import pyarrow as pa

from file_cdk.core.arrow_values import repeated_number, repeated_text
from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import RemoteFile
from file_cdk.core.instants import microseconds
from file_cdk.destinations.files.data import DataWriter, conformed
from file_cdk.destinations.files.manifest import DataFile
from file_cdk.destinations.files.row_groups import RowGroupWriter
from file_cdk.destinations.files.storage import Storage

_Writer = TypeVar("_Writer", DataWriter, RowGroupWriter)

_MAX_WRITERS = 32
"""Maximum number of data files of a large file that are written at a time, one in each folder."""


@dataclass(slots=True)
class Load:
    """What was written of one file. batches, nbytes: rows that wait in memory. writer, parts: data files of its own, the one that
    is being written and those that are complete. repeated: columns that are the same in each row.

    by_folder: the same by partition, of a table that has any; then batches and writer are those of each. folder: its own.
    """

    batches: list[pa.RecordBatch] = field(default_factory=list)
    nbytes: int = 0
    writer: DataWriter | RowGroupWriter | None = None
    parts: list[DataFile] = field(default_factory=list)
    file: RemoteFile | None = None
    rows: int = 0
    repeated: tuple[pa.Array, pa.Array] | None = None
    folder: str = ""
    by_folder: "dict[str, Load]" = field(default_factory=dict)

    @property
    def is_large(self) -> bool:
        return self.writer is not None or bool(self.parts) or any(each.is_large for each in self.by_folder.values())

    def pieces(self) -> "Iterator[Load]":
        """Itself, or those of its folders."""
        yield from self.by_folder.values() if self.by_folder else (self,)

    def rows_in(self, folder: str) -> int:
        """How many rows of one folder wait in memory."""
        return sum(batch.num_rows for each in self.pieces() if each.folder == folder for batch in each.batches)

    def end_part(self) -> None:
        """The data file that is being written is complete."""
        assert self.writer is not None
        self.parts.append(self.writer.close())
        self.writer = None

    def add(self, folder: str, batch: pa.RecordBatch) -> None:
        piece = self.by_folder.setdefault(folder, Load(folder=folder)) if folder else self
        piece.batches.append(batch)
        piece.nbytes += batch.nbytes
        if piece is not self:
            self.nbytes += batch.nbytes

    def of_file(self, metadata: tuple[str, str], rows: int, kind: pa.DataType) -> list[pa.Array]:
        """The columns that say where rows are from. Cut from those of the batch before, which take longer to make than all else
        that is done with a batch. metadata: its url and when it was modified, as the ledger has it. kind: the type of that."""
        found = self.repeated
        if found is None or len(found[0]) < rows:
            modified = microseconds(datetime.fromisoformat(metadata[1]).replace(tzinfo=UTC))
            times = repeated_number(modified, 2 * rows).view(kind)
            found = self.repeated = repeated_text(metadata[0], 2 * rows), times
        return [each.slice(0, rows) for each in found]

    def discard(self, storage: Storage) -> None:
        """Leaves nothing of it."""
        for each in (self, *self.by_folder.values()):
            if each.writer is not None:
                each.writer.abort()
            storage.remove(part.path for part in each.parts)
            each.writer, each.parts, each.batches = None, [], []


def by_folder(loads: Sequence[Load]) -> dict[str, Load]:
    """The rows of all that wait in memory, together."""
    together: dict[str, Load] = {}
    for load in loads:
        for piece in load.pieces():
            together.setdefault(piece.folder, Load(folder=piece.folder)).batches.extend(piece.batches)
    return together


@dataclass(frozen=True, slots=True)
class LoadWriting:
    """Of a table's rows into its data files. new_path: of the next one in a folder. schema: of a data file as the table is now.
    target_bytes: size at which the next one is begun. schemas: of the data files of a transaction, by their paths."""

    storage: Storage
    new_path: Callable[[str], str]
    schema: Callable[[], pa.Schema]
    target_bytes: Callable[[], int]
    schemas: dict[str, pa.Schema] = field(default_factory=dict)

    def write_piece(self, load: Load) -> None:
        """All that waits in memory, or the largest part of it, of one folder."""
        if load.by_folder:
            largest = max(load.by_folder.values(), key=lambda each: each.nbytes)
            load.nbytes -= largest.nbytes
            self.write_piece(largest)
            begun = [each for each in load.by_folder.values() if each.writer is not None and each is not largest]
            if len(begun) >= _MAX_WRITERS:
                self.end(min(begun, key=lambda each: each.nbytes))
            return
        self.writer(load, DataWriter).write(conformed(load.batches, self.schema()))
        load.batches, load.nbytes = [], 0

    def writer(self, load: Load, kind: type[_Writer]) -> _Writer:
        """Of the load's data file, or of the next one."""
        schema, writer = self.schema(), load.writer
        if not isinstance(writer, kind) or writer.schema != schema or writer.size_bytes >= self.target_bytes():
            if writer is not None:
                load.end_part()
            writer = load.writer = kind(self.storage, self.new_path(load.folder), schema)
            self.schemas[writer.path] = schema
        return writer

    def end(self, load: Load) -> None:
        """Of a large file: all its rows are in data files that are complete."""
        if load.by_folder and load.is_large:
            for each in load.by_folder.values():
                if each.batches:
                    self.write_piece(each)
                self.end(each)
                load.parts, each.parts = load.parts + each.parts, []
            load.nbytes = 0
        elif load.is_large and load.batches:
            self.write_piece(load)
        if load.writer is not None:
            load.end_part()
