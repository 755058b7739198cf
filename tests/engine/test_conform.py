import json
import pickle
from typing import Any

import pyarrow as pa
import pytest

from file_cdk.core.ports import JsonLines
from file_cdk.engine.conform import Conform, Kept

SCHEMA: dict[str, Any] = {
    "id": {"type": ["null", "integer"]},
    "name": {"type": ["null", "string"]},
    "flag": {"type": "boolean"},
    "size": {"type": ["null", "number"]},
    "tags": {"type": ["null", "array"], "items": {"type": ["null", "integer"]}},
    "rest": {"type": ["null", "object"]},
    "_ab_source_file_url": {"type": "string"},
}
SKIP = Conform(SCHEMA, stops=False)
WAIT = Conform(SCHEMA, stops=True)


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b'{"id":1,"name":"a","flag":true,"size":1.5,"tags":[1,2],"rest":{"x":[1]}}',
        b'{"id":null,"unknown":null}',
        b'{"id":true,"size":3,"name":5}',
        b'{"tags":[],"rest":{}}',
        b'{"tags":[null,true]}',
        b'{"id":123456789012345678901234567890,"size":1e400,"name":"\\ud800"}',
        b'{"_ab_source_file_last_modified":7}',
    ],
)
def test_records_that_fit(line: bytes) -> None:
    assert SKIP.apply(JsonLines([line])) == Kept(JsonLines([line]))


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":1.0}',
        b'{"id":"1"}',
        b'{"flag":1}',
        b'{"size":"big"}',
        b'{"tags":[1.5]}',
        b'{"tags":{}}',
        b'{"rest":[]}',
        b'{"rest":"x"}',
        b'{"name":{}}',
        b'{"id":1,"unknown":0}',
    ],
)
def test_records_that_do_not_fit(line: bytes) -> None:
    good = b'{"id":1}'
    assert SKIP.apply(JsonLines([good, line, good])) == Kept(JsonLines([good, good]), left_out=1)
    assert WAIT.apply(JsonLines([good, line, good])) == Kept(JsonLines([good]), stop=2)


def test_columns_wider_than_the_schema_leave_only_their_nulls() -> None:
    batch = pa.record_batch({"id": pa.array([1.5, None, 2.0]), "name": pa.array(["a", "b", "c"])})
    kept = SKIP.apply(batch)
    assert isinstance(kept.batch, pa.RecordBatch)
    assert (kept.batch.to_pylist(), kept.left_out) == ([{"id": None, "name": "b"}], 2)
    stopped = WAIT.apply(batch)
    assert (stopped.batch.num_rows, stopped.stop) == (0, 1)


@pytest.mark.parametrize(
    ("column", "values", "fits"),
    [
        ("id", pa.array([True]), True),
        ("name", pa.array([1]), True),
        ("size", pa.array([1], pa.int32()), True),
        ("id", pa.array([1], pa.duration("s")), True),
        ("name", pa.array([1], pa.timestamp("us")), True),
        ("name", pa.array(["a"]).dictionary_encode(), True),
        ("tags", pa.array([[1]]), True),
        ("rest", pa.array([{"a": 1}]), True),
        ("rest", pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), True),
        ("unknown", pa.nulls(1), True),
        ("size", pa.array(["1"]), False),
        ("tags", pa.array([["a"]]), False),
        ("tags", pa.array([1]), False),
        ("rest", pa.array(["a"]), False),
        ("name", pa.array([{"a": 1}]), False),
        ("unknown", pa.array([1]), False),
    ],
)
def test_arrow_types(column: str, values: pa.Array, fits: bool) -> None:
    kept = SKIP.apply(pa.RecordBatch.from_arrays([values], names=[column]))
    assert (kept.batch.num_rows, kept.left_out) == ((1, 0) if fits else (0, 1))


def test_it_survives_pickling_after_use() -> None:
    SKIP.apply(JsonLines([b"{}"]))
    assert pickle.loads(pickle.dumps(SKIP)).apply(JsonLines([b'{"id":"x"}'])).left_out == 1


@pytest.mark.parametrize("name", ['Size (5")', "a\\b", "Revenue\nUSD"])
def test_names_that_json_escapes(name: str) -> None:
    schema = {name: {"type": ["null", "string"]}, "n": {"type": ["null", "integer"]}}
    lines = [json.dumps({name: "x", "n": n}).encode() for n in (1, 2.5, None)]
    kept = Conform(schema, stops=False).apply(JsonLines(lines))
    assert (kept.batch, kept.left_out) == (JsonLines([lines[0], lines[2]]), 1)
