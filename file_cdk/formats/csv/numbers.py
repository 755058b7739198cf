"""Numbers written as text: the type that holds all of them exactly, and conversion that loses nothing.

What is not kept is spelling alone: signs of zero, zeros at the end of a fraction, a `+` before a fraction, blanks around.
A double holds what a double prints; an integer of many digits is one only where no digit changes.
"""

import math
from collections.abc import Iterable
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as cp

BLANKS = " \t"
"""What Arrow's CSV reader leaves out around numbers and dates."""

_CODE = r"^[+-]?0[0-9xX]|^\+[0-9]+$"
"""Codes rather than numbers: leading zeros, hexadecimal, telephone numbers. As numbers they would lose characters."""

_PLAIN = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)$"
_MANY_DIGITS = r"^[+-]?[0-9]{16,}(?:\.[0-9]*)?$"
_INFINITE = r"^[+-]?inf"
_NOT_ZERO = r"^[+-]?[0.]*[1-9]"

_MAX_DIGITS = 38
_PRECISIONS = (18, 28, _MAX_DIGITS)
"""Few, so that files of one table seldom differ in them; DuckDB keeps up to 18 digits in 8 bytes, more in 16."""
_ROOM_DIGITS = 3
"""Digits before the point that a column can grow by beyond its sample."""

_EXACT_IN_DOUBLE = 2**53
_DIGITS_OF_A_DOUBLE = 15
"""Decimal digits that any double keeps; its shortest text has up to 17."""
_FLOAT_SHARE = 0.1
_SCALE_OF_FLOAT_OUTPUT = 10
"""Amounts have fewer digits after the point, however long they are."""


def is_number(kind: pa.DataType) -> bool:
    t = pa.types
    return bool(t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind))


_NO_NUMBER = "_"
"""What stands for a point where the fraction comes after a comma: `1.234` is no number there, nor `1.234,5`."""


def with_points(texts: pa.Array, decimal_mark: str) -> pa.Array:
    """Strings as the functions here know numbers: with a point before the fraction. What was no number is none then."""
    if decimal_mark == ".":
        return texts
    return cp.replace_substring(cp.replace_substring(texts, ".", _NO_NUMBER), decimal_mark, ".")


def number_type(texts: pa.Array) -> pa.DataType:
    """The type for texts that all are numbers to Arrow, without blanks around and without nulls.

    Integers are int64, or decimals where that is too small; other plain numbers decimals, unless they look like the output
    of a program that computes with doubles; numbers with an exponent double. String where any of these would lose digits.
    """
    if _any_match(texts, _CODE):
        return pa.string()
    if to_numbers(texts, pa.int64()) is not None:
        return pa.int64()
    if not cp.all(cp.match_substring_regex(texts, _PLAIN)).as_py():
        return pa.string() if to_numbers(texts, pa.float64()) is None else pa.float64()
    whole, scale = _digits_around_point(texts)
    if scale >= _SCALE_OF_FLOAT_OUTPUT and _is_float_output(texts):
        return pa.float64()
    return _decimal(whole, scale) or pa.string()


def _decimal(whole: int, scale: int) -> pa.DataType | None:
    for precision in _PRECISIONS:
        if whole + _ROOM_DIGITS + scale <= precision:
            return pa.decimal128(precision, scale)
    return pa.decimal128(_MAX_DIGITS, scale) if whole + scale <= _MAX_DIGITS else None


def _digits_around_point(plain: pa.Array) -> tuple[int, int]:
    """The most digits before and after the point."""
    unsigned = cp.replace_substring_regex(plain, r"^[+-]", "")
    length, point = cp.binary_length(unsigned), cp.find_substring(unsigned, ".")
    has_point = cp.greater_equal(point, 0)
    whole = cp.if_else(has_point, point, length)
    scale = cp.if_else(has_point, cp.subtract(length, cp.add(point, 1)), 0)
    return cp.max(whole).as_py(), cp.max(scale).as_py()


def _is_float_output(plain: pa.Array) -> bool:
    """Whether many values have as many digits as only a double's text has, and each of those is a double's text.

    Exact amounts of so many digits would not all be: of 16 digits and more, most decimals are no double's text.
    """
    digits = cp.replace_substring_regex(plain, r"^[+-]?0*\.?0*|\.", "")
    many = cp.greater(cp.binary_length(digits), _DIGITS_OF_A_DOUBLE)
    if many.true_count < _FLOAT_SHARE * len(plain):
        return False
    return all(map(_is_text_of_double, plain.filter(many).to_pylist()))


def _is_text_of_double(text: str) -> bool:
    number = float(text)
    if repr(number) == text:
        return True
    return math.isfinite(number) and Decimal(text) in (Decimal(repr(number)), Decimal(f"{number:.17g}"))


def to_numbers(texts: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """Strings as numbers of `kind`, nulls as they are; None when some text is no such number or would lose digits."""
    try:
        numbers = texts.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        trimmed = cp.ascii_trim(texts, BLANKS)
        return None if trimmed.equals(texts) else to_numbers(trimmed, kind)
    if texts.null_count == len(texts):
        return numbers
    if _has_codes(texts):
        return None
    if pa.types.is_decimal(kind):
        return numbers if _decimals_are_right(texts, numbers) else None
    if pa.types.is_floating(kind):
        return numbers if _doubles_are_exact(texts, numbers) else None
    return numbers


def _has_codes(texts: pa.Array) -> bool:
    """Whether any of these texts, none of which is empty, is a code. Costs next to nothing where all begin with 1 to 9."""
    if texts.null_count:
        texts = texts.drop_null()
    _, offsets, data = texts.buffers()
    starts = pa.Array.from_buffers(pa.int32(), len(texts), [None, offsets], offset=texts.offset)
    firsts = cp.take(pa.Array.from_buffers(pa.uint8(), data.size, [None, data]), starts, boundscheck=False)
    lowest = cp.min(firsts).as_py()
    if lowest > ord("0"):
        return False
    if lowest == ord("0") and _all_small(texts, "0"):
        return False
    if ord("-") <= lowest < ord("0") and _all_small(texts, "0") and _all_small(texts, "-0"):
        return False
    return _any_match(texts, _CODE)


def _all_small(texts: pa.Array, zero: str) -> bool:
    """Whether the texts that begin with `zero` are zero or go on with a point."""
    beginning = cp.starts_with(texts, zero).true_count
    if not beginning:
        return True
    small: int = cp.starts_with(texts, zero + ".").true_count + cp.equal(texts, zero).true_count
    return bool(beginning == small)


def _decimals_are_right(texts: pa.Array, numbers: pa.Array) -> bool:
    """Arrow's conversion overflows unnoticed beyond 38 digits."""
    lengths = cp.binary_length(texts)
    if cp.max(lengths).as_py() <= _MAX_DIGITS:
        return True
    long = cp.fill_null(cp.greater(lengths, _MAX_DIGITS), False)
    pairs: Iterable[tuple[str, Decimal]] = zip(
        texts.filter(long).to_pylist(), numbers.filter(long).to_pylist(), strict=True
    )
    return all(Decimal(text) == number for text, number in pairs)


def _doubles_are_exact(texts: pa.Array, numbers: pa.Array) -> bool:
    """Whether integers kept all digits, nothing but infinity became infinite, and nothing but zero zero."""
    extremes = cp.min_max(numbers)
    lowest, highest = extremes["min"].as_py(), extremes["max"].as_py()
    if lowest is not None and lowest <= 0 <= highest and _any_became_zero(texts, numbers):
        return False
    if lowest is None or (lowest > -_EXACT_IN_DOUBLE and highest < _EXACT_IN_DOUBLE):
        return True
    spelled_infinite = cp.match_substring_regex(texts, _INFINITE, ignore_case=True)
    if cp.any(cp.and_not(cp.is_inf(numbers), spelled_infinite)).as_py():
        return False
    many = cp.fill_null(cp.match_substring_regex(texts, _MANY_DIGITS), False)
    return all(_is_kept_by_double(text) for text in texts.filter(many).to_pylist())


def _any_became_zero(texts: pa.Array, numbers: pa.Array) -> bool:
    """Whether a number is too small for a double: `1e-400`."""
    return _any_match(texts.filter(cp.fill_null(cp.equal(numbers, 0.0), False)), _NOT_ZERO)


def _is_kept_by_double(text: str) -> bool:
    return Decimal(text) == Decimal(float(text)) or _is_text_of_double(text)


def _any_match(texts: pa.Array, pattern: str) -> bool:
    return bool(cp.any(cp.match_substring_regex(texts, pattern)).as_py())
