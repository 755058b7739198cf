"""JSON Lines as a format. What reads them is in reading.py, for whose imports the process that lists and orders has no use."""

from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

from file_cdk.core.column_ports import Place
from file_cdk.core.config import JsonlConfig
from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import FormatFacts, JsonLines, SplitReport

if TYPE_CHECKING:
    import pyarrow as pa

    from file_cdk.formats.jsonl.reading import JsonlReading


MAX_RECORD_BYTES = 64 * 1024 * 1024
"""Maximum size of a record, in bytes."""


@dataclass(frozen=True, slots=True)
class JsonlFormat:
    """JSON Lines files (UTF-8, `\\n` between records); also objects over several lines, one after the other, arrays of
    objects, files without line feeds, and text in UTF-16, all of which take one worker per file; several objects on a line. An
    empty file is a file without records.

    Memory per split: one piece of 128 KiB, for a table of 1 MiB, or one record where that is longer, a few times over; of a
    record longer than `max_record_bytes` no more than that is held.
    """

    config: JsonlConfig
    split_bytes: int | None = 4 * 1024 * 1024
    max_record_bytes: int = MAX_RECORD_BYTES

    @property
    def facts(self) -> FormatFacts:
        return FormatFacts(self.split_bytes)

    def infer_json_schema(self, stream: IO[bytes], file: RemoteFile) -> dict[str, Any]:
        """Types of the top level only. Rejected records are passed over, and are an error when there are no others."""
        return self._reading.infer_json_schema(stream, file)

    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> "pa.Schema":
        """See JsonlReading; this and what follows."""
        return self._reading.infer_table_schema(stream, file)

    def read_records(
        self, stream: IO[bytes], split: Split, json_schema: Mapping[str, Any] | None, report: SplitReport
    ) -> Iterator["pa.RecordBatch | JsonLines"]:
        return self._reading.read_records(stream, split, json_schema, report)

    def read_table(
        self, stream: IO[bytes], split: Split, schema: "pa.Schema", report: SplitReport
    ) -> Iterator["pa.RecordBatch"]:
        return self._reading.read_table(stream, split, schema, report)

    def locate(self, stream: IO[bytes], split: Split, report: SplitReport) -> Iterator[Place]:
        return self._reading.locate(stream, split, report)

    @property
    def _reading(self) -> "JsonlReading":
        from file_cdk.formats.jsonl.reading import JsonlReading

        return JsonlReading(self.max_record_bytes)
