"""Law: pyarrow's parser and the reader that goes value by value give the same columns, and widening comes to an end."""

import io
import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from file_builders import whole
from format_settings import JSONL
from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.core.arrow_types import without_nulls
from file_cdk.core.errors import TypeMismatchError
from file_cdk.core.ports import SplitReport
from file_cdk.formats.jsonl.kinds import infer_schema
from file_cdk.formats.jsonl.table import TableReader

numbers = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.integers(-100, 100).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["1.0", "1e3", "-0", "-0.0", "1e400", "9223372036854775807", "9223372036854775808", "9" * 400]),
)
texts = st.one_of(
    st.text(max_size=5),
    st.sampled_from(
        ["2024-01-01", "2024-02-30", "2024-01-01T00:00:00", "2024-01-01 00:00:00.5", "2024-01-01T00:00:00Z"]
    ),
).map(json.dumps)
scalars = st.one_of(st.sampled_from(["null", "true", "false"]), numbers, texts)
keys = st.sampled_from(["a", "b", "é", ""])


def objects(values: st.SearchStrategy[str], max_size: int) -> st.SearchStrategy[str]:
    members = st.lists(st.tuples(keys, values), max_size=max_size)
    return members.map(lambda found: "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in found) + "}")


values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"), objects(inner, 3)),
    max_leaves=5,
)
alike = st.sampled_from([scalars, numbers, texts, st.integers(-9, 9).map(str), values]).flatmap(
    lambda value: st.lists(objects(value, 4), min_size=1, max_size=6)
)
"""Records whose values are more or less alike, keys missing here and twice there."""


def table_schema(records: list[bytes]) -> pa.Schema:
    return pa.schema([pa.field(f.name, without_nulls(f.type)) for f in infer_schema(records)])


@given(alike, st.data())
@settings(deadline=None)
def test_both_readers_give_the_same_columns(lines: list[str], data: st.DataObject) -> None:
    records = [line.encode() for line in lines]
    schema = table_schema(data.draw(st.sampled_from([records, records[:1]])))
    reader = TableReader(schema, "a.jsonl")
    fast = reader._parse_columns(records)
    if fast is None:
        return
    assert [column.type for column in fast] == schema.types
    slow = reader._convert_columns(records, 1)
    assert [column.to_pylist() for column in fast] == [column.to_pylist() for column in slow]
    assert list(map(repr, map(pa.Array.to_pylist, fast))) == list(map(repr, map(pa.Array.to_pylist, slow)))


changed = st.lists(st.tuples(st.integers(0, 18), st.sampled_from("0129-:.,/ TtZz+Ww\té")), max_size=4)


@given(st.sampled_from(["2024-12-31", "2024-12-31T23:59:59", "2024-12-31T23:59", "20241231T235959.123"]), changed)
@settings(deadline=None)
def test_a_time_is_taken_in_its_full_form_alone(text: str, changes: list[tuple[int, str]]) -> None:
    for at, character in changes:
        text = text[:at] + character + text[at + 1 :]
    records = [b"{}", json.dumps({"a": text}, ensure_ascii=False).encode()]
    day = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
    second = f"{day}[T ][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}([.][0-9]{{1,6}})?"
    for kind, form in ((pa.date32(), day), (pa.timestamp("us"), second)):
        columns = TableReader(pa.schema([("a", kind)]), "a.jsonl")._parse_columns(records)
        assert columns is None or re.fullmatch(form, text)


@given(alike)
@settings(deadline=None)
def test_widening_comes_to_an_end_with_every_value_in_the_table(lines: list[str]) -> None:
    data = "\n".join(lines).encode()
    schema = table_schema([lines[0].encode()])
    for _ in range(5):
        try:
            batches = list(JSONL.read_table(io.BytesIO(data), whole(data), schema, SplitReport()))
            break
        except TypeMismatchError as exc:
            types = {f.name: f.type for f in schema} | {n: without_nulls(kind) for n, kind in exc.columns.items()}
            schema = pa.schema(list(types.items()))
    else:
        raise AssertionError("no schema holds these records")
    rows = pa.Table.from_batches(batches, schema=schema).to_pylist()
    for row, line in zip(rows, lines, strict=True):
        wanted = json.loads(line, parse_float=Decimal, parse_int=Decimal)
        assert {name for name, value in wanted.items() if value is not None} <= row.keys()
        for name, value in row.items():
            assert holds(value, wanted.get(name))


def holds(value: Any, wanted: Any) -> bool:
    """Whether a table's value stands for the record's; a double stands for the numbers that round to it."""
    if wanted is None or value is None:
        return value is wanted
    if isinstance(wanted, bool):
        return value in (wanted, json.dumps(wanted)) and (value == wanted) >= isinstance(value, bool)
    if isinstance(wanted, Decimal):
        if isinstance(value, str):
            return Decimal(value) == wanted
        return Decimal(value) == wanted if isinstance(value, int | Decimal) else value == float(wanted)
    if isinstance(wanted, str):
        return (
            value == wanted
            if isinstance(value, str)
            else datetime.fromisoformat(str(value)).replace(tzinfo=None)
            == datetime.fromisoformat(wanted).replace(tzinfo=None)
        )
    if isinstance(value, str):
        return bool(json.loads(value, parse_float=Decimal, parse_int=Decimal) == wanted)
    if isinstance(wanted, list):
        return len(value) == len(wanted) and all(map(holds, value, wanted))
    known = {name for name, member in wanted.items() if member is not None}
    return all(holds(found, wanted.get(name)) for name, found in value.items()) and known <= value.keys()
