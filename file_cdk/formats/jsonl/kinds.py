"""Which Arrow type a JSON value has, and which one holds all values of a column."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import reduce

import msgspec
import pyarrow as pa

from file_cdk.core.arrow_types import merge

MAX_STRUCT_FIELDS = 200
"""An object with more keys than this is a map with data in its keys, and becomes text: DuckDB's `map_inference_threshold`."""
_MAX_DEPTH = 32

INT64 = 2**63
_BIG_INTEGER = pa.decimal128(38, 0)

# Only the full forms: a date is never given a time of day that the file does not have.
DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
INSTANT = DATE + r"[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,%d})?"
ZONE = "(?:Z|[+-][0-9]{2}:[0-9]{2})"

_TEXT_KINDS: tuple[tuple[re.Pattern[str], pa.DataType], ...] = (
    (re.compile(DATE), pa.date32()),
    (re.compile(INSTANT % 6), pa.timestamp("us")),
    (re.compile(INSTANT % 6 + ZONE), pa.timestamp("us", "UTC")),
    (re.compile(INSTANT % 9), pa.timestamp("ns")),
    (re.compile(INSTANT % 9 + ZONE), pa.timestamp("ns", "UTC")),
)

members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
items_of = msgspec.json.Decoder(list[msgspec.Raw]).decode
text_of = msgspec.json.Decoder(str).decode

Kinds = dict[str, dict[pa.DataType, None]]
"""Column -> the types of its values, in order of first appearance."""


def infer_schema(records: Iterable[bytes], kinds: Kinds | None = None) -> pa.Schema:
    """Columns in order of first appearance, each of the narrowest type that holds all its values; null where it has none.

    Integers are int64, larger ones decimal128(38, 0), still larger ones text; strings that all are ISO dates or all are ISO
    date-times (all with or all without a zone) are date32 or timestamp, at the top level only; objects are structs.
    kinds: has those of what is no record, and gets those of the records.
    """
    kinds = {} if kinds is None else kinds
    for record in records:
        add_kinds(kinds, members_of(record))
    return pa.schema([pa.field(name, merge_kinds(found)) for name, found in kinds.items()])


def add_kinds(kinds: Kinds, members: Mapping[str, msgspec.Raw]) -> None:
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
            fields = [pa.field(name, _kind(bytes(member), depth + 1)) for name, member in members_of(value).items()]
            return pa.struct(fields)
        case b"[":
            return pa.list_(merge_kinds({_kind(bytes(item), depth + 1): None for item in items_of(value)}))
    return _number_kind(value)


def _number_kind(value: bytes) -> pa.DataType:
    if is_fraction(value):
        return pa.float64() if math.isfinite(float(value)) else pa.string()
    if len(value) <= 18 or -INT64 <= integer_of(value) < INT64:
        return pa.int64()
    return _BIG_INTEGER if len(value.lstrip(b"-")) <= _BIG_INTEGER.precision else pa.string()


def _text_kind(value: bytes) -> pa.DataType:
    if value[5:6] != b"-" or value[8:9] != b"-":  # cheap, and true of nearly all text
        return pa.string()
    text = text_of(value)
    for pattern, kind in _TEXT_KINDS:
        if pattern.fullmatch(text):
            parse = date.fromisoformat if pa.types.is_date(kind) else datetime.fromisoformat
            try:
                parse(text)
            except ValueError:  # the 30th of February
                return pa.string()
            return kind
    return pa.string()


def is_fraction(value: bytes) -> bool:
    return b"." in value or b"e" in value or b"E" in value


def integer_of(value: bytes) -> int:
    # Beyond any column's range the digits do not matter, and Python refuses to parse thousands of them.
    return int(value) if len(value) <= 100 else (-1 if value.startswith(b"-") else 1) * 10**100


def merge_kinds(kinds: Iterable[pa.DataType]) -> pa.DataType:
    return reduce(merge_exactly, kinds, pa.null())


def merge_exactly(left: pa.DataType, right: pa.DataType) -> pa.DataType:
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
