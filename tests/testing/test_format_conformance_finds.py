"""The conformance suite for formats finds nothing in one that is right, and what is wrong in others, one fault each."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar

import pyarrow as pa
import pytest

from file_cdk.core.errors import MalformedFileError, TypeMismatchError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import FormatFacts, JsonLines, SplitReport
from file_cdk.testing.format_conformance import FormatConformance, some_records

Line = dict[str, str]


@dataclass(frozen=True)
class PairsFormat:
    """Lines such as `id=1;name=pen`, split anywhere."""

    extensions: ClassVar[tuple[str, ...]] = (".pairs",)

    @property
    def facts(self) -> FormatFacts:
        return FormatFacts(1 << 20)

    def infer_json_schema(self, stream: IO[bytes], file: RemoteFile) -> dict[str, Any]:
        return {name: {"type": "string"} for name in self.names(stream, file)}

    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> pa.Schema:
        return pa.schema([(name, pa.string()) for name in self.names(stream, file)])

    def names(self, stream: IO[bytes], file: RemoteFile) -> list[str]:
        first = next(self.found(stream, Split(file, 0, 0, file.size_bytes), SplitReport()), {})
        return list(first)

    def read_records(
        self, stream: IO[bytes], split: Split, json_schema: Mapping[str, Any] | None, report: SplitReport
    ) -> Iterator[pa.RecordBatch | JsonLines]:
        for record in self.found(stream, split, report):
            yield JsonLines([json.dumps(record).encode()])

    def read_table(
        self, stream: IO[bytes], split: Split, schema: pa.Schema, report: SplitReport
    ) -> Iterator[pa.RecordBatch]:
        for record in self.found(stream, split, report):
            self.check(record, schema, split)
            yield pa.RecordBatch.from_pylist([record], pa.schema([each for each in schema if each.name in record]))

    def check(self, record: Line, schema: pa.Schema, split: Split) -> None:
        if missing := {name: pa.string() for name in record if name not in schema.names}:
            raise TypeMismatchError(uri=split.file.uri, row=None, columns=missing)

    def found(self, stream: IO[bytes], split: Split, report: SplitReport) -> Iterator[Line]:
        at = report.start = report.end = self.begin(stream, split)
        while at < split.end and (line := stream.read(1) and self.line(stream, at)):
            record = self.parsed(line, split)
            at += len(line)
            if record is None:
                self.reject(report, at, line)
            else:
                report.rows += 1
                yield record
            report.end = at

    def begin(self, stream: IO[bytes], split: Split) -> int:
        if split.is_first or split.at_record:
            stream.seek(split.start)
            return split.start
        stream.seek(split.start - 1)
        return split.start - 1 + len(stream.readline())

    def line(self, stream: IO[bytes], at: int) -> bytes:
        stream.seek(at)
        return stream.readline()

    def parsed(self, line: bytes, split: Split) -> Line | None:
        try:
            pairs = dict(pair.split("=", 1) for pair in line.decode().removesuffix("\n").split(";"))
        except ValueError:
            return None
        return pairs if list(pairs) == ["id", "name"] else None

    def reject(self, report: SplitReport, at: int, line: bytes) -> None:
        report.reject(at - len(line), "not of the form key=value;key=value", line)


class LosesTheRecordAtACut(PairsFormat):
    """Takes a line that begins with the split for the rest of another, and says nothing of it."""

    def found(self, stream: IO[bytes], split: Split, report: SplitReport) -> Iterator[Line]:
        begin = self.begin(stream, split)
        for record in super().found(stream, split, report):
            if split.is_first or begin != split.start or report.rows > 1:
                yield record
            else:
                report.rows -= 1


class IgnoresWhereItIsTold(PairsFormat):
    def begin(self, stream: IO[bytes], split: Split) -> int:
        stream.seek(split.start)
        return 0 if split.is_first else split.start + len(stream.readline())


class StopsAtTheSplit(PairsFormat):
    def read_records(self, stream: IO[bytes], split: Split, *others: Any) -> Iterator[Any]:
        yield from super().read_records(stream, split, *others)
        others[1].end = split.end - 1


class CountsTwice(PairsFormat):
    def read_table(self, stream: IO[bytes], split: Split, schema: pa.Schema, report: SplitReport) -> Iterator[Any]:
        for batch in super().read_table(stream, split, schema, report):
            report.rows += 1
            yield batch


class DropsRejects(PairsFormat):
    def reject(self, report: SplitReport, at: int, line: bytes) -> None:
        pass


class DropsColumns(PairsFormat):
    def check(self, record: Line, schema: pa.Schema, split: Split) -> None:
        pass


class OtherTypes(PairsFormat):
    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> pa.Schema:
        return pa.schema([("id", pa.int64()), ("name", pa.string())])

    def read_table(self, stream: IO[bytes], split: Split, schema: pa.Schema, report: SplitReport) -> Iterator[Any]:
        for record in self.found(stream, split, report):
            yield pa.RecordBatch.from_pylist([record])


class RaisesWhatItMeets(PairsFormat):
    def parsed(self, line: bytes, split: Split) -> Line | None:
        return dict(pair.split("=", 1) for pair in line.decode().removesuffix("\n").split(";"))


class NamesNoFile(PairsFormat):
    def parsed(self, line: bytes, split: Split) -> Line | None:
        if (record := super().parsed(line, split)) is None:
            raise MalformedFileError("no pairs")
        return record


class EndsTheProcess(PairsFormat):
    def parsed(self, line: bytes, split: Split) -> Line | None:
        if (record := super().parsed(line, split)) is None:
            os._exit(3)
        return record


class HoldsAClient(PairsFormat):
    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle 'socket' object")


class HoldsTheFile(PairsFormat):
    def begin(self, stream: IO[bytes], split: Split) -> int:
        _held.append(stream.read())
        return super().begin(stream, split)


_held: list[bytes] = []


class OtherBatches(PairsFormat):
    """In batches by what was read before."""

    reads: ClassVar[list[int]] = []

    def read_records(self, *arguments: Any) -> Iterator[Any]:
        self.reads.append(1)
        lines = [line for batch in super().read_records(*arguments) for line in batch.lines]
        at = len(self.reads)
        yield from (JsonLines(part) for part in (lines[:at], lines[at:]) if part)


class Pairs(FormatConformance):
    def __init__(self, kind: Callable[[], PairsFormat]) -> None:
        self.kind = kind

    def make_format(self) -> PairsFormat:
        return self.kind()

    def write(self, records: Sequence[dict[str, Any]]) -> bytes:
        return "".join(f"id={record['id']};name={record['name']}\n" for record in records).encode()

    def write_spoiled(self, before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> bytes:
        return self.write(before) + b"nothing of the kind\n" + self.write(after)


class TestPairsFormat(FormatConformance):
    make_format, write, write_spoiled = PairsFormat, Pairs.write, Pairs.write_spoiled


FINDS: list[tuple[type[PairsFormat], str, tuple[Any, ...], str]] = [
    (LosesTheRecordAtACut, "splits_of_any_size_give_the_same_records", ("records", 1), "records, not 20"),
    (IgnoresWhereItIsTold, "splits_of_any_size_give_the_same_records", ("table", 1), "was told that a record begins"),
    (StopsAtTheSplit, "a_file_gives_its_records", ("records",), "report.end is where the first record after it begins"),
    (CountsTwice, "a_file_gives_its_records", ("table",), "report.rows is 2 after 1 records"),
    (DropsRejects, "rejects_are_counted", ("records",), "counts 0 rejects, not one"),
    (DropsColumns, "a_column_that_the_table_lacks_is_not_left_out", (), "TypeMismatchError should be raised, not None"),
    (OtherTypes, "columns_have_the_types_of_the_tables_schema", (), "gives 'id' as string, asked for int64"),
    (RaisesWhatItMeets, "damage_is_an_error_of_the_file", ("cut",), "raises ValueError instead of a FileError"),
    (NamesNoFile, "damage_is_an_error_of_the_file", ("flipped",), "with uri=None instead of 'a.pairs'"),
    (EndsTheProcess, "damage_is_an_error_of_the_file", ("cut",), "the process ends, and may_crash is False"),
    (HoldsAClient, "a_pickled_format_reads_the_same", (), "cannot be pickled"),
    (HoldsTheFile, "memory_does_not_grow_with_the_file", (), "more memory"),
    (OtherBatches, "reading_twice_gives_the_same_batches", ("records",), "gives other batches the second time"),
]


@pytest.mark.parametrize(
    ("kind", "name", "arguments", "message"), FINDS, ids=lambda value: getattr(value, "__name__", None)
)
def test_what_is_wrong_is_found(
    kind: type[PairsFormat], name: str, arguments: tuple[Any, ...], message: str, tmp_path: Path
) -> None:
    if "memory" in name:
        arguments = (tmp_path,)
    with pytest.raises(pytest.fail.Exception) as caught:
        getattr(Pairs(kind), f"test_{name}")(*arguments)
    assert message in str(caught.value)


def test_a_suite_without_a_format_says_what_it_needs() -> None:
    with pytest.raises(NotImplementedError, match="needs make_format"):
        FormatConformance().make_format()
    with pytest.raises(NotImplementedError, match="needs write"):
        FormatConformance().write(some_records(1))
