"""Laws of values in CSV: whole batches through Arrow give what Python gives value by value, in records and in tables."""

import io
import json
import math
from collections.abc import Mapping
from typing import Any, Literal

import arro3.io
import pyarrow as pa
from file_builders import whole
from hypothesis import assume, given
from hypothesis import strategies as st

from file_cdk.core.config import CsvConfig
from file_cdk.core.errors import FileCdkError
from file_cdk.core.ports import JsonLines, SplitReport
from file_cdk.formats.csv import CsvFormat

LEAVE = object()


def printed(batch: Any) -> list[str]:
    """The JSON that leaves the worker, line by line."""
    if isinstance(batch, JsonLines):
        return [line.decode() for line in batch.lines]
    out = io.BytesIO()
    arro3.io.write_ndjson(batch, out)
    return out.getvalue().decode().splitlines()


def json_rows(
    data: bytes, config: CsvConfig, schema: dict[str, Any], *, small: bool = False, sequential: bool
) -> list[dict[str, Any]]:
    batches = CsvFormat(config, piece_bytes=64, small_piece_bytes=64 if small else 0).read_records(
        io.BytesIO(data), whole(data, sequential=sequential), schema, SplitReport()
    )
    rows = [json.loads(line) for batch in batches for line in printed(batch)]
    return [{key: value for key, value in row.items() if value is not None} for row in rows]


def with_comma(text: str) -> str:
    """A point for a comma and a comma for a point."""
    return text.translate(str.maketrans(",.", ".,"))


def as_python_casts(text: str, kind: str, config: CsvConfig) -> Any:
    """LEAVE for null."""
    value: Any = LEAVE
    try:
        match kind:
            case "integer":
                value = int(text)
            case "number":
                value = float(text.translate(str.maketrans(",.", "._")) if config.decimal_mark == "," else text)
                if not math.isfinite(value):
                    raise ValueError  # JSON has no such number
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
    decimal_mark=st.sampled_from([".", ","]),
    sequential=st.booleans(),
)
def test_records_are_cast_as_python_does(
    table: tuple[list[str], list[list[str]]],
    nulls: tuple[str, ...],
    strings_can_be_null: bool,
    decimal_mark: Literal[".", ","],
    sequential: bool,
) -> None:
    chosen, rows = table
    if decimal_mark == ",":
        rows = [
            [with_comma(text) if kind == "number" else text for text, kind in zip(row, chosen, strict=True)]
            for row in rows
        ]
    config = CsvConfig(null_values=frozenset(nulls), strings_can_be_null=strings_can_be_null, decimal_mark=decimal_mark)
    names = ["a", "b", "c"]
    schema = {name: {"type": ["null", kind]} for name, kind in zip(names, chosen, strict=True)}
    expected = []
    for row in rows:
        cast = {name: as_python_casts(text, kind, config) for name, text, kind in zip(names, row, chosen, strict=True)}
        expected.append({name: value for name, value in cast.items() if value is not LEAVE})
    for small in (False, True):
        found = json_rows(quoted_csv(names, rows), config, schema, small=small, sequential=sequential)
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
            for batch in CsvFormat(config, piece_bytes=5, small_piece_bytes=0).read_records(
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


@given(
    table=columns(),
    widths=st.lists(st.integers(1, 5), min_size=8, max_size=8),
    nulls=st.sampled_from([(), ("",), ("NA",)]),
    sequential=st.booleans(),
)
def test_what_a_short_row_lacks_is_null_and_what_is_over_is_kept(
    table: tuple[list[str], list[list[str]]], widths: list[int], nulls: tuple[str, ...], sequential: bool
) -> None:
    chosen, rows = table
    config = CsvConfig(null_values=frozenset(nulls), ragged="pad")
    names = ["a", "b", "c"]
    schema = {name: {"type": ["null", kind]} for name, kind in zip(names, chosen, strict=True)}
    schema["_rest"] = {"type": ["null", "string"]}
    ragged = [[*row, "over", 'and "over"'][:width] for row, width in zip(rows, widths, strict=False)]
    expected = []
    for row in ragged:
        cast = {name: as_python_casts(text, kind, config) for name, text, kind in zip(names, row, chosen, strict=False)}
        if row[3:]:
            cast["_rest"] = json.dumps(row[3:])
        expected.append({name: value for name, value in cast.items() if value is not LEAVE})
    found = json_rows(quoted_csv(names, ragged), config, schema, sequential=sequential)
    assert repr(found) == repr(expected)


dialects = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from([",", "|", "§", "||", "a;", "\t|\t"]),
        "quote_char": st.sampled_from(['"', "'", ""]),
        "comment_char": st.sampled_from([None, None, "x"]),
        "skip_initial_space": st.sampled_from([False, False, True]),
        "decimal_mark": st.sampled_from([".", ","]),
        "double_quote": st.booleans(),
        "encoding": st.sampled_from(["utf8", "latin-1", "cp1252", "ascii", "iso8859_7", "shift_jis", "utf-16-le"]),
        "null_values": st.sampled_from([[], [""], ["NA", "1"], ["a||b"], ['"a"', "a,b"]]),
        "header_rows": st.sampled_from([1, 1, 2]),
        "skip_rows_at_end": st.sampled_from([0, 0, 1]),
    }
)
faults = st.sampled_from(
    [{"ragged": mode} for mode in (None, "fail", "reject", "pad")] + [{"ignore_errors_on_fields_mismatch": True}]
)
pieces_of_files = st.lists(
    st.sampled_from(
        ["a", "1", "NA", "é", "x", '"', '"', "'", "\n", "\n", "\r\n", "\r", "\x00", "\x1f", "", "ΰ", " ", '"a"']
    )
    | st.just(None),
    max_size=40,
)


def passed(
    data: bytes,
    config: CsvConfig,
    kinds: Mapping[str, pa.DataType] | None,
    piece_bytes: int,
    *,
    small: bool = False,
    sequential: bool = False,
) -> tuple[Any, ...]:
    """All that one pass gives: rows, counts, rejects with their places and bytes, and the error."""
    csv_format = CsvFormat(config, piece_bytes=piece_bytes, small_piece_bytes=piece_bytes if small else 0)
    report, rows, failure = SplitReport(), list[Any](), None
    split, stream = whole(data, sequential=sequential), io.BytesIO(data)
    try:
        if kinds is None:
            schema = {name: {"type": kind} for name, kind in {"a": "integer", "b": "string", "_rest": "string"}.items()}
            for batch in csv_format.read_records(stream, split, schema, report):
                rows += [json.loads(line) for line in printed(batch)]
        else:
            for table in csv_format.read_table(stream, split, pa.schema(list(kinds.items())), report):
                rows += [{k: v for k, v in row.items() if v is not None} for row in table.to_pylist()]
    except FileCdkError as error:
        failure = (type(error), error.message, error.byte, getattr(error, "columns", None))
        if failure[3]:  # a table starts anew then, whatever was read
            return (failure[0], list(failure[3]))
    return rows, report.skipped, report.rejects, report.warnings, report.end if failure is None else failure


@given(
    parts=pieces_of_files,
    options=dialects,
    fault=faults,
    bad_at=st.none() | st.integers(0, 60),
    as_table=st.booleans(),
    piece_bytes=st.sampled_from([1, 16, 1 << 18]),
)
def test_both_paths_agree_on_values_counts_and_rejects(
    parts: list[str | None],
    options: dict[str, Any],
    fault: dict[str, Any],
    bad_at: int | None,
    as_table: bool,
    piece_bytes: int,
) -> None:
    assume(not (options["quote_char"] == "" and options["decimal_mark"] == options["delimiter"]))
    config = CsvConfig(**(options | fault))
    delimiter, encoding = options["delimiter"], options["encoding"]
    header = f"a{delimiter}b\n" if config.header_rows == 1 else f"a{delimiter}b\n{delimiter}\n"
    text = header + "".join(delimiter if part is None else part for part in parts)
    data = text.encode(encoding, "ignore")
    if bad_at is not None:
        at = len(header.encode(encoding, "ignore")) + bad_at
        data = data[:at] + b"\x81\xff" + data[at:]
    kinds = {"a": pa.string(), "b": pa.string(), "_rest": pa.string()} if as_table else None
    by_pieces = passed(data, config, kinds, piece_bytes)
    assert by_pieces == passed(data, config, kinds, 1 << 18, sequential=True)
    assert by_pieces == passed(data, config, kinds, piece_bytes, small=True)
