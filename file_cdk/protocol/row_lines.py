"""Rows as JSON lines without a message around them: an object for each, with all its columns."""

import io
from collections.abc import Collection, Sequence
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, ClassVar

import msgspec

from file_cdk.core.dataclass import dataclass
from file_cdk.core.json_lines import JsonLines

if TYPE_CHECKING:
    import pyarrow as pa

    from file_cdk.core.files import RemoteFile

STREAM_COLUMN = "_stream"

_WITHOUT_EXPONENT = 1e10
"""Whole numbers below it have none in text."""


@dataclass(frozen=True, slots=True)
class RowLinesEncoder:
    """The port `Encoder`. Types print as `json_columns` says, but decimals are numbers, with all their digits, and nulls stay.

    stream: what every line says first, where lines of several streams come."""

    stream: str | None = None
    line_oriented: ClassVar[bool] = True

    def encode(
        self,
        batch: "pa.RecordBatch | JsonLines",
        file: "RemoteFile",  # noqa: ARG002 - lines say nothing of their file
        first_row: int,  # noqa: ARG002
        emitted_at_ms: int,  # noqa: ARG002
    ) -> bytes | memoryview:
        """Raises TypeError for JsonLines: a table has columns."""
        if isinstance(batch, JsonLines):
            raise TypeError("RowLinesEncoder takes record batches, not JSON lines")
        return _lines(batch, self.stream) if batch.num_rows else b""


def _lines(batch: "pa.RecordBatch", stream: str | None) -> bytes | memoryview:
    import pyarrow as pa

    from file_cdk.core.arrow_values import repeated_text
    from file_cdk.protocol.json_columns import cast_for

    columns = [column if (cast := cast_for(column.type)) is None else cast(column) for column in batch.columns]
    numbers = frozenset(index for index, kind in enumerate(batch.schema.types) if pa.types.is_decimal(kind))
    if columns and (lines := _joined(columns, batch.schema.names, numbers, stream)) is not None:
        return lines
    names = list(map(_name, batch.schema.names))
    if stream is not None:
        columns.insert(0, repeated_text(stream, batch.num_rows))
        names.insert(0, STREAM_COLUMN)
        numbers = frozenset(index + 1 for index in numbers)
    if not columns:
        rows: int = batch.num_rows
        return b"{}\n" * rows
    return _written_with_numbers(columns, names, numbers)


@lru_cache(maxsize=1024)
def _name(name: str) -> str:
    # Names cross into the JSON writer as C strings, which a NUL would end.
    return name.replace("\0", "\\x00")


# Columns without values inside of values: joined by Arrow's kernels, in a quarter of the JSON writer's time


def _joined(
    columns: "Sequence[pa.Array]", names: Sequence[str], numbers: Collection[int], stream: str | None
) -> memoryview | None:
    """None where there are lists or objects, or too much for one array of text. numbers: columns of text that are decimals."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from file_cdk.protocol.joined_lines import ESCAPED_BYTES, MAX_JOINED_BYTES, escaped

    if any(pa.types.is_nested(column.type) or pa.types.is_large_string(column.type) for column in columns):
        return None
    rows, members = len(columns[0]), list(map(_member, names))
    size_bytes = ESCAPED_BYTES * sum(column.nbytes for column in columns) + rows * sum(
        len(each) + 32 for each in members
    )
    if size_bytes > MAX_JOINED_BYTES:
        return None
    texts = {i for i, column in enumerate(columns) if pa.types.is_string(column.type) and i not in numbers}
    clean = dict(zip(sorted(texts), escaped([columns[i] for i in sorted(texts)]), strict=True))
    before = "{" if stream is None else f"{{{_member(STREAM_COLUMN)}{msgspec.json.encode(stream).decode()},"
    parts: list[pa.Array | str] = []
    for index, column in enumerate(columns):
        key, before = before + members[index], ","
        if index not in texts:
            parts += (key, _number_text(column))
        elif column.null_count:
            parts += (key, pc.binary_join_element_wise('"', clean[index], '"', ""))
        else:
            parts += (f'{key}"', clean[index])
            before = '",'
    nulls = pc.JoinOptions(null_handling="replace", null_replacement="null")
    end = "}\n" if before == "," else '"}\n'
    lines = pc.call_function("binary_join_element_wise", [*map(_scalar, (*parts, end, ""))], nulls)
    _, offsets, data = lines.buffers()
    last: int = memoryview(offsets).cast("i")[lines.offset + rows]
    return memoryview(data)[:last]


def _number_text(column: "pa.Array") -> "pa.Array":
    """Of what is no text, or a decimal; null where JSON has no such number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_floating(column.type):
        return column.cast(pa.string())
    text = column.cast(pa.string())
    # Arrow writes 1.0 as 1, and 1e10 as 1e+10.
    is_short = pc.less(pc.abs(column), _WITHOUT_EXPONENT)
    whole = pc.and_(pc.equal(column, pc.floor(column)), is_short)
    if whole.true_count:
        text = pc.if_else(whole, pc.binary_join_element_wise(text, ".0", ""), text)
    finite = pc.is_finite(column)
    return text if finite.false_count == 0 else pc.if_else(finite, text, pa.scalar(None, pa.string()))


def _scalar(part: "pa.Array | str") -> "pa.Array | pa.Scalar":
    from file_cdk.core.arrow_values import repeated_text

    return repeated_text(part, 1)[0] if isinstance(part, str) else part


@lru_cache(maxsize=4096)
def _member(name: str) -> str:
    """`"name":`"""
    return msgspec.json.encode(name).decode() + ":"


# All others: by the JSON writer


def _written_with_numbers(columns: "list[pa.Array]", names: list[str], numbers: Collection[int]) -> bytes:
    """Decimals, which are text for the writer, lose their quotes afterwards: they get marks that no other text has."""
    if not numbers:
        return _written(columns, names)
    values = sum(len(columns[index]) - columns[index].null_count for index in numbers)
    for attempt in count():
        marked = list(columns)
        for index in numbers:
            marked[index] = _marked(columns[index], f"~{attempt}~")
        text = _written(marked, names)
        before, after = f'"~{attempt}~'.encode(), f'~{attempt}~"'.encode()
        if text.count(before) == text.count(after) == values:
            return text.replace(before, b"").replace(after, b"")
    raise AssertionError("unreachable: the text holds finitely many marks")


def _marked(numbers: "pa.Array", mark: str) -> "pa.Array":
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(mark, numbers, mark, "")


def _written(columns: "list[pa.Array]", names: list[str]) -> bytes:
    import pyarrow as pa
    from arro3.io import write_ndjson

    out = io.BytesIO()
    write_ndjson(pa.RecordBatch.from_arrays(columns, names=names), out, explicit_nulls=True)
    return out.getvalue()
