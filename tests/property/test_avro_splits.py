"""Law: however an Avro file is cut, its splits hold its records in order, each once, and the cuts leave no byte out."""

import io
import itertools
import random
from datetime import UTC, datetime
from functools import cache

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.core.config import AvroConfig
from file_cdk.core.errors import MalformedFileError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import SplitReport
from file_cdk.formats.avro.format import AvroFormat
from file_cdk.protocol.record_encoding import RecordEncoder

COLUMNS = AvroFormat(AvroConfig())
ONE_BY_ONE = AvroFormat(AvroConfig(), columns=False)
ROWS = 400
SYNC = b"0123456789abcdef"
SCHEMA = {
    "type": "record",
    "name": "Row",
    "fields": [
        {"name": "n", "type": ["null", "long"]},
        {"name": "data", "type": "bytes"},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
    ],
}


@cache
def avro_file(codec: str, block_bytes: int) -> tuple[RemoteFile, bytes]:
    """Its records hold the sync marker, parts of it, and what looks like a block behind it."""
    luck = random.Random(block_bytes)
    lures = [
        SYNC,
        SYNC[:9],
        SYNC[9:],
        SYNC + SYNC,
        SYNC + b"\x02\x04ab" + SYNC[:12],
        SYNC + b"\x02\x02a",
        b"",
        b"plain",
    ]
    rows = [
        {"n": None if n % 7 == 0 else n, "data": b"%d" % n + luck.choice(lures), "tags": ["t"] * (n % 3)}
        for n in range(ROWS)
    ]
    sink = io.BytesIO()
    fastavro.writer(sink, SCHEMA, rows, codec=codec, sync_interval=block_bytes, sync_marker=SYNC)
    data = sink.getvalue()
    return RemoteFile(f"{codec}{block_bytes}.avro", len(data), datetime(2024, 1, 1, tzinfo=UTC)), data


def lines_of(
    fmt: AvroFormat, file: RemoteFile, data: bytes, cuts: set[int], *, size_known: bool = True
) -> tuple[bytes, int]:
    """Output of all splits, and how many of them began elsewhere than the one before ended (and were begun again there)."""
    encoder, found, wrong, position = RecordEncoder("s"), [], 0, 0
    if not size_known:
        file = RemoteFile(file.uri, 1 << 62, file.modified_at)
    for ordinal, (start, end) in enumerate(itertools.pairwise(sorted(cuts | {0, file.size_bytes}))):
        split = Split(file, ordinal, start, end)
        for attempt in (split, split.restarted_at(position)):
            report, lines = SplitReport(), []
            try:
                batches = fmt.read_records(io.BytesIO(data), attempt, None, report)
                lines = [encoder.encode(batch, file, 1, 0) for batch in batches]
            except MalformedFileError:
                assert report.start != position
            if report.start == position:
                break
            wrong += 1
        assert report.start == position
        assert report.end >= report.start
        found += lines
        position = report.end
    assert position == len(data)
    return b"".join(found), wrong


@cache
def whole(fmt: AvroFormat, codec: str, block_bytes: int) -> bytes:
    file, data = avro_file(codec, block_bytes)
    text, _ = lines_of(fmt, file, data, set())
    assert text.count(b"\n") == ROWS
    return text


@pytest.mark.parametrize("fmt", [COLUMNS, ONE_BY_ONE], ids=["columns", "one by one"])
@pytest.mark.parametrize("codec", ["null", "deflate"])
@pytest.mark.parametrize("block_bytes", [1, 300, 1_000_000])
@pytest.mark.parametrize("split_bytes", [7, 1000, 64 * 1024])
def test_splits_of_any_size_give_the_same_bytes(
    fmt: AvroFormat, codec: str, block_bytes: int, split_bytes: int
) -> None:
    file, data = avro_file(codec, block_bytes)
    if split_bytes == 7 and block_bytes == 1:
        data_cuts = set(range(7, len(data), 7 * 9)) | set(range(3, len(data), 500))
    else:
        data_cuts = set(range(split_bytes, len(data), split_bytes))
    text, wrong = lines_of(fmt, file, data, data_cuts)
    assert text == whole(fmt, codec, block_bytes)
    if codec == "deflate":  # what looks like a block in a record is packed
        assert wrong == 0


def test_splits_of_one_byte() -> None:
    file, data = avro_file("deflate", 300)
    text, wrong = lines_of(ONE_BY_ONE, file, data, set(range(1, len(data))))
    assert text == whole(ONE_BY_ONE, "deflate", 300)
    assert wrong == 0


@given(st.sampled_from([COLUMNS, ONE_BY_ONE]), st.sampled_from([1, 300]), st.data())
@settings(max_examples=60)
def test_any_cut_gives_the_records_of_the_file(fmt: AvroFormat, block_bytes: int, data: st.DataObject) -> None:
    file, content = avro_file("null", block_bytes)
    cuts = data.draw(st.sets(st.integers(1, len(content) - 1), max_size=20))
    assert lines_of(fmt, file, content, cuts)[0] == whole(fmt, "null", block_bytes)


def test_a_stream_of_unknown_size() -> None:
    file, data = avro_file("deflate", 300)
    assert lines_of(COLUMNS, file, data, set(), size_known=False)[0] == whole(COLUMNS, "deflate", 300)


@pytest.mark.parametrize("split_bytes", [300, 5000])
def test_a_table_is_the_same_in_splits(split_bytes: int) -> None:
    file, data = avro_file("deflate", 300)
    schema = COLUMNS.infer_table_schema(io.BytesIO(data), file)
    batches: list[pa.RecordBatch] = []
    for ordinal, start in enumerate(range(0, len(data), split_bytes)):
        split = Split(file, ordinal, start, min(start + split_bytes, len(data)))
        batches += COLUMNS.read_table(io.BytesIO(data), split, schema, SplitReport())
    numbers = pa.Table.from_batches(batches)["n"].to_pylist()
    assert numbers == [None if n % 7 == 0 else n for n in range(ROWS)]
