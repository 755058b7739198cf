"""JSON objects as typed columns: which Arrow type a column of JSON values has, and reading records into a given schema.

Two readers give the same columns. pyarrow's JSON parser reads a batch whose values all fit; any other batch is read value by
value from its JSON text, where a column of strings takes everything, and where a misfit is told from a fit exactly.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import reduce
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from file_cdk.core.arrow_types import merge
from file_cdk.core.errors import TypeMismatchError
from file_cdk.formats.jsonl_syntax import REPEATED_KEY, repeats_a_key

MAX_STRUCT_FIELDS = 200
"""An object with more keys than this is a map with data in its keys, and becomes text: DuckDB's `map_inference_threshold`."""
_MAX_DEPTH = 32
_FEW_RECORDS = 16
"""pyarrow's parser first starts a thread, which takes longer than to read so many value by value."""

_INT64 = 2**63
_BIG_INTEGER = pa.decimal128(38, 0)

# Only the full forms: a date is never given a time of day that the file does not have.
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_INSTANT = _DATE + r"[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,%d})?"
_ZONE = "(?:Z|[+-][0-9]{2}:[0-9]{2})"

_TEXT_KINDS: tuple[tuple[re.Pattern[str], pa.DataType], ...] = (
    (re.compile(_DATE), pa.date32()),
    (re.compile(_INSTANT % 6), pa.timestamp("us")),
    (re.compile(_INSTANT % 6 + _ZONE), pa.timestamp("us", "UTC")),
    (re.compile(_INSTANT % 9), pa.timestamp("ns")),
    (re.compile(_INSTANT % 9 + _ZONE), pa.timestamp("ns", "UTC")),
)

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode

Kinds = dict[str, dict[pa.DataType, None]]
"""Column -> the types of its values, in order of first appearance."""


def infer_schema(records: Iterable[bytes]) -> pa.Schema:
    """Columns in order of first appearance, each of the narrowest type that holds all its values; null where it has none.

    Integers are int64, larger ones decimal128(38, 0), still larger ones text; strings that all are ISO dates or all are ISO
    date-times (all with or all without a zone) are date32 or timestamp, at the top level only; objects are structs.
    """
    kinds: Kinds = {}
    for record in records:
        _add_kinds(kinds, _members(record))
    return pa.schema([pa.field(name, _merge_all(found)) for name, found in kinds.items()])


def _add_kinds(kinds: Kinds, members: Mapping[str, msgspec.Raw]) -> None:
    for name, value in members.items():
        kinds.setdefault(name, {})[_kind(bytes(value))] = None


def _kind(value: bytes, depth: int = 0) -> pa.DataType:
    """The type of one value, from its JSON text."""
    match value[:1]:
        case b'"':
            return _text_kind(value) if depth == 0 else pa.string()
        case b"n":
            return pa.null()
        case b"t" | b"f":
            return pa.bool_()
        case b"{" | b"[" if depth > _MAX_DEPTH:
            return pa.string()
        case b"{":
            fields = [pa.field(name, _kind(bytes(member), depth + 1)) for name, member in _members(value).items()]
            return pa.struct(fields)
        case b"[":
            return pa.list_(_merge_all({_kind(bytes(item), depth + 1): None for item in _items(value)}))
    return _number_kind(value)


def _number_kind(value: bytes) -> pa.DataType:
    if _is_fraction(value):
        return pa.float64() if math.isfinite(float(value)) else pa.string()
    if len(value) <= 18 or -_INT64 <= _integer(value) < _INT64:
        return pa.int64()
    return _BIG_INTEGER if len(value.lstrip(b"-")) <= _BIG_INTEGER.precision else pa.string()


def _text_kind(value: bytes) -> pa.DataType:
    if value[5:6] != b"-" or value[8:9] != b"-":  # cheap, and true of nearly all text
        return pa.string()
    text = _text(value)
    for pattern, kind in _TEXT_KINDS:
        if pattern.fullmatch(text):
            parse = date.fromisoformat if pa.types.is_date(kind) else datetime.fromisoformat
            try:
                parse(text)
            except ValueError:  # the 30th of February
                return pa.string()
            return kind
    return pa.string()


def _is_fraction(value: bytes) -> bool:
    return b"." in value or b"e" in value or b"E" in value


def _integer(value: bytes) -> int:
    # Beyond any column's range the digits do not matter, and Python refuses to parse thousands of them.
    return int(value) if len(value) <= 100 else (-1 if value.startswith(b"-") else 1) * 10**100


def _merge_all(kinds: Iterable[pa.DataType]) -> pa.DataType:
    return reduce(_merge, kinds, pa.null())


def _merge(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    """core's merge, but exact: a date has no time of day, and a decimal's digits do not fit a double."""
    t = pa.types
    for one, other in ((left, right), (right, left)):
        if (t.is_date(one) and t.is_timestamp(other)) or (t.is_decimal(one) and t.is_floating(other)):
            return pa.string()
    return _bounded(merge(left, right))


def _bounded(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(kind):
        if kind.num_fields > MAX_STRUCT_FIELDS:
            return pa.string()
        return pa.struct([pa.field(member.name, _bounded(member.type)) for member in kind])
    if pa.types.is_list(kind):
        return pa.list_(_bounded(kind.value_type))
    return kind


class _MisfitError(Exception):
    """A value does not fit its column's type."""


Convert = Callable[[bytes], Any]
"""The Python value that pyarrow makes a column's value of, from JSON text. Raises _MisfitError."""


def _converter(kind: pa.DataType) -> Convert:
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
        return _text(value)
    return None if value == b"null" else value.decode()


def _to_string(value: bytes) -> Any:
    if value.startswith(b'"'):
        return _text(value)
    return _to_null(value)


def _to_boolean(value: bytes) -> Any:
    return True if value == b"true" else False if value == b"false" else _to_null(value)


def _is_number(value: bytes) -> bool:
    return value[:1] in b"-0123456789"


def _to_integer(kind: pa.DataType) -> Convert:
    signed = pa.types.is_signed_integer(kind)
    low = -(2 ** (kind.bit_width - 1)) if signed else 0
    high = 2 ** (kind.bit_width - signed)

    def convert(value: bytes) -> Any:
        if not _is_number(value):
            return _to_null(value)
        if _is_fraction(value) or not low <= (number := _integer(value)) < high:
            raise _MisfitError
        return number

    return convert


def _to_double(value: bytes) -> Any:
    if not _is_number(value):
        return _to_null(value)
    if not _is_fraction(value) and not -_INT64 <= _integer(value) < _INT64:
        raise _MisfitError
    number = float(value)
    if math.isinf(number):
        raise _MisfitError
    return number


def _to_decimal(kind: pa.Decimal128Type) -> Convert:
    def convert(value: bytes) -> Any:
        if not _is_number(value):
            return _to_null(value)
        number = Decimal(value.decode())
        exponent = number.as_tuple().exponent
        if not isinstance(exponent, int) or -exponent > kind.scale or number.adjusted() >= kind.precision - kind.scale:
            raise _MisfitError
        return number

    return convert


def _to_list(item: Convert) -> Convert:
    def convert(value: bytes) -> Any:
        return [item(bytes(raw)) for raw in _items(value)] if value.startswith(b"[") else _to_null(value)

    return convert


def _to_struct(members: Mapping[str, Convert]) -> Convert:
    def convert(value: bytes) -> Any:
        if not value.startswith(b"{"):
            return _to_null(value)
        found = _members(value)
        if any(name not in members and bytes(raw) != b"null" for name, raw in found.items()):
            raise _MisfitError
        return {name: members[name](bytes(raw)) for name, raw in found.items() if name in members}

    return convert


def _is_time(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date32(kind) or (pa.types.is_timestamp(kind) and kind.unit in ("us", "ns")))


def _times(texts: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """Strings as dates or timestamps; None unless every one of them has the full form of that type and exists."""
    form = _DATE
    if pa.types.is_timestamp(kind):
        form = _INSTANT % (9 if kind.unit == "ns" else 6) + (_ZONE if kind.tz else "")
    if pc.all(pc.match_substring_regex(texts, f"^(?:{form})$")).as_py() is False:
        return None
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        return None


def _parses_alike(kind: pa.DataType) -> bool:
    """Whether pyarrow's JSON parser takes the same values for this type as `_converter`, but for the size of doubles."""
    t = pa.types
    if t.is_list(kind):
        return _parses_alike(kind.value_type)
    if t.is_struct(kind):
        return all(_parses_alike(member.type) for member in kind)
    return bool(t.is_null(kind) or t.is_boolean(kind) or t.is_integer(kind) or t.is_float64(kind) or t.is_string(kind))


def _is_exact(array: pa.Array) -> bool:
    """No double in it is so large that it may be an integer which lost digits, or infinity."""
    t = pa.types
    if t.is_float64(array.type):
        ends = pc.min_max(array)
        low, high = ends["min"].as_py(), ends["max"].as_py()
        return low is None or (low > -_INT64 and high < _INT64)
    if t.is_list(array.type):
        return _is_exact(array.flatten())
    if t.is_struct(array.type):
        return all(_is_exact(member) for member in array.flatten())
    return True


@dataclass(slots=True)
class _Column:
    """One column of a batch while it is read value by value."""

    convert: Convert
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
    """What pyarrow's JSON parser is asked for: dates and timestamps as strings, and no type it reads differently."""

    def __post_init__(self) -> None:
        fields = [pa.field(f.name, pa.string() if _is_time(f.type) else f.type) for f in self.schema]
        object.__setattr__(self, "_parsed", pa.schema([f for f in fields if _parses_alike(f.type)]))

    def read(self, records: Sequence[bytes], first_row: int) -> pa.RecordBatch:
        """One batch of the records, each the JSON text of an object. Raises TypeMismatchError, its row in the split."""
        columns = None
        if len(records) > _FEW_RECORDS:
            columns = self._parse_columns(records)
        columns = columns or self._convert_columns(records, first_row)
        if not columns:
            return pa.RecordBatch.from_struct_array(pa.array([{}] * len(records), pa.struct([])))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

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
                    needed[name] = _merge(needed.get(name, pa.null()), kind)
        return needed

    def _parse_columns(self, records: Sequence[bytes]) -> list[pa.Array] | None:
        """By pyarrow's parser; None when a value, a key or the parser's idea of a number is out of the ordinary."""
        text = b"\n".join(records)
        try:
            table = pj.read_json(
                pa.BufferReader(text),
                read_options=pj.ReadOptions(use_threads=False, block_size=len(text) + 1),
                parse_options=pj.ParseOptions(explicit_schema=self._parsed, unexpected_field_behavior="error"),
            )
        except pa.ArrowInvalid:
            return None
        if table.num_rows != len(records):
            return None
        parsed = {name: column.combine_chunks() for name, column in zip(table.column_names, table.columns, strict=True)}
        columns = []
        for wanted in self.schema:
            array = parsed.get(wanted.name)
            if array is None:
                array = pa.nulls(len(records), wanted.type)
            elif _is_time(wanted.type):
                array = _times(array, wanted.type)
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
            members = _members(record)
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
            _add_kinds(kinds, {name: value for name, value in _members(record).items() if name in kinds})
        return {name: self._widened(name, found) for name, found in kinds.items()}

    def _widened(self, name: str, kinds: Iterable[pa.DataType]) -> pa.DataType:
        index = self.schema.get_field_index(name)
        if index < 0:
            return _merge_all(kinds)
        asked = self.schema.field(index).type
        needed = _merge(asked, _merge_all(kinds))
        # Were nothing wider, the file would be read again and again: text holds whatever it is.
        return pa.string() if needed.equals(asked) else needed
