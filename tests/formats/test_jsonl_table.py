"""JSON Lines into typed columns: which types are inferred, what fits them, and what widening asks for."""

import io
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from file_builders import URI, read_table, remote
from format_settings import JSONL

from file_cdk.core.errors import TypeMismatchError
from file_cdk.core.ports import SplitReport
from file_cdk.formats.jsonl.table import TableReader

US, NS = pa.timestamp("us"), pa.timestamp("ns")
US_UTC = pa.timestamp("us", "UTC")
BIG = pa.decimal128(38, 0)


def inferred(*lines: str) -> list[tuple[str, pa.DataType]]:
    data = "\n".join(lines).encode()
    return [(f.name, f.type) for f in JSONL.infer_table_schema(io.BytesIO(data), remote(data))]


def record(value: str) -> str:
    return f'{{"a":{value}}}'


def column(*values: str) -> pa.DataType:
    """The type inferred for a column of these values."""
    [(_, kind)] = inferred(*map(record, values))
    return kind


def table(data: bytes, schema: pa.Schema) -> tuple[pa.Table, SplitReport]:
    found, report = read_table(JSONL, data, schema)
    assert found.schema == schema
    return found, report


def read(kind: pa.DataType, *values: str) -> list[Any]:
    data = "\n".join(map(record, values)).encode()
    found, _ = table(data, pa.schema([("a", kind)]))
    return list(found["a"].to_pylist())


def needed(schema: dict[str, pa.DataType], *lines: str) -> tuple[dict[str, pa.DataType], int | None]:
    """The types that the mismatch asks for, and its row."""
    with pytest.raises(TypeMismatchError) as caught:
        table("\n".join(lines).encode(), pa.schema(list(schema.items())))
    assert caught.value.uri == URI
    return caught.value.columns, caught.value.row


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["null", "null"], pa.null()),
        (["true", "null"], pa.bool_()),
        (["1", "-9223372036854775808"], pa.int64()),
        (["9223372036854775807"], pa.int64()),
        (["9223372036854775808"], BIG),
        (["1", "18446744073709551615"], BIG),
        (["-" + "9" * 38], BIG),
        (["9" * 39], pa.string()),
        (["9" * 5000], pa.string()),
        (["1", "2.0"], pa.float64()),
        (["1e3"], pa.float64()),
        (["1e999"], pa.string()),
        (["1.5", "9223372036854775808"], pa.string()),
        (["true", "1"], pa.string()),
        (["1", '"x"'], pa.string()),
        (["{}", "1"], pa.string()),
        (["[]", "[null]"], pa.list_(pa.null())),
        (["[1]", "[2.5]"], pa.list_(pa.float64())),
        (['[1,"x",[2]]'], pa.list_(pa.string())),
        (['{"x":1}', '{"y":[true]}'], pa.struct([("x", pa.int64()), ("y", pa.list_(pa.bool_()))])),
        (['{"x":"2024-01-01"}'], pa.struct([("x", pa.string())])),
        (['"2024-01-01"', '"1999-12-31"'], pa.date32()),
        (['"2024-01-01"', '"2024-02-30"'], pa.string()),
        (['"2024-01-01"', '""'], pa.string()),
        (['"2024-01-01T10:20:30"', '"2024-01-01 10:20:30.123456"'], US),
        (['"2024-01-01T10:20:30.1234567"'], NS),
        (['"2024-01-01T10:20:30Z"', '"2024-01-01T10:20:30.5+02:00"'], US_UTC),
        (['"2024-01-01T10:20:30Z"', '"2024-01-01T10:20:30"'], pa.string()),
        (['"2024-01-01T10:20:30"', '"2024-01-01"'], pa.string()),
        (['"2024-01-01T10:20"'], pa.string()),
        (['"2024-01-01T10:20:60"'], pa.string()),
        (['"١٢٣٤-01-01"'], pa.string()),
    ],
)
def test_a_column_has_the_narrowest_type_that_holds_its_values(values: list[str], kind: pa.DataType) -> None:
    assert column(*values) == kind


def test_columns_come_in_order_of_first_appearance() -> None:
    assert inferred('{"b":1}', '{"a":1,"c":null}', '{"b":2.5,"c":"x"}') == [
        ("b", pa.float64()),
        ("a", pa.int64()),
        ("c", pa.string()),
    ]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (
            ['[{"x":1,"y":[1]},{"x":"s"}]', '[{"x":[1.0],"y":{"k": 1}}]'],
            pa.list_(pa.struct([("x", pa.string()), ("y", pa.string())])),
            [[{"x": "1", "y": "[1]"}, {"x": "s", "y": None}], [{"x": "[1.0]", "y": '{"k": 1}'}]],
        ),
        (
            ['{"x":{"y":1}}', '{"x":[true]}'],
            pa.struct([("x", pa.string())]),
            [{"x": '{"y":1}'}, {"x": "[true]"}],
        ),
        (
            ['[{"x":1},2,"s",null,[3]]'],
            pa.list_(pa.string()),
            [['{"x":1}', "2", "s", None, "[3]"]],
        ),
        (["[[1],[null]]", "[[1.5],[]]"], pa.list_(pa.list_(pa.float64())), [[[1.0], [None]], [[1.5], []]]),
        (['{"x":[]}', '{"x":{}}'], pa.struct([("x", pa.string())]), [{"x": "[]"}, {"x": "{}"}]),
    ],
)
def test_unlike_values_inside_others_are_json_text_where_they_differ(
    values: list[str], kind: pa.DataType, expected: list[Any]
) -> None:
    assert column(*values) == kind
    assert read(kind, *values) == expected


def test_a_key_first_seen_late_inside_an_object_widens_the_struct() -> None:
    was = pa.struct([("x", pa.struct([("y", pa.int64())]))])
    asked = pa.struct([("x", pa.struct([("y", pa.int64()), ("z", pa.list_(pa.struct([("k", pa.bool_())])))]))])
    late = '{"x":{"z":[{"k":true}]}}'
    assert needed({"a": was}, record('{"x":{"y":1}}'), record(late)) == ({"a": asked}, 2)
    assert read(asked, late, '{"x":{"y":1}}') == [
        {"x": {"y": None, "z": [{"k": True}]}},
        {"x": {"y": 1, "z": None}},
    ]
    # As at the top level: nothing is lost with a key that has no value.
    assert read(was, '{"x":{"y":1,"new":null}}') == [{"x": {"y": 1}}]


def test_an_object_with_data_in_its_keys_is_text() -> None:
    values = [json.dumps({f"k{n}": n}) for n in range(201)]
    assert column(*values[:200]) == pa.struct([(f"k{n}", pa.int64()) for n in range(200)])
    assert column(*values) == pa.string()
    assert column(*(f"[{value}]" for value in values)) == pa.list_(pa.string())


def test_nesting_is_bounded() -> None:
    kind = column("[" * 900 + "]" * 900)
    depth = 0
    while pa.types.is_list(kind):
        kind, depth = kind.value_type, depth + 1
    assert (kind, depth) == (pa.string(), 33)


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (pa.int64(), ["1", "null", "-0"], [1, None, 0]),
        (pa.float64(), ["1", "2.5", "1e3", "null"], [1.0, 2.5, 1000.0, None]),
        (pa.bool_(), ["true", "false", "null"], [True, False, None]),
        (pa.date32(), ['"2024-02-29"', "null"], [date(2024, 2, 29), None]),
        (
            US,
            ['"2024-02-29T01:02:03.5"', '"2024-02-29 01:02:03"'],
            [datetime.fromisoformat("2024-02-29T01:02:03.5"), datetime.fromisoformat("2024-02-29T01:02:03")],
        ),
        (US_UTC, ['"2024-02-29T01:02:03+02:00"'], [datetime(2024, 2, 28, 23, 2, 3, tzinfo=UTC)]),
        (BIG, ["1", "18446744073709551615", "null", "1e2"], [Decimal(1), Decimal(2**64 - 1), None, Decimal(100)]),
        (
            pa.decimal128(10, 2),
            ["1.5", "0", "-12345678.99"],
            [Decimal("1.50"), Decimal("0.00"), Decimal("-12345678.99")],
        ),
        (pa.uint64(), ["18446744073709551615", "0"], [2**64 - 1, 0]),
        (pa.int32(), ["2147483647"], [2147483647]),
        (pa.list_(pa.int64()), ["[1,null]", "[]", "null"], [[1, None], [], None]),
        (pa.struct([("x", pa.int64()), ("y", pa.string())]), ['{"x":1}', "null"], [{"x": 1, "y": None}, None]),
        (pa.null(), ["null"], [None]),
        (pa.map_(pa.string(), pa.int64()), ["null"], [None]),
    ],
)
def test_values_that_fit_keep_their_meaning(kind: pa.DataType, values: list[str], expected: list[Any]) -> None:
    assert read(kind, *values) == expected


def test_a_column_of_strings_takes_any_value_as_the_file_spells_it() -> None:
    values = ['"x"', "1.10", "true", "null", '{"a": 1, "a":2}', "[ 1,2 ]", "9" * 5000, '"2024-01-01"', r'"é\n"']
    assert read(pa.string(), *values) == [
        "x", "1.10", "true", None, '{"a": 1, "a":2}', "[ 1,2 ]", "9" * 5000, "2024-01-01", "é\n",
    ]  # fmt: skip
    assert read(pa.list_(pa.string()), '[1.0,"x",null,{"a":1}]') == [["1.0", "x", None, '{"a":1}']]


@pytest.mark.parametrize(
    ("kind", "values", "asks"),
    [
        (pa.int64(), ["1", "1.0"], pa.float64()),
        (pa.int64(), ["1", "9223372036854775808"], BIG),
        (pa.int64(), ['"1"'], pa.string()),
        (pa.int64(), ["true"], pa.string()),
        (pa.bool_(), ["1"], pa.string()),
        (pa.float64(), ["1e999"], pa.string()),
        (pa.float64(), ["18446744073709551616"], pa.string()),
        (pa.float64(), ["9" * 400], pa.string()),
        (pa.list_(pa.float64()), ["[18446744073709551616]"], pa.string()),
        (pa.int32(), ["2147483648"], pa.int64()),
        (BIG, ["1.5"], pa.string()),
        (BIG, ['"1"'], pa.string()),
        (pa.date32(), ['"2024-02-30"'], pa.string()),
        (pa.date32(), ['"2024-02-01T00:00:00"'], pa.string()),
        (US, ['"2024-02-01"'], pa.string()),
        (US, ['"2024-02-01T00:00"'], pa.string()),
        (US, ['"2024-02-01T00:00:00\\n"'], pa.string()),
        (US, ['"2024-02-01T00:00:00Z"'], pa.string()),
        (US, ['"2024-02-01T00:00:00.1234567"'], NS),
        (NS, ['"9999-02-01T00:00:00"'], pa.string()),
        (US_UTC, ['"2024-02-01T00:00:00"'], pa.string()),
        (US, ["5"], pa.string()),
        (pa.time64("us"), ['"10:00:00"'], pa.string()),
        (pa.binary(), ['"x"'], pa.string()),
        (pa.map_(pa.string(), pa.int64()), ['{"x":1}'], pa.string()),
        (pa.list_(pa.int64()), ['["x"]'], pa.list_(pa.string())),
        (pa.list_(pa.int64()), ["1"], pa.string()),
        (pa.struct([("x", pa.int64())]), ['{"x":1,"y":true}'], pa.struct([("x", pa.int64()), ("y", pa.bool_())])),
        (pa.null(), ["1"], pa.int64()),
    ],
)
def test_a_value_that_does_not_fit_asks_for_a_wider_type(
    kind: pa.DataType, values: list[str], asks: pa.DataType
) -> None:
    assert needed({"a": kind}, *map(record, values))[0] == {"a": asks}
    # Widening comes to an end: what was asked for, or what that asks for in turn, holds the values.
    assert len(read(pa.string(), *values)) == len(values)


def test_a_mismatch_names_every_column_of_the_piece_and_the_first_row() -> None:
    columns, row = needed(
        {"a": pa.int64(), "b": pa.bool_(), "ok": pa.int64()},
        '{"a":1,"ok":1}',
        '{"a":2,"new":{"x":1}}',
        '{"a":"x","b":1}',
        '{"new":{"y":"z"},"empty":null}',
    )
    assert columns == {
        "a": pa.string(),
        "b": pa.string(),
        "new": pa.struct([("x", pa.int64()), ("y", pa.string())]),
    }
    assert row == 2


def test_batches_have_exactly_the_schema() -> None:
    schema = pa.schema([("z", pa.int64()), ("a", pa.string()), ("t", pa.time64("us"))])
    found, report = table(b'{"a":"x"}\n{}\n{"unknown":null,"z":1,"z":2}\n', schema)
    assert found.to_pylist() == [
        {"z": None, "a": "x", "t": None},
        {"z": None, "a": None, "t": None},
        {"z": 2, "a": None, "t": None},
    ]
    assert (report.start, report.end) == (0, 42)


def test_records_without_any_column_are_counted() -> None:
    found, report = table(b"{}\n{}\n", pa.schema([]))
    assert (found.num_rows, report.rows) == (2, 2)
    assert table(b"", pa.schema([("a", pa.int64())]))[0].num_rows == 0


def test_a_malformed_line_is_rejected_between_the_rows_around_it() -> None:
    found, report = table(b'{"a":1}\n{"a":\n{"a":2}\nx\n', pa.schema([("a", pa.int64())]))
    assert found.to_pydict() == {"a": [1, 2]}
    assert [(reject.row, reject.byte, reject.raw) for reject in report.rejects.first] == [
        (2, 8, b'{"a":'),
        (4, 22, b"x"),
    ]


def test_the_row_of_a_mismatch_counts_rejected_records() -> None:
    assert needed({"a": pa.int64()}, "x", record("1"), "y", "[", record("true"), "z") == ({"a": pa.string()}, 5)


def test_a_mismatch_names_what_does_not_fit_further_on() -> None:
    """Else the file were read again and again, for one column or key after the other."""
    pad = "x" * 100_000
    lines = [f'{{"pad":"{pad}","o":{{"k{n}":1}},"c{n}":1}}' for n in range(10)]
    columns, row = needed({"pad": pa.string(), "o": pa.struct([("k0", pa.int64())])}, *lines)
    assert columns == {
        "o": pa.struct([(f"k{n}", pa.int64()) for n in range(10)]),
        **{f"c{n}": pa.int64() for n in range(10)},
    }
    assert row == 1


def test_objects_over_several_lines_and_arrays_are_rows() -> None:
    schema = pa.schema([("a", pa.int64()), ("o", pa.struct([("x", pa.string())]))])
    rows = [{"a": 1, "o": {"x": "y"}}, {"a": 2, "o": None}]
    for data in (json.dumps(rows, indent=2), "\n".join(json.dumps(row, indent=1) for row in rows), json.dumps(rows)):
        assert table(data.encode(), schema)[0].to_pylist() == rows
        assert JSONL.infer_table_schema(io.BytesIO(data.encode()), remote(data.encode())) == schema


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    data = rb'{"a":"x\ud800\\ud800\ud83d\ude00"}'
    found, report = table(data, pa.schema([("a", pa.string())]))
    assert found["a"].to_pylist() == ["x\ufffd\\ud800\U0001f600"]
    assert sum(report.warnings.values()) == 1
    assert JSONL.infer_table_schema(io.BytesIO(data), remote(data)).names == ["a"]


# What is no object


@pytest.mark.parametrize(
    ("data", "kind", "rows"),
    [
        (b"1\n 2.5\nnull\n", pa.float64(), [1.0, 2.5, None]),
        (b'"2024-01-02"\n', pa.date32(), [date(2024, 1, 2)]),
        (b'1\n"x"\n[1]\n', pa.string(), ["1", "x", "[1]"]),
        (b"1\r2\r\n3", pa.int64(), [1, 2, 3]),
        (b"[1,2]\n[3]\n", pa.list_(pa.int64()), [[1, 2], [3]]),
        (b"[1,2, 3]\n", pa.int64(), [1, 2, 3]),
        (b"[\n 1,\n 2\n]", pa.int64(), [1, 2]),
        (b"[1,\n2]", pa.int64(), [1, 2]),
        (b"[[1,2],[3]]", pa.list_(pa.int64()), [[1, 2], [3]]),
        (b"[" + b", ".join(b"%d" % n for n in range(50_000)) + b"]", pa.int64(), list(range(50_000))),
        (b"null", pa.null(), [None]),
    ],
)
def test_plain_values_are_rows_with_one_column(data: bytes, kind: pa.DataType, rows: list[Any]) -> None:
    schema = JSONL.infer_table_schema(io.BytesIO(data), remote(data))
    assert schema == pa.schema([("value", kind)])
    found, report = table(data, schema)
    assert found["value"].to_pylist() == rows
    assert report.rejects.total() == 0
    assert report.end == len(data)


@pytest.mark.parametrize("data", [b'{"a":1}\n2\n{"value":3}\n', b'[{"a":1},2,{"value":3}]'])
def test_plain_values_among_objects(data: bytes) -> None:
    schema = JSONL.infer_table_schema(io.BytesIO(data), remote(data))
    assert table(data, schema)[0].to_pylist() == [
        {"a": 1, "value": None},
        {"a": None, "value": 2},
        {"a": None, "value": 3},
    ]


@pytest.mark.parametrize("text", ["[1,2", '"cut', "tru", "[1 2]", "1,2", "NaN"])
def test_a_plain_value_with_a_fault_is_rejected_as_no_json(text: str) -> None:
    found, report = table(f"7\n{text}\n8\n".encode(), pa.schema([("value", pa.int64())]))
    assert found["value"].to_pylist() == [7, 8]
    (reject,) = report.rejects.first
    assert (reject.row, reject.byte, reject.raw) == (2, 2, text.encode())
    assert "not an object" not in reject.reason


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (pa.int64(), '{"a":1,"a":2}', 2),
        (pa.int64(), '{"a":1,"a":null}', None),
        (pa.struct([("x", pa.int64())]), '{"a":{"x":1,"x":2}}', {"x": 2}),
    ],
)
def test_a_key_that_comes_twice_is_said(kind: pa.DataType, text: str, value: Any) -> None:
    found, report = table(f'{{"a":null}}\n{text}\n'.encode(), pa.schema([("a", kind)]))
    assert found["a"].to_pylist() == [None, value]
    assert report.warnings == {"an object has a key twice: the last value counts": 1}


def large_lines(count: int = 20_000) -> list[str]:
    """More than two pieces."""
    return [json.dumps({"a": number, "b": f"text {number}", "pad": "x" * 100}) for number in range(count)]


def test_a_few_odd_records_in_a_large_piece_leave_the_others_their_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    by_value: list[int] = []
    one_by_one = TableReader._convert_columns

    def noting(reader: TableReader, records: Sequence[bytes], first_row: int) -> list[pa.Array]:
        by_value.append(len(records))
        return one_by_one(reader, records, first_row)

    monkeypatch.setattr(TableReader, "_convert_columns", noting)
    lines = large_lines()
    lines[3000] = '{"a":3000,"b":[1, 2],"pad":null}'  # text as the file spells it
    lines[9000] = "no object {"
    lines[15_000] = '{"a":15000,"a":15000,"b":"twice"}'
    schema = pa.schema([("a", pa.int64()), ("b", pa.string()), ("pad", pa.string())])
    found, report = table("\n".join(lines).encode(), schema)
    expected = [{"b": None, "pad": None} | json.loads(line) for line in lines[:9000] + lines[9001:]]
    expected[3000]["b"] = "[1, 2]"
    assert found.to_pylist() == expected
    assert [(reject.row, reject.byte) for reject in report.rejects.first] == [(9001, len("\n".join(lines[:9000])) + 1)]
    assert sum(by_value) <= 2 * 512 + 16 * len(by_value)


def test_what_misfits_in_any_part_of_a_large_piece_is_told_at_once() -> None:
    lines = large_lines(6000)
    lines[2000] = '{"a":0.5,"b":"x"}'
    lines[5000] = '{"a":1,"b":"x","new":true}'
    columns, row = needed({"a": pa.int64(), "b": pa.string(), "pad": pa.string()}, *lines)
    assert (columns, row) == ({"a": pa.float64(), "new": pa.bool_()}, 2001)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1.005", None),
        ("1.500", Decimal("1.50")),
        ("0.1000000000000000055", None),
        ("9999999999999.99", Decimal("9999999999999.99")),
        ("1234567890123456.78", Decimal("1234567890123456.78")),
        ("12345678901234567", None),
        ("-0.0", Decimal("0.00")),
        ("42e-1", Decimal("4.20")),
        ("50e-3", Decimal("0.05")),
        ("1e13", Decimal(10**13)),
        ("1e400", None),
        ('"1.5"', None),
    ],
)
def test_decimals_are_the_same_by_columns_and_by_values(value: str, expected: Decimal | None) -> None:
    kind = pa.decimal128(18, 2)
    for before in (0, 20):  # so few are read value by value
        reader = TableReader(pa.schema([("x", kind)]), "u")
        records = [b'{"x":0.25}'] * before + [f'{{"x":{value}}}'.encode()]
        if expected is None:
            with pytest.raises(TypeMismatchError):
                reader.read(records, 1)
        else:
            assert reader.read(records, 1).column(0).to_pylist()[-1] == expected
