"""The conformance suite for encoders: against each that is built in, and against some that are wrong in one way each."""

import json
import pickle
from typing import Any

import pyarrow as pa
import pytest

from file_cdk.core.files import RemoteFile
from file_cdk.core.json_lines import JsonLines
from file_cdk.core.ports import Encoder
from file_cdk.destinations import arrow_ipc
from file_cdk.destinations.postgres.encoder import CopyEncoder
from file_cdk.destinations.registry import BUILT_IN, destination_for
from file_cdk.protocol.record_encoding import RecordEncoder
from file_cdk.testing.encoder_conformance import FILES, EncoderConformance


def records(encoded: bytes) -> list[dict[str, Any]]:
    """The records of RECORD messages, without the columns about their file."""
    found = [json.loads(line)["record"]["data"] for line in encoded.split(b"\n")[:-1]]
    for record in found:
        del record["_ab_source_file_url"], record["_ab_source_file_last_modified"]
    return found


class TestRecordEncoder(EncoderConformance):
    def make_encoder(self) -> Encoder:
        return RecordEncoder("s")

    def rows(self, encoded: bytes) -> list[dict[str, Any]]:
        return records(encoded)


class TestSchemalessRecordEncoder(EncoderConformance):
    def make_encoder(self) -> Encoder:
        return RecordEncoder("s", schemaless=True)

    def rows(self, encoded: bytes) -> list[dict[str, Any]]:
        return [record["data"] for record in records(encoded)]


class TestArrowIpcEncoder(EncoderConformance):
    takes_lines = False

    def make_encoder(self) -> Encoder:
        return arrow_ipc.ArrowIpcEncoder()

    def rows(self, encoded: bytes) -> list[dict[str, Any]]:
        batches = arrow_ipc.decode(encoded)
        return [row for b in batches for row in b.select(b.schema.names[:-1]).to_pylist()]

    def numbers(self, encoded: bytes) -> list[int]:
        return [
            number for batch in arrow_ipc.decode(encoded) for number in batch.column(batch.num_columns - 1).to_pylist()
        ]


def test_the_encoder_of_each_destination_is_run() -> None:
    names = {"postgres": "//host/database", "postgresql": "//host/database", "iceberg": "x/"}
    urls = [f"{scheme}:{names.get(scheme, f'x.{scheme}')}" for scheme in BUILT_IN]
    encoders = {type(destination_for(url).encoder) for url in urls}
    # What CopyEncoder makes Postgres alone can read, and there are texts that it does not take: see test_postgres_table.py.
    assert encoders == {arrow_ipc.ArrowIpcEncoder, CopyEncoder}


class Numbered:
    """A right encoder: JSON lines with the number of each record. The faults below are put into it."""

    line_oriented = True

    def encode(
        self, batch: "pa.RecordBatch | JsonLines", file: RemoteFile, first_row: int, emitted_at_ms: int
    ) -> bytes:
        rows = [json.loads(line) for line in batch.lines] if isinstance(batch, JsonLines) else batch.to_pylist()
        return self.lines(rows, first_row)

    def lines(self, rows: list[dict[str, Any]], first_row: int) -> bytes:
        return b"".join(json.dumps([first_row + i, row]).encode() + b"\n" for i, row in enumerate(rows))


class ConformanceOfNumbered(EncoderConformance):
    def __init__(self, encoder: type[Numbered]) -> None:
        self.encoder = encoder

    def make_encoder(self) -> Encoder:
        return self.encoder()

    def rows(self, encoded: bytes) -> list[dict[str, Any]]:
        return [row for _, row in self.values(encoded)]

    def numbers(self, encoded: bytes) -> list[int]:
        return [number for number, _ in self.values(encoded)]

    def values(self, encoded: bytes) -> list[list[Any]]:
        found, at, text = [], 0, encoded.decode()
        while at < len(text):
            value, at = json.JSONDecoder().raw_decode(text, at)
            found.append(value)
            at += len(text[at:]) - len(text[at:].lstrip())
        return found


class CountsCalls(Numbered):
    calls = 0

    def lines(self, rows: list[dict[str, Any]], first_row: int) -> bytes:
        self.calls += 1
        return super().lines(rows, first_row) + b"\n" * (self.calls > 1)


class HoldsAFunction(Numbered):
    def __init__(self) -> None:
        self.dumps = lambda row: row


class LosesTheLastRow(Numbered):
    def lines(self, rows: list[dict[str, Any]], first_row: int) -> bytes:
        return super().lines(rows[:-1], first_row)


class TurnsRowsRound(Numbered):
    def lines(self, rows: list[dict[str, Any]], first_row: int) -> bytes:
        return super().lines(rows[::-1], first_row)


class BreaksLines(Numbered):
    def lines(self, rows: list[dict[str, Any]], first_row: int) -> bytes:
        return b"".join(json.dumps([first_row + i, row], indent=1).encode() + b"\n" for i, row in enumerate(rows))


class EndsWithoutLineFeed(Numbered):
    def lines(self, rows: list[dict[str, Any]], first_row: int) -> bytes:
        return super().lines(rows, first_row).removesuffix(b"\n")


class NumbersFromOne(Numbered):
    def lines(self, rows: list[dict[str, Any]], first_row: int) -> bytes:
        return super().lines(rows, 1)


class TakesTheWholeOfASlice(Numbered):
    def encode(
        self, batch: "pa.RecordBatch | JsonLines", file: RemoteFile, first_row: int, emitted_at_ms: int
    ) -> bytes:
        if isinstance(batch, pa.RecordBatch) and batch.num_columns and (offset := batch.column(0).offset):
            numbers = batch.schema.get_field_index("n")
            values = memoryview(batch.column(numbers).buffers()[1]).cast("q")
            return self.lines([{"n": value} for value in values[: offset + batch.num_rows]], first_row)
        return super().encode(batch, file, first_row, emitted_at_ms)


class AnswersNothingWithALine(Numbered):
    def lines(self, rows: list[dict[str, Any]], first_row: int) -> bytes:
        return super().lines(rows or [{}], first_row)


class StripsText(Numbered):
    def lines(self, rows: list[dict[str, Any]], first_row: int) -> bytes:
        stripped = [{n: v.strip() if isinstance(v, str) else v for n, v in row.items()} for row in rows]
        return super().lines(stripped, first_row)


class FoldsNames(Numbered):
    def lines(self, rows: list[dict[str, Any]], first_row: int) -> bytes:
        return super().lines([{name.lower(): value for name, value in row.items()} for row in rows], first_row)


class WritesNumbersOfLinesAsText(Numbered):
    def encode(
        self, batch: "pa.RecordBatch | JsonLines", file: RemoteFile, first_row: int, emitted_at_ms: int
    ) -> bytes:
        if isinstance(batch, JsonLines):
            rows = [json.loads(line, parse_int=str) for line in batch.lines]
            return self.lines(rows, first_row)
        return super().encode(batch, file, first_row, emitted_at_ms)


class WantsFilesWithText(Numbered):
    def encode(
        self, batch: "pa.RecordBatch | JsonLines", file: RemoteFile, first_row: int, emitted_at_ms: int
    ) -> bytes:
        file.uri.encode()
        return super().encode(batch, file, first_row, emitted_at_ms)


@pytest.mark.parametrize(
    ("fault", "check", "arguments"),
    [
        (CountsCalls, "test_output_depends_on_the_arguments_alone", ()),
        (HoldsAFunction, "test_output_depends_on_the_arguments_alone", ()),
        (LosesTheLastRow, "test_the_rows_that_go_in_come_out", ("integers",)),
        (TurnsRowsRound, "test_the_rows_that_go_in_come_out", ("integers",)),
        (BreaksLines, "test_the_rows_that_go_in_come_out", ("integers",)),
        (EndsWithoutLineFeed, "test_the_rows_that_go_in_come_out", ("integers",)),
        (NumbersFromOne, "test_first_row_is_used", ()),
        (TakesTheWholeOfASlice, "test_a_slice_is_encoded_alone", ()),
        (AnswersNothingWithALine, "test_batches_may_be_empty", ()),
        (StripsText, "test_the_rows_that_go_in_come_out", ("texts",)),
        (FoldsNames, "test_odd_names_are_kept", ()),
        (WritesNumbersOfLinesAsText, "test_json_lines_give_the_same_as_columns", ("integers",)),
        (WantsFilesWithText, "test_any_file_has_its_rows", (FILES[-1],)),
    ],
)
def test_the_suite_finds(fault: type[Numbered], check: str, arguments: tuple[Any, ...]) -> None:
    getattr(ConformanceOfNumbered(Numbered), check)(*arguments)
    with pytest.raises((AssertionError, AttributeError, UnicodeEncodeError, pickle.PicklingError)):
        getattr(ConformanceOfNumbered(fault), check)(*arguments)
