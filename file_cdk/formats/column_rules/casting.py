"""Columns as the type that a rule states or that the table has: exactly, value by value where some of them have no such.

Whatever a value comes as, its text decides where its type does not: so that files of all formats give the same.
"""

import json
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from file_cdk.core.dataclass import dataclass
from file_cdk.formats.arrow_cast import TypeCast
from file_cdk.formats.arrow_text import as_text
from file_cdk.formats.column_rules.hashing import plain_number, respelled
from file_cdk.formats.column_rules.plan import JSON, arrow_type
from file_cdk.formats.csv.table import BLANKS, is_number, to_numbers

_TRUE = ["true", "t", "yes", "y", "on", "1"]
_FALSE = ["false", "f", "no", "n", "off", "0"]

_EXPONENT = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]{1,3}$"
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
_ZONE = r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)"
_ZEROS_BELOW_US = r"(\.[0-9]{6})0+"

Convert = Callable[[pa.Array], pa.Array | None]
"""Strings as another type; None where one of them has no such value."""


@dataclass(frozen=True, slots=True)
class Cast:
    """kind: the type. name: of a type that a rule states, in which `007` is a 7 if it is to be a number; None for one that
    is the table's, where nothing of a value but its spelling may be lost."""

    kind: pa.DataType
    name: str | None = None

    def __call__(self, array: pa.Array) -> tuple[pa.Array, list[int]]:
        """The values, and the rows whose value has none: it is null there."""
        if self.name == JSON:
            return _each_that_can(as_text(array), self._json, self.kind)
        if array.type.equals(self.kind) or pa.types.is_null(array.type):
            return array if array.type.equals(self.kind) else pa.nulls(len(array), self.kind), []
        if pa.types.is_string(self.kind):
            return as_text(array), []
        if pa.types.is_nested(self.kind) or pa.types.is_binary(self.kind):
            return _each_that_can(array, self._by_type, self.kind)
        return _each_that_can(_without_blanks(as_text(array)), self._by_text, self.kind)

    def _by_type(self, array: pa.Array) -> pa.Array | None:
        try:
            return _EXACT(array, self.kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return None

    @staticmethod
    def _json(texts: pa.Array) -> pa.Array | None:
        try:
            for text in texts.to_pylist():
                if text is not None:
                    json.loads(text, parse_constant=_no_json)
        except (ValueError, RecursionError):
            return None
        return texts

    def _by_text(self, texts: pa.Array) -> pa.Array | None:
        kind = self.kind
        t = pa.types
        if is_number(kind):
            return to_numbers(texts if self.name is None else _number_spelled(texts, kind), kind)
        try:
            if t.is_boolean(kind):
                return _booleans(texts, stated=self.name is not None)
            if t.is_date(kind):
                midnight = pc.replace_substring_regex(texts, rf"^({_DAY})[T ]00:00(?::00(?:\.0+)?)?$", r"\1")
                return midnight.cast(kind) if _all_match(midnight, _DAY) else None
            if t.is_timestamp(kind):
                return _timestamps(texts, kind)
            if t.is_time(kind):
                return _times(texts, kind)
            return texts.cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return None


_EXACT = TypeCast()


def stated_cast(name: str) -> Cast:
    return Cast(arrow_type(name), name)


def _each_that_can(array: pa.Array, convert: Convert, kind: pa.DataType) -> tuple[pa.Array, list[int]]:
    bad: list[int] = []
    parts = _halved(array, convert, kind, 0, bad)
    return (parts[0] if len(parts) == 1 else pa.concat_arrays(parts)), bad


def _halved(array: pa.Array, convert: Convert, kind: pa.DataType, first: int, bad: list[int]) -> list[pa.Array]:
    """A few values that do not convert cost a few conversions more for each."""
    found = convert(array)
    if found is not None:
        return [found]
    if len(array) == 1:
        bad.append(first)
        return [pa.nulls(1, kind)]
    half = len(array) // 2
    before = _halved(array.slice(0, half), convert, kind, first, bad)
    return before + _halved(array.slice(half), convert, kind, first + half, bad)


def _without_blanks(texts: pa.Array) -> pa.Array:
    """Without blanks around; nothing but blanks is null, as it is in CSV where a column is not text."""
    if not pc.any(pc.match_substring_regex(texts, rf"^[{BLANKS}]|[{BLANKS}]$")).as_py():
        return texts
    trimmed = pc.ascii_trim(texts, BLANKS)
    is_blank = pc.and_(pc.equal(trimmed, ""), pc.not_equal(texts, ""))
    return pc.if_else(is_blank, pa.scalar(None, pa.string()), trimmed)


def _all_match(texts: pa.Array, pattern: str) -> bool:
    return pc.all(pc.match_substring_regex(texts, f"^(?:{pattern})$")).as_py() is not False


def _number_spelled(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """Plainly: without an exponent, a `+`, zeros before the number, and for an integer, zeros after the point."""
    if pc.any(pc.match_substring_regex(texts, "^[+-]?0[0-9]|^[+]")).as_py():
        texts = pc.replace_substring_regex(texts, r"^[+]([0-9.])", r"\1")
        texts = pc.replace_substring_regex(texts, r"^(-?)0+([0-9])", r"\1\2")
    if pa.types.is_floating(kind):
        return texts
    exponents = pc.match_substring_regex(texts, _EXPONENT)
    if exponents.true_count:
        texts = respelled(texts, exponents, plain_number)
    if pa.types.is_integer(kind) and pc.any(pc.match_substring(texts, ".")).as_py():
        texts = pc.replace_substring_regex(texts, r"^(-?[0-9]+)\.0*$", r"\1")
    return texts


def _booleans(texts: pa.Array, *, stated: bool) -> pa.Array | None:
    true, false = (_TRUE, _FALSE) if stated else (["true"], ["false"])
    lowered = pc.utf8_lower(texts)
    is_true = pc.is_in(lowered, pa.array(true, pa.string()))
    known = pc.or_(is_true, pc.is_in(lowered, pa.array(false, pa.string())))
    if not pc.all(pc.or_(known, pc.is_null(texts))).as_py():
        return None
    return pc.if_else(pc.is_null(texts), pa.scalar(None, pa.bool_()), is_true)


def _timestamps(texts: pa.Array, kind: pa.DataType) -> pa.Array | None:
    if kind.unit == "us":
        texts = pc.replace_substring_regex(texts, _ZEROS_BELOW_US, r"\1")
    pattern = f"{_DAY}[T ]{_TIME}{_ZONE}" if kind.tz else f"{_DAY}(?:[T ]{_TIME})?"
    return texts.cast(kind) if _all_match(texts, pattern) else None


def _times(texts: pa.Array, kind: pa.DataType) -> pa.Array | None:
    if not _all_match(texts, _TIME):
        return None
    if kind.unit == "us":
        texts = pc.replace_substring_regex(texts, _ZEROS_BELOW_US, r"\1")
    return pc.binary_join_element_wise("1970-01-01T", texts, "").cast(pa.timestamp(kind.unit)).cast(kind)


def _no_json(name: str) -> None:
    raise ValueError(name)
