"""Laws of rules for columns: they commute with the format that values come in, and with how a file is cut."""

import csv
import hashlib
import io
import json
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from file_builders import remote, whole
from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.core.config import ColumnRules, CsvConfig, JsonlConfig, ParquetConfig, SchemaContract
from file_cdk.core.errors import TypeMismatchError
from file_cdk.core.files import Split
from file_cdk.core.ports import Format, SplitReport
from file_cdk.formats.column_rules import ColumnPlan, WithColumnRules
from file_cdk.formats.csv import CsvFormat
from file_cdk.formats.jsonl.format import JsonlFormat
from file_cdk.formats.parquet.format import ParquetFormat

SALT = b"salt"
WORDS = st.text("abcdé -", min_size=1, max_size=5).map(lambda text: text.strip() or "x")
TEXTS = WORDS | st.sampled_from(
    ["12", "1.50", "1.5", "007", "+49", "true", "2024-02-29", "2024-02-30", "1e3", "{}", "[1]"]
)
VALUES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "n": (pa.int64(), st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9)),
    "x": (
        pa.float64(),
        st.floats(allow_nan=False, allow_infinity=False, width=32).map(float) | st.sampled_from([1.5, 2.0, -0.0]),
    ),
    "t": (pa.string(), TEXTS),
    "d": (pa.date32(), st.dates(date(1900, 1, 1), date(2100, 1, 1))),
    "b": (pa.bool_(), st.booleans()),
    "rest": (pa.string(), WORDS),
}
ROWS = st.lists(
    st.fixed_dictionaries({name: st.none() | of for name, (_, of) in VALUES.items()}), min_size=1, max_size=8
)
CASTS = ["integer", "float", "decimal(6,2)", "decimal(38,10)", "boolean", "date", "timestamp", "json"]


@st.composite
def rules(draw: st.DrawFn) -> ColumnRules:
    fate = {
        name: draw(st.sampled_from(["keep", "drop", "hash", "cast", "rename"])) for name in VALUES if name != "rest"
    }
    return ColumnRules(
        drop=[name for name, each in fate.items() if each == "drop"],
        hash=[name for name, each in fate.items() if each == "hash"],
        cast={name: draw(st.sampled_from(CASTS)) for name, each in fate.items() if each == "cast"},
        rename={name: f"{name}_renamed" for name, each in fate.items() if each == "rename"},
    )


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(VALUES)
    spell: dict[type, Callable[[Any], str]] = {bool: lambda v: str(v).lower(), float: repr, type(None): lambda _: ""}
    for row in rows:
        writer.writerow([spell.get(type(value), str)(value) for value in map(row.get, VALUES)])
    return out.getvalue().encode()


def as_jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, default=str, ensure_ascii=False) + "\n" for row in rows).encode()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    schema = pa.schema([(name, kind) for name, (kind, _) in VALUES.items()])
    pq.write_table(pa.Table.from_pylist(rows, schema), sink, row_group_size=3)
    return sink.getvalue()


def read(
    fmt: WithColumnRules, data: bytes, schema: pa.Schema, size_bytes: int | None = None
) -> tuple[list[Any], list[Any], int]:
    """Rows, what was rejected by place and reason, and how many records there are."""
    split = whole(data, "f")
    edges = [0, *range(size_bytes or len(data), len(data), size_bytes or len(data)), len(data)]
    rows: list[Any] = []
    rejected: list[Any] = []
    present = 0
    for ordinal, (start, end) in enumerate(pairwise(edges)):
        report = SplitReport()
        part = Split(split.file, ordinal, start, end)
        for batch in fmt.read_table(io.BytesIO(data), part, schema, report):
            assert set(batch.schema.names) <= set(schema.names)
            rows += batch.to_pylist() if batch.num_columns else [{}] * batch.num_rows
        rejected += [((each.row or 0) + present, each.byte, each.reason, each.raw) for each in report.rejects.first]
        present += report.rows_present
    return rows, rejected, present


def table_types(fmt: WithColumnRules, data: bytes) -> pa.Schema:
    """The columns of a table that the file is loaded into, in each format the same."""
    found = fmt.infer_table_schema(io.BytesIO(data), remote(data, "f"))
    columns = []
    for column in found:
        kind = VALUES.get(column.name.removesuffix("_renamed"), (pa.string(), None))[0]
        stated = column.name in fmt.plan.rules.cast or column.name in fmt.plan.rules.hash
        columns.append(pa.field(column.name, column.type if stated and not pa.types.is_null(column.type) else kind))
    return pa.schema(columns)


FORMATS: list[tuple[Format, Any]] = [
    (CsvFormat(CsvConfig()), as_csv),
    (JsonlFormat(JsonlConfig()), as_jsonl),
    (ParquetFormat(ParquetConfig()), as_parquet),
]


@settings(max_examples=150)
@given(rules(), ROWS)
def test_rules_commute_with_formats(rules: ColumnRules, rows: list[dict[str, Any]]) -> None:
    plan = ColumnPlan(rules, SchemaContract())
    parquet = WithColumnRules(FORMATS[2][0], plan, SALT)
    schema = table_types(parquet, as_parquet(rows))
    found = [read(WithColumnRules(inner, plan, SALT), write(rows), schema) for inner, write in FORMATS]
    for got, rejected, present in found:
        assert present == len(rows) == len(got) + len(rejected)
        assert [{name: row.get(name) for name in schema.names} for row in got] == found[2][0]
        assert [(row, reason) for row, _, reason, _ in rejected] == [(row, reason) for row, _, reason, _ in found[2][1]]


@settings(max_examples=100)
@given(ROWS, st.integers(20, 90), st.sampled_from(CASTS))
def test_rejects_have_their_place_however_a_file_is_cut(rows: list[dict[str, Any]], size_bytes: int, kind: str) -> None:
    plan = ColumnPlan(ColumnRules(cast={"t": kind}), SchemaContract())
    for inner, write in FORMATS[:2]:
        data = write(rows)
        fmt = WithColumnRules(inner, plan)
        schema = table_types(WithColumnRules(FORMATS[2][0], plan), as_parquet(rows))
        try:
            once = read(fmt, data, schema)
        except TypeMismatchError:
            continue  # text in a column that is none of the rule's
        lines = data.splitlines()[1:] if write is as_csv else data.splitlines()
        for row, byte, _, raw in once[1]:
            assert raw == lines[row - 1]
            assert byte is not None
            assert data[byte : byte + len(raw)] == raw
        assert read(WithColumnRules(inner, plan), data, schema, size_bytes) == once


@given(st.text(max_size=6))
def test_a_hash_is_sha256_of_salt_and_text(text: str) -> None:
    from file_cdk.formats.column_rules.hashing import hashed, one_spelling

    array = pa.array([text, None, text])
    spelled = one_spelling(array)[0].as_py()
    digest = hashlib.sha256(SALT + spelled.encode()).hexdigest()
    assert hashed(array, SALT).to_pylist() == [digest, None, digest]
    assert spelled == text or any(char.isdigit() for char in text)
