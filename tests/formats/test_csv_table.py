import io
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from file_builders import URI, remote, whole
from format_settings import BOTH_READERS, csv_config

from file_cdk.core.errors import TypeMismatchError
from file_cdk.core.ports import SplitReport
from file_cdk.formats.csv import CsvFormat


def infer(data: str, **config: Any) -> dict[str, pa.DataType]:
    raw = data.encode()
    csv_format = CsvFormat(csv_config(**config))
    schema = csv_format.infer_table_schema(io.BytesIO(raw), remote(raw))
    return {field.name: field.type for field in schema}


def read(
    data: bytes,
    schema: pa.Schema,
    *,
    sequential: bool = False,
    piece_bytes: int = 1 << 18,
    report: SplitReport | None = None,
    **config: Any,
) -> Iterator[dict[str, Any]]:
    csv_format = CsvFormat(csv_config(**config), piece_bytes=piece_bytes)
    split = whole(data, sequential=sequential)
    for batch in csv_format.read_table(io.BytesIO(data), split, schema, report or SplitReport()):
        assert [schema.field(name).type for name in batch.schema.names] == batch.schema.types
        yield from batch.to_pylist()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "-5", ""], pa.int64()),
        (["1", "2.5"], pa.decimal128(18, 1)),
        (["12.30", "-0.5", ".25", "7."], pa.decimal128(18, 2)),
        (["123456789012345.67"], pa.decimal128(28, 2)),
        (["1." + "0" * 36 + "1"], pa.decimal128(38, 37)),
        (["9" * 38], pa.decimal128(38, 0)),
        (["9" * 39], pa.string()),
        (["1." + "0" * 38 + "1"], pa.string()),
        (["0.1234567890123456"], pa.float64()),
        (["0.30000000000000004", "0.5", "18.150000000000002"], pa.float64()),
        (["0.10000000000000001", "0.20000000000000001"], pa.float64()),
        (["0.123456789012345678", "0.5"], pa.decimal128(28, 18)),
        (["0.30000000000000004"] + ["0.5"] * 20, pa.decimal128(28, 17)),
        (["1e3", "2"], pa.float64()),
        (["1e3", "nan", "-Infinity"], pa.float64()),
        (["1e400"], pa.string()),
        (["1e3", "9007199254740993"], pa.string()),
        (["1e3", "9007199254740992"], pa.float64()),
        ([" 5", "6 ", "\t7\t"], pa.int64()),
        ([" 1.5 ", "  "], pa.decimal128(18, 1)),
        (["5", "  ", "\t"], pa.int64()),
        (["5", '"  "'], pa.int64()),
        (["  ", ""], pa.null()),
        (["x", "  "], pa.string()),
        ([" 007"], pa.string()),
        (["-007", "5"], pa.string()),
        (["00"], pa.string()),
        (["-0", "0"], pa.int64()),
        (["true", "FALSE", ""], pa.bool_()),
        (["yes", "no"], pa.string()),
        (["true", "1"], pa.string()),
        (["2024-01-02"], pa.date32()),
        (["2024-01-02 03:04:05"], pa.timestamp("us")),
        (["2024-01-02", "2024-01-02 03:04:05"], pa.timestamp("us")),
        (["2024-01-02T03:04:05Z"], pa.timestamp("us", "UTC")),
        (["2024-01-02 03:04:05.123456"], pa.timestamp("us")),
        (["2024-01-02 03:04:05.5Z"], pa.timestamp("us", "UTC")),
        (["2024-01-02 03:04:05.123456789"], pa.timestamp("ns")),
        (["1600-01-02 03:04:05.5"], pa.timestamp("us")),
        (["1600-01-02", "1600-01-02 03:04:05.5"], pa.timestamp("us")),
        (["1600-01-02T03:04:05.5Z"], pa.timestamp("us", "UTC")),
        (["2024-01-02 03:04:05", "2024-01-02 03:04:05Z"], pa.string()),
        (["12:34:56"], pa.time64("us")),
        (["12:34", "12:34:56.123456"], pa.time64("us")),
        (["12:34:56.123456789"], pa.time64("ns")),
        (["25:00"], pa.string()),
        (["", ""], pa.null()),
        (['""', ""], pa.string()),
        (["1", "x"], pa.string()),
        (["1", "007"], pa.string()),
        (["1.5", "007"], pa.string()),
        (["0", "0.5", "-0.5"], pa.decimal128(18, 1)),
        (["0x1F"], pa.string()),
        (["+49123456"], pa.string()),
        (["12345678901234567890"], pa.decimal128(28, 0)),
        (["1234567890123456789", "0.5"], pa.decimal128(28, 1)),
    ],
)
def test_inferred_types(values: list[str], expected: pa.DataType) -> None:
    assert infer("k,v\n" + "".join(f"k,{value}\n" for value in values)) == {"k": pa.string(), "v": expected}
    if "" not in values:
        assert infer("v\n" + "".join(f"{value}\n" for value in values)) == {"v": expected}


def test_leading_zeros_anywhere_in_the_sample_count() -> None:
    assert infer("v\n" + "1\n" * 100_000 + "007\n") == {"v": pa.string()}


def test_null_values_do_not_decide_a_type() -> None:
    assert infer("a,b\n1,NA\nNA,NA\n", null_values=["NA"]) == {"a": pa.int64(), "b": pa.null()}


def test_a_header_alone_has_columns_without_a_type() -> None:
    assert infer("a,b\n") == {"a": pa.null(), "b": pa.null()}


def test_names_are_stripped_and_unique() -> None:
    assert list(infer(" a,a ,\n1,2,\n")) == ["a", "a_2"]


@BOTH_READERS
def test_values_have_exactly_the_types_asked_for(sequential: bool) -> None:
    schema = pa.schema(
        [
            ("not in the file", pa.string()),
            ("i", pa.int64()),
            ("f", pa.float64()),
            ("d", pa.date32()),
            ("t", pa.timestamp("us")),
            ("c", pa.time64("us")),
            ("b", pa.bool_()),
            ("s", pa.string()),
        ]
    )
    data = b"s,i,f,d,t,c,b\n1,1,1,2024-01-02,2024-01-02 03:04:05.5,12:34:56,true\n,,,,,,\n"
    assert list(read(data, schema, sequential=sequential)) == [
        {
            "s": "1",
            "i": 1,
            "f": 1.0,
            "d": date(2024, 1, 2),
            "t": datetime(2024, 1, 2, 3, 4, 5, 500_000),  # noqa: DTZ001 - the column has no zone
            "c": time(12, 34, 56),
            "b": True,
        },
        dict.fromkeys(["s", "i", "f", "d", "t", "c", "b"]),
    ]


@BOTH_READERS
def test_only_unquoted_values_are_null(sequential: bool) -> None:
    schema = pa.schema([("a", pa.string()), ("b", pa.string())])
    data = b'a,b\n,""\n"NA",NA\n"x""",\n'
    assert list(read(data, schema, sequential=sequential, null_values=["NA"])) == [
        {"a": None, "b": ""},
        {"a": "NA", "b": None},
        {"a": 'x"', "b": None},
    ]


@BOTH_READERS
def test_an_only_column_with_a_blank_beside_it_can_be_null(sequential: bool) -> None:
    schema = pa.schema([("a", pa.string())])
    data = b'a,\n,\n"",\nx,\n'
    assert list(read(data, schema, sequential=sequential)) == [{"a": None}, {"a": ""}, {"a": "x"}]


@BOTH_READERS
def test_values_that_do_not_fit_name_the_type_they_need(sequential: bool) -> None:
    schema = pa.schema(
        [("a", pa.int64()), ("b", pa.int64()), ("c", pa.date32()), ("d", pa.string()), ("e", pa.bool_())]
    )
    data = b"a,b,c,d,e\n1,2.5,2024-01-01 10:00:00,x,true\n,x,,,\n,,,,1\n"
    with pytest.raises(TypeMismatchError) as caught:
        list(read(data, schema, sequential=sequential))
    assert caught.value.columns == {"b": pa.string(), "c": pa.timestamp("us"), "e": pa.string()}
    assert caught.value.uri == URI


def test_asking_again_with_the_needed_types_ends() -> None:
    values = ["1", "2.5", "x", "2024-01-01", "99999999999999999999", "[1]", ""]
    data = ("v\n" + "\n".join(values) + "\n").encode()
    for kind in (
        pa.int64(),
        pa.bool_(),
        pa.decimal128(5, 2),
        pa.list_(pa.int64()),
        pa.timestamp("us", "UTC"),
        pa.null(),
    ):
        schema = pa.schema([("v", kind)])
        for _ in range(5):
            try:
                found = list(read(data, schema, piece_bytes=2))
            except TypeMismatchError as error:
                schema = pa.schema([("v", error.columns["v"])])
            else:
                break
        assert found == [{"v": value} for value in values if value]


def test_rows_before_the_piece_that_does_not_fit_are_given() -> None:
    data = b"v\n" + b"1\n" * 100 + b"x\n"
    rows = read(data, pa.schema([("v", pa.int64())]), piece_bytes=50)
    assert next(rows) == next(rows) == {"v": 1}
    with pytest.raises(TypeMismatchError) as caught:
        list(rows)
    assert caught.value.columns == {"v": pa.string()}


def test_columns_that_the_table_lacks_are_asked_for_at_once() -> None:
    data = b"a,b,c\n1,2.5,\n"
    with pytest.raises(TypeMismatchError) as caught:
        list(read(data, pa.schema([("a", pa.int64())])))
    assert caught.value.columns == {"b": pa.decimal128(18, 1), "c": pa.null()}


def test_a_column_of_a_nested_type_becomes_text() -> None:
    with pytest.raises(TypeMismatchError) as caught:
        list(read(b"a\n[1]\n", pa.schema([("a", pa.list_(pa.int64()))])))
    assert caught.value.columns == {"a": pa.string()}


@BOTH_READERS
@pytest.mark.parametrize(
    ("kind", "value", "needed"),
    [
        (pa.int64(), "007", pa.string()),
        (pa.int64(), " 007", pa.string()),
        (pa.int64(), '"007"', pa.string()),
        (pa.int64(), "-007", pa.string()),
        (pa.int64(), "00", pa.string()),
        (pa.int64(), "0x1F", pa.string()),
        (pa.int64(), "0XfF", pa.string()),
        (pa.int64(), "+49123", pa.string()),
        (pa.int64(), "2.5", pa.decimal128(20, 1)),
        (pa.int64(), "12345678901234567890", pa.decimal128(28, 0)),
        (pa.float64(), "007", pa.string()),
        (pa.float64(), "007.5", pa.string()),
        (pa.float64(), "+49123", pa.string()),
        (pa.float64(), "9007199254740993", pa.string()),
        (pa.float64(), "-12345678901234567890", pa.string()),
        (pa.float64(), "1e400", pa.string()),
        (pa.float64(), "1e-400", pa.string()),
        (pa.float64(), "-0.001e-330", pa.string()),
        (pa.decimal128(18, 2), "007", pa.string()),
        (pa.decimal128(18, 2), "-007.5", pa.string()),
        (pa.decimal128(18, 2), "+49123", pa.string()),
        (pa.decimal128(18, 2), "12.345", pa.decimal128(19, 3)),
        (pa.decimal128(18, 2), "1e-3", pa.float64()),
        (pa.decimal128(18, 2), "340282366920938463463374607431768211461", pa.string()),
        (pa.decimal128(38, 0), "9" * 39, pa.string()),
        (pa.bool_(), "1", pa.string()),
        (pa.bool_(), "0", pa.string()),
    ],
)
def test_what_conversion_would_change_does_not_fit(
    kind: pa.DataType, value: str, needed: pa.DataType, sequential: bool
) -> None:
    first = {pa.bool_(): "true", pa.float64(): "-0.5"}.get(kind, "-5")
    for before in (first, "", "12" if first == "-5" else first):
        data = f"v,w\n{before},\n{value},\n".encode()
        with pytest.raises(TypeMismatchError) as caught:
            list(read(data, pa.schema([("v", kind), ("w", pa.string())]), sequential=sequential))
        assert list(caught.value.columns) == ["v"]
        assert before or caught.value.columns["v"] == needed


@BOTH_READERS
def test_what_only_looks_like_a_code_is_a_number(sequential: bool) -> None:
    schema = pa.schema([("i", pa.int64()), ("d", pa.decimal128(18, 2)), ("f", pa.float64()), ("s", pa.string())])
    data = b"i,d,f,s\n0,0,0,007\n-0,-0.5,-0.25,+49\n 7,.5 ,1e300,\n,12.300,9007199254740994,0x1\n  , ,\t,  \n"
    assert list(read(data, schema, sequential=sequential)) == [
        {"i": 0, "d": Decimal("0.00"), "f": 0.0, "s": "007"},
        {"i": 0, "d": Decimal("-0.50"), "f": -0.25, "s": "+49"},
        {"i": 7, "d": Decimal("0.50"), "f": 1e300, "s": None},
        {"i": None, "d": Decimal("12.30"), "f": 9007199254740994.0, "s": "0x1"},
        {"i": None, "d": None, "f": None, "s": "  "},
    ]


@BOTH_READERS
def test_blank_dates_are_null(sequential: bool) -> None:
    data = b'a,b,c\n2024-01-02,true,12:00:00\n  ,"  ",  \n'
    schema = pa.schema([("a", pa.date32()), ("b", pa.bool_()), ("c", pa.time64("us"))])
    assert list(read(data, schema, sequential=sequential)) == [
        {"a": date(2024, 1, 2), "b": True, "c": time(12)},
        dict.fromkeys(["a", "b", "c"]),
    ]


def test_a_leading_zero_after_the_sample_is_met() -> None:
    data = b"v\n" + b"1\n" * 600_000 + b"007\n"
    assert infer(data.decode()) == {"v": pa.int64()}
    with pytest.raises(TypeMismatchError) as caught:
        list(read(data, pa.schema([("v", pa.int64())])))
    assert caught.value.columns == {"v": pa.string()}


@BOTH_READERS
def test_bytes_that_are_no_text_are_told_from_values_that_do_not_fit(sequential: bool) -> None:
    schema, report = pa.schema([("a", pa.int64()), ("b", pa.int64())]), SplitReport()
    data = b"a,b\n1,2\n3,\xff\n4,5\n"
    assert list(read(data, schema, sequential=sequential, report=report)) == [{"a": 1, "b": 2}, {"a": 4, "b": 5}]
    assert [(reject.row, reject.byte) for reject in report.rejects.first] == [(2, 8)]
