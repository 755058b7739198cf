"""Text of dates and instants against `datetime` where it has them, and against the calendar's own period where it has not."""

import re
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_cdk.core.instants import date_text, duration_text, elapsed_text, instant_text

EPOCH = datetime.fromisoformat("1970-01-01")


@given(st.dates())
def test_dates_that_python_has(day: date) -> None:
    assert date_text((day - EPOCH.date()).days) == day.isoformat()


@given(st.dates(date(2000, 1, 1), date(2399, 12, 31)), st.integers(20, 14_000), st.booleans())
def test_other_dates_repeat_every_400_years(day: date, periods: int, past: bool) -> None:
    periods = -periods if past else periods
    text = date_text((day - EPOCH.date()).days + periods * 146_097)
    assert text == f"{day.year + 400 * periods:+05d}{day.isoformat()[4:]}"


@given(st.datetimes())
def test_instants_that_python_has(instant: datetime) -> None:
    microseconds = (instant - EPOCH) // timedelta(microseconds=1)
    assert instant_text(microseconds, "us") == instant.isoformat()
    assert instant_text(microseconds * 1000, "ns") == instant.isoformat()
    assert instant_text(microseconds // 1_000_000, "s") == instant.replace(microsecond=0).isoformat()


@pytest.mark.parametrize(
    ("ticks", "unit", "text"),
    [
        (-1, "ns", "1969-12-31T23:59:59.999999999"),
        (1, "ms", "1970-01-01T00:00:00.001000"),
        (2**63 - 1, "us", "+294247-01-10T04:00:54.775807"),
        (-62_167_219_200, "s", "+0000-01-01T00:00:00"),
    ],
)
def test_instants_beyond(ticks: int, unit: str, text: str) -> None:
    assert instant_text(ticks, unit) == text


@given(st.timedeltas(), st.sampled_from(["us", "ns"]))
def test_elapsed_times_are_days_and_the_rest_of_one(elapsed: timedelta, unit: str) -> None:
    text = elapsed_text(elapsed // timedelta(microseconds=1) * (1000 if unit == "ns" else 1), unit)
    found = re.fullmatch(r"P(-?\d+)DT(\d+)H(\d+)M(\d+)(\.\d*[1-9])?S", text)
    assert found is not None
    days, hours, minutes, seconds = map(int, found.groups()[:4])
    whole = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    assert whole + timedelta(microseconds=int(float(found[5] or 0) * 1e6 + 0.5)) == elapsed
    assert hours < 24
    assert max(minutes, seconds) < 60


def test_durations_count_months_days_and_milliseconds_apart() -> None:
    parts = b"".join(part.to_bytes(4, "little") for part in (14, 45, 2**32 - 1))
    assert duration_text(parts) == "P14M45DT4294967.295S"
