"""What was written of one file, until the manifest that names it is there."""

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
class FileRows:
    """What was written of one file. batches, nbytes: rows that wait in memory. writer, parts: data files of its own, the one that
    is being written and those that are complete."""

    batches: list[pa.RecordBatch] = field(default_factory=list)
    nbytes: int = 0
    writer: DataWriter | None = None
    parts: list[DataFile] = field(default_factory=list)
    file: RemoteFile | None = None
    rows: int = 0
    _repeated: tuple[pa.Array, pa.Array] | None = None

    @property
    def is_large(self) -> bool:
        return self.writer is not None or bool(self.parts)

    def repeated(self, metadata: tuple[str, str], rows: int, kind: pa.DataType) -> list[pa.Array]:
        """The columns that are the same in each row, cut from those of the batch before: to make them took longer than all else
        that is done with a batch here. metadata: the url, and when the file was modified. kind: the type of the latter."""
        if self._repeated is None or len(self._repeated[0]) < rows:
            modified = microseconds(datetime.fromisoformat(metadata[1]).replace(tzinfo=UTC))
            times = repeated_number(modified, 2 * rows).view(kind)
            self._repeated = repeated_text(metadata[0], 2 * rows), times
        return [each.slice(0, rows) for each in self._repeated]

    def discard(self, storage: Storage) -> None:
        """Leaves nothing of it."""
        if self.writer is not None:
            self.writer.abort()
        storage.remove(part.path for part in self.parts)
        self.writer, self.parts, self.batches = None, [], []
