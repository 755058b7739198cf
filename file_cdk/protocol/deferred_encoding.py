"""RecordEncoder, imported where it encodes columns: not in the parent of the workers that do, nor in a process whose records all
are JSON already, which need no Arrow then."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from file_cdk.core.json_lines import JsonLines

if TYPE_CHECKING:
    import pyarrow as pa

    from file_cdk.core.files import RemoteFile
    from file_cdk.protocol.record_encoding import RecordEncoder


@dataclass(frozen=True, slots=True)
class DeferredEncoder:
    """Stands for a RecordEncoder, and arrives as one in a worker process (the port `Encoder`)."""

    stream: str
    schemaless: bool = False
    line_oriented: ClassVar[bool] = True

    def encode(
        self, batch: "pa.RecordBatch | JsonLines", file: "RemoteFile", first_row: int, emitted_at_ms: int
    ) -> bytes:
        """See RecordEncoder."""
        if isinstance(batch, JsonLines) and batch.lines:
            from file_cdk.protocol.spliced_lines import spliced_lines

            return spliced_lines(batch, self.stream, file, emitted_at_ms, schemaless=self.schemaless)
        return _encoder(self.stream, self.schemaless).encode(batch, file, first_row, emitted_at_ms)

    def encode_joined(
        self, batch: "pa.RecordBatch", files: "Sequence[RemoteFile]", rows: "Sequence[int]", emitted_at_ms: int
    ) -> bytes:
        """See core.joining. Whether small files are read together is asked before there is a worker."""
        return _encoder(self.stream, self.schemaless).encode_joined(batch, files, rows, emitted_at_ms)

    def __reduce__(self) -> "tuple[Callable[[str, bool], RecordEncoder], tuple[str, bool]]":
        return _encoder, (self.stream, self.schemaless)


@cache
def _encoder(stream: str, schemaless: bool) -> "RecordEncoder":
    from file_cdk.protocol.record_encoding import RecordEncoder

    return RecordEncoder(stream, schemaless=schemaless)
