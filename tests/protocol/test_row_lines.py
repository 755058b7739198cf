"""Rows as JSON lines, whichever way they are made: what JSON has a form for comes back as it was."""

import json
import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import JsonLines
from file_cdk.protocol.row_lines import RowLinesEncoder

FILE = RemoteFile("f", 1, datetime(2024, 1, 1, tzinfo=UTC), "1")


def lines(batch: pa.RecordBatch, stream: str | None = None) -> list[bytes]:
    return bytes(RowLinesEncoder(stream).encode(batch, FILE, 1, 0)).splitlines()


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["~0~", '"~0~', "~0~1~0~", "\\", "\x00"]
)
COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "text": (pa.string(), TEXT),
    "number": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "amount": (pa.decimal128(12, 3), st.decimals(-99999, 99999, places=3)),
    "double": (pa.float64(), st.floats()),
    "truth": (pa.bool_(), st.booleans()),
    "nothing": (pa.null(), st.none()),
}
ROWS = st.lists(
    st.fixed_dictionaries({name: st.none() | of for name, (_, of) in COLUMNS.items()}), min_size=1, max_size=5
)


@settings(max_examples=200)
@given(ROWS, st.booleans(), st.none() | TEXT)
def test_every_value_comes_back(rows: list[dict[str, Any]], nested: bool, stream: str | None) -> None:
    schema = pa.schema([(name, kind) for name, (kind, _) in COLUMNS.items()])
    batch = pa.RecordBatch.from_pylist(rows, schema)
    if nested:  # which goes through the JSON writer
        batch = batch.append_column("list", pa.array([[1, None]] * len(rows)))
        rows = [{**row, "list": [1, None]} for row in rows]

    found = [json.loads(line, parse_float=Decimal) for line in lines(batch.slice(0), stream)]

    for row, got in zip(rows, found, strict=True):
        if stream is not None:
            assert got.pop("_stream") == stream
        double = row["double"]
        finite = double is not None and math.isfinite(double)
        assert (got["double"] is None) is not finite
        assert not finite or float(got["double"]) == double
        assert {**got, "double": double} == row


def test_slices_times_and_names() -> None:
    batch = pa.record_batch(
        {
            'a"\n': pa.array(["x", 'y"', None, "z"]),
            "d": pa.array([date(2024, 1, 2)] * 4),
            "t": pa.array([datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)] * 4, pa.timestamp("us", "UTC")),
            "c": pa.array([time(1, 2)] * 4),
        }
    )
    assert lines(batch.slice(1, 2)) == [
        b'{"a\\"\\n":"y\\"","d":"2024-01-02","t":"2024-01-02T03:04:05+00:00","c":"01:02:00"}',
        b'{"a\\"\\n":null,"d":"2024-01-02","t":"2024-01-02T03:04:05+00:00","c":"01:02:00"}',
    ]
    assert lines(batch.select([])) == [b"{}"] * 4
    with pytest.raises(TypeError):
        RowLinesEncoder().encode(JsonLines([b"{}"]), FILE, 1, 0)


def test_doubles_are_told_from_integers() -> None:
    values = [7.0, -0.0, 1e9, 9999999999.0, 1e10, 12345678901.0, 1e15, 1e16, 0.1, 1e-7, 1.5e300, None]
    found = [line[5:-1] for line in lines(pa.record_batch({"x": pa.array(values)}))]
    assert [None if text == b"null" else float(text) for text in found] == values
    assert all(b"." in text or b"e" in text for text in found[:-1])
