"""Data files of text: CSV, or JSON lines; packed or not. Rows are cut out of a file and put into another as they are.

CSV: text, bytes and nested values are in quotes, other values are not, and nothing at all is NULL. JSON: numbers of which readers
make doubles, such as decimals, are text. In both, times are ISO 8601, bytes base64, and a double that is no number its name.
"""

import base64
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, BinaryIO, cast

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from file_cdk.destinations.files.formats import TextFormat
from file_cdk.destinations.files.types import text as json_text

_TEXT = pa.large_string()
_TO_ESCAPE = r'["\\\x00-\x1f]'
_PIECE_BYTES = 4 << 20


class TextWriter:
    """Writes a file of this format; closing it leaves `file` open."""

    def __init__(self, file: BinaryIO, text: TextFormat, header: bytes) -> None:
        self._file = file
        self._codec = None if text.codec is None else pa.Codec(text.codec)
        self._is_csv = text.is_csv
        self._pieces: list[bytes | memoryview] = [header]
        self._size = len(header)

    def write_table(self, table: pa.Table, row_group_size: int | None = None) -> None:  # noqa: ARG002 - as of Parquet
        for batch in table.to_batches():
            self.write(lines_of(batch, is_csv=self._is_csv))
        self._flush()  # so that the file's size tells what was written

    def write(self, lines: bytes | memoryview) -> None:
        self._pieces.append(lines)
        self._size += len(lines)
        if self._size >= _PIECE_BYTES:
            self._flush()

    def close(self) -> None:
        self._flush()

    def _flush(self) -> None:
        data = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        if data:
            self._file.write(data if self._codec is None else self._codec.compress(data, asbytes=True))


def header_of(schema: pa.Schema, text: TextFormat) -> bytes:
    """Of CSV; JSON lines have none."""
    return b",".join(map(_quoted, schema.names)) + b"\n" if text.is_csv else b""


def _quoted(value: str) -> bytes:
    return b'"%s"' % value.replace('"', '""').encode()


def lines_of(batch: pa.RecordBatch, *, is_csv: bool) -> memoryview:
    parts: list[pa.Array | pa.Scalar] = []
    for number, (field, column) in enumerate(zip(batch.schema, batch.columns, strict=True)):
        before = (
            ("," if number else "")
            if is_csv
            else f"{',' if number else '{'}{json.dumps(field.name, ensure_ascii=False)}:"
        )
        parts += [pa.scalar(before, _TEXT), _csv_cells(column) if is_csv else _json_cells(column)]
    joined = pc.binary_join_element_wise(
        *parts,
        pa.scalar("\n" if is_csv else "}\n", _TEXT),
        pa.scalar("", _TEXT),
        null_handling="replace",
        null_replacement="" if is_csv else "null",
    )
    offsets, data = memoryview(joined.buffers()[1]).cast("q"), joined.buffers()[2]
    return memoryview(data or b"")[offsets[joined.offset] : offsets[joined.offset + len(joined)]]


def _csv_cells(column: pa.Array) -> pa.Array:
    cells = _spelled(column).cast(_TEXT)
    if not _is_text(column.type):
        return cells
    return _between_quotes(pc.replace_substring(cells, '"', '""'))


def _json_cells(column: pa.Array) -> pa.Array:
    kind, t = column.type, pa.types
    cells = _spelled(column).cast(_TEXT)
    if t.is_nested(kind) or t.is_boolean(kind) or t.is_integer(kind):
        return cells
    if t.is_floating(kind):
        return pc.if_else(pc.is_finite(column), cells, _between_quotes(cells))
    if t.is_string(kind) and pc.any(pc.match_substring_regex(cells, _TO_ESCAPE)).as_py():
        values = [None if value is None else json.dumps(value, ensure_ascii=False) for value in cells.to_pylist()]
        return pa.array(values, _TEXT)
    return _between_quotes(cells)


def _between_quotes(cells: pa.Array) -> pa.Array:
    quote = pa.scalar('"', _TEXT)
    return pc.binary_join_element_wise(quote, cells, quote, pa.scalar("", _TEXT))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_nested(kind))


def _spelled(column: pa.Array) -> pa.Array:
    """Each value as text; for what is nested, as JSON."""
    kind, t = column.type, pa.types
    if t.is_binary(kind):
        return _each(column, lambda value: base64.b64encode(value).decode())
    if t.is_nested(kind):
        return _each(column, lambda value: json_text(value, kind))
    cells = column.cast(pa.string())
    if t.is_timestamp(kind):
        return pc.replace_substring(cells, " ", "T", max_replacements=1)
    if t.is_decimal(kind) and pc.any(pc.match_substring(cells, "E")).as_py():
        return _each(column, lambda value: f"{value:f}")
    if t.is_floating(kind):
        cells = pc.replace_substring_regex(cells, r"^(-?\d+)$", r"\1.0")
        return pc.replace_substring(pc.replace_substring(cells, "inf", "Infinity"), "nan", "NaN")
    return cells


def _each(column: pa.Array, spell: Callable[[Any], str]) -> pa.Array:
    return pa.array([None if value is None else spell(value) for value in column.to_pylist()], pa.string())


@contextmanager
def records_of(file: BinaryIO, text: TextFormat) -> Iterator[tuple[bytes, Iterator[bytes]]]:
    """The header, and the record lines, each with its end."""
    raw = file if text.codec is None else pa.CompressedInputStream(file, text.codec)
    with closing(io.BufferedReader(cast(io.RawIOBase, raw), _PIECE_BYTES)) as lines:
        records = _csv_records(lines) if text.is_csv else iter(lines)
        yield (next(records, b"") if text.is_csv else b""), records


def _csv_records(lines: Iterable[bytes]) -> Iterator[bytes]:
    """A line that has an odd number of quotes goes on in the next."""
    begun: list[bytes] = []
    is_open = False
    for line in lines:
        if line.count(b'"') % 2:
            is_open = not is_open
        if is_open or begun:
            begun.append(line)
        if not is_open:
            yield b"".join(begun) if begun else line
            begun.clear()


def url_in(record: bytes, text: TextFormat) -> bytes:
    """The cell of `_file_url`, which is the last but two."""
    if not text.is_csv:
        return record[record.rindex(b'"_file_url":') + len(b'"_file_url":') : record.rindex(b',"_file_modified_at":')]
    before = record.rsplit(b",", 2)[0]
    start = len(before) - 1
    while True:  # back to the quote that begins it: those within are doubled
        start = before.rindex(b'"', 0, start)
        quotes = 1
        while start and before[start - 1 : start] == b'"':
            start, quotes = start - 1, quotes + 1
        if quotes % 2:
            return before[start:]


def url_of(cell: bytes, text: TextFormat) -> str:
    return cell[1:-1].replace(b'""', b'"').decode() if text.is_csv else str(json.loads(cell))


def columns_of(header: bytes, record: bytes | None, text: TextFormat) -> list[str]:
    """record: the first, if there is one."""
    if not text.is_csv:
        return [] if record is None else list(json.loads(record))
    return [cell.replace('""', '"') for cell in re.findall(r'"((?:[^"]|"")*)"', header.decode())]


def as_text(record: bytes, names: Sequence[str]) -> bytes:
    """A JSON record in which the values of these columns are text. See types.text."""
    cells: dict[str, msgspec.Raw] = msgspec.json.decode(record, type=dict[str, msgspec.Raw])
    for name in names:
        cell = bytes(cells.get(name, b"null"))
        if cell != b"null" and not cell.startswith(b'"'):
            cells[name] = msgspec.Raw(json.dumps(cell.decode(), ensure_ascii=False).encode())
    return msgspec.json.encode(cells) + b"\n"


def values_of(record: bytes, names: Sequence[str], text: TextFormat) -> Mapping[str, str | None]:
    """Each value of a record as text."""
    if not text.is_csv:
        cells = json.loads(record, parse_int=str, parse_float=str)
        return {name: cells.get(name) for name in names}
    found = re.findall(rb'(?:^|,)("(?:[^"]|"")*"|[^,"\n]*)', record[:-1])
    return {
        name: url_of(cell, text) if cell.startswith(b'"') else cell.decode() or None
        for name, cell in zip(names, found, strict=True)
    }
