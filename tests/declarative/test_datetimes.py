from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from file_cdk.declarative import datetimes, durations
from file_cdk.declarative.durations import Duration

MOMENT = datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "format", "expected"),
    [
        ("1704164645", "%s", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (1704164645, "%s", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("1704164645.5", "%s_as_float", datetime(2024, 1, 2, 3, 4, 5, 500000, tzinfo=UTC)),
        ("1704164645678", "%ms", datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)),
        ("1704164645678901", "%epoch_microseconds", MOMENT),
        ("-1", "%s", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2024-01-02", "%Y-%m-%d", datetime(2024, 1, 2, tzinfo=UTC)),
        ("2024-01-02T03:04:05Z", "%Y-%m-%dT%H:%M:%SZ", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2024-01-02 03:04:05", "%Y-%m-%d %H:%M:%S", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2024-01-02T03:04:05.678901Z", "%Y-%m-%dT%H:%M:%S.%fZ", MOMENT),
        ("2024-01-02T03:04:05.6Z", "%Y-%m-%dT%H:%M:%S.%fZ", datetime(2024, 1, 2, 3, 4, 5, 600000, tzinfo=UTC)),
        ("2024-01-02T03:04:05.678Z", "%Y-%m-%dT%H:%M:%S.%_msZ", datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)),
        ("2024-1-2T3:4:5Z", "%Y-%m-%dT%H:%M:%SZ", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (
            "2024-01-02T03:04:05+0200",
            "%Y-%m-%dT%H:%M:%S%z",
            datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))),
        ),
        ("2024-01-02T03:04:05Z", "%Y-%m-%dT%H:%M:%S%z", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("after:2024-01-02", "after:%Y-%m-%d", datetime(2024, 1, 2, tzinfo=UTC)),
    ],
)
def test_moments_are_parsed(text: Any, format: str, expected: datetime) -> None:
    parsed = datetimes.parse(text, format)
    assert parsed == expected
    assert parsed.utcoffset() == expected.utcoffset()


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("1704164645.5", "%s"),
        ("x", "%ms"),
        ("99999999999999999", "%s"),
        ("nan", "%s_as_float"),
        ("2024-01-02", "%Y-%m-%dT%H:%M:%SZ"),
        ("2024-01-02T03:04:05", "%Y-%m-%dT%H:%M:%SZ"),
        ("2024-01-02T24:00:00Z", "%Y-%m-%dT%H:%M:%SZ"),
        ("2024-01-02T03:04:05.1234567Z", "%Y-%m-%dT%H:%M:%S.%fZ"),
        ("2024-01-02T03:04:05Z", "%Y-%m-%dT%H:%M:%S.%fZ"),
        ("2024-01-02T03:04:05+02", "%Y-%m-%dT%H:%M:%S%z"),
        ("2024-01-02T03:04:05,5", "%Y-%m-%dT%H:%M:%S"),
        ("2024-01-02T03:04:05,5Z", "%Y-%m-%dT%H:%M:%SZ"),
        ("2024-02-30", "%Y-%m-%d"),
        ("2024", "%Y%Y"),
        ("2024", "%Q"),
    ],
)
def test_what_does_not_fit_is_said_without_its_text(text: str, format: str) -> None:
    with pytest.raises(ValueError, match="no moment in the format") as raised:
        datetimes.parse(text, format)
    assert str(raised.value) == f"no moment in the format {format!r}"
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("%s", "1704164645"),
        ("%s_as_float", "1704164645.678901"),
        ("%ms", "1704164645678"),
        ("%epoch_microseconds", "1704164645678901"),
        ("%Y-%m-%dT%H:%M:%S.%_msZ", "2024-01-02T03:04:05.678Z"),
        ("%Y-%m-%dT%H:%M:%S.%f%z", "2024-01-02T03:04:05.678901+0000"),
        ("since %d/%m", "since 02/01"),
    ],
)
def test_moments_are_written(format: str, expected: str) -> None:
    assert datetimes.format(MOMENT, format) == expected


def test_milliseconds_are_three_digits_whatever_else_has_six() -> None:
    moment = datetime(2024, 1, 2, 3, 4, 5, 20240, tzinfo=UTC)
    assert datetimes.format(moment, "%f %_ms 020240") == "020240 020 020240"


def test_an_epoch_is_that_of_the_moment_whatever_its_offset() -> None:
    assert datetimes.format(MOMENT.astimezone(timezone(timedelta(hours=5))), "%s") == "1704164645"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024", "2024-01-01T00:00:00+00:00"),
        ("2024-05", "2024-05-01T00:00:00+00:00"),
        ("20240506", "2024-05-06T00:00:00+00:00"),
        ("2024-W07-3", "2024-02-14T00:00:00+00:00"),
        ("2024-060", "2024-02-29T00:00:00+00:00"),
        ("2024-05-06T07", "2024-05-06T07:00:00+00:00"),
        ("2024-05-06 07:08:09.123456789Z", "2024-05-06T07:08:09.123456+00:00"),
        ("2024-05-06T07:08:09,5-0230", "2024-05-06T09:38:09.500000+00:00"),
        ("2024-05-06T24:00", "2024-05-07T00:00:00+00:00"),
    ],
)
def test_iso_texts_are_moments_in_utc(text: str, expected: str) -> None:
    assert datetimes.parse_iso(text).isoformat() == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "2024-13",
        "2024-02-30",
        "2024-05-06T",
        "2024-05-06T25",
        "2024-05T10",
        "2024-366x",
        "٢٠٢٤-٠١-٠١",
        "Mon, 01 Jan 2024",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T24:00:00",
    ],
)
def test_other_texts_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"no |must be|out of range|invalid|outside"):
        datetimes.parse_iso(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P1D", timedelta(days=1)),
        ("P2W", timedelta(weeks=2)),
        ("PT1H30M", timedelta(minutes=90)),
        ("P1DT0.5S", timedelta(days=1, milliseconds=500)),
        ("P0,5D", timedelta(hours=12)),
        ("-P1D", timedelta(days=-1)),
        ("P1M", Duration(months=1)),
        ("P1Y2M3DT4H", Duration(1, 2, timedelta(days=3, hours=4))),
        ("-P1M1D", Duration(0, -1, timedelta(days=-1))),
        ("P0M", timedelta()),
    ],
)
def test_durations_are_parsed(text: str, expected: timedelta | Duration) -> None:
    assert durations.parse(text) == expected


@pytest.mark.parametrize("text", ["", "P", "1D", "P1", "PT", "P1H", "P0.5M", "P1.5Y", "P1D1M", "P99999999999D", "p1d"])
def test_other_texts_are_no_durations(text: str) -> None:
    if text == "PT":
        assert durations.parse(text) == timedelta()  # as others take it
        return
    with pytest.raises(ValueError, match="duration"):
        durations.parse(text)


@pytest.mark.parametrize(
    ("moment", "duration", "after", "before"),
    [
        (date(2024, 1, 31), "P1M", date(2024, 2, 29), date(2023, 12, 31)),
        (date(2023, 1, 31), "P1M", date(2023, 2, 28), date(2022, 12, 31)),
        (date(2024, 2, 29), "P1Y", date(2025, 2, 28), date(2023, 2, 28)),
        (date(2024, 1, 31), "P1M1D", date(2024, 3, 1), date(2023, 12, 30)),
        (date(2024, 5, 31), "P18M", date(2025, 11, 30), date(2022, 11, 30)),
        (date(2024, 12, 31), "P1Y12M", date(2026, 12, 31), date(2022, 12, 31)),
    ],
)
def test_months_have_their_own_length(moment: date, duration: str, after: date, before: date) -> None:
    months = durations.parse(duration)
    assert moment + months == after
    assert moment - months == before


def test_there_are_no_moments_outside_the_calendar() -> None:
    month = durations.parse("P1M")
    with pytest.raises(OverflowError, match="outside the years"):
        datetime(9999, 12, 1, tzinfo=UTC) + month
    with pytest.raises(OverflowError, match="outside the years"):
        date(1, 1, 1) - month
