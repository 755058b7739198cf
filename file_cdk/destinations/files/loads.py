"""What waits in memory of a file that is loaded, and what of it is in data files already."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa

from file_cdk.core.arrow_values import repeated_number, repeated_text
from file_cdk.core.files import RemoteFile
from file_cdk.core.instants import microseconds
from file_cdk.destinations.files.data import DataWriter
from file_cdk.destinations.files.manifest import DataFile
from file_cdk.destinations.files.storage import Storage


@dataclass(slots=True)
class Load:
    """What was written of one file. batches, nbytes: rows that wait in memory. writer, parts: data files of its own, the one that
    is being written and those that are complete. repeated: columns that are the same in each row.

    by_folder: the same by partition, of a table that has any; then batches and writer are those of each. folder: its own.
    """

    batches: list[pa.RecordBatch] = field(default_factory=list)
    nbytes: int = 0
    writer: DataWriter | None = None
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
