"""Law: a damaged Avro file is read as far as it is good, or refused with an error of ours; it is never read short in silence."""

import io
import random
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import fastavro
import pytest

from file_cdk.core.config import AvroConfig
from file_cdk.core.errors import MalformedFileError, TypeMismatchError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import SplitReport
from file_cdk.formats.avro.format import AvroFormat
from file_cdk.protocol.record_encoding import RecordEncoder

COLUMNS = AvroFormat(AvroConfig())
ONE_BY_ONE = AvroFormat(AvroConfig(), columns=False)
SYNC = b"0123456789abcdef"
ROWS = 40

FLAT: dict[str, Any] = {
    "type": "record",
    "name": "Flat",
    "fields": [
        {"name": "n", "type": ["null", "long"]},
        {"name": "text", "type": ["null", "string"]},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 2}},
        {"name": "grade", "type": {"type": "enum", "name": "Grade", "symbols": ["a", "b"]}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "more", "type": {"type": "map", "values": ["null", "double"]}},
    ],
}
RECURSIVE: dict[str, Any] = {
    "type": "record",
    "name": "Node",
    "fields": [
        {"name": "n", "type": "int"},
        {"name": "next", "type": ["null", "Node"]},
        {"name": "nothing", "type": {"type": "array", "items": "null"}},
        {"name": "either", "type": ["int", "string", "boolean"]},
    ],
}


def flat(n: int) -> dict[str, Any]:
    price = struct.pack(">q", n * 12345)
    more = {"x": None, "y": n / 3}
    tags = ["t"] * (n % 4)
    return {
        "n": n,
        "text": f"text {n}",
        "day": n,
        "at": n * 10**9,
        "price": price,
        "grade": "ab"[n % 2],
        "tags": tags,
        "more": more,
    }


def recursive(n: int) -> dict[str, Any]:
    inner = recursive(n - 1) if n % 5 else None
    return {"n": n, "next": inner, "nothing": [None] * (n % 3), "either": [n, "text", True][n % 3]}


@cache
def good_files() -> list[bytes]:
    files = []
    for schema, row in ((FLAT, flat), (RECURSIVE, recursive)):
        for codec in ("null", "deflate", "bzip2", "snappy", "xz"):
            sink = io.BytesIO()
            rows = [row(n) for n in range(ROWS)]
            fastavro.writer(sink, schema, rows, codec=codec, sync_interval=300, sync_marker=SYNC)
            files.append(sink.getvalue())
    return files


def flip_bits(data: bytearray, luck: random.Random) -> None:
    for _ in range(luck.choice([1, 1, 1, 3, 20])):
        data[luck.randrange(len(data))] ^= 1 << luck.randrange(8)


def truncate(data: bytearray, luck: random.Random) -> None:
    del data[luck.randrange(len(data)) :]


def overwrite(data: bytearray, luck: random.Random) -> None:
    at = luck.randrange(len(data))
    data[at : at + luck.randrange(1, 40)] = luck.choice(
        [
            luck.randbytes(luck.randrange(40)),
            b"\xff" * 9 + b"\x01",
            b"\x00" * 30,
            b"\x02" * 3000,
            SYNC,
            b"\xfe\xff\xff\xff\x0f",
        ]
    )


def cut_out(data: bytearray, luck: random.Random) -> None:
    at = luck.randrange(len(data))
    del data[at : at + luck.randrange(1, 200)]


MUTATIONS: list[Callable[[bytearray, random.Random], None]] = [flip_bits, truncate, overwrite, cut_out]


def mutated(seed: int) -> bytes:
    luck = random.Random(seed)
    data = bytearray(luck.choice(good_files()))
    luck.choice(MUTATIONS)(data, luck)
    return bytes(data)


def records_claimed(data: bytes) -> int | None:
    """What the blocks say together, read without the code under test; None if the frame is broken."""
    try:
        return sum(block.num_records for block in fastavro.block_reader(io.BytesIO(data)))
    except Exception:  # noqa: BLE001 - it raises whatever comes
        return None


def check(data: bytes, seed: int) -> None:
    file = RemoteFile("a.avro", len(data), datetime(2024, 1, 1, tzinfo=UTC), etag=str(seed))
    split = Split(file, 0, 0, len(data))
    for fmt in (COLUMNS, ONE_BY_ONE):
        report, encoder, lines = SplitReport(), RecordEncoder("s"), 0
        whole = False
        try:
            for batch in fmt.read_records(io.BytesIO(data), split, None, report):
                lines += encoder.encode(batch, file, 1, 0).count(b"\n")
            whole = True
        except MalformedFileError as exc:
            assert exc.uri == "a.avro"  # noqa: PT017 - there need not be an error
        assert lines == report.rows
        if whole:
            assert report.end == len(data)
            claimed = records_claimed(data)  # fastavro also reads what of the header is of no consequence
            assert report.rows_present == (ROWS if claimed is None else claimed)
        try:
            schema = fmt.infer_table_schema(io.BytesIO(data), file)
            report, rows = SplitReport(), 0
            for batch in fmt.read_table(io.BytesIO(data), split, schema, report):
                rows += batch.num_rows
            assert rows == report.rows
            assert whole
        except (MalformedFileError, TypeMismatchError):
            pass


@pytest.mark.parametrize("first", range(0, 1000, 100))
def test_mutated_files(first: int) -> None:
    for seed in range(first, first + 100):
        check(mutated(seed), seed)


def test_files_that_are_something_else() -> None:
    luck = random.Random(1)
    for seed in range(100):
        check(luck.randbytes(luck.randrange(300)), 10_000 + seed)
        check(b"Obj\x01" + luck.randbytes(luck.randrange(300)), 20_000 + seed)
