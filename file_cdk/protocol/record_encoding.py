"""RECORD messages: decoded batches become protocol lines without one Python object per record.

A line is `{"type":"RECORD","record":{"stream":…,"data":{…},"emitted_at":…}}`. `data` holds the record's columns in their
order, then the columns about its file (core.files.FILE_COLUMNS).
"""

import io
from collections.abc import Sequence
from functools import lru_cache
from itertools import count, cycle

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from arro3.io import write_ndjson

from file_cdk.core.arrow_values import repeated_number, repeated_text
from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import FILE_COLUMNS, MODIFIED_COLUMN, URL_COLUMN, RemoteFile
from file_cdk.core.json_lines import JsonLines, member
from file_cdk.core.state.cursor import format_instant
from file_cdk.core.uris import well_formed
from file_cdk.protocol.joined_lines import joined_lines
from file_cdk.protocol.json_columns import ToJson, cast_for
from file_cdk.protocol.spliced_lines import spliced_lines


class RecordEncoder:
    """Encodes one stream's batches (the port `Encoder`).

    Columns that are null are left out of `data`; nulls inside objects, maps and lists stay. NaN and infinities are null.
    A data column with the name of a column about the file gives way to it. Records that already are JSON keep their own bytes,
    nulls included, unless they have such a column. Types print as `json_columns` says.

    schemaless: the record goes whole, nulls included, into `data.data`.
    """

    line_oriented: bool = True

    def __init__(self, stream: str, *, schemaless: bool = False) -> None:
        self.stream = stream
        self.schemaless = schemaless

    def encode(
        self,
        batch: "pa.RecordBatch | JsonLines",
        file: RemoteFile,
        first_row: int,  # noqa: ARG002 - other encoders number their rows
        emitted_at_ms: int,
    ) -> bytes:
        """Protocol lines in the batch's order, each ended by a line feed."""
        return bytes(self.lines(batch, file, emitted_at_ms))

    def lines(self, batch: "pa.RecordBatch | JsonLines", file: RemoteFile, emitted_at_ms: int) -> bytes | memoryview:
        """The same where Arrow has them, if it does: a copy would take a twentieth of what encoding text takes."""
        if not batch.num_rows:
            return b""
        if isinstance(batch, JsonLines):
            return spliced_lines(batch, self.stream, file, emitted_at_ms, schemaless=self.schemaless)
        envelope = _Envelope(
            well_formed(self.stream), format_instant(file.modified_at), well_formed(file.uri), emitted_at_ms
        )
        return _encode_batch(batch, envelope, schemaless=self.schemaless)

    def encode_joined(
        self, batch: pa.RecordBatch, files: Sequence[RemoteFile], rows: Sequence[int], emitted_at_ms: int
    ) -> bytes:
        """See core.joining."""
        if not batch.num_rows:
            return b""
        of_file = pa.array([index for index, count in enumerate(rows) for _ in range(count)], pa.int32())
        stream = well_formed(self.stream)
        envelopes = [
            _Envelope(stream, format_instant(file.modified_at), well_formed(file.uri), emitted_at_ms) for file in files
        ]
        envelope = _JoinedEnvelope(stream, "", "", emitted_at_ms, envelopes, of_file)
        return bytes(_encode_batch(batch, envelope, schemaless=self.schemaless))


@dataclass(frozen=True, slots=True)
class _Envelope:
    """What all lines of one batch share."""

    stream: str
    modified: str
    url: str
    emitted_at_ms: int

    def around(self, data: pa.Array) -> pa.RecordBatch:
        """One row per line: the message as nested structs, which the JSON writer turns into text in one pass."""
        rows = len(data)
        columns = [_repeated(self.stream, rows), data, repeated_number(self.emitted_at_ms, rows)]
        record = pa.StructArray.from_arrays(columns, names=["stream", "data", "emitted_at"])
        return pa.RecordBatch.from_arrays([_repeated("RECORD", rows), record], names=["type", "record"])

    def file_columns(self, rows: int) -> list[pa.Array]:
        return [_repeated(self.modified, rows), _repeated(self.url, rows)]

    def around_members(self, names: Sequence[str], columns: Sequence[pa.Array]) -> memoryview | None:
        """One line per row, of columns that print as the JSON writer prints them; None where they may not."""
        before = f'{{"type":"RECORD","record":{{"stream":{_json(self.stream)},"data":{{'
        return joined_lines(before, names, columns, self.after_members())

    def after_members(self) -> str | pa.Array:
        """What ends every line, or each."""
        of_file = f"{_member(MODIFIED_COLUMN, self.modified)},{_member(URL_COLUMN, self.url)}"
        return f'{of_file}}},"emitted_at":{self.emitted_at_ms}}}}}\n'


def _json(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _member(name: str, value: str) -> str:
    return member(name, value).decode()


@dataclass(frozen=True, slots=True)
class _JoinedEnvelope(_Envelope):
    """Of the lines of several files. envelopes: of each. of_file: each line's, as an index."""

    envelopes: Sequence[_Envelope]
    of_file: pa.Array

    def file_columns(self, rows: int) -> list[pa.Array]:  # noqa: ARG002 - one for each line
        facts = [[each.modified for each in self.envelopes], [each.url for each in self.envelopes]]
        return [pa.array(texts, pa.string()).take(self.of_file) for texts in facts]

    def after_members(self) -> pa.Array:
        return pa.array([each.after_members() for each in self.envelopes], pa.string()).take(self.of_file)


@lru_cache(maxsize=16)
def _longer_text(text: str, rows: int) -> pa.Array:
    return repeated_text(text, rows)


def _repeated(text: str, rows: int) -> pa.Array:
    return _longer_text(text, 1 << rows.bit_length()).slice(0, rows)


# Arrow batches


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a schema needs before the JSON writer: which columns go out, and the cast of each, if any."""

    indices: tuple[int, ...]
    names: tuple[str, ...]
    casts: tuple[ToJson | None, ...]
    has_objects: bool

    def columns(self, batch: pa.RecordBatch) -> list[pa.Array]:
        columns = [batch.column(index) for index in self.indices]
        return [c if cast is None else cast(c) for c, cast in zip(columns, self.casts, strict=True)]


@lru_cache(maxsize=64)
def _plan(schema: pa.Schema, schemaless: bool) -> _Plan:
    kept = [(i, field) for i, field in enumerate(schema) if schemaless or field.name not in FILE_COLUMNS]
    return _Plan(
        indices=tuple(i for i, _ in kept),
        # Names cross into the JSON writer as C strings, which a NUL would end.
        names=tuple(field.name.replace("\0", "\\x00") for _, field in kept),
        casts=tuple(cast_for(field.type) for _, field in kept),
        has_objects=any(_has_objects(field.type) for _, field in kept),
    )


def _has_objects(kind: pa.DataType) -> bool:
    """Whether values have members, which keep their nulls while columns lose theirs."""
    t = pa.types
    if t.is_struct(kind) or t.is_map(kind):
        return True
    if isinstance(kind, pa.BaseExtensionType):
        return _has_objects(kind.storage_type)
    return hasattr(kind, "value_type") and _has_objects(kind.value_type)


def _encode_batch(batch: pa.RecordBatch, envelope: _Envelope, *, schemaless: bool) -> bytes | memoryview:
    plan = _plan(batch.schema, schemaless)
    columns, names = plan.columns(batch), list(plan.names)
    rows = batch.num_rows
    if schemaless:
        whole = pa.StructArray.from_arrays(columns, names=names) if columns else pa.array([{}] * rows, pa.struct([]))
        data = pa.StructArray.from_arrays([whole, *envelope.file_columns(rows)], names=["data", *FILE_COLUMNS])
        return _json_lines(envelope.around(data), explicit_nulls=True)
    if not plan.has_objects and (lines := envelope.around_members(names, columns)) is not None:
        return lines
    nullable = [i for i, column in enumerate(columns) if _prints_null(column)] if plan.has_objects else []
    if nullable:
        return _encode_without_column_nulls(columns, names, nullable, envelope, rows)
    data = pa.StructArray.from_arrays([*columns, *envelope.file_columns(rows)], names=[*names, *FILE_COLUMNS])
    return _json_lines(envelope.around(data), explicit_nulls=plan.has_objects)


def _prints_null(column: pa.Array) -> bool:
    if column.null_count:
        return True
    return pa.types.is_floating(column.type) and pc.all(pc.is_finite(column)).as_py() is False


def _encode_without_column_nulls(
    columns: list[pa.Array], names: list[str], nullable: list[int], envelope: _Envelope, rows: int
) -> bytes:
    """The JSON writer keeps all nulls or none. So it keeps them, columns with nulls get a mark before their name, and
    members with a mark and a null are cut from the text. That each mark found is one that was set is shown by counting."""
    for attempt in count():
        mark = f"~{attempt}~"
        marked = list(names)
        for i in nullable:
            marked[i] = mark + names[i]
        data = pa.StructArray.from_arrays([*columns, *envelope.file_columns(rows)], names=[*marked, *FILE_COLUMNS])
        text = _json_lines(envelope.around(data), explicit_nulls=True)
        key = b'"' + mark.encode()
        pieces = text.split(key)
        if len(pieces) == 1 + rows * len(nullable):
            # The columns about the file come last, so every other member is followed by a comma.
            nulls = [msgspec.json.encode(names[i])[1:] + b":null," for i in nullable]
            kept = (
                piece[len(null) :] if piece.startswith(null) else b'"' + piece
                for piece, null in zip(pieces[1:], cycle(nulls), strict=False)
            )
            return b"".join((pieces[0], *kept))
    raise AssertionError("unreachable: the text holds finitely many marks")


def _json_lines(batch: pa.RecordBatch, *, explicit_nulls: bool) -> bytes:
    out = io.BytesIO()
    write_ndjson(batch, out, explicit_nulls=explicit_nulls)
    return out.getvalue()
