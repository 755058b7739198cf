"""Values as SHA-256 of a salt and the value's text, the same for the same value whatever the format or type it came as.

The text of a value is that which a CSV file has of it. Numbers and times are spelled in several ways there, of which one is
taken: a number without zeros at the end of its fraction and without a sign of zero (`1.50`, `1.5` and the double are one value),
a time of day behind `T`, without zeros at the end of its fraction, and where it has a zone, in UTC. What begins like a code
(`007`, `+49301234`) and what has an exponent as no program writes one (`12e5`) is text.
"""

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from file_cdk.formats.arrow_text import as_text

_NUMBER = r"[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+e[+-][0-9]{1,3}|[0-9]+\.[0-9]+e[+-][0-9]{1,3})|-0"
_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
_SEVERAL_SPELLINGS = f"^(?:{_NUMBER}|{_TIME})$"
_CODE = re.compile(r"[+-]?0[0-9]")
_TIME_PARTS = re.compile(r"(.{10})[T ](.{8})(?:\.([0-9]+))?(Z|[+-].*)?")

_PROBED_ROWS = 1024
_MIN_REPEATS = 4
"""Rows for each value that make it worth while to find the values first: that takes as long as hashing most of them."""


def hashed(array: pa.Array, salt: bytes) -> pa.Array:
    """As 64 hexadecimal digits; null stays null."""
    texts = one_spelling(as_text(array))
    probe = texts.slice(0, _PROBED_ROWS)
    if len(probe.unique()) * _MIN_REPEATS <= len(probe):
        encoded = texts.dictionary_encode()
        digests = _digests(encoded.dictionary, salt)
        return pc.take(digests, encoded.indices)
    return _digests(texts, salt)


def _digests(texts: pa.Array, salt: bytes) -> pa.Array:
    salted = hashlib.sha256(salt)

    def digest(text: bytes) -> str:
        hashing = salted.copy()
        hashing.update(text)
        return hashing.hexdigest()

    values = texts.cast(pa.binary()).to_pylist()
    return pa.array([None if value is None else digest(value) for value in values], pa.string())


def one_spelling(texts: pa.Array) -> pa.Array:
    several = pc.match_substring_regex(texts, _SEVERAL_SPELLINGS)
    if not several.true_count:
        return texts
    return respelled(texts, several, _spelled)


def respelled(texts: pa.Array, which: pa.Array, spell: Callable[[str], str]) -> pa.Array:
    """The strings, with `spell` of those that `which` marks."""
    marked = pc.fill_null(which, False)
    values = [spell(text) for text in texts.filter(marked).to_pylist()]
    return pc.replace_with_mask(texts, marked, pa.array(values, pa.string()))


def _spelled(text: str) -> str:
    if text[4:5] == "-" and (parts := _TIME_PARTS.fullmatch(text)) is not None:
        return _time_spelled(*parts.groups())
    return text if _CODE.match(text) else plain_number(text)


def plain_number(text: str) -> str:
    """A number without an exponent, and without zeros at the end of its fraction."""
    number = f"{Decimal(text):f}"
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return "0" if number in ("-0", "") else number


def _time_spelled(day: str, time: str, fraction: str | None, zone: str | None) -> str:
    rest = "" if fraction is None or not (digits := fraction.rstrip("0")) else f".{digits}"
    if zone is None or zone in ("Z", "+00", "+0000", "+00:00"):
        return f"{day}T{time}{rest}{'' if zone is None else 'Z'}"
    try:
        instant = datetime.fromisoformat(f"{day}T{time}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):  # no time after all
        return f"{day}T{time}{rest}{zone}"
    return f"{instant.replace(tzinfo=None).isoformat()}{rest}Z"
