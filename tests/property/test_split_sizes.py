"""However a file is cut, the same bytes come out: through the engine's chain of splits, to protocol lines."""

import csv
import io
import json
import re
from dataclasses import dataclass, replace
from typing import IO, Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from file_builders import remote

from file_cdk.core.config import AvroConfig, CsvConfig, JsonlConfig, ParquetConfig
from file_cdk.core.files import RemoteFile
from file_cdk.engine.executor import InlineExecutor
from file_cdk.engine.ordering import FileBlock, FileDone, OrderedRun
from file_cdk.engine.work import Job, RecordShape
from file_cdk.formats.avro.format import AvroFormat
from file_cdk.formats.csv import CsvFormat
from file_cdk.formats.jsonl.format import JsonlFormat
from file_cdk.formats.parquet.format import ParquetFormat
from file_cdk.protocol.record_encoding import RecordEncoder

RECORDS: list[dict[str, Any]] = [
    {
        "id": number,
        "text": f'line one of {number},\nline "two"' if number % 3 else f"plain {number} ü",
        "amount": number / 4,
        "nested": {"a": [number, None], "b": "}\n{"},
    }
    for number in range(400)
]
FLAT = [{key: value for key, value in record.items() if key != "nested"} for record in RECORDS]
AVRO_SCHEMA = {
    "type": "record",
    "name": "r",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "text", "type": ["null", "string"]},
        {"name": "amount", "type": "double"},
    ],
}


def csv_bytes() -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(FLAT[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(FLAT)
    return text.getvalue().encode()


def jsonl_bytes() -> bytes:
    lines = [json.dumps(record) for record in RECORDS]
    lines.insert(123, '{"cut": ')
    return "\n".join(lines).encode()


def joined_bytes(between: str, encoding: str = "utf-8") -> bytes:
    """All records on one line, as far as line feeds end lines."""
    return between.join(json.dumps(record) for record in RECORDS).encode(encoding)


def pretty_bytes() -> bytes:
    return "\n".join(json.dumps(record, indent=1) for record in RECORDS).encode()


def parquet_bytes() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(RECORDS), sink, row_group_size=37)
    return sink.getvalue()


def avro_bytes() -> bytes:
    sink = io.BytesIO()
    fastavro.writer(sink, AVRO_SCHEMA, FLAT, codec="deflate", sync_interval=500, sync_marker=b"0123456789abcdef")
    return sink.getvalue()


@dataclass(frozen=True, slots=True)
class InMemory:
    data: bytes

    def list_files(self, prefix: str) -> Any:
        raise NotImplementedError

    def open(self, file: RemoteFile) -> IO[bytes]:
        return io.BytesIO(self.data)


def output(decoder: Any, data: bytes) -> tuple[bytes, int, int]:
    """Protocol lines without their times, and how many records were read and rejected."""
    file = remote(data)
    job = Job(InMemory(data), decoder, RecordEncoder("s"), RecordShape(None))
    lines, rows, rejected = b"", -1, -1
    for event in OrderedRun(InlineExecutor(), job, [file]):
        match event:
            case FileBlock(block=block):
                lines += block.read()
            case FileDone(tally):
                rows, rejected = tally.rows, tally.rejects.total()
    return re.sub(rb'"emitted_at":[0-9]+', b"", lines), rows, rejected


@pytest.mark.parametrize("split_bytes", [1, 7, 64 << 10])
@pytest.mark.parametrize(
    ("decoder", "data", "rejected"),
    [
        (CsvFormat(CsvConfig()), csv_bytes(), 0),
        (JsonlFormat(JsonlConfig()), jsonl_bytes(), 1),
        (JsonlFormat(JsonlConfig()), pretty_bytes(), 0),
        (JsonlFormat(JsonlConfig()), pretty_bytes().replace(b"}\n{\n", b"}{\n"), 0),
        (JsonlFormat(JsonlConfig()), joined_bytes(""), 0),
        (JsonlFormat(JsonlConfig()), joined_bytes("") + b'{"id": 4', 1),
        (JsonlFormat(JsonlConfig()), joined_bytes(", "), 0),
        (JsonlFormat(JsonlConfig()), joined_bytes("\r"), 0),
        (JsonlFormat(JsonlConfig()), b"\x1e" + joined_bytes("\n\x1e"), 0),
        (JsonlFormat(JsonlConfig()), joined_bytes("\r\n", "utf-16"), 0),
        (JsonlFormat(JsonlConfig()), joined_bytes("\n", "utf-16-be"), 0),
        (JsonlFormat(JsonlConfig()), joined_bytes("\n", "utf-16")[:-2], 1),
        (ParquetFormat(ParquetConfig()), parquet_bytes(), 0),
        (AvroFormat(AvroConfig()), avro_bytes(), 0),
    ],
    ids=[
        "csv",
        "jsonl",
        "pretty json",
        "pretty json without line ends",
        "json on one line",
        "the last one cut",
        "commas",
        "cr",
        "json-seq",
        "utf-16",
        "utf-16-be",
        "utf-16 cut",
        "parquet",
        "avro",
    ],
)
def test_output_is_the_same_to_the_byte(decoder: Any, data: bytes, rejected: int, split_bytes: int) -> None:
    whole = output(replace(decoder, split_bytes=None), data)
    assert whole[1] >= len(RECORDS) - rejected
    assert whole[2] == rejected
    assert output(replace(decoder, split_bytes=split_bytes), data) == whole
