"""RecordEncoder, imported where it encodes columns: not in the parent of the workers that do, nor in a process whose records all
are JSON already, which need no Arrow then."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from file_cdk.core.dataclass import dataclass
from file_cdk.core.json_lines import JsonLines

if TYPE_CHECKING:
    import pyarrow as pa

    from file_cdk.core.files import RemoteFile
    from file_cdk.protocol.record_encoding import RecordEncoder


@dataclass(frozen=True, slots=True)
class DeferredEncoder:
    """Stands for a RecordEncoder (the port `JoiningEncoder`)."""

    stream: str
    schemaless: bool = False
    line_oriented: ClassVar[bool] = True

    def encode(
        self,
        batch: "pa.RecordBatch | JsonLines",
        file: "RemoteFile",
        first_row: int,  # noqa: ARG002 - as RecordEncoder
        emitted_at_ms: int,
    ) -> bytes | memoryview:
        """See RecordEncoder."""
        if isinstance(batch, JsonLines) and batch.lines:
            from file_cdk.protocol.spliced_lines import spliced_lines

            return spliced_lines(batch, self.stream, file, emitted_at_ms, schemaless=self.schemaless)
        return _encoder(self.stream, self.schemaless).lines(batch, file, emitted_at_ms)

    def encode_joined(
        self, batch: "pa.RecordBatch", files: "Sequence[RemoteFile]", rows: Sequence[int], emitted_at_ms: int
    ) -> bytes:
        """See core.joining."""
        return _encoder(self.stream, self.schemaless).encode_joined(batch, files, rows, emitted_at_ms)


@cache
def _encoder(stream: str, schemaless: bool) -> "RecordEncoder":
    from file_cdk.protocol.record_encoding import RecordEncoder

    return RecordEncoder(stream, schemaless=schemaless)
