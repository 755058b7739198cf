"""The Arrow path and the JSON path of the encoder agree with plain Python, record for record and in order."""

import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import JsonLines
from file_cdk.protocol.record_encoding import RecordEncoder

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["~0~", '"~0~a":null,', "{,", "}\n"]
)
# A name with a NUL is spelled out, which has its own test.
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4) | st.sampled_from(
    ["~0~a", "data", "_ab_source_file_url"]
)
files = st.builds(
    RemoteFile,
    uri=texts,
    size_bytes=st.just(1),
    modified_at=st.datetimes(datetime(1000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - Hypothesis adds the zone
)

scalars = st.sampled_from([pa.string(), pa.int64(), pa.bool_(), pa.float64(), pa.null()])


def _kinds(inner: st.SearchStrategy[pa.DataType]) -> st.SearchStrategy[pa.DataType]:
    members = st.lists(st.tuples(names, inner), min_size=1, max_size=3, unique_by=lambda member: member[0])
    return inner.map(pa.list_) | members.map(pa.struct) | inner.map(lambda kind: pa.map_(pa.string(), kind))


kinds = st.recursive(scalars, _kinds, max_leaves=4)


def values(kind: pa.DataType) -> st.SearchStrategy[Any]:
    t = pa.types
    if t.is_null(kind):
        return st.none()
    if t.is_string(kind):
        return st.none() | texts
    if t.is_boolean(kind):
        return st.none() | st.booleans()
    if t.is_int64(kind):
        return st.none() | st.integers(-(2**63), 2**63 - 1)
    if t.is_float64(kind):
        return st.none() | st.floats(allow_nan=False, allow_infinity=False)
    if t.is_struct(kind):
        return st.none() | records_of({field.name: field.type for field in kind})
    if t.is_map(kind):
        return st.none() | st.dictionaries(texts, values(kind.item_type), max_size=2)
    return st.none() | st.lists(values(kind.value_type), max_size=3)


def records_of(columns: dict[str, pa.DataType]) -> st.SearchStrategy[dict[str, Any]]:
    """Records with their members in the columns' order."""
    return st.tuples(*map(values, columns.values())).map(lambda row: dict(zip(columns, row, strict=True)))


def as_arrow(kind: pa.DataType, value: Any) -> Any:
    """Maps as lists of pairs, which is how pyarrow takes them."""
    if value is None:
        return None
    if pa.types.is_map(kind):
        return [(key, as_arrow(kind.item_type, item)) for key, item in value.items()]
    if pa.types.is_struct(kind):
        return {field.name: as_arrow(field.type, value[field.name]) for field in kind}
    if pa.types.is_list(kind):
        return [as_arrow(kind.value_type, item) for item in value]
    return value


@st.composite
def tables(draw: st.DrawFn) -> tuple[pa.RecordBatch, list[dict[str, Any]]]:
    columns = draw(st.dictionaries(names, kinds, min_size=1, max_size=4))
    records = draw(st.lists(records_of(columns), min_size=1, max_size=5))
    arrays = [pa.array([as_arrow(kind, r[name]) for r in records], kind) for name, kind in columns.items()]
    batch = pa.RecordBatch.from_arrays(arrays, names=list(columns))
    start = draw(st.integers(0, len(records)))
    return batch.slice(start), records[start:]


def message(stream: str, data: dict[str, Any], file: RemoteFile) -> str:
    """What a straightforward encoder makes of one record."""
    modified = file.modified_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    data = {n: v for n, v in data.items() if n not in ("_ab_source_file_last_modified", "_ab_source_file_url")}
    data = {**data, "_ab_source_file_last_modified": modified, "_ab_source_file_url": file.uri}
    return ordered({"type": "RECORD", "record": {"stream": stream, "data": data, "emitted_at": 7}})


def ordered(message: Any) -> str:
    return json.dumps(message)


def lines_of(encoded: bytes) -> list[str]:
    assert encoded == b"" or encoded.endswith(b"\n")
    return [ordered(json.loads(line)) for line in encoded.split(b"\n")[:-1]]


@given(tables(), files, texts)
def test_batches(table: tuple[pa.RecordBatch, list[dict[str, Any]]], file: RemoteFile, stream: str) -> None:
    batch, records = table
    expected = [message(stream, {n: v for n, v in r.items() if v is not None}, file) for r in records]
    assert lines_of(RecordEncoder(stream).encode(batch, file, 1, 7)) == expected
    whole = [message(stream, {"data": r}, file) for r in records]
    assert lines_of(RecordEncoder(stream, schemaless=True).encode(batch, file, 1, 7)) == whole


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)


@given(
    st.lists(st.dictionaries(names, json_values, max_size=4), max_size=5),
    files,
    st.booleans(),
    st.sampled_from([None, 1]),
)
def test_json_lines(records: list[dict[str, Any]], file: RemoteFile, ascii_only: bool, indent: int | None) -> None:
    spelled = [json.dumps(r, ensure_ascii=ascii_only, indent=indent).replace("\n", " ").encode() for r in records]
    expected = [message("s", r, file) for r in records]
    assert lines_of(RecordEncoder("s").encode(JsonLines(spelled), file, 1, 7)) == expected
    whole = [message("s", {"data": r}, file) for r in records]
    assert lines_of(RecordEncoder("s", schemaless=True).encode(JsonLines(spelled), file, 1, 7)) == whole


any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.text('"\\\n\t\x00\x1f\x7f/', max_size=6)


@given(st.data(), st.lists(names, min_size=1, max_size=4, unique=True), st.integers(1, 12), files, texts)
def test_text_alone_prints_as_beside_numbers(
    data: st.DataObject, columns: list[str], rows: int, file: RemoteFile, stream: str
) -> None:
    """Columns that all are text are joined, others printed by the JSON writer: the bytes are the same."""
    start = data.draw(st.integers(0, rows - 1))
    cells = st.lists(any_text | (st.none() if data.draw(st.booleans()) else any_text), min_size=rows, max_size=rows)
    text = pa.RecordBatch.from_arrays([pa.array(data.draw(cells), pa.string()) for _ in columns], names=columns)
    # A column without a value is left out, and has the writer print the others.
    beside = text.append_column("number", pa.nulls(rows, pa.int64()))
    encode = RecordEncoder(stream).encode
    assert encode(text.slice(start), file, 1, 7) == encode(beside.slice(start), file, 1, 7)
