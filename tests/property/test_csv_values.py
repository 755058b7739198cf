"""Laws of values in CSV: whole batches through Arrow give what Python gives value by value, in records and in tables."""

import io
import json
import math
from datetime import UTC, datetime
from typing import Any

import arro3.io
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from file_cdk.core.config import CsvConfig
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import JsonLines, SplitReport
from file_cdk.formats.csv import CsvFormat

MODIFIED_AT = datetime(2024, 1, 1, tzinfo=UTC)
LEAVE = object()


def whole(data: bytes, *, sequential: bool) -> Split:
    return Split(RemoteFile("a.csv", len(data), MODIFIED_AT), 0, 0, len(data), sequential=sequential)


def printed(batch: Any) -> list[str]:
    """The JSON that leaves the worker, line by line."""
    if isinstance(batch, JsonLines):
        return [line.decode() for line in batch.lines]
    out = io.BytesIO()
    arro3.io.write_ndjson(batch, out)
    return out.getvalue().decode().splitlines()


def json_rows(data: bytes, config: CsvConfig, schema: dict[str, Any], *, sequential: bool) -> list[dict[str, Any]]:
    batches = CsvFormat(config, piece_bytes=64).read_records(
        io.BytesIO(data), whole(data, sequential=sequential), schema, SplitReport()
    )
    rows = [json.loads(line) for batch in batches for line in printed(batch)]
    return [{key: value for key, value in row.items() if value is not None} for row in rows]


def as_python_casts(text: str, kind: str, config: CsvConfig) -> Any:
    """LEAVE for null."""
    value: Any = LEAVE
    try:
        match kind:
            case "integer":
                value = int(text)
            case "number":
                value = float(text)
                value = value if math.isfinite(value) else LEAVE
            case "boolean":
                value = text in config.true_values
                if not value and text not in config.false_values:
                    raise ValueError
            case "null":
                if text:
                    raise ValueError
            case "array":
                value = json.loads(text)
                if not isinstance(value, list):
                    raise ValueError
            case "string":
                value = LEAVE if text in config.null_values and config.strings_can_be_null else text
    except ValueError:
        value = LEAVE if text in config.null_values else text
    return value


numbers = st.one_of(
    st.integers(-(10**25), 10**25).map(str),
    st.integers(-9, 9).map(str),
    st.floats().map(repr),
    st.decimals(-1000, 1000, places=3).map(str),
)
oddities = st.one_of(
    st.sampled_from(["", "NA", "x\ny", 'q"q', "é", "[1]", "[1,2", '["x"]', "true", "True", "yes", " yes", "off", "n"]),
    st.sampled_from(["0", "1", "007", "+5", "-0", " 5 ", "1_0", "0x1F", "１", "9223372036854775808"]),
    st.sampled_from(["1.", ".5", "1e999", "nan(1)", "inf", "-Infinity"]),
)
texts = st.one_of(numbers, oddities)
kinds = st.sampled_from(["integer", "number", "boolean", "null", "array", "string"])


@st.composite
def columns(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """Kinds of three columns, and rows: mostly values that the column's kind has, so that whole batches stay typed."""
    likely = {
        "integer": st.integers(-(10**18), 10**18).map(str),
        "number": st.one_of(st.floats(allow_nan=False).map(repr), st.integers(-99, 99).map(str)),
        "boolean": st.sampled_from(["true", "false", "1", "0"]),
        "null": st.just(""),
        "array": st.sampled_from(["[]", "[1, null]", '["a"]']),
        "string": st.text(alphabet='a, "\n\x00é', max_size=4),
    }
    chosen = draw(st.lists(kinds, min_size=3, max_size=3))
    odd = draw(st.booleans())
    rows = draw(st.lists(st.tuples(*(likely[kind] | texts if odd else likely[kind] for kind in chosen)), max_size=8))
    return chosen, [list(row) for row in rows]


def quoted_csv(names: list[str], rows: list[list[str]]) -> bytes:
    return "".join(
        ",".join('"' + value.replace('"', '""') + '"' for value in row) + "\n" for row in [names, *rows]
    ).encode()


@given(
    table=columns(),
    nulls=st.sampled_from([(), ("",), ("NA",), ("", "0", "NA"), ("x\ny", "[1]")]),
    strings_can_be_null=st.booleans(),
    sequential=st.booleans(),
)
def test_records_are_cast_as_python_does(
    table: tuple[list[str], list[list[str]]], nulls: tuple[str, ...], strings_can_be_null: bool, sequential: bool
) -> None:
    chosen, rows = table
    config = CsvConfig(null_values=frozenset(nulls), strings_can_be_null=strings_can_be_null)
    names = ["a", "b", "c"]
    schema = {name: {"type": ["null", kind]} for name, kind in zip(names, chosen, strict=True)}
    expected = []
    for row in rows:
        cast = {name: as_python_casts(text, kind, config) for name, text, kind in zip(names, row, chosen, strict=True)}
        expected.append({name: value for name, value in cast.items() if value is not LEAVE})
    found = json_rows(quoted_csv(names, rows), config, schema, sequential=sequential)
    assert [list(row) for row in found] == [list(row) for row in expected]
    # repr tells 1 from 1.0 and from true
    assert repr(found) == repr(expected)


@st.composite
def quoted_cells(draw: st.DrawFn) -> tuple[str, bool]:
    value = draw(st.text(alphabet='aN\n,"é ', max_size=3) | st.sampled_from(["", "NA"]))
    return value, draw(st.booleans()) or any(mark in value for mark in ',"\n')


@given(
    rows=st.lists(st.tuples(quoted_cells(), quoted_cells()), max_size=8),
    nulls=st.sampled_from([(), ("NA",)]),
    sequential=st.booleans(),
    piece_bytes=st.sampled_from([1, 16, 1 << 18]),
)
def test_in_a_table_only_unquoted_values_are_null(
    rows: list[tuple[tuple[str, bool], ...]], nulls: tuple[str, ...], sequential: bool, piece_bytes: int
) -> None:
    def written(cell: tuple[str, bool]) -> str:
        return '"' + cell[0].replace('"', '""') + '"' if cell[1] else cell[0]

    data = "".join(",".join(map(written, row)) + "\n" for row in [(("a", False), ("b", False)), *rows]).encode()
    expected = [
        tuple(None if not quoted and (value == "" or value in nulls) else value for value, quoted in row)
        for row in rows
    ]
    csv_format = CsvFormat(CsvConfig(null_values=frozenset(nulls)), piece_bytes=piece_bytes)
    schema = pa.schema([("a", pa.string()), ("b", pa.string())])
    batches = list(csv_format.read_table(io.BytesIO(data), whole(data, sequential=sequential), schema, SplitReport()))
    assert [row for batch in batches for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)] == expected


@given(
    text=st.text(alphabet='ab12é€,;\n\r"日本', max_size=40),
    encoding=st.sampled_from(
        ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "latin-1", "shift_jis", "gb18030"]
    ),
    sequential=st.booleans(),
)
def test_any_encoding_reads_as_its_text_does_in_utf8(text: str, encoding: str, sequential: bool) -> None:
    text = "a,b\n" + text.encode(encoding, "ignore").decode(encoding)

    def read(data: bytes, name: str) -> tuple[list[dict[str, Any]], str | None]:
        config = CsvConfig(encoding=name, ignore_errors_on_fields_mismatch=True)
        rows: list[dict[str, Any]] = []
        try:
            for batch in CsvFormat(config, piece_bytes=5).read_records(
                io.BytesIO(data), whole(data, sequential=sequential), None, SplitReport()
            ):
                assert isinstance(batch, pa.RecordBatch)
                rows += batch.to_pylist()
        except ValueError as error:  # pragma: no cover - never: typed errors are no ValueError
            raise AssertionError from error
        except Exception as error:  # noqa: BLE001 - compared below
            return rows, type(error).__name__
        return rows, None

    assert read(text.encode(encoding), encoding) == read(text.encode(), "utf8")
