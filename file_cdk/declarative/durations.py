"""ISO 8601 durations, months and years among them."""

import re
from datetime import date, datetime, timedelta
from typing import TypeVar

import msgspec

_DAYS = {4: 30, 6: 30, 9: 30, 11: 30}
_NUMBER = r"[0-9]+(?:[,.][0-9]+)?"
_DURATION = (
    rf"(?P<sign>[+-])?P(?!$)(?:(?P<years>{_NUMBER})Y)?(?:(?P<months>{_NUMBER})M)?(?:(?P<weeks>{_NUMBER})W)?(?:(?P<days>{_NUMBER})D)?"
    rf"(?:T(?:(?P<hours>{_NUMBER})H)?(?:(?P<minutes>{_NUMBER})M)?(?:(?P<seconds>{_NUMBER})S)?)?"
)

Day = TypeVar("Day", date, datetime)


class Duration(msgspec.Struct, frozen=True):
    """Years and months, whose length depends on where they begin, and a rest that has a length of its own.

    `moment + duration` first moves by years and months, to the last day of a month that is too short, then by the rest.
    """

    years: int = 0
    months: int = 0
    rest: timedelta = msgspec.field(default_factory=timedelta)

    def __radd__(self, moment: Day) -> Day:
        return _moved(moment, self.years * 12 + self.months) + self.rest

    def __rsub__(self, moment: Day) -> Day:
        return _moved(moment, -(self.years * 12 + self.months)) - self.rest

    def __neg__(self) -> "Duration":
        return Duration(-self.years, -self.months, -self.rest)

    def __mul__(self, times: int) -> "Duration":
        return Duration(self.years * times, self.months * times, self.rest * times)

    def __str__(self) -> str:
        """As a template shows it: `1 years, 2 months, 0:00:00`."""
        parts = [f"{self.years} years"] if self.years else []
        if self.months:
            parts.append(f"{self.months} month{'s' if self.months > 1 else ''}")
        return ", ".join([*parts, str(self.rest)])


def parse(text: str) -> timedelta | Duration:
    """`P1M`, `P2W`, `P1DT12H`, `-PT0.5S`; with years or months a Duration. Fractions of years and months are a ValueError."""
    match = re.fullmatch(_DURATION, text)
    if match is None:
        raise ValueError("no ISO 8601 duration, such as P1D, P1M or PT1H")
    parts = {name: (number or "0").replace(",", ".") for name, number in match.groupdict().items() if name != "sign"}
    if not (parts["years"] + parts["months"]).isdigit():
        raise ValueError("a duration has no fractions of years or months")
    years, months = int(parts.pop("years")), int(parts.pop("months"))
    try:
        rest = timedelta(**{name: float(number) for name, number in parts.items()})
    except OverflowError:
        raise ValueError("the duration is longer than a million years") from None
    duration = Duration(years, months, rest) if years or months else rest
    return -duration if match["sign"] == "-" else duration


def _moved(moment: Day, months: int) -> Day:
    years, month = divmod(moment.month - 1 + months, 12)
    year, month = moment.year + years, month + 1
    if not 1 <= year <= 9999:
        raise OverflowError("the moment is outside the years 1 to 9999")
    return moment.replace(year=year, month=month, day=min(moment.day, _days_of(year, month)))


def _days_of(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return _DAYS.get(month, 31)
