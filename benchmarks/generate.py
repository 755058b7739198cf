"""Writes the benchmark data: the same on every machine, because each row is a function of its number.

Orders are rows of 11 columns of mixed types, about 109 bytes a row as CSV and 217 as JSON lines. DuckDB makes them and writes
them as it goes: memory does not grow with the size.
"""

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import fastavro
import xlsxwriter

ORDER_COLUMNS = {
    "id": "integer",
    "customer_id": "integer",
    "quantity": "integer",
    "amount": "number",
    "tax": "number",
    "status": "string",
    "comment": "string",
    "flag": "boolean",
    "ship_date": "string",
    "created_at": "string",
    "note": "string",
}
"""As types of JSON."""
LARGE_COLUMNS = ("id", "name", "value", "day", "note")
WIDE_COLUMNS = 1_000
_GZIP_LEVEL = 6
"""What gzip does when it is not told."""

# Multiplications modulo 2**32 in place of duckdb's hash(), which may differ between its versions.
_MACROS = """
CREATE MACRO scrambled(x) AS ((xor(x, x >> 15) * 668265263) % 4294967296);
CREATE MACRO drawn(i, salt, n) AS (scrambled(scrambled((i * 2654435 + salt * 374761) % 4294967296)) >> 7) % n;
CREATE MACRO word(k) AS
    ['alpha', 'bravo', 'charlie', 'delta', 'echo, inc', 'fox "trot"', 'golf', 'hôtel', 'india', 'juliet'][k + 1];
"""
_ROWS = """
SELECT i AS id,
       drawn(i, 1, 1000000) AS customer_id,
       1 + drawn(i, 2, 50) AS quantity,
       amount,
       round(amount * 0.19, 4) AS tax,
       word(drawn(i, 4, 3)) AS status,
       concat_ws(' ', word(drawn(i, 5, 10)), word(drawn(i, 6, 10)), word(drawn(i, 7, 10))) AS comment,
       drawn(i, 8, 2) = 1 AS flag,
       created_at::DATE AS ship_date,
       created_at,
       CASE WHEN drawn(i, 9, 2) = 1 THEN 'n' || i END AS note
FROM (
    SELECT range AS i,
           (drawn(range, 3, 20000) + drawn(range, 13, 10000)) / 100 AS amount,
           TIMESTAMP '2024-01-01' + to_seconds(drawn(range, 10, 31536000)) AS created_at
    FROM range({first}, {last})
)
"""
_OPTIONS = {
    "csv": "FORMAT csv, HEADER, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S.%f'",
    "jsonl": "FORMAT json, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S'",
    "parquet": "FORMAT parquet, ROW_GROUP_SIZE 100000",
}


_AVRO = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": name, "type": ["null", kind]}
        for name, kind in {
            "id": "long",
            "customer_id": "long",
            "quantity": "int",
            "amount": "double",
            "tax": "double",
            "status": "string",
            "comment": "string",
            "flag": "boolean",
            "ship_date": {"type": "int", "logicalType": "date"},
            "created_at": {"type": "long", "logicalType": "timestamp-micros"},
            "note": "string",
        }.items()
    ],
}


@dataclass(frozen=True, slots=True)
class Data:
    """A cache of folders of data. They are named after this module's text too: when it changes, they are made anew."""

    folder: Path

    def orders(self, filetype: str, rows: int, files: int = 4) -> Path:
        """filetype: csv, jsonl, parquet, avro, or gz (CSV packed by gzip)."""
        return self._made(f"orders-{filetype}-{rows}-{files}", lambda out: _write_orders(out, filetype, rows, files))

    def workbook(self, rows: int) -> Path:
        return self._made(f"workbook-{rows}", lambda out: _write_workbook(out / "orders.xlsx", rows))

    def wide(self, rows: int) -> Path:
        """CSV of a thousand columns."""
        return self._made(f"wide-{rows}", lambda out: _write_lines(out, "csv", rows, _wide_rows))

    def nested(self, rows: int) -> Path:
        return self._made(f"nested-{rows}", lambda out: _write_lines(out, "jsonl", rows, _nested_rows))

    def long_strings(self, rows: int) -> Path:
        """JSON lines, each with a string of 100 KB."""
        return self._made(f"long-{rows}", lambda out: _write_lines(out, "jsonl", rows, _long_rows))

    def small(self, files: int) -> Path:
        """CSV files of 4 KB, in a hundred folders."""
        return self._made(f"small-{files}", lambda out: _write_small(out, files))

    def _made(self, name: str, write: Callable[[Path], None]) -> Path:
        version = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
        folder = self.folder / f"{name}-{version}"
        if not folder.exists():
            making = folder.with_suffix(".making")
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True)
            write(making)
            making.rename(folder)
        return folder


def write_large(path: Path, size_bytes: int) -> Path:
    """CSV of five columns, about that large."""
    block = "".join(_large_row(number) for number in range(20_000)).encode()
    with path.open("wb") as file:
        file.write(",".join(LARGE_COLUMNS).encode() + b"\n")
        for _ in range(size_bytes // len(block)):
            file.write(block)
        rest = block[: size_bytes % len(block)]
        file.write(rest[: rest.rfind(b"\n") + 1])
    return path


def small_csv(number: int) -> bytes:
    rows = "".join(_large_row(number * 100 + row) for row in range(77))
    return ",".join(LARGE_COLUMNS).encode() + b"\n" + rows.encode()


def _write_orders(out: Path, filetype: str, rows: int, files: int) -> None:
    with duckdb.connect(config={"memory_limit": "1GB", "preserve_insertion_order": True}) as connection:
        connection.execute(_MACROS)
        for part in range(files):
            selected = _ROWS.format(first=rows * part // files, last=rows * (part + 1) // files)
            if filetype == "avro":
                with (out / f"part-{part:04}.avro").open("wb") as file:
                    fastavro.writer(file, _AVRO, _records(connection.execute(selected)), codec="deflate")
                continue
            extension = "csv" if filetype == "gz" else filetype
            path = out / f"part-{part:04}.{extension}"
            quoted = str(path).replace("'", "''")
            connection.execute(f"COPY ({selected}) TO '{quoted}' ({_OPTIONS[extension]})")
            if filetype == "gz":
                path.with_suffix(".csv.gz").write_bytes(gzip.compress(path.read_bytes(), _GZIP_LEVEL, mtime=0))
                path.unlink()


def _records(chosen: duckdb.DuckDBPyConnection) -> Iterator[dict[str, Any]]:
    names = [column[0] for column in chosen.description or ()]
    while found := chosen.fetchmany(10_000):
        for values in found:
            record = dict(zip(names, values, strict=True))
            created_at: datetime = record["created_at"]
            yield record | {
                "created_at": created_at.replace(tzinfo=UTC),
                "tax": float(record["tax"]),
                "amount": float(record["amount"]),
            }


def _write_workbook(path: Path, rows: int) -> None:
    """Numbers, text, booleans, dates and time stamps; some cells are empty."""
    begin = datetime(2020, 1, 1)  # noqa: DTZ001 - sheets know no time zones
    cities = ["Paris", "Lyon", "New York", "Köln", "São Paulo"]
    names = ["id", "name", "amount", "paid", "day", "at", "city", "code", "quantity", "share", "note"]
    with xlsxwriter.Workbook(path) as workbook:
        day = workbook.add_format({"num_format": "yyyy-mm-dd"})
        instant = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        sheet = workbook.add_worksheet("orders")
        sheet.write_row(0, 0, names)
        for i in range(1, rows + 1):
            drawn = i * 2_654_435_761 % 2**32
            sheet.write_number(i, 0, i)
            sheet.write_string(i, 1, f"customer {i}")
            sheet.write_number(i, 2, drawn % 100_000 / 100)
            sheet.write_boolean(i, 3, i % 3 == 0)
            sheet.write_datetime(i, 4, begin + timedelta(days=i % 3000), day)
            sheet.write_datetime(i, 5, begin + timedelta(seconds=37 * i), instant)
            sheet.write_string(i, 6, cities[drawn % 5])
            sheet.write_string(i, 7, f"c{i % 1000:05}")
            if i % 5:
                sheet.write_number(i, 8, drawn % 10**6)
            sheet.write_number(i, 9, drawn / 2**32)
            if i % 7:
                sheet.write_string(i, 10, f"note {i % 977}")


def _write_lines(out: Path, extension: str, rows: int, lines: Callable[[range], Iterator[str]], files: int = 4) -> None:
    for part in range(files):
        with (out / f"part-{part:04}.{extension}").open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines(range(rows * part // files, rows * (part + 1) // files)))


def _wide_rows(numbers: range) -> Iterator[str]:
    yield ",".join(f"column_{column:04}" for column in range(WIDE_COLUMNS)) + "\n"
    for number in numbers:
        yield ",".join(f"{(number * 7 + column) % 9973}" for column in range(WIDE_COLUMNS)) + "\n"


def _nested_rows(numbers: range) -> Iterator[str]:
    for number in numbers:
        order = {
            "id": number,
            "customer": {"name": f"customer {number % 977}", "address": {"city": "Köln", "zip": [number % 10, "x"]}},
            "items": [{"sku": f"s{number % 31}-{item}", "price": item * 1.25, "tags": ["a", "b"]} for item in range(3)],
            "attributes": {f"key{number % 5}": number % 2 == 0, "depth": {"a": {"b": {"c": number % 100}}}},
        }
        yield json.dumps(order, ensure_ascii=False) + "\n"


def _long_rows(numbers: range) -> Iterator[str]:
    text = 'the "quick" brown fox\njumps over the lazy dög; ' * 2_000
    for number in numbers:
        yield json.dumps({"id": number, "text": text[number % 997 :]}, ensure_ascii=False) + "\n"


def _large_row(number: int) -> str:
    drawn = number * 2_654_435_761 % 2**32
    return f"{number},name-{number % 977},{drawn / 2**32:.6f},2026-01-{number % 28 + 1:02},{'x' * (number % 40)}\n"


def _write_small(out: Path, files: int) -> None:
    for number in range(files):
        path = out / f"day={number % 100:02}" / f"part-{number:06}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(small_csv(number))
