"""Moments as manifests write them: `strptime` formats, epochs, ISO 8601 texts.

Errors are `ValueError`s that name the format and never the text.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS = "%_ms"  # three digits, inside a longer format

# Formats whose usual texts `fromisoformat` reads many times faster than `strptime`: what is between date and time,
# whether there is a fraction, and what is at the end.
_ISO_FORMATS = {
    f"%Y-%m-%d{between}%H:%M:%S{fraction}{zone}": (between, bool(fraction), zone)
    for between in "T "
    for fraction in ("", ".%f")
    for zone in ("", "Z", "%z")
}


def parse(text: str | int | float, format: str) -> datetime:
    """An aware datetime: with the offset that the text names, else in UTC.

    format: as for `strptime`, `%_ms` in it standing for a fraction of a second; or one of `%s`, `%s_as_float` (seconds since
    1970), `%ms` and `%epoch_microseconds`.
    """
    try:
        if format == "%s":
            return datetime.fromtimestamp(int(text), tz=UTC)
        if format == "%s_as_float":
            return datetime.fromtimestamp(float(text), tz=UTC)
        if format == "%ms":
            return _EPOCH + timedelta(milliseconds=int(text))
        if format == "%epoch_microseconds":
            return _EPOCH + timedelta(microseconds=int(text))
        return parse_by_directives(str(text), format.replace(_MILLISECONDS, "%f"))
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"no moment in the format {format!r}") from None


def parse_by_directives(text: str, format: str) -> datetime:
    """The same for formats of `strptime` alone."""
    try:
        moment = _parse_usual(text, format) or datetime.strptime(text, format)  # noqa: DTZ007
    except (ValueError, re.error):
        raise ValueError(f"no moment in the format {format!r}") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _parse_usual(text: str, format: str) -> datetime | None:
    """None where `strptime` has to look at it."""
    if (layout := _ISO_FORMATS.get(format)) is None or len(text) < 19:
        return None
    between, has_fraction, zone = layout
    if not (text[4] == text[7] == "-" and text[10] == between and text[13] == text[16] == ":"):
        return None
    if text[11:13] == "24" or "," in text or (text[19:20] == ".") != has_fraction:
        return None
    if zone == "Z" and not text.endswith("Z"):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    fraction = re.match(r"\.([0-9]+)", text[19:])
    if (fraction and len(fraction[1]) > 6) or (moment.tzinfo is None) != (zone == ""):
        return None
    # Which offsets there are `strptime` decides: it knows no hours alone.
    return moment if zone != "%z" or re.search(r"(Z|[+-]\d\d:?\d\d)$", text) else None


def format(moment: datetime, format: str) -> str:
    """moment: aware. format: see `parse`. Whole units, cut off; `%_ms` is three digits."""
    if format == "%s":
        return str(int(moment.timestamp()))
    if format == "%s_as_float":
        return str(moment.timestamp())
    # Through a float, which may cut off one unit more than there is: as others write them, and compare them.
    if format == "%ms":
        return str(int(moment.timestamp() * 1000))
    if format == "%epoch_microseconds":
        return str(int(moment.timestamp() * 1_000_000))
    return moment.strftime(format.replace(_MILLISECONDS, f"{moment.microsecond // 1000:03d}"))


# The longer ones first.
_ISO_DATE = re.compile(
    r"(?P<year>\d{4})"
    r"(?:(?P<sep>-?)(?P<month>\d\d)(?P=sep)(?P<day>\d\d)"
    r"|(?P<week_sep>-?)W(?P<week>\d\d)(?:(?P=week_sep)(?P<weekday>\d))?"
    r"|-?(?P<ordinal>\d{3})"
    r"|-(?P<month_alone>\d\d))?",
    re.ASCII,
)
_ISO_TIME = re.compile(
    r"(?P<hour>\d\d)(?:(?P<sep>:?)(?P<minute>\d\d)(?:(?P=sep)(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?)?"
    r"(?P<zone>Z|z|(?P<sign>[+-])(?P<zone_hours>\d\d)(?::?(?P<zone_minutes>\d\d))?)?",
    re.ASCII,
)


def parse_iso(text: str) -> datetime:
    """In UTC, which is also the offset of a text that names none.

    ISO 8601: a year, month, week or day, the latter also by its week or in its year; after a day any one character and a
    time, from hours to any fraction of a second (cut off at a microsecond), 24:00 among them.
    """
    try:
        return _iso_moment(text)
    except OverflowError:
        raise ValueError("the moment is outside the years 1 to 9999") from None


def _iso_moment(text: str) -> datetime:
    if (date := _ISO_DATE.match(text)) is None:
        raise ValueError("no ISO 8601 date")
    day = _day(date)
    if date.end() == len(text):
        return day
    time = _ISO_TIME.fullmatch(text, date.end() + 1)
    if time is None or not (date["day"] or date["weekday"] or date["ordinal"]):
        raise ValueError("no ISO 8601 time")
    hours, minutes, seconds = int(time["hour"]), int(time["minute"] or 0), int(time["second"] or 0)
    microseconds = int((time["fraction"] or "")[:6].ljust(6, "0"))
    if hours == 24 and (minutes, seconds, microseconds) == (0, 0, 0):
        day, hours = day + timedelta(days=1), 0
    moment = day.replace(hour=hours, minute=minutes, second=seconds, microsecond=microseconds, tzinfo=_zone(time))
    return moment.astimezone(UTC)


def _day(date: re.Match[str]) -> datetime:
    """At midnight in UTC."""
    year = int(date["year"])
    if date["week"]:
        week, weekday = int(date["week"]), int(date["weekday"] or 1)
        if not (1 <= week <= 53 and 1 <= weekday <= 7):
            raise ValueError("no such week")
        # A week 53 of a year that has none is the first of the next.
        first = datetime.fromisocalendar(year, 1, 1).replace(tzinfo=UTC)
        return first + timedelta(weeks=week - 1, days=weekday - 1)
    if date["ordinal"]:
        day = datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=int(date["ordinal"]) - 1)
        if day.year != year:
            raise ValueError("no such day of the year")
        return day
    return datetime(year, int(date["month"] or date["month_alone"] or 1), int(date["day"] or 1), tzinfo=UTC)


def _zone(time: re.Match[str]) -> timezone:
    if time["sign"] is None:
        return UTC
    offset = timedelta(hours=int(time["zone_hours"]), minutes=int(time["zone_minutes"] or 0))
    return timezone(-offset if time["sign"] == "-" else offset)
