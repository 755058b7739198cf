"""Law: pyarrow's parser and the reader that goes value by value give the same columns, and widening comes to an end."""

import io
import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from file_builders import whole
from format_settings import JSONL
from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.core.arrow_types import without_nulls
from file_cdk.core.errors import FileError, TypeMismatchError
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
        [
            "2024-01-01",
            "0000-01-01",
            "2024-02-30",
            "2024-01-01T00:00:00",
            "2024-01-01 00:00:00.5",
            "2024-01-01T00:00:00Z",
        ]
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
def test_both_readers_give_the_same_columns(lines: list[str], data: st.DataObject) -> None:
    records = [line.encode() for line in lines]
    schema = table_schema(data.draw(st.sampled_from([records, records[:1]])))
    reader = TableReader(schema, "a.jsonl")
    fast = reader._parse_columns(b"\n".join(records), len(records))
    if fast is None:
        return
    assert [column.type for column in fast] == schema.types
    slow = reader._convert_columns(records, 1)
    assert [column.to_pylist() for column in fast] == [column.to_pylist() for column in slow]
    assert list(map(repr, map(pa.Array.to_pylist, fast))) == list(map(repr, map(pa.Array.to_pylist, slow)))


changed = st.lists(st.tuples(st.integers(0, 18), st.sampled_from("0129-:.,/ TtZz+Ww\té")), max_size=4)


@given(st.sampled_from(["2024-12-31", "2024-12-31T23:59:59", "2024-12-31T23:59", "20241231T235959.123"]), changed)
def test_a_time_is_taken_in_its_full_form_alone(text: str, changes: list[tuple[int, str]]) -> None:
    for at, character in changes:
        text = text[:at] + character + text[at + 1 :]
    records = [b"{}", json.dumps({"a": text}, ensure_ascii=False).encode()]
    day = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
    second = f"{day}[T ][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}([.][0-9]{{1,6}})?"
    for kind, form in ((pa.date32(), day), (pa.timestamp("us"), second)):
        columns = TableReader(pa.schema([("a", kind)]), "a.jsonl")._parse_columns(b"\n".join(records), len(records))
        assert columns is None or re.fullmatch(form, text)


@given(alike)
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


MANY = 70
"""Lines, of which whole_lines.py looks at no fewer."""

of_one_kind = st.sampled_from(
    [
        st.integers(-(2**63), 2**63 - 1).map(str),
        st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr)
        | st.integers(-(2**63), 2**63 - 1).map(str),
        st.text(max_size=5).map(json.dumps),
        st.text(max_size=5).map(lambda text: json.dumps(text, ensure_ascii=False)),
        st.sampled_from(["true", "false"]),
        st.sampled_from(['"2024-01-01"', '"1969-12-31"', '"0000-01-01"']),
        st.sampled_from(['"2024-01-01T00:00:00"', '"1969-12-31 23:59:59.5"', '"0000-01-01T00:00:00"']),
        st.lists(st.integers(-9, 9), max_size=2).map(json.dumps),
        st.dictionaries(st.sampled_from("xy"), st.none() | st.floats(-9, 9), max_size=2).map(json.dumps),
        st.integers(2**63, 2**100).map(str),
    ]
)


def same_shape(values: list[st.SearchStrategy[str]]) -> st.SearchStrategy[list[str]]:
    members = {json.dumps(name, ensure_ascii=False): value for name, value in zip("aé", values, strict=False)}
    optional = {name: st.just("null") | value for name, value in members.items()}
    one = st.fixed_dictionaries({}, optional=optional).map(
        lambda found: "{" + ", ".join(f"{name}:{value}" for name, value in found.items()) + "}"
    )
    return st.lists(one, min_size=1, max_size=6)


fitting = st.lists(of_one_kind, min_size=1, max_size=2).flatmap(same_shape)
"""Records which a parser takes whole, as a rule."""

faults = st.lists(
    st.tuples(
        st.integers(0, 10**6),
        st.sampled_from(
            [
                b"",
                b"\n",
                b"\r\n",
                b"\n\n",
                b" ",
                b"{",
                b"}",
                b"}\n{",
                b'"',
                b"\\",
                b",",
                b":",
                b"0",
                b"NaN",
                b"-Infinity",
            ]
        )
        | st.sampled_from(
            [rb"\ud800", rb"\udc00", rb"\u0000", b"\xff", b"\xed\xa0\x80", b"\0", b"null", b"[", b"]", b"e", b"1e999"]
        ),
        st.integers(0, 2),
    ),
    max_size=2,
)
"""Where bytes are put, which, and in place of how many."""


@given(fitting | alike, faults, st.sampled_from([b"\n", b"\r\n"]), st.booleans(), st.data())
@settings(max_examples=400)
def test_whole_lines_are_read_as_lines_looked_at_one_by_one(
    lines: list[str], faults: list[tuple[int, bytes, int]], end: bytes, ends: bool, data: st.DataObject
) -> None:
    text = end.join(lines[n % len(lines)].encode() for n in range(MANY)) + (end if ends else b"")
    for at, found, instead_of in faults:
        at %= len(text) + 1
        text = text[:at] + found + text[at + instead_of :]
    schema = table_schema([line.encode() for line in data.draw(st.sampled_from([lines, lines[:1]]))])
    assert read(text, schema) == read(b" " + text, schema)
    assert types_of(text) == types_of(b" " + text)


ODD = [
    b'{"a":NaN}',
    b'{"a":-Infinity}',
    b'{"l":[NaN]}',
    b'{"a":1e999}',
    b'{"a":9223372036854775808}',
    b'{"a":01}',
    b'{"b":"\xff"}',
    b'{"b":"\xed\xa0\x80"}',
    rb'{"b":"\ud800"}',
    rb'{"b":"\udbff\udfff"}',
    b'{"b":"\x01"}',
    b'{"b":"a\nb"}',
    b'{"a":1}{"a":2}',
    b'{"a":1,\n"b":"x"}',
    b'{"a":1}{"a":\n2}',
    b'{"a":1}{"a":2,\n\n"b":"x"}',
    b'{"a":1,\n"b":"x"}\n{"a":3} {"a":4}',
    b'{"a":1}\n',
    b'{"a":1} ',
    b' {"a":1}',
    b'{"a":1}\r',
    b'{"a":1},',
    b'{"a":1}x',
    b'{"a":1',
    b'"a":1}',
    b"{}",
    b"[]",
    b"7",
    b'{"a":1,"a":2}',
    b'{"a":"1"}',
    b'{"c":1}',
    b'{"d":"0000-01-01"}',
    b'{"d":"2024-02-30"}',
    b'{"t":"0000-01-01T00:00:00"}',
    b'{"t":"2024-01-01T23:59:60"}',
    b'{"n":123456789012345678901234567890}',
    b'{"n":0.1}',
    b'{"l":[1,null,2.5]}',
    b'{"l":[[]]}',
]
"""A line, or what stands in place of one."""

USUAL = (
    b'{"a":1.5,"b":"x","d":"2024-01-01","t":"2024-01-01T00:00:00","n":10000000000000000000,"l":[1.5]}',
    b'{"a":1.5,"b":"x","d":"2024-01-01","t":"2024-01-01T00:00:00","l":[1.5]}',
)


@pytest.mark.parametrize("usual", USUAL, ids=["decimals", "no decimals"])
@pytest.mark.parametrize("at", [0, 1, MANY - 1])
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_a_line_among_many_is_read_as_one_looked_at(usual: bytes, at: int, odd: bytes) -> None:
    text = b"\n".join([*[usual] * at, odd, *[usual] * (MANY - at)])
    schema = table_schema([usual])
    for each in (text, text + b"\n", text.replace(b"\n", b"\r\n")):
        assert read(each, schema) == read(b" " + each, schema)
        assert types_of(each) == types_of(b" " + each)


def read(text: bytes, schema: pa.Schema) -> list[object]:
    """What comes of a text, or how its reading ends. A blank before the first object has lines looked at one by one."""
    report, batches = SplitReport(), list[pa.RecordBatch]()
    told: list[object] = []
    try:
        batches += JSONL.read_table(io.BytesIO(text), whole(text), schema, report)
    except TypeMismatchError as exc:
        return [exc.row, exc.columns]
    except FileError as exc:
        told += [type(exc), exc.message]
    rows = pa.Table.from_batches(batches, schema=schema)
    return [*told, rows, report.rows, [(each.row, each.reason) for each in report.rejects.first], dict(report.warnings)]


def types_of(text: bytes) -> object:
    try:
        return JSONL.infer_table_schema(io.BytesIO(text), whole(text).file)
    except FileError as exc:
        return type(exc), exc.message
