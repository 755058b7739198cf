"""Each Arrow type beside the JSON that Python's own conversions give for it."""

import datetime as dt
import io
import json
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from arro3.io import write_ndjson

from file_cdk.protocol.json_columns import cast_for


def printed(array: pa.Array) -> list[Any]:
    cast = cast_for(array.type)
    out = io.BytesIO()
    column = array if cast is None else cast(array)
    column.validate(full=True)
    write_ndjson(pa.record_batch([column], names=["x"]), out, explicit_nulls=True)
    return [json.loads(line)["x"] for line in out.getvalue().splitlines()]


MOMENTS = [
    dt.datetime.fromisoformat("2024-01-02T03:04:05.120000"),
    dt.datetime.fromisoformat("2024-07-02T03:04:05"),
    dt.datetime.fromisoformat("1969-12-31T23:59:59.000001"),
    dt.datetime.fromisoformat("1960-01-01T00:00:00"),
    None,
    dt.datetime.fromisoformat("9000-12-31T23:59:59.999999"),
]


@pytest.mark.parametrize(
    ("unit", "zone"),
    [
        ("us", None),
        ("us", "UTC"),
        ("us", "Europe/Berlin"),
        ("us", "-03:30"),
        ("us", "Etc/UTC"),
        ("ms", "UTC"),
        ("s", None),
    ],
)
def test_timestamps_are_isoformat(unit: str, zone: str | None) -> None:
    array = pa.array(MOMENTS, pa.timestamp("us", zone)).cast(pa.timestamp(unit, zone), safe=False)
    assert printed(array) == [None if v is None else v.isoformat() for v in array.to_pylist()]


def test_nanoseconds_keep_all_nine_digits_or_as_many_as_python() -> None:
    second = 1_704_164_645_000_000_000
    array = pa.array([second, second + 1, second + 120_000_000, second + 1_000, None, -1], pa.timestamp("ns"))
    assert printed(array) == [
        "2024-01-02T03:04:05",
        "2024-01-02T03:04:05.000000001",
        "2024-01-02T03:04:05.120000",
        "2024-01-02T03:04:05.000001",
        None,
        "1969-12-31T23:59:59.999999999",
    ]


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
@pytest.mark.parametrize(
    ("unit", "ticks", "text"),
    [
        ("us", 253_402_300_800_000_000, "+10000-01-01T00:00:00"),
        ("us", 2**63 - 1, "+294247-01-10T04:00:54.775807"),
        ("us", -(2**63), "-290308-12-21T19:59:05.224192"),
        ("ms", 2**62, "+146140482-04-24T15:36:27.904000"),
        ("ms", -62_135_683_200_001, "+0000-12-30T23:59:59.999000"),
        ("s", -(2**63), "-292277022657-01-27T08:29:52"),
    ],
)
def test_years_beyond_four_digits_have_a_sign(unit: str, ticks: int, text: str, zone: str | None) -> None:
    """The JSON writer has messages for most of them, or half a line."""
    others = printed(pa.array([0, None], pa.timestamp(unit, zone)))
    found = printed(pa.array([0, ticks, None], pa.timestamp(unit, zone)))
    assert found == [others[0], text + ("+00:00" if zone else ""), None]


@pytest.mark.parametrize(
    ("day", "text"),
    [
        (2**31 - 1, "+5881580-07-11"),
        (-(2**31), "-5877641-06-23"),
        (2_932_897, "+10000-01-01"),
        (-719_163, "+0000-12-31"),
    ],
)
def test_dates_beyond_four_digits_have_a_sign(day: int, text: str) -> None:
    assert printed(pa.array([0, None, day], pa.date32())) == ["1970-01-01", None, text]


@pytest.mark.parametrize("kind", [pa.time64("us"), pa.time64("ns"), pa.time32("ms"), pa.time32("s")])
def test_times_are_isoformat(kind: pa.DataType) -> None:
    times = [dt.time(1, 2, 3, 120000), dt.time(1, 2), None, dt.time(23, 59, 59, 1)]
    array = pa.array(times, pa.time64("us")).cast(kind, safe=False)
    assert printed(array) == [None if v is None else v.isoformat() for v in array.to_pylist()]


def test_dates() -> None:
    days = [dt.date(2024, 1, 2), dt.date(1, 1, 1), None]
    for kind in (pa.date32(), pa.date64()):
        assert printed(pa.array(days, kind)) == ["2024-01-02", "0001-01-01", None]


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (pa.decimal128(20, 10), ["1.0000000000", "0E-10", "1.00E-8", "-0.0000010000"]),
        (pa.decimal128(38, 0), ["99999999999999999999999999999999999999"]),
        (pa.decimal128(5, -3), ["1E+3", "1.2E+4"]),
        (pa.decimal256(50, 2), ["-12345678901234567890123456789012345678901234.50"]),
    ],
)
def test_decimals_are_str_of_decimal(kind: pa.DataType, texts: list[str]) -> None:
    assert [str(Decimal(text)) for text in texts] == texts
    assert printed(pa.array([*map(Decimal, texts), None], kind)) == [*texts, None]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_binary_is_text_and_strays_are_spelled_out(kind: pa.DataType) -> None:
    assert printed(pa.array(["é".encode(), b"", None], kind)) == ["é", "", None]
    assert printed(pa.array([b"a\xff\x00b", "é".encode(), None], kind)) == ["a\\xff\x00b", "é", None]


def test_fixed_size_binary() -> None:
    assert printed(pa.array([b"ab", None, b"\xfe\xff"], pa.binary(2))) == ["ab", None, "\\xfe\\xff"]


def test_floats_have_the_value_they_have_as_doubles() -> None:
    assert printed(pa.array([0.1, None], pa.float32())) == [0.10000000149011612, None]
    assert printed(pa.array([0.1], pa.float16())) == [0.0999755859375]
    numbers = [0.1, 1e22, 1e-7, -0.0, 5e-324, 1.7976931348623157e308, 123456789012345680.0]
    assert printed(pa.array(numbers)) == numbers
    assert printed(pa.array([float("nan"), float("inf"), -float("inf")])) == [None, None, None]


def test_integers_are_exact() -> None:
    assert printed(pa.array([2**64 - 1, None], pa.uint64())) == [2**64 - 1, None]
    assert printed(pa.array([-(2**63)])) == [-(2**63)]


def test_durations_are_numbers_in_their_unit() -> None:
    for unit in ("s", "ms", "us", "ns"):
        assert printed(pa.array([1500, -1, None], pa.duration(unit))) == [1500, -1, None]


def test_intervals_are_three_numbers() -> None:
    assert printed(pa.array([(1, 2, 3), None], pa.month_day_nano_interval())) == [[1, 2, 3], None]


def test_encoded_columns_are_their_values() -> None:
    decimals = pa.array([Decimal("1.5"), None, Decimal("1.5")], pa.decimal128(5, 1))
    assert printed(decimals.dictionary_encode()) == ["1.5", None, "1.5"]
    null_in_dictionary = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(["a", None]))
    assert printed(null_in_dictionary) == ["a", None]
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([b"x", None]))
    assert printed(runs) == ["x", "x", None]


def test_uuids_have_dashes() -> None:
    ids = [uuid.UUID(int=n << 64 | n) for n in (1, 2**63 + 12345, 7)]
    array = pa.array([ids[0].bytes, None, ids[1].bytes, ids[2].bytes], pa.uuid())
    assert printed(array) == [str(ids[0]), None, str(ids[1]), str(ids[2])]
    assert printed(array.slice(1, 2)) == [None, str(ids[1])]


def test_maps_are_objects_with_text_keys() -> None:
    kind = pa.map_(pa.int64(), pa.decimal128(4, 2))
    array = pa.array([[(1, Decimal("1.50")), (2, None)], None, [], [(3, Decimal("0.01"))]], kind)
    expected = [{"1": "1.50", "2": None}, None, {}, {"3": "0.01"}]
    assert printed(array) == expected
    assert printed(array.slice(1, 3)) == expected[1:]
    assert printed(array.slice(3)) == expected[3:]


ISO = "2024-01-02T03:04:05.120000"
MOMENT = dt.datetime.fromisoformat(ISO)


@pytest.mark.parametrize(
    "wrap",
    [pa.list_, pa.large_list, lambda kind: pa.list_(kind, 2), pa.list_view],
    ids=["list", "large_list", "fixed_size_list", "list_view"],
)
def test_lists_cast_what_is_in_them(wrap: Any) -> None:
    array = pa.array([[MOMENT, None], None, [None, MOMENT], [MOMENT, MOMENT]], wrap(pa.timestamp("us")))
    expected = [[ISO, None], None, [None, ISO], [ISO, ISO]]
    assert printed(array) == expected
    assert printed(array.slice(1)) == expected[1:]
    assert printed(array.slice(2, 1)) == expected[2:3]


def test_structs_cast_what_is_in_them() -> None:
    inner = pa.struct(
        [("t", pa.timestamp("us")), ("l", pa.list_(pa.struct([("d", pa.decimal128(3, 1))]))), ("n", pa.int64())]
    )
    rows: list[Any] = [
        {"t": MOMENT, "l": [{"d": Decimal("1.5")}, None, {"d": None}], "n": 1},
        None,
        {"t": None, "l": None, "n": None},
        {"t": MOMENT, "l": [], "n": 2},
    ]
    expected = [
        {"t": ISO, "l": [{"d": "1.5"}, None, {"d": None}], "n": 1},
        None,
        {"t": None, "l": None, "n": None},
        {"t": ISO, "l": [], "n": 2},
    ]
    array = pa.array(rows, inner)
    assert printed(array) == expected
    assert printed(array.slice(1, 3)) == expected[1:]
    assert printed(pa.array([], inner)) == []


def test_slices_of_structs_in_structs() -> None:
    kind: pa.DataType = pa.int64()
    values: list[Any] = [1, None, 3, 4]
    for _ in range(4):
        kind = pa.struct([("x", kind), ("y", pa.bool_())])
        values = [{"x": value, "y": None} for value in values]
        array = pa.array([*values, None], kind)
        for start in range(5):
            assert printed(array.slice(start)) == [*values, None][start:]
            assert printed(array.slice(start, 1)) == [*values, None][start : start + 1]


def test_a_list_slice_casts_no_more_than_its_own_values() -> None:
    long = pa.array([[b"\xff"]] + [[b"x"]] * 9, pa.list_(pa.binary()))
    assert printed(long.slice(1)) == [["x"]] * 9


def test_dates_and_whole_seconds_of_any_year() -> None:
    days = pa.array([-719_162, -354_285, 0, 2_932_896, None], pa.int32()).cast(pa.date32())
    assert printed(days) == ["0001-01-01", "1000-01-01", "1970-01-01", "9999-12-31", None]
    instants = pa.array([-62_135_596_800, 0, None], pa.int64()).cast(pa.timestamp("s")).cast(pa.timestamp("us"))
    assert printed(instants) == ["0001-01-01T00:00:00", "1970-01-01T00:00:00", None]
    mixed = pa.array([0, 1_500_000, 2_000_000], pa.int64()).cast(pa.timestamp("us"))
    assert printed(mixed) == ["1970-01-01T00:00:00", "1970-01-01T00:00:01.500000", "1970-01-01T00:00:02"]


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.int64(),
        pa.bool_(),
        pa.null(),
        pa.float64(),
        pa.list_(pa.string()),
        pa.struct([("a", pa.int64()), ("b", pa.list_(pa.float64()))]),
        pa.map_(pa.string(), pa.string()),
    ],
)
def test_types_that_print_right_are_not_touched(kind: pa.DataType) -> None:
    assert cast_for(kind) is None
