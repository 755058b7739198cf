"""Numbers, file names and tables as people read them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain, islice

_TWO_DIGITS = tuple(f"{number:02}" for number in range(60))
_UNITS = ("kB", "MB", "GB", "TB")
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code != 0x09}

MEASURED_ROWS = 1000
"""Number of rows that decide how wide the columns of a table are; no more are held at once."""

WIDEST = 60
"""Maximum width of a column, in characters. A longer cell is shown whole and pushes the rest of its line."""


def plural(count: int, noun: str) -> str:
    """`1 file`, `1,200 files`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def size(size_bytes: float) -> str:
    """Three digits and a decimal unit: `512 bytes`, `1.23 MB`, `107 MB`."""
    if size_bytes < 1000:
        return "1 byte" if size_bytes == 1 else f"{int(size_bytes)} bytes"
    if (thousands := size_bytes / 1000) < 9.995:  # as below, in half the time
        return f"{thousands:.2f} kB"
    steps = 1
    while size_bytes / 1000**steps >= 999.5 and steps < len(_UNITS):
        steps += 1
    size_bytes /= 1000**steps
    digits = 2 if size_bytes < 9.995 else 1 if size_bytes < 99.95 else 0
    return f"{size_bytes:,.{digits}f} {_UNITS[steps - 1]}"


def duration(seconds: float) -> str:
    """`0.42 s`, `12.3 s`, `3 min 05 s`, `2 h 07 min`."""
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def age(elapsed: timedelta) -> str:
    """`42 s`, `7 min`, `5 h`, `12 days`: rounded down."""
    seconds = max(0, int(elapsed.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 86_400 else plural(seconds // 86_400, "day")


def instant(at: datetime) -> str:
    """`2024-01-31T12:00:00.000000Z`: always of the same length, so that texts sort as times do."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    text = second(at)
    return f"{text[:10]}T{text[11:-1]}.{at.microsecond:06}Z"


def second(at: datetime) -> str:
    """`2024-01-31 12:00:00Z`."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    # In a quarter of the time that `isoformat` takes, and a listing has many.
    day = _day(at.year, at.month, at.day)
    return f"{day} {_TWO_DIGITS[at.hour]}:{_TWO_DIGITS[at.minute]}:{_TWO_DIGITS[at.second]}Z"


@lru_cache(maxsize=1024)
def _day(year: int, month: int, day: int) -> str:
    return f"{year:04}-{month:02}-{day:02}"


def json_instant(value: object) -> str:
    """For `json.dumps`, of values that hold times besides what JSON has."""
    if not isinstance(value, datetime):
        raise TypeError(f"{type(value).__name__} is no value of JSON")
    return instant(value)


def reasons(counts: Mapping[str, int]) -> str:
    """`3 already loaded, 1 empty`; the empty text for none."""
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items() if count)


def escaped(text: str) -> str:
    """The text in one line, all that shows nothing or that acts on what is beside it spelled out: `a\\tb`, `\\u202e`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def printable(text: str) -> str:
    """The text without control characters: a file's name must not be able to move the cursor or to forge a line."""
    return text.translate(_CONTROL)


def table_lines(headings: Sequence[str], rows: Iterator[Sequence[str]], right: Collection[str] = ()) -> Iterator[str]:
    """The headings, a rule and a line per row; nothing when there are no rows. right: columns to be set flush right."""
    first = list(islice(rows, MEASURED_ROWS))
    if not first:
        return
    widths = [min(WIDEST, max(map(len, column))) for column in zip(headings, *first, strict=True)]
    line = "  ".join(
        f"%{'' if heading in right else '-'}{width}s" for heading, width in zip(headings, widths, strict=True)
    )
    cells = chain((headings, ["-" * width for width in widths]), first, rows)
    yield from map(str.rstrip, map(line.__mod__, map(tuple, cells)))
