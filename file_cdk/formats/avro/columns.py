"""What plain Avro values mean, column by column: Arrow arrays of plain types become those that records and tables have.

Agrees with values.py, which says what is right. What columns cannot hold as records want it raises NotColumnarError: then the
same records are read one by one.
"""

import pyarrow as pa
import pyarrow.compute as pc

from file_cdk.core.arrow_values import are_within
from file_cdk.core.instants import duration_text
from file_cdk.formats.arrow_layout import (
    ArrayStep,
    has_key_twice,
    spelled,
    with_entries,
    with_items,
    with_members,
)
from file_cdk.formats.avro.schema import Array, Enum, Map, Node, Record, Scalar, optional
from file_cdk.formats.avro.types import arrow_type
from file_cdk.formats.avro.values import uuid_text

_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_PER_DAY = {
    "date": 1,
    "time-millis": 86_400_000,
    "time-micros": 86_400_000_000,
    "millis": 86_400_000,
    "micros": 86_400_000_000,
}
_FIRST_DAY, _LAST_DAY = -719_161, 2_932_895
"""0001-01-02 and 9999-12-30. Encoders of records have spellings of their own for the days beyond."""


class NotColumnarError(Exception):
    """There is a value that needs a look of its own."""


def record_columns(records: pa.StructArray, schema: Record, *, double_as_string: bool) -> pa.RecordBatch:
    """The columns as the protocol's records want them. Raises NotColumnarError."""
    build = _ColumnSteps(for_tables=False, double_as_string=double_as_string)
    columns = []
    for index, (_, node) in enumerate(schema.fields):
        array = records.field(index)
        convert = _own_precision(node) or build.of(node)
        columns.append(array if convert is None else convert(array))
    return pa.RecordBatch.from_arrays(columns, names=[name for name, _ in schema.fields])


def table_column(array: pa.Array, node: Node) -> pa.Array:
    """A column of the type `arrow_type(node)`. Raises NotColumnarError."""
    convert = _ColumnSteps(for_tables=True, double_as_string=False).of(node)
    return array if convert is None else convert(array)


class _ColumnSteps:
    def __init__(self, *, for_tables: bool, double_as_string: bool) -> None:
        self.for_tables = for_tables
        self.double_as_string = double_as_string

    def of(self, node: Node) -> ArrayStep | None:
        node, _ = optional(node)
        match node:
            case Scalar():
                return self._scalar(node)
            case Enum():
                return self._enum(node)
            case Record():
                return self._record(node)
            case Array():
                return self._array(node)
            case Map():
                return self._map(node)
        raise AssertionError(f"{type(node).__name__} has no columns")

    def _scalar(self, node: Scalar) -> ArrayStep | None:
        match node.logical:
            case "":
                as_text = node.kind == "double" and self.double_as_string
                return (lambda array: spelled(array, repr)) if as_text else None
            case "decimal":
                return _checked_decimal if self.for_tables else None
            case "uuid" if node.kind == "string":
                return _uuid_texts
            case "uuid":
                return lambda array: spelled(array, lambda value: uuid_text(value.hex()))
            case "duration":
                return lambda array: spelled(array, duration_text)
        kind = arrow_type(node)
        unit = node.logical.rpartition("-")[2] if "timestamp" in node.logical else node.logical
        if unit.startswith("time-"):
            return lambda array: _within(array, 0, _PER_DAY[unit] - 1).cast(kind)
        if self.for_tables or unit == "nanos":
            return lambda array: array.cast(kind)
        per_day = _PER_DAY[unit]
        return lambda array: _within(array, _FIRST_DAY * per_day, (_LAST_DAY + 1) * per_day - 1).cast(kind)

    def _enum(self, node: Enum) -> ArrayStep:
        symbols = pa.array(node.symbols, pa.string())

        def convert(array: pa.Array) -> pa.Array:
            named = pa.DictionaryArray.from_arrays(_within(array, 0, len(symbols) - 1), symbols)
            return named.dictionary_decode() if self.for_tables else named

        return convert

    def _record(self, node: Record) -> ArrayStep | None:
        steps = [self.of(child) for _, child in node.fields]

        def convert(array: pa.StructArray) -> pa.Array:
            columns = [array.field(i) if step is None else step(array.field(i)) for i, step in enumerate(steps)]
            return with_members(array, columns)

        return convert if any(steps) else None

    def _array(self, node: Array) -> ArrayStep | None:
        step = self.of(node.items)
        return step and (lambda array: with_items(array, step))

    def _map(self, node: Map) -> ArrayStep:
        step = self.of(node.values)

        def convert(array: pa.MapArray) -> pa.Array:
            if has_key_twice(array):
                raise NotColumnarError
            return array if step is None else with_entries(array, None, step)

        return convert


def _within(array: pa.Array, first: int, last: int) -> pa.Array:
    if not are_within(array, first, last):
        raise NotColumnarError
    return array


def _checked_decimal(array: pa.Array) -> pa.Array:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        raise NotColumnarError from None
    return array


def _uuid_texts(array: pa.Array) -> pa.Array:
    are_usual = pc.all(pc.match_substring_regex(array, _UUID)).as_py() is not False
    return array if are_usual else spelled(array, uuid_text)


def _own_precision(node: Node) -> ArrayStep | None:
    """Timestamps of a record's own that are never null have as many digits as their unit, be they zeros."""
    if not isinstance(node, Scalar) or node.logical.rpartition("-")[2] not in ("millis", "micros"):
        return None
    if "timestamp" not in node.logical:
        return None
    to_timestamp = _ColumnSteps(for_tables=False, double_as_string=False).of(node)
    assert to_timestamp is not None
    zone = "" if node.logical.startswith("local") else "+00:00"

    def convert(array: pa.Array) -> pa.Array:
        instants = to_timestamp(array)
        text = pc.binary_replace_slice(instants.cast(pa.timestamp(instants.type.unit)).cast(pa.string()), 10, 11, "T")
        return pc.binary_join_element_wise(text, zone, "") if zone else text

    return convert
