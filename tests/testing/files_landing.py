"""A landing in a folder of Parquet files, on this machine or in a bucket."""

import base64
import csv
import gzip
import io
import json
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from file_cdk.destinations.files.database import copied
from file_cdk.destinations.files.destination import FilesDestination, storage_of
from file_cdk.destinations.files.manifest import latest
from file_cdk.destinations.files.types import arrow_type
from file_cdk.destinations.sql.ledger import Ledger


@dataclass(frozen=True)
class FilesLanding:
    path: str

    def destination(self) -> FilesDestination:
        return FilesDestination(self.path)

    def rows(self, stream: str) -> list[dict[str, Any]]:
        storage = storage_of(self.path)
        files = latest(storage).tables.get(stream, [])
        tables = [pq.read_table(io.BytesIO(storage.read(file.path))) for file in files]
        if not tables:
            return []
        table = pa.concat_tables(tables, promote_options="permissive")
        return [
            {name: value for name, value in row.items() if not name.startswith("_file_")} for row in table.to_pylist()
        ]

    def delete_row(self, stream: str, uri: str) -> None:
        storage = storage_of(self.path)
        for file in latest(storage).tables[stream]:
            table = pq.read_table(io.BytesIO(storage.read(file.path)))
            at = pc.index(table["_file_url"], uri).as_py()
            if at >= 0:
                data = io.BytesIO()
                pq.write_table(pa.concat_tables([table.slice(0, at), table.slice(at + 1)]), data)
                storage.put(file.path, data.getvalue())
                return


@dataclass(frozen=True)
class TextLanding(FilesLanding):
    """Of CSV, or JSON lines."""

    output_format: str

    def destination(self) -> FilesDestination:
        return FilesDestination(self.path, output_format=self.output_format)

    def rows(self, stream: str) -> list[dict[str, Any]]:
        storage = storage_of(self.path)
        found: list[dict[str, Any]] = []
        for file in latest(storage).tables.get(stream, []):
            assert file.path.endswith(f".{self.output_format}")
            found += self._parsed(storage.read(file.path))
        with copied(storage) as db:
            columns = Ledger(db, "", stream).columns()
        types = {column: arrow_type(declared) for _, column, declared in columns}
        return [{name: value_of(row.get(name), kind) for name, kind in types.items()} for row in found]

    def _parsed(self, data: bytes) -> list[dict[str, Any]]:
        if self.output_format.startswith("jsonl"):
            return [json.loads(line) for line in gzip.decompress(data).splitlines()]
        names = next(csv.reader(io.StringIO(data.decode(), newline="")))
        options = pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        )
        parsing = pa.csv.ParseOptions(newlines_in_values=True)
        table: pa.Table = pa.csv.read_csv(io.BytesIO(data), parse_options=parsing, convert_options=options)
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows

    def delete_row(self, stream: str, uri: str) -> None:
        storage = storage_of(self.path)
        for file in latest(storage).tables[stream]:
            data = storage.read(file.path)
            lines = (gzip.decompress(data) if file.path.endswith(".gz") else data).splitlines(keepends=True)
            at = next((number for number, line in enumerate(lines) if f'"{uri}"'.encode() in line), None)
            if at is not None:
                left = b"".join(lines[:at] + lines[at + 1 :])
                storage.put(file.path, gzip.compress(left) if file.path.endswith(".gz") else left)
                return


def value_of(cell: Any, kind: pa.DataType) -> Any:
    """Of a CSV cell, or a value in JSON, as its documentation says."""
    t = pa.types
    if cell is None or t.is_string(kind):
        return cell
    if t.is_nested(kind):
        return json.loads(cell) if isinstance(cell, str) else cell
    if t.is_boolean(kind):
        return {"true": True, "false": False}[str(cell).lower()]
    if t.is_binary(kind):
        return base64.b64decode(cell)
    if t.is_date(kind):
        return date.fromisoformat(cell)
    if t.is_timestamp(kind):
        return datetime.fromisoformat(cell)
    if t.is_time(kind):
        return time.fromisoformat(cell)
    return (int if t.is_integer(kind) else float if t.is_floating(kind) else Decimal)(cell)
