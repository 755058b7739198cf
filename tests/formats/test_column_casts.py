"""What a cast makes of text, and which values have no exact counterpart."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from file_cdk.formats.column_rules.casting import Cast, stated_cast
from file_cdk.formats.column_rules.hashing import one_spelling

NONE = object()
"""In place of a value that there is not."""


@pytest.mark.parametrize(
    ("kind", "cases"),
    [
        (
            "integer",
            {"7": 7, "007": 7, "+7": 7, "-0": 0, "7.0": 7, "1e3": 1000, " 7\t": 7, "  ": None, "7.5": NONE, "": NONE},
        ),
        (
            "integer",
            {"9223372036854775807": 2**63 - 1, "9223372036854775808": NONE, "0x10": NONE, "1_0": NONE, "١": NONE},
        ),
        (
            "float",
            {
                "0.1": 0.1,
                "007.5": 7.5,
                "1e-3": 0.001,
                "1e400": NONE,
                "1e-400": NONE,
                "9007199254740993": NONE,
                "x": NONE,
            },
        ),
        (
            "decimal(5,2)",
            {
                "1.5": Decimal("1.50"),
                "1.500": Decimal("1.50"),
                "1.505": NONE,
                "999.99": Decimal("999.99"),
                "1000": NONE,
            },
        ),
        ("boolean", {"yes": True, "N": False, "TRUE": True, "0": False, "2": NONE, "": NONE}),
        (
            "date",
            {
                "2024-02-29": date(2024, 2, 29),
                "2023-02-29": NONE,
                "2024-01-02 00:00:00": date(2024, 1, 2),
                "2024-01-02T01:00": NONE,
            },
        ),
        ("time", {"10:20": time(10, 20), "10:20:30.5": time(10, 20, 30, 500000), "24:00": NONE, "10": NONE}),
        (
            "timestamp",
            {
                "2024-01-02": datetime.fromisoformat("2024-01-02"),
                "2024-01-02 03:04:05.1234560": datetime.fromisoformat("2024-01-02T03:04:05.123456"),
                "2024-01-02 03:04:05.1234561": NONE,
                "2024-01-02T03:04:05Z": NONE,
            },
        ),
        (
            "timestamptz",
            {"2024-01-02T03:04:05+02:00": datetime(2024, 1, 2, 1, 4, 5, tzinfo=UTC), "2024-01-02T03:04:05": NONE},
        ),
        ("json", {'{"a": 1}': '{"a": 1}', "7": "7", "x": NONE, "NaN": NONE}),
    ],
)
def test_text_is_cast_exactly_or_not_at_all(kind: str, cases: dict[str, Any]) -> None:
    values = pa.array([None, *cases])
    found, bad = stated_cast(kind)(values)
    assert bad == [index for index, value in enumerate(cases.values(), 1) if value is NONE]
    assert found.to_pylist() == [None, *(None if value is NONE else value for value in cases.values())]


def test_a_contract_changes_no_value() -> None:
    found, bad = Cast(pa.int64())(pa.array(["7", "007", "7.0", "+7", "1e3", None]))
    assert (found.to_pylist(), bad) == ([7, None, None, None, None, None], [1, 2, 3, 4])
    lists, bad = Cast(pa.list_(pa.int64()))(pa.array([["1"], ["x"], None]))
    assert (lists.to_pylist(), bad) == ([[1], None, None], [1])


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        *[
            ("1.50", "1.5"),
            ("-0", "0"),
            ("-0.0", "0"),
            (".5", "0.5"),
            ("7.", "7"),
            ("1e+20", "1" + "0" * 20),
            ("1.5e-7", "0.00000015"),
        ],
        *[
            ("007", "007"),
            ("007.50", "007.50"),
            ("+49", "+49"),
            ("12e5", "12e5"),
            ("1.10.2", "1.10.2"),
            (" 1.50", " 1.50"),
        ],
        *[("2024-01-02 03:04:05.500", "2024-01-02T03:04:05.5"), ("2024-01-02T03:04:05+00:00", "2024-01-02T03:04:05Z")],
        *[
            ("2024-01-02T03:04:05+02:00", "2024-01-02T01:04:05Z"),
            ("2024-99-02T03:04:05+02:00", "2024-99-02T03:04:05+02:00"),
        ],
    ],
)
def test_hashes_take_one_spelling_of_numbers_and_times(text: str, spelled: str) -> None:
    assert one_spelling(pa.array([text, "x", None])).to_pylist() == [spelled, "x", None]
