"""Decoded blocks into a table, in the order given, with the columns that say which file each row came from."""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import groupby
from typing import Any

import pyarrow as pa

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import InternalError, RowsRefusedError
from file_cdk.core.files import RemoteFile
from file_cdk.destinations.duckdb.arrow_columns import integers, repeated, texts
from file_cdk.destinations.duckdb.layout import Layout
from file_cdk.destinations.duckdb.limits import ROW_GROUP_ROWS
from file_cdk.destinations.duckdb.memory import VECTOR_ROWS, NotEnoughMemory, size_bytes_of
from file_cdk.destinations.duckdb.session import INPUT, Session
from file_cdk.destinations.duckdb.types import converted, exact_type, fits
from file_cdk.destinations.names import METADATA_COLUMNS, quoted

_TOGETHER_BYTES = 1 << 30
"""Maximum of rows inserted by one statement, in bytes: offsets in columns of text have 31 bits."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a file. batch: its last column numbers the rows within a split; rows_before: rows of earlier splits.
    size_bytes: of the batch, which takes a while to tell."""

    file: RemoteFile
    batch: pa.RecordBatch
    rows_before: int
    size_bytes: int

    @classmethod
    def of(cls, file: RemoteFile, batch: pa.RecordBatch, rows_before: int) -> "Piece":
        return cls(file, batch, rows_before, size_bytes_of(batch))

    def sliced(self, start: int, count: int) -> "Piece":
        return Piece.of(self.file, self.batch.slice(start, count), self.rows_before)


def take_rows(pieces: Sequence[Piece], count: int) -> tuple[list[Piece], list[Piece]]:
    """The first `count` rows, and the rest."""
    first: list[Piece] = []
    for at, piece in enumerate(pieces):
        rows = piece.batch.num_rows
        if rows > count:
            head = [piece.sliced(0, count)] if count else []
            return first + head, [piece.sliced(count, rows - count), *pieces[at + 1 :]]
        first.append(piece)
        count -= rows
    return first, []


def check_fits(layout: Layout, piece: Piece) -> None:
    """Raises InternalError when the table was not widened to hold these columns: a cast could then lose digits."""
    for field in list(piece.batch.schema)[:-1]:
        if not _holds(layout, field):
            raise InternalError(
                f"a block's column is {field.type} and the table's {layout.types.get(field.name, 'missing')}",
                uri=piece.file.uri,
                column=field.name,
                remedy="This is a bug in file_cdk or in a plug-in: please report it",
            )


def needed_columns(layout: Layout, piece: Piece) -> tuple[pa.Schema, bool]:
    """Columns that the table has to get, or to widen, for these rows; and whether it then holds all columns of the piece.

    A column that has rows and no value says nothing: formats give columns, too, that only other files have. Without rows,
    a piece names its columns.
    """
    needed, is_all = [], True
    for field, column in zip(list(piece.batch.schema)[:-1], piece.batch.columns, strict=False):
        if _holds(layout, field):
            continue
        if column.null_count and column.null_count == len(column):
            is_all = False
        else:
            needed.append(field)
    return pa.schema(needed), is_all


def _holds(layout: Layout, field: pa.Field) -> bool:
    target = layout.types.get(field.name)
    return target is not None and fits(field.type, target)


def exact_columns(session: Session, layout: Layout, pieces: Sequence[Piece]) -> pa.Schema:
    """The columns that hold not all values of these rows, with types that do; empty for rows decoded for these columns.

    For check_fits compares types, and blocks may be on their way that were decoded before their column became a double.
    Raises duckdb.Error.
    """
    needed: dict[str, pa.DataType] = {}
    for run in _runs(pieces):
        for position, field in enumerate(list(run[0].batch.schema)[:-1]):
            if not _holds(layout, field):
                continue  # there are no values
            target = needed.get(field.name, layout.types[field.name])
            exact = exact_type(partial(_query, session, run, position), INPUT, "c", field.type, target)
            if not exact.equals(target):
                needed[field.name] = exact
    return pa.schema(list(needed.items()))


def _query(session: Session, run: Sequence[Piece], position: int, sql: str) -> list[tuple[Any, ...]]:
    """sql: about the column at `position`, called `c`."""
    column = pa.Table.from_batches([piece.batch.select([position]) for piece in run])
    return session.execute(sql, rows=column.rename_columns(["c"]).to_reader())


def insert(session: Session, stream: str, layout: Layout, pieces: Sequence[Piece]) -> int:
    """One statement per run of pieces with equal columns. Answers how many rows DuckDB says it took. Raises duckdb.Error, and
    RowsRefusedError for what is too much."""
    _provide_memory(session, stream, pieces)
    taken = 0
    for run in _runs(pieces):
        statement = _statement(stream, layout, run[0].batch.schema)
        rows = _rows(run)
        with session.memory.shared_by_threads() if len(rows) > ROW_GROUP_ROWS else nullcontext():
            taken += rows_taken(session.execute(statement, rows=rows.to_reader(ROW_GROUP_ROWS)))
    return taken


def rows_taken(result: Sequence[Sequence[Any]]) -> int:
    """By an INSERT, of its result."""
    return int(result[0][0])


def _provide_memory(session: Session, stream: str, pieces: Sequence[Piece]) -> None:
    for file, of_file in groupby(pieces, key=lambda piece: piece.file):
        try:
            session.memory.admit(stream, ((piece.batch, piece.size_bytes) for piece in of_file))
        except NotEnoughMemory as exc:
            budget = session.memory.ceiling_bytes is not None
            too_much = "its columns are too many or its values too long" if budget else "its values are too long"
            raise RowsRefusedError(
                f"{too_much} for DuckDB, which holds {VECTOR_ROWS:,} rows at a time: that takes "
                f"{exc.needed_bytes >> 20:,} MiB of memory, and it may have {exc.available_bytes >> 20:,} MiB",
                uri=file.uri,
                remedy="Give a larger budget (--memory)"
                if budget
                else "Load it where there is more memory, or leave the column with the long values out of the file",
            ) from exc


def _runs(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Pieces with equal columns, at most _TOGETHER_BYTES of them at once."""
    for _, equal in groupby((piece for piece in pieces if piece.batch.num_rows), key=lambda piece: piece.batch.schema):
        run: list[Piece] = []
        size_bytes = 0
        for piece in equal:
            size_bytes += piece.size_bytes
            if run and size_bytes > _TOGETHER_BYTES:
                yield run
                run, size_bytes = [], piece.size_bytes
            run.append(piece)
        yield run


def _statement(stream: str, layout: Layout, schema: pa.Schema) -> str:
    columns, values = [], []
    for position, field in enumerate(list(schema)[:-1]):
        if not _holds(layout, field):
            continue
        columns.append(quoted(layout.columns[field.name]))
        values.append(converted(f"c{position}", field.type, layout.types[field.name]))
    columns += [quoted(name) for name in METADATA_COLUMNS]
    return (
        f"INSERT INTO {quoted(stream)} ({', '.join(columns)}) "
        f"SELECT {', '.join([*values, 'url', 'modified_at', 'row_in_split + rows_before'])} FROM {INPUT}"
    )


def _rows(run: Sequence[Piece]) -> pa.Table:
    """All pieces in one chunk: DuckDB takes large batches much faster than many small ones, and each in a thread."""
    data = pa.Table.from_batches([piece.batch for piece in run]).combine_chunks()
    names = [f"c{position}" for position in range(data.num_columns - 1)]
    data = data.rename_columns([*names, "row_in_split"])
    rows = [piece.batch.num_rows for piece in run]
    of_pieces = {
        "url": texts([piece.file.uri for piece in run]),
        "modified_at": integers([piece.file.modified_us for piece in run], pa.timestamp("us")),
        "rows_before": integers([piece.rows_before for piece in run]),
    }
    for name, values in of_pieces.items():
        data = data.append_column(name, repeated(values, rows))
    return data
