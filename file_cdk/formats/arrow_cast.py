"""Casts of Arrow arrays that hold every value or fail, at any depth.

Arrow's own casts, called safe, refuse integers, decimals and times that do not fit. They round without a word where the
target is a floating-point number: what was a decimal, and what had more bits.
"""

from decimal import Decimal

import pyarrow as pa

from file_cdk.core.arrow_kernels import pc
from file_cdk.core.arrow_types import is_list
from file_cdk.core.arrow_values import are_within
from file_cdk.core.dataclass import dataclass
from file_cdk.formats.arrow_layout import unwrapped, with_entries, with_items
from file_cdk.formats.arrow_text import as_text

_WHOLE = 2.0**53
"""Doubles hold each integer up to this one, and skip some beyond."""

_DOUBLE_DIGITS = 10**15
"""Numbers of fewer digits come back from the double nearest to them (C's DBL_DIG)."""

_MAX_EXACT_POWER = 22
"""10**22 is the largest power of ten that is a double."""


@dataclass(frozen=True, slots=True)
class TypeCast:
    """The same values as another type. Raises pa.ArrowInvalid or pa.ArrowNotImplementedError when they do not fit.

    A column of strings takes any type. Of a fraction, which hardly ever is a double, the shortest text of the double has to
    agree; a number beyond 2**53 has to be that double.

    rounds_decimals: a decimal that no double stands for becomes the one nearest to it.
    """

    rounds_decimals: bool = False

    def __call__(self, array: pa.Array, kind: pa.DataType) -> pa.Array:
        t = pa.types
        if array.type.equals(kind):
            return array
        if isinstance(array.type, pa.BaseExtensionType):
            return self(unwrapped(array), kind)
        if t.is_dictionary(array.type):
            return self(array.dictionary_decode(), kind)
        if t.is_run_end_encoded(array.type):
            return self(pc.run_end_decode(array), kind)
        if t.is_string(kind):
            return as_text(array)
        if t.is_floating(kind):
            return self._floating(array, kind)
        if t.is_struct(kind) and t.is_struct(array.type):
            return self._struct(array, kind)
        if t.is_map(kind) and t.is_map(array.type):
            return self._map(array, kind)
        if is_list(kind) and is_list(array.type):
            return self._list(array, kind)
        return array.cast(kind)

    def _floating(self, array: pa.Array, kind: pa.DataType) -> pa.Array:
        is_decimal = pa.types.is_decimal(array.type)
        doubles = _doubles(array, rounds=self.rounds_decimals) if is_decimal else array.cast(pa.float64())
        return doubles if pa.types.is_float64(kind) else _narrowed(doubles, kind)

    def _struct(self, array: pa.StructArray, kind: pa.StructType) -> pa.Array:
        members = dict(zip((f.name for f in array.type), array.flatten(), strict=True))
        if not members.keys() <= {f.name for f in kind}:
            raise pa.ArrowInvalid("a struct's field would be lost")
        columns = [self(members[f.name], f.type) if f.name in members else pa.nulls(len(array), f.type) for f in kind]
        return pa.StructArray.from_arrays(columns, fields=[f.with_nullable(True) for f in kind], mask=array.is_null())

    def _list(self, array: pa.Array, kind: pa.DataType) -> pa.Array:
        if not pa.types.is_list(kind):
            return self._list(array, pa.list_(kind.value_type)).cast(kind)
        return with_items(array, lambda values: self(values, kind.value_type), kind)

    def _map(self, array: pa.MapArray, kind: pa.MapType) -> pa.Array:
        return with_entries(
            array, lambda keys: self(keys, kind.key_type), lambda items: self(items, kind.item_type), kind
        )


EXACT = TypeCast()


def decimals_of(doubles: pa.Array, kind: pa.Decimal128Type) -> pa.Array | None:
    """The decimals whose doubles these are, where all were written with up to 15 digits; None where one is no such decimal of
    this type."""
    try:
        decimals = doubles.cast(kind)
    except pa.ArrowInvalid:
        return None
    if not 0 <= kind.scale <= _MAX_EXACT_POWER or _few_digits(decimals) is None:
        return None
    return decimals if _doubles(decimals, rounds=False).equals(doubles) else None


def _doubles(decimals: pa.Array, *, rounds: bool) -> pa.Array:
    """The doubles nearest to the decimals. Arrow's own cast is often one off: it multiplies by a power of ten."""
    scale = decimals.type.scale
    if 0 <= scale <= _MAX_EXACT_POWER and (digits := _few_digits(decimals)) is not None:
        return pc.divide(digits.cast(pa.float64()), float(10**scale))  # of two exact numbers, so rounded but once
    doubles = decimals.cast(pa.string()).cast(pa.float64())
    if not rounds and not _stand_for(doubles, decimals):
        raise pa.ArrowInvalid("a decimal would be rounded")
    return doubles


def _few_digits(decimals: pa.Array) -> pa.Array | None:
    """The decimals without their point, as integers; None if one has more than 15 digits."""
    if not pa.types.is_decimal128(decimals.type):
        return None
    try:
        digits = decimals.view(pa.decimal128(38, 0)).cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    return digits if are_within(digits, 1 - _DOUBLE_DIGITS, _DOUBLE_DIGITS - 1) else None


def _stand_for(doubles: pa.Array, decimals: pa.Array) -> bool:
    """Raises pa.ArrowInvalid where a double's text has more digits than the decimals' type."""
    if not doubles.cast(pa.string()).cast(decimals.type).equals(decimals):
        return False
    large = pc.greater(pc.abs(doubles), _WHOLE)
    pairs = zip(doubles.filter(large).to_pylist(), decimals.filter(large).to_pylist(), strict=True)
    return all(Decimal(double) == decimal for double, decimal in pairs)


def _narrowed(doubles: pa.Array, kind: pa.DataType) -> pa.Array:
    narrow = doubles.cast(kind)
    same = pc.or_(pc.equal(narrow.cast(pa.float64()), doubles), pc.is_nan(doubles))
    if pc.all(same).as_py() is False:
        raise pa.ArrowInvalid("a number would be rounded")
    return narrow
