"""Small real files of every format, and what may have happened to them on the way. All of it follows from a seed."""

import bz2
import csv
import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

ROWS = 60
MODIFIED_AT = datetime(2024, 1, 1, tzinfo=UTC)
_RECORDS = [
    {
        "id": number,
        "name": f"näme {number}" if number % 7 else 'say "hi"\nthere',
        "amount": number / 8,
        "flag": number % 3 == 0,
        "note": None if number % 2 else f"n,{number}",
        "tags": ["a", "b"][: number % 3],
        "place": {"lat": number * 1.5, "label": "x" * (number % 5)},
    }
    for number in range(ROWS)
]
_FLAT = [{key: value for key, value in record.items() if key not in ("tags", "place")} for record in _RECORDS]
_AVRO = {
    "type": "record",
    "name": "r",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "name", "type": "string"},
        {"name": "amount", "type": "double"},
        {"name": "flag", "type": ["null", "boolean"]},
        {"name": "note", "type": ["null", "string"]},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {
            "name": "place",
            "type": {
                "type": "record",
                "name": "p",
                "fields": [{"name": "lat", "type": "double"}, {"name": "label", "type": "string"}],
            },
        },
    ],
}


def _csv(delimiter: str, encoding: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(_FLAT[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(_FLAT)
    return text.getvalue().encode(encoding)


def _jsonl() -> bytes:
    return b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in _RECORDS)


def _parquet(compression: str, version: str) -> bytes:
    sink = io.BytesIO()
    table = pa.Table.from_pylist(_RECORDS)
    table = table.append_column("cents", pa.array([Decimal(n) / 100 for n in range(ROWS)], pa.decimal128(9, 2)))
    pq.write_table(table, sink, row_group_size=25, compression=compression, data_page_version=version)
    return sink.getvalue()


def _avro(codec: str) -> bytes:
    sink = io.BytesIO()
    fastavro.writer(sink, _AVRO, _RECORDS, codec=codec, sync_interval=800)
    return sink.getvalue()


def _xlsx() -> bytes:
    sink = io.BytesIO()
    book = xlsxwriter.Workbook(sink, {"in_memory": True})
    sheet = book.add_worksheet("data")
    sheet.write_row(0, 0, list(_FLAT[0]))
    for row, record in enumerate(_FLAT, 1):
        sheet.write_row(row, 0, list(record.values()))
    book.close()
    return sink.getvalue()


def _zip_stored(data: bytes) -> bytes:
    """The same workbook, not compressed: mutations then reach the XML and not the checksums alone."""
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(sink, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return sink.getvalue()


@cache
def seeds(filetype: str) -> list[tuple[str, bytes]]:
    """Names and contents of the files that are mutated."""
    match filetype:
        case "csv":
            return [("a.csv", _csv(",", "utf-8")), ("b.csv", _csv(",", "utf-8").replace(b"\r\n", b"\n"))]
        case "jsonl":
            lines = _jsonl()
            return [("a.jsonl", lines), ("b.json", json.dumps(_RECORDS, indent=1).encode())]
        case "parquet":
            return [("a.parquet", _parquet("snappy", "1.0")), ("b.parquet", _parquet("none", "2.0"))]
        case "avro":
            return [("a.avro", _avro("deflate")), ("b.avro", _avro("null")), ("c.avro", _avro("snappy"))]
        case "excel":
            book = _xlsx()
            return [("a.xlsx", book), ("b.xlsx", _zip_stored(book))]
        case "compressed":
            plain = _jsonl()
            return [("a.jsonl.gz", gzip.compress(plain, mtime=0)), ("b.jsonl.bz2", bz2.compress(plain))]
    raise ValueError(filetype)


def _flip_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 1, 3, 30))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _random_bytes(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    length = rng.choice((1, 4, 64, 512))
    data[start : start + length] = rng.randbytes(length)


def _truncate(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def _cut_out(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    del data[start : start + rng.choice((1, 7, 100))]


def _repeat(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    piece = data[start : start + rng.choice((1, 20, 300))]
    data[start:start] = piece * rng.choice((1, 5, 50))


def _huge_numbers(data: bytearray, rng: random.Random) -> None:
    """What may be a length or a count becomes huge or negative."""
    start = rng.randrange(len(data))
    huge = rng.choice((b"\xff\xff\xff\x7f", b"\xff" * 8, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"9" * 30))
    data[start : start + len(huge)] = huge


def _nest(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    data[start:start] = rng.choice((b"[", b'{"a":', b'"', b"(")) * rng.choice((10, 1000, 20_000))


def _append(data: bytearray, rng: random.Random) -> None:
    data += rng.randbytes(rng.choice((1, 16, 1000)))


_MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip_bits,
    _flip_bits,
    _random_bytes,
    _truncate,
    _cut_out,
    _repeat,
    _huge_numbers,
    _nest,
    _append,
)


def mutated(filetype: str, number: int) -> tuple[str, bytes]:
    """The name and the content of a mutated file."""
    rng = random.Random(f"{filetype} {number}")
    name, original = rng.choice(seeds(filetype))
    data = bytearray(original)
    for _ in range(rng.choice((1, 1, 2, 3))):
        if data:
            rng.choice(_MUTATIONS)(data, rng)
    return name, bytes(data)
