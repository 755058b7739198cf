"""Files of each kind of format, compressed and not, through the wrapper."""

import bz2
import gzip
import io
import json
import lzma
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from file_builders import remote, whole

from file_cdk.core.config import JsonlConfig, ParquetConfig
from file_cdk.core.errors import MalformedFileError, MalformedRecordError, SequentialOnlyError
from file_cdk.core.files import Split
from file_cdk.core.ports import JsonLines, SplitReport
from file_cdk.engine.planning import split_bytes
from file_cdk.formats.jsonl.format import JsonlFormat
from file_cdk.formats.parquet.format import ParquetFormat
from file_cdk.formats.unpacking import Unpacking

RECORDS = [{"id": number, "name": f"name {number}"} for number in range(50_000)]
PLAIN = "".join(f'{{"id": {number}, "name": "name {number}"}}\n' for number in range(50_000)).encode()

JSONL = Unpacking(JsonlFormat(JsonlConfig()))
PARQUET = Unpacking(ParquetFormat(ParquetConfig()))


def records(
    decoder: Unpacking, uri: str, data: bytes, report: SplitReport, split: Split | None = None
) -> Iterator[Any]:
    for batch in decoder.read_records(io.BytesIO(data), split or whole(data, uri), None, report):
        yield from map(json.loads, batch.lines) if isinstance(batch, JsonLines) else batch.to_pylist()


def parquet(rows: list[dict[str, Any]]) -> bytes:
    into = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), into, row_group_size=10_000)
    return into.getvalue()


@pytest.mark.parametrize(
    ("uri", "compress"),
    [
        ("a.jsonl", bytes),
        ("a.jsonl.gz", gzip.compress),
        ("a.JSONL.GZ", lambda text: gzip.compress(text[:1000]) + gzip.compress(text[1000:])),
        ("a.jsonl.bz2", bz2.compress),
        ("a.jsonl.xz", lambda text: lzma.compress(text, preset=0)),
        ("a.jsonl.zst", zstandard.compress),
        ("a.jsonl", gzip.compress),
        ("a", zstandard.compress),
    ],
)
def test_records_are_those_of_the_plain_file(uri: str, compress: Callable[[bytes], bytes]) -> None:
    data, report = compress(PLAIN), SplitReport()

    assert list(records(JSONL, uri, data, report)) == RECORDS
    assert (report.start, report.end, report.rows) == (0, len(data), len(RECORDS))
    assert not report.warnings
    assert JSONL.infer_json_schema(io.BytesIO(data), remote(data, uri)) == {
        "id": {"type": "integer"},
        "name": {"type": "string"},
    }


@pytest.mark.parametrize(
    "uri", ["a.parquet.gz", "a.parquet", "x.zip!a.parquet", "x.zip!a.parquet.gz", "x.tar!a.parquet"]
)
@pytest.mark.parametrize("compressed", [True, False])
def test_formats_that_read_from_the_end_get_it_unpacked(uri: str, compressed: bool) -> None:
    plain = parquet(RECORDS)
    data = gzip.compress(plain) if compressed else plain
    report = SplitReport()

    assert list(records(PARQUET, uri, data, report)) == RECORDS
    assert (report.start, report.end, report.rows) == (0, len(data), len(RECORDS))
    assert list(PARQUET.infer_json_schema(io.BytesIO(data), remote(data, uri))) == ["id", "name"]
    assert PARQUET.infer_table_schema(io.BytesIO(data), remote(data, uri)).names == ["id", "name"]


def test_tables() -> None:
    data = gzip.compress(PLAIN)
    schema = JSONL.infer_table_schema(io.BytesIO(data), remote(data, "a.jsonl.gz"))
    report = SplitReport()

    batches = list(JSONL.read_table(io.BytesIO(data), whole(data, "a.jsonl.gz"), schema, report))

    assert pa.Table.from_batches(batches).to_pylist() == RECORDS
    assert (report.start, report.end) == (0, len(data))


def test_a_name_alone_makes_one_split() -> None:
    for uri in ("a.csv.gz", "A.CSV.GZ", "a.jsonl.lz4", "a.zip!b.jsonl", "a.tar.gz!b.jsonl", "a.tar!b.jsonl"):
        assert split_bytes(remote(b"", uri), JSONL) is None
    for uri in ("a.jsonl", "a.gz/b.jsonl", "a!b.jsonl"):
        assert split_bytes(remote(b"", uri), JSONL) == JsonlFormat(JsonlConfig()).split_bytes


@pytest.mark.parametrize("decoder", [JSONL, PARQUET], ids=["jsonl", "parquet"])
def test_a_part_of_a_file_that_turns_out_to_be_compressed_asks_for_all_of_it(decoder: Unpacking) -> None:
    plain = PLAIN if decoder is JSONL else parquet(RECORDS)
    data = gzip.compress(plain)
    first = Split(remote(data, "a"), 0, 0, len(data) // 2)
    report = SplitReport()

    with pytest.raises(SequentialOnlyError) as caught:
        list(records(decoder, "a", data, report, first))
    assert caught.value.byte == report.start == report.end == report.rows == 0
    assert list(records(decoder, "a", data, report, first.rest_of_file(0))) == RECORDS
    assert report.end == len(data)


def test_later_splits_of_a_plain_file_are_left_to_the_format() -> None:
    middle = PLAIN.index(b"\n", len(PLAIN) // 2) + 1
    report = SplitReport()
    split = Split(remote(PLAIN, "a.jsonl"), 1, middle, len(PLAIN))

    found = list(records(JSONL, "a.jsonl", PLAIN, report, split))

    assert found == RECORDS[-len(found) :]
    assert (report.start, report.end) == (middle, len(PLAIN))


@pytest.mark.parametrize(
    ("uri", "compress", "warning"),
    [
        ("a.jsonl.gz", bytes, "named as gzip, but is not compressed: read as that"),
        ("a.jsonl.gz", zstandard.compress, "named as gzip, but is zstd data: read as that"),
        ("a.jsonl.lzma", lambda text: lzma.compress(text, preset=0), "named as lzma, but is xz data: read as that"),
    ],
)
def test_a_name_that_is_wrong_is_said(uri: str, compress: Callable[[bytes], bytes], warning: str) -> None:
    data, report = compress(PLAIN), SplitReport()

    assert list(records(JSONL, uri, data, report)) == RECORDS
    assert report.warnings == {warning: 1}


@pytest.mark.parametrize("ending", ["snappy", "lz4", "lzma"])
def test_relatives_that_cannot_be_read_are_not_taken_for_plain(ending: str) -> None:
    with pytest.raises(MalformedFileError, match="is named as"):
        list(records(JSONL, f"a.jsonl.{ending}", PLAIN, SplitReport()))


def test_an_empty_file_is_empty_whatever_its_name() -> None:
    for uri in ("a.jsonl", "a.jsonl.gz", "a.jsonl.lz4"):
        assert list(records(JSONL, uri, b"", SplitReport())) == []


def test_a_file_cut_off_gives_the_records_before() -> None:
    data = gzip.compress(PLAIN)
    report = SplitReport()
    found: list[Any] = []

    with pytest.raises(MalformedFileError, match="gzip data ends too early") as caught:
        found.extend(records(JSONL, "a.jsonl.gz", data[: len(data) * 3 // 4], report))
    assert caught.value.uri == "a.jsonl.gz"
    assert found == RECORDS[: len(found)]
    assert len(found) == report.rows > len(RECORDS) // 2


def test_damage_at_the_very_end_is_found() -> None:
    data = bytearray(gzip.compress(PLAIN))
    data[-5] ^= 1

    with pytest.raises(MalformedFileError, match="gzip data is damaged"):
        list(records(JSONL, "a.jsonl.gz", bytes(data), SplitReport()))
    with pytest.raises(MalformedFileError, match="followed by bytes that are something else"):
        list(records(JSONL, "a.jsonl.gz", gzip.compress(PLAIN) + b"more", SplitReport()))


def test_positions_in_errors_are_those_of_the_plain_data() -> None:
    data = gzip.compress(b'{"a":1}\n{"a":2}\nnot json\n')
    report = SplitReport()

    try:
        list(records(JSONL, "a.jsonl.gz", data, report))
    except MalformedRecordError as exc:
        byte: int | None = exc.byte
    else:
        byte = report.rejects.first[0].byte
    assert byte == 16


def test_a_format_that_stops_before_the_end_loses_nothing_in_silence() -> None:
    class FirstLine(JsonlFormat):
        __slots__ = ()

        def read_records(self, stream: Any, split: Any, json_schema: Any, report: SplitReport) -> Iterator[JsonLines]:
            line = stream.read(1000).partition(b"\n")[0]
            report.rows, report.end = 1, len(line) + 1
            yield JsonLines([line])

    data = gzip.compress(PLAIN)
    with pytest.raises(MalformedFileError, match="do not reach to the end"):
        list(records(Unpacking(FirstLine(JsonlConfig())), "a.jsonl.gz", data, SplitReport()))


def test_a_format_that_asks_for_the_rest_in_sequence_gets_it() -> None:
    class Halves(JsonlFormat):
        __slots__ = ()

        def read_records(self, stream: Any, split: Split, json_schema: Any, report: SplitReport) -> Iterator[JsonLines]:
            stream.seek(split.start)
            lines = stream.read().splitlines()
            if not split.sequential:
                lines = lines[:100]
            report.start = split.start
            report.end = split.start + sum(len(line) + 1 for line in lines)
            report.rows += len(lines)
            yield JsonLines(lines)
            if not split.sequential:
                raise SequentialOnlyError("", uri="a", byte=report.end)

    data = gzip.compress(PLAIN)
    report = SplitReport()

    assert list(records(Unpacking(Halves(JsonlConfig())), "a.jsonl.gz", data, report)) == RECORDS
    assert (report.start, report.end, report.rows) == (0, len(data), len(RECORDS))


def test_the_ratio_can_be_set() -> None:
    data = gzip.compress((b'{"a":"' + b"1" * 1000 + b'"}\n') * 70_000)

    with pytest.raises(MalformedFileError, match="more than 200 times its size"):
        for _ in JSONL.read_records(io.BytesIO(data), whole(data, "a.jsonl.gz"), None, SplitReport()):
            pass
    with pytest.raises(MalformedFileError, match="more than 200 times its size"):
        PARQUET.infer_table_schema(io.BytesIO(data), remote(data, "a.parquet.gz"))
    report = SplitReport()
    for _ in Unpacking(JSONL.inner, 2000).read_records(io.BytesIO(data), whole(data, "a.jsonl.gz"), None, report):
        pass
    assert report.rows == 70_000


def test_says_of_itself_what_the_format_says() -> None:
    assert JSONL.facts == JsonlFormat(JsonlConfig()).facts
    assert (PARQUET.facts.may_crash, PARQUET.facts.reads_forward) == (True, False)
    assert pickle.loads(pickle.dumps(PARQUET)) == PARQUET
