import re
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_cdk.cli.screen.wording import duration, escaped, instant, plural, printable, reasons, second, size


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.00 kB"),
        (9_994, "9.99 kB"),
        (9_996, "10.0 kB"),
        (99_960, "100 kB"),
        (999_499, "999 kB"),
        (999_501, "1.00 MB"),
        (107_000_000, "107 MB"),
        (1_234_567_890, "1.23 GB"),
        (5_000_000_000_000_000, "5,000 TB"),
    ],
)
def test_sizes_have_three_digits_and_a_decimal_unit(size_bytes: int, text: str) -> None:
    assert size(size_bytes) == text


@given(st.datetimes(min_value=datetime(2, 1, 1), timezones=st.just(timezone(timedelta(hours=5)))))  # noqa: DTZ001
def test_a_second_is_that_of_utc(at: datetime) -> None:
    naive = (at - timedelta(hours=5)).replace(tzinfo=None, microsecond=0)
    assert second(at) == f"{naive} Z".replace(" Z", "Z")


@given(st.datetimes(min_value=datetime(2, 1, 1), timezones=st.just(timezone(timedelta(hours=5, microseconds=7)))))  # noqa: DTZ001
def test_an_instant_is_that_of_utc(at: datetime) -> None:
    naive = (at - timedelta(hours=5, microseconds=7)).replace(tzinfo=None)
    assert instant(at) == f"{naive.isoformat(timespec='microseconds')}Z"


@given(st.integers(min_value=1000, max_value=10**18))
def test_a_size_is_off_by_half_a_percent_at_most(size_bytes: int) -> None:
    number, unit = size(size_bytes).split()
    meant = float(number.replace(",", "")) * {"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}[unit]
    assert abs(meant - size_bytes) <= 0.0051 * size_bytes


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 s"),
        (1.416, "1.42 s"),
        (9.996, "10.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7650, "2 h 07 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_counts() -> None:
    assert [plural(n, "file") for n in (0, 1, 1200)] == ["0 files", "1 file", "1,200 files"]
    assert reasons({"already loaded": 3, "empty": 0, "hidden": 1000}) == "3 already loaded, 1,000 hidden"
    assert reasons({}) == ""


@given(st.text())
def test_nothing_printable_moves_the_cursor(text: str) -> None:
    shown = printable(text)
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]", shown)


@given(st.text(alphabet=st.characters(exclude_categories=["Cc"])))
def test_ordinary_text_is_printed_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_what_cannot_be_seen_is_spelled_out() -> None:
    assert escaped("plain é 漢 🦆") == "plain é 漢 🦆"
    assert escaped("a\tb\r\n\0\x1b[0m\x9b") == r"a\tb\r\n\x00\x1b[0m\x9b"
    assert escaped("\u202e \u2028 \udce9 \ufeff") == r"\u202e \u2028 \udce9 \ufeff"
