"""RecordEncoder, imported where it encodes: not in the parent of the workers that do, which needs no Arrow then."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import pyarrow as pa

    from file_cdk.core.files import RemoteFile
    from file_cdk.core.json_lines import JsonLines
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
        return _encoder(self.stream, self.schemaless).encode(batch, file, first_row, emitted_at_ms)

    def __reduce__(self) -> "tuple[Callable[[str, bool], RecordEncoder], tuple[str, bool]]":
        return _encoder, (self.stream, self.schemaless)


@cache
def _encoder(stream: str, schemaless: bool) -> "RecordEncoder":
    from file_cdk.protocol.record_encoding import RecordEncoder

    return RecordEncoder(stream, schemaless=schemaless)
