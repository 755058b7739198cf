"""JSON objects as typed columns: reading records into a given schema.

Two readers give the same columns. pyarrow's JSON parser reads a batch whose values all fit; any other batch is read value by
value from its JSON text, where a column of strings takes everything, and where a misfit is told from a fit exactly.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import TypeMismatchError
from file_cdk.formats.arrow_cast import decimals_of
from file_cdk.formats.jsonl.kinds import (
    DATE,
    INSTANT,
    INT64,
    ZONE,
    Kinds,
    add_kinds,
    integer_of,
    is_fraction,
    items_of,
    members_of,
    merge_exactly,
    merge_kinds,
    text_of,
)
from file_cdk.formats.jsonl.syntax import REPEATED_KEY, repeats_a_key

_FEW_RECORDS = 16
"""Maximum number of records that are read value by value at once: pyarrow's parser first starts a thread, which takes longer."""

_ONE_BLOCK_BYTES = 8 << 10
"""Maximum size of what is read as a stream of one block, in bytes; see `csv.lexer`, where it is the same."""

_PART_RECORDS = 512
"""Maximum number of records that are read value by value because of one among them."""

_DATE_BYTES = len("2024-12-31")
_WHOLE_SECONDS_BYTES = len("2024-12-31T23:59:59")

_MANY_DIGITS = "[0-9.]{16}"
"""What every number of more than 15 digits has in it, each of which a double keeps."""


class _MisfitError(Exception):
    """A value does not fit its column's type."""


FromText = Callable[[bytes], Any]
"""Turns JSON text into the Python value that pyarrow makes a column's value of. Raises _MisfitError."""


def _read_one_block(data: pa.NativeFile, **options: Any) -> pa.Table:
    return pj.open_json(data, **options).read_all()


def _converter(kind: pa.DataType) -> FromText:
    t = pa.types
    if t.is_string(kind) or t.is_large_string(kind):
        return _to_text
    if t.is_boolean(kind):
        return _to_boolean
    if t.is_integer(kind):
        return _to_integer(kind)
    if t.is_float64(kind):
        return _to_double
    if t.is_decimal128(kind):
        return _to_decimal(kind)
    if t.is_list(kind):
        return _to_list(_converter(kind.value_type))
    if t.is_struct(kind):
        return _to_struct({member.name: _converter(member.type) for member in kind})
    return _to_null


def _to_null(value: bytes) -> Any:
    if value != b"null":
        raise _MisfitError
    return None


def _to_text(value: bytes) -> Any:
    if value.startswith(b'"'):
        return text_of(value)
    return None if value == b"null" else value.decode()


def _to_string(value: bytes) -> Any:
    if value.startswith(b'"'):
        return text_of(value)
    return _to_null(value)


def _to_boolean(value: bytes) -> Any:
    return True if value == b"true" else False if value == b"false" else _to_null(value)


def _is_number(value: bytes) -> bool:
    return value[:1] in b"-0123456789"


def _to_integer(kind: pa.DataType) -> FromText:
    signed = pa.types.is_signed_integer(kind)
    low = -(2 ** (kind.bit_width - 1)) if signed else 0
    high = 2 ** (kind.bit_width - signed)

    def convert(value: bytes) -> Any:
        if not _is_number(value):
            return _to_null(value)
        if is_fraction(value) or not low <= (number := integer_of(value)) < high:
            raise _MisfitError
        return number

    return convert


def _to_double(value: bytes) -> Any:
    if not _is_number(value):
        return _to_null(value)
    if not is_fraction(value) and not -INT64 <= integer_of(value) < INT64:
        raise _MisfitError
    number = float(value)
    if math.isinf(number):
        raise _MisfitError
    return number


def _to_decimal(kind: pa.Decimal128Type) -> FromText:
    def convert(value: bytes) -> Any:
        if not _is_number(value):
            return _to_null(value)
        number = Decimal(value.decode())
        sign, digits, exponent = number.as_tuple()
        if not isinstance(exponent, int) or number.adjusted() >= kind.precision - kind.scale:
            raise _MisfitError
        if (over := -exponent - kind.scale) > 0:
            if any(digits[-over:]):
                raise _MisfitError
            return Decimal((sign, digits[:-over], -kind.scale))  # zeros at the end are spelling
        return number

    return convert


def _to_list(item: FromText) -> FromText:
    def convert(value: bytes) -> Any:
        return [item(bytes(raw)) for raw in items_of(value)] if value.startswith(b"[") else _to_null(value)

    return convert


def _to_struct(members: Mapping[str, FromText]) -> FromText:
    def convert(value: bytes) -> Any:
        if not value.startswith(b"{"):
            return _to_null(value)
        found = members_of(value)
        if any(name not in members and bytes(raw) != b"null" for name, raw in found.items()):
            raise _MisfitError
        return {name: members[name](bytes(raw)) for name, raw in found.items() if name in members}

    return convert


def _is_time(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date32(kind) or (pa.types.is_timestamp(kind) and kind.unit in ("us", "ns")))


def _has_full_form(texts: pa.Array, kind: pa.DataType) -> bool:
    """Whether no string has a form that a cast would take and which leaves something out, such as the seconds."""
    is_date = pa.types.is_date(kind)
    if is_date or not kind.tz:
        # No shorter form of these is as long, and looking at all lengths takes a hundredth of matching.
        lengths = pc.min_max(pc.binary_length(texts))
        if lengths["min"].as_py() == lengths["max"].as_py() == (_DATE_BYTES if is_date else _WHOLE_SECONDS_BYTES):
            return True
    form = DATE if is_date else INSTANT % (9 if kind.unit == "ns" else 6) + (ZONE if kind.tz else "")
    return pc.all(pc.match_substring_regex(texts, f"^(?:{form})$")).as_py() is not False


def _times(texts: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """Strings as dates or timestamps; None unless every one of them has the full form of that type and exists."""
    if not _has_full_form(texts, kind):
        return None
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        return None


def _parsed_as(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_decimal128(kind):
        return pa.float64()
    return pa.string() if _is_time(kind) else kind


def _parses_alike(kind: pa.DataType) -> bool:
    """Whether pyarrow's JSON parser takes the same values for this type as `_converter`, but for the size of doubles."""
    t = pa.types
    if t.is_list(kind):
        return _parses_alike(kind.value_type)
    if t.is_struct(kind):
        return all(_parses_alike(member.type) for member in kind)
    return bool(t.is_null(kind) or t.is_boolean(kind) or t.is_integer(kind) or t.is_float64(kind) or t.is_string(kind))


def _has_many_digits(text: bytes) -> bool:
    return bool(pc.match_substring_regex(pa.array([text], pa.binary()), _MANY_DIGITS)[0].as_py())


def _is_exact(array: pa.Array) -> bool:
    """No double in it is so large that it may be an integer which lost digits, or infinity; none is NaN, which is no JSON."""
    t = pa.types
    if t.is_float64(array.type):
        if pc.any(pc.is_nan(array)).as_py():
            return False
        ends = pc.min_max(array)
        low, high = ends["min"].as_py(), ends["max"].as_py()
        return low is None or (low > -INT64 and high < INT64)
    if t.is_list(array.type):
        return _is_exact(array.flatten())
    if t.is_struct(array.type):
        return all(_is_exact(member) for member in array.flatten())
    return True


@dataclass(slots=True)
class _Column:
    """One column of a batch while it is read value by value."""

    convert: FromText
    values: list[Any]
    misfit_at: int | None = None


@dataclass(frozen=True, slots=True)
class TableReader:
    """Reads records of one file into batches of exactly one schema."""

    schema: pa.Schema
    uri: str
    warnings: Counter[str] = field(default_factory=Counter, init=False)
    """Message -> how many of the records read it concerns; whoever reports them clears it."""
    _parsed: pa.Schema = field(init=False)
    """What pyarrow's JSON parser is asked for: dates and timestamps as strings, decimals as doubles, and no type it reads
    differently."""

    def __post_init__(self) -> None:
        fields = [pa.field(f.name, _parsed_as(f.type)) for f in self.schema]
        object.__setattr__(self, "_parsed", pa.schema([f for f in fields if _parses_alike(f.type)]))

    def read(self, records: Sequence[bytes], first_row: int) -> pa.RecordBatch:
        """One batch of the records, each the JSON text of an object. Raises TypeMismatchError, its row in the split."""
        columns = None
        if len(records) > _FEW_RECORDS:
            columns = self._parse_columns(b"\n".join(records), len(records))
        if columns is None and len(records) > _PART_RECORDS:
            return self._read_parts(records, first_row)
        columns = columns or self._convert_columns(records, first_row)
        if not columns:
            return pa.RecordBatch.from_struct_array(pa.array([{}] * len(records), pa.struct([])))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def parsed(self, text: bytes, rows: int) -> pa.RecordBatch | None:
        """One batch of text in UTF-8 that is so many objects, if pyarrow's parser takes them and there is a column."""
        columns = self._parse_columns(text, rows)
        return pa.RecordBatch.from_arrays(columns, schema=self.schema) if columns else None

    def _read_parts(self, records: Sequence[bytes], first_row: int) -> pa.RecordBatch:
        """As `read`; what misfits in any part is told of all."""
        batches: list[pa.RecordBatch] = []
        first: TypeMismatchError | None = None
        columns: dict[str, pa.DataType] = {}
        for start in range(0, len(records), _PART_RECORDS):
            try:
                batches.append(self.read(records[start : start + _PART_RECORDS], first_row + start))
            except TypeMismatchError as error:
                first = first or error
                for name, kind in error.columns.items():
                    columns[name] = merge_exactly(columns.get(name, pa.null()), kind)
        if first is not None:
            raise TypeMismatchError(uri=self.uri, row=first.row, columns=columns)
        return pa.concat_batches(batches)

    def widened_further(
        self, columns: Mapping[str, pa.DataType], batches: Iterable[Sequence[bytes]]
    ) -> dict[str, pa.DataType]:
        """The columns that misfit and the types that they need, widened by what does not fit in these batches either."""
        needed = dict(columns)
        for records in batches:
            try:
                self.read(records, 1)
            except TypeMismatchError as error:
                for name, kind in error.columns.items():
                    needed[name] = merge_exactly(needed.get(name, pa.null()), kind)
        return needed

    def _parse_columns(self, text: bytes, rows: int) -> list[pa.Array] | None:
        """By pyarrow's parser; None when a value, a key or the parser's idea of a number is out of the ordinary, and where there
        are not as many objects."""
        if any(map(pa.types.is_decimal128, self.schema.types)) and _has_many_digits(text):
            return None
        try:
            read = pj.read_json if len(text) > _ONE_BLOCK_BYTES else _read_one_block
            table = read(
                pa.BufferReader(text),
                read_options=pj.ReadOptions(use_threads=False, block_size=len(text) + 1),
                parse_options=pj.ParseOptions(explicit_schema=self._parsed, unexpected_field_behavior="error"),
            )
        except pa.ArrowInvalid:
            return None
        if table.num_rows != rows:
            return None
        parsed = {name: column.combine_chunks() for name, column in zip(table.column_names, table.columns, strict=True)}
        columns = []
        for wanted in self.schema:
            array = parsed.get(wanted.name)
            if array is None:
                array = pa.nulls(rows, wanted.type)
            elif _is_time(wanted.type):
                array = _times(array, wanted.type)
            elif pa.types.is_decimal128(wanted.type):
                array = decimals_of(array, wanted.type)
            if array is None or not _is_exact(array):
                return None
            columns.append(array)
        return columns

    def _convert_columns(self, records: Sequence[bytes], first_row: int) -> list[pa.Array]:
        columns = {f.name: _Column(_to_string if _is_time(f.type) else _converter(f.type), []) for f in self.schema}
        unknown: dict[str, int] = {}
        if repeated := sum(map(repeats_a_key, records)):  # the parser takes no batch with any
            self.warnings[REPEATED_KEY] += repeated
        for index, record in enumerate(records):
            members = members_of(record)
            for name, column in columns.items():
                value = members.pop(name, None)
                try:
                    column.values.append(None if value is None else column.convert(bytes(value)))
                except _MisfitError:
                    column.values.append(None)
                    column.misfit_at = index if column.misfit_at is None else column.misfit_at
            for name, value in members.items():
                if bytes(value) != b"null":
                    unknown.setdefault(name, index)
        return self._arrays(columns, unknown, records, first_row)

    def _arrays(
        self, columns: Mapping[str, _Column], unknown: Mapping[str, int], records: Sequence[bytes], first_row: int
    ) -> list[pa.Array]:
        arrays: list[pa.Array] = []
        misfits = dict(unknown)
        for wanted in self.schema:
            column = columns[wanted.name]
            array: pa.Array | None = None
            if column.misfit_at is None:
                array = pa.array(column.values, pa.string() if _is_time(wanted.type) else wanted.type)
                if _is_time(wanted.type):
                    array = _times(array, wanted.type)
            if array is None:
                misfits[wanted.name] = column.misfit_at or 0
            else:
                arrays.append(array)
        if misfits:
            row = first_row + min(misfits.values())
            raise TypeMismatchError(uri=self.uri, row=row, columns=self._needed(misfits, records))
        return arrays

    def _needed(self, names: Iterable[str], records: Sequence[bytes]) -> dict[str, pa.DataType]:
        """The type that each of these columns needs, widened by all its values in these records."""
        kinds: Kinds = {name: {} for name in names}
        for record in records:
            add_kinds(kinds, {name: value for name, value in members_of(record).items() if name in kinds})
        return {name: self._widened(name, found) for name, found in kinds.items()}

    def _widened(self, name: str, kinds: Iterable[pa.DataType]) -> pa.DataType:
        index = self.schema.get_field_index(name)
        if index < 0:
            return merge_kinds(kinds)
        asked = self.schema.field(index).type
        needed = merge_exactly(asked, merge_kinds(kinds))
        # Were nothing wider, the file would be read again and again: text holds whatever it is.
        return pa.string() if needed.equals(asked) else needed
