"""Received records as columns: by the reader of JSON Lines, for a table's types, which grow with what the records hold."""

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from queue import SimpleQueue
from typing import Any

import pyarrow as pa

from file_cdk.core.arrow_types import merge_schemas
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import TypeMismatchError
from file_cdk.core.json_schema import plain_type
from file_cdk.formats.arrow_cast import EXACT
from file_cdk.formats.jsonl.syntax import LONE_SURROGATE, on_one_line
from file_cdk.formats.jsonl.table import TableReader
from file_cdk.protocol.receiving.events import Records, StreamDescriptor

_SCALARS = {"null": pa.null(), "boolean": pa.bool_(), "integer": pa.int64(), "number": pa.float64()}
_NESTED = ("object", "array")
_FORMATS = {"date": pa.date32(), "date-time": pa.timestamp("us", "UTC")}
_WITHOUT_ZONE = "timestamp_without_timezone"


def first_schema(properties: Mapping[str, Any] | None) -> pa.Schema:
    """Columns as a catalog's JSON Schema `properties` has them, for records to widen.

    Integers are int64, numbers double; strings of the format `date` dates, of `date-time` timestamps, in UTC unless the
    `airbyte_type` says that they have no zone. What an object or an array consists of is for the records to say: null until
    then. Whatever else it is, and what may be of several types of which none holds the others, is text.
    """
    return pa.schema([(name, _first_type(each)) for name, each in (properties or {}).items()])


def _first_type(schema: Any) -> pa.DataType:
    if not isinstance(schema, Mapping) or "type" not in schema:
        return pa.string()
    named = schema["type"]
    kinds = {named} if isinstance(named, str) else {each for each in named if each != "null"}
    if kinds and kinds <= _SCALARS.keys():
        is_mixed = "boolean" in kinds and len(kinds) > 1
        return pa.string() if is_mixed else _SCALARS[plain_type(schema)]
    if len(kinds) == 1 and kinds.issubset(_NESTED):
        return pa.null()
    if kinds == {"string"} and (found := _FORMATS.get(schema.get("format", ""))) is not None:
        return pa.timestamp("us") if schema.get("airbyte_type") == _WITHOUT_ZONE and found != pa.date32() else found
    return pa.string()


@dataclass(frozen=True, slots=True)
class DecodedRecords:
    """Records as a batch that has all columns of a table, null where a record has no such member.

    stream, first_line, emitted_at_ms, changes: as of Records. warnings: message -> how many records it concerns.
    """

    stream: StreamDescriptor
    first_line: int
    batch: pa.RecordBatch = field(repr=False)
    emitted_at_ms: "array[int]" = field(repr=False)
    changes: dict[int, bytes] = field(default_factory=dict, repr=False)
    warnings: Counter[str] = field(default_factory=Counter)

    @property
    def rows(self) -> int:
        return int(self.batch.num_rows)

    @property
    def size_bytes(self) -> int:
        """Memory that the columns take."""
        return int(self.batch.nbytes)


ColumnTypes = Mapping[str, pa.DataType]
"""By the columns' names."""


class Widening:
    """A question to whoever has the table: what it will hold these columns as, that came anew or do not fit their types. It has
    to be answered before the next event can come: what a table keeps as text is to be read as text, with all its characters.
    Pickled, it is a question of its own."""

    def __init__(self, stream: StreamDescriptor, columns: ColumnTypes) -> None:
        """columns: the types that the records need."""
        self.stream = stream
        self.columns = columns
        self._answer: SimpleQueue[ColumnTypes] = SimpleQueue()

    def __reduce__(self) -> tuple[Any, ...]:
        return Widening, (self.stream, self.columns)

    def answer(self, types: ColumnTypes) -> None:
        """types: of the same columns; each holds what the records need."""
        self._answer.put(types)

    def answered(self) -> ColumnTypes:
        """Waits for the answer, which can be had once."""
        return self._answer.get()


class RecordDecoder:
    """Decodes the records of one stream, in order. schema: what the table has or was promised; it grows with the answers."""

    def __init__(self, stream: StreamDescriptor, schema: pa.Schema) -> None:
        self._stream = stream
        self._reader = TableReader(schema, _shown(stream))

    @property
    def schema(self) -> pa.Schema:
        return self._reader.schema

    def decode(self, records: Records) -> Iterator[Widening | DecodedRecords]:
        """The records, last, and before them what has to be answered: a value that does not fit its column's type widens it, to
        text where no other type holds all. No record is left out."""
        lines = records.data.split(b"\n")
        if b"\r" in records.data:
            lines = [on_one_line(line) for line in lines]
        while True:
            try:
                batch = self._reader.read(lines, 1)
                break
            except TypeMismatchError as error:
                widening = Widening(self._stream, error.columns)
                yield widening
                self._widen(widening.answered())
        warnings = Counter(self._reader.warnings)
        if records.lone_surrogates:
            warnings[LONE_SURROGATE] += records.lone_surrogates
        self._reader.warnings.clear()
        yield DecodedRecords(self._stream, records.first_line, batch, records.emitted_at_ms, records.changes, warnings)

    def _widen(self, columns: ColumnTypes) -> None:
        types = {each.name: each.type for each in self.schema}
        types.update(columns)
        self._reader = TableReader(pa.schema(list(types.items())), _shown(self._stream))


def as_one(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """The rows of all, in order, with the columns of all, each of the type that holds them: as text where the narrower of two
    types has a value that the wider one would change."""
    if len(batches) == 1 or all(batch.schema.equals(batches[0].schema) for batch in batches):
        return pa.concat_batches(batches)
    merged = merge_schemas(batch.schema for batch in batches)
    columns = [_joined([_column(batch, each.name) for batch in batches], each.type) for each in merged]
    if not columns:
        return pa.RecordBatch.from_struct_array(
            pa.array([{}] * sum(batch.num_rows for batch in batches), pa.struct([]))
        )
    return pa.RecordBatch.from_arrays(columns, names=merged.names)


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    index = batch.schema.get_field_index(name)
    return pa.nulls(batch.num_rows) if index < 0 else batch.column(index)


def _joined(arrays: Sequence[pa.Array], kind: pa.DataType) -> pa.Array:
    try:
        return pa.concat_arrays([EXACT(each, kind) for each in arrays])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.concat_arrays([EXACT(each, pa.string()) for each in arrays])


def _shown(stream: StreamDescriptor) -> str:
    return stream.name if stream.namespace is None else f"{stream.namespace}.{stream.name}"
