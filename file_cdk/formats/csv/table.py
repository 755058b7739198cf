"""Columns of a CSV file as a table's types: inferred from a sample, converted exactly, or told apart where they do not fit.

An unquoted empty value is null in a column of any type; a quoted one is an empty string. A value of nothing but blanks is
null where the column is not text. Of a number nothing is lost but its spelling: signs of zero, zeros at the end of a
fraction, a `+` before a fraction, blanks around. A double holds what a double prints; an integer of many digits is one only
where no digit changes.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from functools import partial
from typing import Literal

import pyarrow as pa
import pyarrow.compute as cp
import pyarrow.csv as pc

from file_cdk.core.arrow_types import merge, normal
from file_cdk.core.config import CsvConfig
from file_cdk.core.errors import TypeMismatchError
from file_cdk.formats.csv.decode import Batch
from file_cdk.formats.csv.dialect import CANONICAL
from file_cdk.formats.csv.header import Header
from file_cdk.formats.csv.lexer import Lexer

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
"""Digits of decimals: few, so that files of a table seldom differ. DuckDB keeps up to 18 digits in 8 bytes, others in 16."""
_ROOM_DIGITS = 3
"""Digits before the point that a column can grow by beyond its sample."""

_EXACT_IN_DOUBLE = 2**53
_DIGITS_OF_A_DOUBLE = 15
"""Decimal digits that any double keeps; its shortest text has up to 17."""
_FLOAT_SHARE = 0.1
_SCALE_OF_FLOAT_OUTPUT = 10
"""Amounts have fewer digits after the point, however long they are."""

_NO_NUMBER = "_"
"""What stands for a point where the fraction comes after a comma: `1.234` is no number there, nor `1.234,5`."""

_BELOW_A_MICROSECOND = r"\.[0-9]{7}"
_ONLY_BLANKS = rf"^[{BLANKS}]+$"

_TRUE, _FALSE = ["true", "True", "TRUE"], ["false", "False", "FALSE"]
"""Arrow's own spellings without 1 and 0, which would not come back as numbers."""

_TIME = r"^[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?$"
_TIMESTAMP = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ]|$)"
_FEW_TEXTS = 16
_UNTRIED = (
    (_TIME, (pa.time64("us"), pa.time64("ns"))),
    (_TIMESTAMP, (pa.timestamp("us"), pa.timestamp("us", "UTC"))),
)
"""Types that Arrow's reader converts to but does not try by itself, and what values look like where they are worth a try:
times with a fraction, and timestamps with one outside the years that nanoseconds can tell."""


def table_nulls(config: CsvConfig) -> frozenset[str]:
    """Values that are null where they stand without quotes."""
    return config.null_values | {""}


def _options(config: CsvConfig, types: dict[str, pa.DataType]) -> pc.ConvertOptions:
    """Prepared pieces are known to be UTF-8."""
    return pc.ConvertOptions(
        column_types=types,
        null_values=sorted(table_nulls(config)),
        true_values=_TRUE,
        false_values=_FALSE,
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        check_utf8=False,
        decimal_point=config.decimal_mark,
    )


def inferred_types(prepared: bytes, lexer: Lexer, config: CsvConfig) -> list[pa.DataType]:
    """The narrowest type of each column that loses nothing of its values; null for a column without any."""
    return types_of_typed(lexer.read(prepared, typing_options(config)).table, prepared, lexer, config)


def typing_options(config: CsvConfig) -> pc.ConvertOptions:
    """What columns are read with to find their types."""
    return _options(config, {})


def types_of_typed(typed: pa.Table, prepared: bytes, lexer: Lexer, config: CsvConfig) -> list[pa.DataType]:
    """As `inferred_types`, of a piece that was read with `typing_options`."""
    return [
        _inferred(column.type, texts, config)
        for column, texts in zip(typed.columns, _texts(prepared, lexer, config), strict=True)
    ]


def _inferred(kind: pa.DataType, texts: pa.Array, config: CsvConfig) -> pa.DataType:
    if pa.types.is_string(kind):
        filled = _without_blanks(texts)
        if filled is not texts:
            texts, kind = filled, _read_again(filled, None, config.decimal_mark).type
    if is_number(kind):
        return number_type(with_points(cp.ascii_trim(texts.drop_null(), BLANKS), config.decimal_mark))
    if pa.types.is_timestamp(kind) and kind.unit == "ns" and not _any_match(texts, _BELOW_A_MICROSECOND):
        return pa.timestamp("us", normal(kind).tz)  # the reader takes nanoseconds for any fraction
    if pa.types.is_string(kind):
        return next(filter(partial(_converts, texts), _candidates(texts)), kind)
    return normal(kind)


def _candidates(texts: pa.Array) -> tuple[pa.DataType, ...]:
    return next((kinds for pattern, kinds in _UNTRIED if _all_match(texts, pattern)), ())


def _texts(prepared: bytes, lexer: Lexer, config: CsvConfig) -> list[pa.Array]:
    """All columns as strings, or null."""
    table = lexer.read(prepared, _options(config, dict.fromkeys(lexer.columns, pa.string()))).table
    return [column.chunk(0) if column.num_chunks == 1 else column.combine_chunks() for column in table.columns]


def _without_blanks(texts: pa.Array) -> pa.Array:
    """With nulls for values of nothing but blanks, in quotes or not; `texts` itself when there are none."""
    blank = cp.match_substring_regex(texts, _ONLY_BLANKS)
    return cp.if_else(blank, pa.scalar(None, pa.string()), texts) if cp.any(blank).as_py() else texts


def _converts(texts: pa.Array, kind: pa.DataType) -> bool:
    try:
        _read_again(texts, kind)
    except pa.ArrowInvalid:
        return False
    return True


def _read_again(texts: pa.Array, kind: pa.DataType | None, decimal_mark: Literal[".", ","] = ".") -> pa.Array:
    """The texts as Arrow's CSV reader converts them to `kind`, or to what it takes them for.

    Raises ArrowInvalid or ArrowNotImplementedError.
    """
    if not len(texts):
        return pa.array([], pa.null())
    lines = (",\n" if text is None else '"' + text.replace('"', '""') + '",\n' for text in texts.to_pylist())
    lexer = Lexer(CANONICAL, 2)
    options = _options(CsvConfig(decimal_mark=decimal_mark), {"0": kind} if kind is not None else {})
    return lexer.read(lexer.prepare("".join(lines).encode()), options).table.column(0).combine_chunks()


class TableConversion:
    """Batches of exactly the table's types. Raises TypeMismatchError for a piece with a value or column it does not hold.

    Numbers are read as their bytes, looked at, and converted then: Arrow's reader would take 007 for 7 without a word.
    """

    fast: pc.ConvertOptions | None
    from_rows = None

    def __init__(self, header: Header, config: CsvConfig, schema: pa.Schema, uri: str) -> None:
        self._uri = uri
        self._config = config
        self._names = list(header.stripped_names)
        known = set(schema.names)
        self._types = {name: schema.field(name).type for name in self._names if name in known}
        self.fast = None
        if len(self._types) == len(self._names):
            types = [self._types[name] for name in self._names]
            reading = [pa.binary() if is_number(kind) else kind for kind in types]
            self.fast = _options(config, {str(i): kind for i, kind in enumerate(reading)})

    def from_typed(self, table: pa.Table, prepared: bytes) -> Sequence[Batch] | None:  # noqa: ARG002
        batches = []
        for batch in table.to_batches():
            columns = []
            for name, column in zip(self._names, batch.columns, strict=False):
                kind = self._types[name]
                if is_number(kind):
                    column = to_numbers(with_points(column.view(pa.string()), self._config.decimal_mark), kind)
                    if column is None:
                        return None
                columns.append(column)
            batches.append(pa.RecordBatch.from_arrays(columns, names=self._names))
        return batches

    def from_strings(self, table: pa.Table, prepared: bytes, lexer: Lexer) -> Sequence[Batch]:  # noqa: ARG002
        """Column by column, blanks being null where they are no text."""
        texts = _texts(prepared, lexer, self._config)
        columns = {}
        for name, text in zip(self._names, texts, strict=False):
            kind = self._types.get(name)
            column = None if kind is None else _converted(text, kind, self._config)
            if column is not None:
                columns[name] = column
        if len(columns) < len(self._names):
            raise TypeMismatchError(uri=self._uri, row=None, columns=self._needed(columns, prepared, lexer))
        return [pa.RecordBatch.from_arrays(list(columns.values()), names=self._names)]

    def _needed(self, fitting: Collection[str], prepared: bytes, lexer: Lexer) -> dict[str, pa.DataType]:
        needed = {}
        for name, found in zip(self._names, inferred_types(prepared, lexer, self._config), strict=False):
            kind = self._types.get(name)
            if kind is None:
                needed[name] = found
            elif name not in fitting:
                wider = merge(kind, found)
                needed[name] = pa.string() if wider.equals(kind) else wider
        return needed


def _converted(texts: pa.Array, kind: pa.DataType, config: CsvConfig) -> pa.Array | None:
    """None when some value is not one of `kind`."""
    if pa.types.is_string(kind):
        return texts
    texts = _without_blanks(texts)
    if is_number(kind):
        return to_numbers(with_points(texts, config.decimal_mark), kind)
    try:
        return _read_again(texts, kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def is_number(kind: pa.DataType) -> bool:
    t = pa.types
    return bool(t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind))


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
    if len(texts) and _has_codes(texts):
        return pa.string()
    if to_numbers(texts, pa.int64()) is not None:
        return pa.int64()
    if not _all_match(texts, _PLAIN):
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
    is_signed = any(cp.starts_with(plain, sign).true_count for sign in "+-")
    unsigned = cp.replace_substring_regex(plain, r"^[+-]", "") if is_signed else plain
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
    long = texts.filter(many).to_pylist()
    return all(Decimal(text) == Decimal(float(text)) or _is_text_of_double(text) for text in long)


def _any_became_zero(texts: pa.Array, numbers: pa.Array) -> bool:
    """Whether a number is too small for a double: `1e-400`."""
    return _any_match(texts.filter(cp.fill_null(cp.equal(numbers, 0.0), False)), _NOT_ZERO)


def _all_match(texts: pa.Array, pattern: str) -> bool:
    """Whether all that are not null do, and there is one. Mostly the first few tell that they do not."""
    few = cp.all(cp.match_substring_regex(texts.slice(0, _FEW_TEXTS), pattern)).as_py()
    return few is not False and bool(cp.all(cp.match_substring_regex(texts, pattern)).as_py())


def _any_match(texts: pa.Array, pattern: str) -> bool:
    return bool(cp.any(cp.match_substring_regex(texts, pattern)).as_py())
