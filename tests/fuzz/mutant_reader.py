"""Run in a process of its own: reads mutated files, and says of each how it went when it is through: one JSON line a file.

python mutant_reader.py FILETYPE FIRST END
"""

import csv
import io
import json
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import mutations

from file_cdk.core.config import SourceConfig, StreamConfig, parse_config
from file_cdk.core.errors import FileCdkError, InternalError, TypeMismatchError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Encoder, Format
from file_cdk.destinations.arrow_ipc import ArrowIpcEncoder
from file_cdk.engine.executor import InlineExecutor
from file_cdk.engine.ordering import FileBlock, FileDone, FileFailed, FileTally, OrderedRun
from file_cdk.engine.sampling import Target, sample
from file_cdk.engine.work import Job, RecordShape, TableShape
from file_cdk.formats.registry import format_for
from file_cdk.protocol.record_encoding import RecordEncoder

ADDRESS_SPACE_BYTES = 4 << 30
_FORMATS = {"compressed": "jsonl"}


@dataclass(frozen=True, slots=True)
class InMemory:
    """A StreamReader over one file."""

    data: bytes

    def list_files(self, prefix: str) -> Any:
        raise NotImplementedError

    def open(self, file: RemoteFile) -> IO[bytes]:
        return io.BytesIO(self.data)


def main(filetype: str, first: int, end: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    raw = {"streams": [{"name": "s", "format": {"filetype": _FORMATS.get(filetype, filetype)}}]}
    stream = parse_config(SourceConfig, raw).streams[0]
    for number in range(first, end):
        name, data = mutations.mutated(filetype, number)
        file = RemoteFile(name, len(data), mutations.MODIFIED_AT, etag=str(number))
        faults = list(_faults(filetype, stream, file, data))
        print(json.dumps({"read": number, "faults": faults}), flush=True)
    print(json.dumps({"max_rss_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}), flush=True)


def _faults(filetype: str, stream: StreamConfig, file: RemoteFile, data: bytes) -> Any:
    """What must not be, in words; nothing for a file that was read or refused as it should."""
    decoder = format_for(stream.format, stream)
    reader = InMemory(data)
    records = _read(Job(reader, decoder, RecordEncoder("s"), RecordShape(None)), file)
    yield from _judged("records", filetype, data, records)
    schemas = []
    for target in ("json", "table"):
        found = _sampled(reader, decoder, file, target)
        if isinstance(found, InternalError):
            yield f"{target} schema: {found} {found.trace[-1500:]}"
        schemas.append(found)
    if not isinstance(schemas[1], FileCdkError):
        table = _read_table(reader, decoder, ArrowIpcEncoder(), file, schemas[1])
        yield from _judged("table", filetype, data, table)
        if (
            isinstance(records, FileTally)
            and isinstance(table, FileTally)
            and records.rows_present != table.rows_present
        ):
            yield f"{records.rows_present} records for the protocol, {table.rows_present} for a table"


def _sampled(reader: InMemory, decoder: Format, file: RemoteFile, target: Target) -> Any:
    return next(sample(InlineExecutor(), reader, decoder, [file], target))


def _read(job: Job, file: RemoteFile) -> FileTally | FileCdkError:
    for event in OrderedRun(InlineExecutor(), job, [file]):
        match event:
            case FileBlock(block=block):
                block.read()
            case FileDone(tally):
                return tally
            case FileFailed(_, error):
                return error
    return InternalError("neither done nor failed")


def _read_table(
    reader: InMemory, decoder: Format, encoder: Encoder, file: RemoteFile, schema: Any
) -> FileTally | FileCdkError:
    import pyarrow as pa

    from file_cdk.core.arrow_types import merge_schemas, without_nulls

    for _ in range(50):
        schema = pa.schema([(field.name, without_nulls(field.type)) for field in merge_schemas([schema])])
        outcome = _read(Job(reader, decoder, encoder, TableShape(schema)), file)
        if not isinstance(outcome, TypeMismatchError):
            return outcome
        schema = merge_schemas([schema, pa.schema(list(outcome.columns.items()))])
    return InternalError("its columns fit no types")


def _lines_are_kept(outcome: FileTally) -> bool:
    """Whether a record of a table was found to be several: the csv module, which counts, makes one of all its lines."""
    return any("quote" in reason for reason in outcome.rejects.counts)


def _judged(what: str, filetype: str, data: bytes, outcome: FileTally | FileCdkError) -> Any:
    if isinstance(outcome, InternalError):
        yield f"{what}: {outcome} {outcome.trace[-1500:]}"
    elif isinstance(outcome, FileTally):
        present = _count(filetype, data)
        if present is not None and _lines_are_kept(outcome) and outcome.rows_present > present:
            return
        if present is not None and present != outcome.rows_present:
            yield f"{what}: {outcome.rows_present} of {present} records: {outcome.rejects.counts} {outcome.skipped}"


def _count(filetype: str, data: bytes) -> int | None:
    """Records in the file, counted without our code; None where there is no other way to count."""
    match filetype:
        case "csv":
            return _count_csv(data)
        case "jsonl":
            return _count_jsonl(data)
        case "parquet":
            import pyarrow.parquet as pq

            return int(pq.ParquetFile(io.BytesIO(data)).metadata.num_rows)
    return None


def _count_csv(data: bytes) -> int | None:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    csv.field_size_limit(1 << 30)
    return max(0, sum(1 for row in csv.reader(io.StringIO(text, newline="")) if row) - 1)


def _count_jsonl(data: bytes) -> int | None:
    """Of files in which every line that is no object by itself is not the beginning or middle of one either."""
    lines = [line for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip(b" \t\r")]
    if lines and lines[0].lstrip().startswith(b"["):
        return None
    for line in lines:
        try:
            json.loads(line)
        except (ValueError, RecursionError):
            return None
    return len(lines)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
