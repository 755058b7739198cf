"""Excel: numbers and dates of a column as JSON has them, and records that are known to name no column about the file."""

import io
from datetime import date, datetime

import pytest
import xlsxwriter
from file_builders import URI, whole
from hypothesis import given
from hypothesis import strategies as st

from file_cdk.core.config import ExcelConfig
from file_cdk.core.json_lines import JsonLines
from file_cdk.core.ports import SplitReport
from file_cdk.formats.excel.format import ExcelFormat
from file_cdk.formats.excel.values import json_values

LARGEST = 2.0**53 - 1


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([1.0, -2.0, 0.0], [1, -2, 0]),
        ([LARGEST, -LARGEST, 1.0], [int(LARGEST), -int(LARGEST), 1]),
        ([LARGEST + 1, 1.0], [LARGEST + 1, 1]),
        ([-LARGEST - 1, "", 1.0], [-LARGEST - 1, None, 1]),
        ([1e300, 1e300, 3.0], [1e300, 1e300, 3]),
        ([1.5, 2.0], [1.5, 2]),
        ([1.0, "", 3.0], [1, None, 3]),
        ([1.5, "", LARGEST + 1], [1.5, None, LARGEST + 1]),
        ([1.0, "a", "", 0.5], [1, "a", None, 0.5]),
        (["a", "", "b"], ["a", None, "b"]),
        (["a", "b"], ["a", "b"]),
        (["", ""], [None, None]),
        ([True, 1.0], [True, 1]),
        ([True, False], [True, False]),
    ],
)
def test_whole_numbers_below_two_to_the_53rd_are_integers(column: list[object], expected: list[object]) -> None:
    found = list(json_values(column))
    assert found == expected
    assert list(map(type, found)) == list(map(type, expected))


@given(
    st.one_of(st.lists(st.dates(), min_size=1), st.lists(st.datetimes(), min_size=1)),
    st.booleans(),
)
def test_instants_have_six_digits_of_a_second(column: list[date], whole_seconds: bool) -> None:
    if whole_seconds:
        column = [each.replace(microsecond=0) if isinstance(each, datetime) else each for each in column]
    expected = [
        each.strftime("%Y-%m-%dT%H:%M:%S.%f").rjust(26, "0")
        if isinstance(each, datetime)
        else f"{each}T00:00:00.000000"
        for each in column
    ]
    assert list(json_values(column)) == expected


@pytest.mark.parametrize(("name", "checked"), [("url", True), ("_ab_source_file_url", False)])
def test_whether_records_may_name_a_column_about_the_file_is_told_by_the_names(name: str, checked: bool) -> None:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["id", name])
        sheet.write_row(1, 0, [1, "x"])
    data = content.getvalue()
    (batch,) = ExcelFormat(ExcelConfig()).read_records(io.BytesIO(data), whole(data, URI), {}, SplitReport())
    assert isinstance(batch, JsonLines)
    assert batch.checked is checked
    assert batch.text(b"", b"\n") == b'{"id":1,"%b":"x"}\n' % name.encode()
