"""The conformance suite for formats against each that is built in."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from file_cdk.core.config import AvroConfig, CsvConfig, ExcelConfig, JsonlConfig, ParquetConfig
from file_cdk.core.formats import BUILT_IN
from file_cdk.formats.avro import AvroFormat
from file_cdk.formats.csv import CsvFormat
from file_cdk.formats.excel import ExcelFormat
from file_cdk.formats.jsonl import JsonlFormat
from file_cdk.formats.parquet import ParquetFormat
from file_cdk.testing.format_conformance import FormatConformance

Records = Sequence[dict[str, Any]]

_MARK = "to be spoiled"


def spoil(data: bytes) -> bytes:
    """Makes text of the same length that is not UTF-8 out of the one name."""
    assert data.count(_MARK.encode()) == 1
    return data.replace(_MARK.encode(), b"\xff" * len(_MARK))


class TestCsvFormat(FormatConformance):
    def make_format(self) -> CsvFormat:
        return CsvFormat(CsvConfig(ragged="reject"))

    def write(self, records: Records) -> bytes:
        text = io.StringIO()
        writer = csv.DictWriter(text, ["id", "name"])
        writer.writeheader()
        writer.writerows(records)
        return text.getvalue().encode()

    def write_spoiled(self, before: Records, after: Records) -> bytes:
        return self.write(before) + b"1,2,3\r\n" + self.write(after).split(b"\r\n", 1)[1]


class TestJsonlFormat(FormatConformance):
    def make_format(self) -> JsonlFormat:
        return JsonlFormat(JsonlConfig())

    def write(self, records: Records) -> bytes:
        return "".join(json.dumps(record) + "\n" for record in records).encode()

    def write_spoiled(self, before: Records, after: Records) -> bytes:
        return self.write(before) + b'{"id": }\n' + self.write(after)


class TestParquetFormat(FormatConformance):
    def make_format(self) -> ParquetFormat:
        return ParquetFormat(ParquetConfig())

    def write(self, records: Records) -> bytes:
        table = pa.Table.from_pylist(list(records))
        sink = io.BytesIO()
        pq.write_table(table, sink, row_group_size=7 if len(records) < 100 else 500, compression="none")
        return sink.getvalue()


class TestAvroFormat(FormatConformance):
    def make_format(self) -> AvroFormat:
        return AvroFormat(AvroConfig())

    def write(self, records: Records) -> bytes:
        fields = [{"name": "id", "type": "long"}, {"name": "name", "type": "string"}]
        sink = io.BytesIO()
        interval = 256 if len(records) < 100 else 16_000
        schema = {"type": "record", "name": "goods", "fields": fields}
        fastavro.writer(sink, schema, records, sync_interval=interval, sync_marker=bytes(range(16)))
        return sink.getvalue()

    def write_spoiled(self, before: Records, after: Records) -> bytes:
        return spoil(self.write([*before, {"id": 99, "name": _MARK}, *after]))


class TestExcelFormat(FormatConformance):
    def make_format(self) -> ExcelFormat:
        return ExcelFormat(ExcelConfig())

    def write(self, records: Records) -> bytes:
        sink = io.BytesIO()
        with xlsxwriter.Workbook(sink) as workbook:
            sheet = workbook.add_worksheet()
            sheet.write_row(0, 0, ["id", "name"])
            for number, record in enumerate(records, 1):
                sheet.write_row(number, 0, [record["id"], record["name"]])
        return sink.getvalue()


def test_each_built_in_format_is_run() -> None:
    assert {f"Test{row.place.rpartition(':')[2]}" for row in BUILT_IN.values() if row.place} <= set(globals())
