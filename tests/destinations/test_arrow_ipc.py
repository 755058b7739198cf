"""The encoder: one readable Arrow stream per batch, with the rows numbered."""

import pickle
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Encoder, JsonLines
from file_cdk.destinations.arrow_ipc import ArrowIpcEncoder, decode

FILE = RemoteFile("a.csv", 10, datetime(2024, 1, 1, tzinfo=UTC))


def encoded(batch: pa.RecordBatch, first_row: int) -> bytes:
    encoder: Encoder = ArrowIpcEncoder()
    return bytes(encoder.encode(batch, FILE, first_row, 0))


@pytest.mark.parametrize(("first_row", "count"), [(1, 3), (5_000_000_000, 2), (7, 0), (65_530, 70_000)])
def test_a_batch_comes_back_with_its_rows_numbered(first_row: int, count: int) -> None:
    batch = pa.record_batch({"a": pa.array(range(count), pa.int64()), "b": pa.array(["x"] * count, pa.string())})
    table = pa.ipc.open_stream(encoded(batch, first_row)).read_all()
    assert table.schema == pa.schema([("a", pa.int64()), ("b", pa.string()), ("_file_row", pa.int64())])
    assert table["a"].to_pylist() == list(range(count))
    assert table["_file_row"].to_pylist() == [first_row + i for i in range(count)]


def test_a_data_column_of_the_same_name_stays_and_the_number_is_the_last() -> None:
    batch = pa.record_batch({"_file_row": ["mine"], "z": [1]})
    table = pa.ipc.open_stream(encoded(batch, 4)).read_all()
    assert table.column_names == ["_file_row", "z", "_file_row"]
    assert table.column(0).to_pylist() == ["mine"]
    assert table.column(2).to_pylist() == [4]


def test_a_slice_is_encoded_without_the_rest() -> None:
    batch = pa.record_batch({"a": pa.array(range(100_000), pa.int64())})
    small = encoded(batch.slice(50_000, 10), 1)
    assert len(small) < 2_000
    assert pa.ipc.open_stream(small).read_all()["a"].to_pylist() == list(range(50_000, 50_010))


def test_it_is_deterministic_and_pickles() -> None:
    batch = pa.record_batch({"a": [1, 2]})
    again = pickle.loads(pickle.dumps(ArrowIpcEncoder()))
    assert again.encode(batch, FILE, 1, 5) == encoded(batch, 1)
    assert again.line_oriented is False


def test_json_lines_are_refused() -> None:
    with pytest.raises(TypeError, match="record batches"):
        ArrowIpcEncoder().encode(JsonLines([b"{}"]), FILE, 1, 0)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_block_is_decoded_where_it_lies(kind: type[bytes | bytearray | memoryview]) -> None:
    block = encoded(pa.record_batch({"a": pa.array([1, 2, 3], pa.int64())}), 4)
    [batch] = decode(kind(block))
    assert batch.to_pydict() == {"a": [1, 2, 3], "_file_row": [4, 5, 6]}
