"""One stream's table in a folder of data files.

Small files wait in memory until their transaction ends, and go into one data file together; a large one has its own.
"""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import cast
from urllib.parse import quote

import pyarrow as pa

from file_cdk.core.arrow_values import repeated_number, repeated_text
from file_cdk.core.errors import DestinationError
from file_cdk.core.files import RemoteFile
from file_cdk.core.instants import microseconds
from file_cdk.core.ports import LoadedFile, MergeRule
from file_cdk.core.uris import well_formed
from file_cdk.destinations.files.data import (
    MODIFIED,
    TARGET_BYTES,
    URL,
    DataWriter,
    batches_of,
    conformed,
    extremes,
    min_max,
    rows_of,
    schema_of,
    written,
)
from file_cdk.destinations.files.database import DATA, FilesDatabase
from file_cdk.destinations.files.manifest import DataFile
from file_cdk.destinations.files.types import arrow_type, converted, declared, holds, may_change, table_type, wider
from file_cdk.destinations.merging import UNMERGED
from file_cdk.destinations.names import BESIDE, METADATA_COLUMNS, ROWS_OF, column_names
from file_cdk.destinations.sql.layout import Layout
from file_cdk.destinations.sql.ledger import Ledger, moment, urls
from file_cdk.destinations.sql.table import SqlFileLoad, SqlTable

_METADATA = (pa.field(URL, pa.string()), pa.field(MODIFIED, pa.timestamp("us")), pa.field("_file_row", pa.int64()))
assert [each.name for each in _METADATA] == list(METADATA_COLUMNS)

_MAX_WAITING_BYTES = 64 << 20
"""Maximum of rows of complete files that wait for others, in bytes of memory."""

_SMALL_BYTES = 16 << 20
"""A file of more gets data files of its own."""

_MANY_FILES = 16
"""So many small data files are made fewer when the destination is closed."""

_PIECE_BYTES = 8 << 20
"""Rows that are handed to Parquet at a time; about half of its row group."""


@dataclass(slots=True)
class _Load:
    """What was written of one file. batches, nbytes: rows that wait in memory. writer, parts: data files of its own, the one that
    is being written and those that are complete."""

    batches: list[pa.RecordBatch] = field(default_factory=list)
    nbytes: int = 0
    writer: DataWriter | None = None
    parts: list[DataFile] = field(default_factory=list)
    file: RemoteFile | None = None
    rows: int = 0

    @property
    def is_large(self) -> bool:
        return self.writer is not None or bool(self.parts)


class FilesTable(SqlTable):
    """A StreamTable."""

    group_rows, group_s = 2_000_000, 3.0

    def __init__(self, ledger: Ledger, begins: Callable[[SqlTable], None], rule: MergeRule | None = None) -> None:
        self._open = _Load()
        self._waiting: list[_Load] = []
        self._waiting_uris: set[str] = set()
        self._touched: set[str] = set()
        """Data files that may have rows of files that were replaced or removed in this transaction."""
        super().__init__(ledger, begins, rule)
        self._typed = self.layout.types
        """Types that all data files have."""

    @property
    def _database(self) -> FilesDatabase:
        return cast(FilesDatabase, self._db)

    def arrow_type(self, declared: str) -> pa.DataType:
        return arrow_type(declared)

    def table_type(self, kind: pa.DataType) -> pa.DataType:
        return table_type(kind)

    def wider(self, stored: pa.DataType, kind: pa.DataType) -> pa.DataType:
        return wider(stored, kind)

    def exact(self, name: str, target: pa.DataType) -> pa.DataType:
        stored = self.layout.types[name]
        if not may_change(stored, target):
            return target
        column = self.layout.columns[name]
        paths = [str(path) for (path,) in self._run(f"SELECT path FROM {DATA} WHERE stream = ?", self._ledger.stream)]
        batches: list[pa.RecordBatch] = []
        for load in (*self._waiting, self._open):
            self._end(load)
            paths += [part.path for part in load.parts]
            batches += [batch for batch in load.batches if column in batch.schema.names]
        found = [extremes(self._database.storage, path, column) for path in paths]
        found += [min_max(batch.column(column)) for batch in batches]
        return target if all(each is not None and holds(target, stored, *each) for each in found) else pa.string()

    def insert(self, batch: pa.RecordBatch, metadata: tuple[str, str], rows_before: int, uri: str) -> None:
        """In the load that is open."""
        kept, numbers = self.kept(batch), batch.columns[-1]
        self._hold({name: column.type for name, column in kept.items()}, uri)
        rows = batch.num_rows
        if not rows:
            return  # it names columns; a data file without rows would be taken for rows of which the ledger knows nothing
        arrays = [self._converted(name, column, uri) for name, column in kept.items()]
        modified = microseconds(datetime.fromisoformat(metadata[1]).replace(tzinfo=UTC))
        own = pa.RecordBatch.from_arrays(
            [
                *arrays,
                repeated_text(metadata[0], rows),
                repeated_number(modified, rows).view(pa.timestamp("us")),
                pa.compute.add(numbers, rows_before) if rows_before else numbers,
            ],
            schema=pa.schema(
                [
                    *(
                        pa.field(self.layout.columns[name], array.type)
                        for name, array in zip(kept, arrays, strict=True)
                    ),
                    *_METADATA,
                ]
            ),
        )
        self._open.batches.append(own)
        self._open.nbytes += own.nbytes
        self._taken += rows
        if self._open.nbytes >= (_PIECE_BYTES if self._open.is_large else _SMALL_BYTES):
            self._write_piece(self._open)

    def _converted(self, name: str, column: pa.Array, uri: str) -> pa.Array:
        try:
            return converted(column, self.layout.types[name])
        except pa.ArrowInvalid:  # integers that no double holds, instants that no nanoseconds do
            self._hold({name: pa.string()}, uri)
            return converted(column, pa.string())

    def _hold(self, types: Mapping[str, pa.DataType], uri: str) -> None:
        """Gives the table columns, or other types."""
        wanted = self.grown(types)
        if self.layout.exists and wanted == self.layout.types:
            return
        if not self.layout.exists:
            with self._db.translating(f"creating table {self._ledger.stream!r}", uri):
                self._db.execute(
                    f"CREATE TABLE {self._name} (path TEXT, _file_url TEXT, _file_modified_at TEXT, _file_row INTEGER)"
                )
        self.layout = Layout(True, wanted, column_names(wanted, self.layout.columns))
        self._ledger.set_columns([(n, self.layout.columns[n], declared(k)) for n, k in wanted.items()])

    def begin(self, file: RemoteFile) -> SqlFileLoad:
        if file.uri in self._waiting_uris:
            self._commit()  # so that its rows are in a data file, which can be replaced
        return super().begin(file)

    def finish(self, file: RemoteFile, loaded: LoadedFile) -> None:
        for each in self._waiting:
            self._end(each)  # they had time to be written
        load, self._open = self._open, _Load()
        load.file, load.rows = file, loaded.rows
        self._waiting.append(load)
        try:
            super().finish(file, loaded)
        except BaseException:
            if load in self._waiting:
                self._waiting.remove(load)
            self._discard(load)
            raise
        if self._waiting:
            self._waiting_uris.add(file.uri)
        if sum(each.nbytes for each in self._waiting) >= _MAX_WAITING_BYTES:
            self._commit()

    def cancel(self) -> None:
        load, self._open = self._open, _Load()
        self._discard(load)
        super().cancel()

    def _discard(self, load: _Load) -> None:
        if load.writer is not None:
            load.writer.abort()
        self._database.storage.remove(part.path for part in load.parts)
        load.writer, load.parts, load.batches = None, [], []

    def _commit(self) -> None:
        try:
            if self._db.in_transaction:
                self._rewrite()
                self._retype()
                self._write_waiting()
            super()._commit()
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        """What was not committed leaves nothing, files that were complete included."""
        waiting, self._waiting = self._waiting, []
        self._waiting_uris.clear()
        for load in waiting:
            self._discard(load)
        self._touched.clear()
        if self._db.in_transaction:
            self._run("ROLLBACK")
            self.layout = self._read_layout()

    def _write_piece(self, load: _Load) -> None:
        schema = self._data_schema()
        if load.writer is not None and (load.writer.schema != schema or load.writer.size_bytes >= TARGET_BYTES):
            load.parts.append(load.writer.close())
            load.writer = None
        if load.writer is None:
            load.writer = DataWriter(self._database.storage, self._new_path(), schema)
        load.writer.write(conformed(load.batches, schema))
        load.batches, load.nbytes = [], 0

    def _end(self, load: _Load) -> None:
        """Of a large file: all its rows are in data files that are complete."""
        if load.writer is not None:
            if load.batches:
                self._write_piece(load)
            load.parts.append(load.writer.close())
            load.writer = None

    def _write_waiting(self) -> None:
        """The rows of all files that are complete."""
        waiting, self._waiting = self._waiting, []
        self._waiting_uris.clear()
        together = _Load(batches=[batch for load in waiting if not load.is_large for batch in load.batches])
        try:
            for load in waiting:
                self._end(load)
                for part in load.parts:
                    self._note(part, [(load, part.rows)])
            if together.batches:
                self._write_piece(together)
                self._end(together)
                self._note(together.parts[0], [(load, load.rows) for load in waiting if load.batches])
        except BaseException:
            for load in (*waiting, together):
                self._discard(load)
            raise

    def _note(self, part: DataFile, loads: list[tuple[_Load, int]]) -> None:
        self._run(f"INSERT INTO {DATA} VALUES (?, ?, ?, ?)", self._ledger.stream, part.path, part.rows, part.size_bytes)
        for load, rows in loads:
            assert load.file is not None
            version = well_formed(load.file.uri), moment(load.file.modified_at)
            self._run(f"INSERT INTO {self._name} VALUES (?, ?, ?, ?)", part.path, *version, rows)

    def _data_schema(self) -> pa.Schema:
        return pa.schema([*(pa.field(self.layout.columns[n], k) for n, k in self.layout.types.items()), *_METADATA])

    def _new_path(self, *, is_shown: bool = False) -> str:
        """is_shown: of a data file of rows that are merged."""
        name = self._ledger.name.removeprefix(BESIDE)
        folder = quote(ROWS_OF + name if self._ledger.merges and not is_shown else name, safe=" ")
        if folder.startswith("."):
            folder = f"%2E{folder[1:]}"  # neither hidden nor a folder above
        publisher = self._database.publisher
        assert publisher is not None
        return f"{folder}/part-{publisher.new_name()}.parquet"

    def _forget(self, uris: Sequence[str]) -> None:
        self._ledger.forget(uris)
        if self.layout.exists:
            found = self._run(f"SELECT DISTINCT path FROM {self._name} WHERE {self._db.among('_file_url')}", urls(uris))
            self._touched.update(str(path) for (path,) in found)
            self._run(f"DELETE FROM {self._name} WHERE {self._db.among('_file_url')}", urls(uris))

    def remove(self, uris: Sequence[str]) -> None:
        self._commit()
        self._run(self._db.begin)
        self._forget(uris)
        self._commit()

    def _rewrite(self) -> None:
        """Data files without the rows of files that were replaced or removed."""
        touched, self._touched = self._touched, set()
        for path in sorted(touched):
            left = self._run(f"SELECT _file_url, sum(_file_row) FROM {self._name} WHERE path = ? GROUP BY 1", path)
            known = self._run(f"SELECT rows FROM {DATA} WHERE path = ?", path)
            rows = sum(cast(int, count) for _, count in left)
            if not known or rows == known[0][0]:
                continue  # the load that would have replaced them was given up
            if left:
                storage = self._database.storage
                kept = rows_of(storage, path, [str(url) for url, _ in left])
                part = written(storage, self._new_path(), schema_of(storage, path), kept)
                if part.rows != rows:
                    raise DestinationError(
                        f"{self._db.name!r}: data file {path!r} has other rows than the ledger says",
                        remedy="Let the next sync load its files again: file-cdk status --verify --repair",
                    )
                self._replace([path], part)
            else:
                self._run(f"DELETE FROM {DATA} WHERE path = ?", path)

    def _retype(self) -> None:
        """Data files of this stream that have columns of narrower types than the table."""
        if self._typed == self.layout.types:
            return
        storage, wanted = self._database.storage, {each.name: each.type for each in self._data_schema()}
        for (found,) in self._run(f"SELECT path FROM {DATA} WHERE stream = ?", self._ledger.stream):
            path = str(found)
            schema = schema_of(storage, path)
            target = pa.schema([each.with_type(wanted[each.name]) for each in schema])
            if not target.equals(schema):
                tables = (conformed([batch], target) for batch in batches_of(storage, path))
                self._replace([path], written(storage, self._new_path(), target, tables))
        self._typed = self.layout.types

    def _replace(self, old: list[str], new: DataFile) -> None:
        """In the place of the first."""
        facts = new.path, new.rows, new.size_bytes
        self._run(f"UPDATE {DATA} SET path = ?, rows = ?, size_bytes = ? WHERE path = ?", *facts, old[0])
        for path in old:
            self._run(f"UPDATE {self._name} SET path = ? WHERE path = ?", new.path, path)
            self._run(f"DELETE FROM {DATA} WHERE path = ?", path)

    def make_shown(self, rule: MergeRule) -> int | None:
        """From all rows, into new data files."""
        stream, storage = self._ledger.name, self._database.storage
        if not self._run(f"SELECT 1 FROM {UNMERGED} WHERE stream = ? LIMIT 1", stream):
            return None
        from file_cdk.destinations.files.merging import shown_rows, write_all

        found = self._run(f"SELECT path FROM {DATA} WHERE stream = ? ORDER BY rowid", self._ledger.stream)
        schema, paths = self._data_schema(), [str(path) for (path,) in found]
        rows = shown_rows(storage, paths, stream, rule, self.layout, schema) if paths else ()
        parts = write_all(storage, rows, schema, lambda: self._new_path(is_shown=True))
        self._run(f"DELETE FROM {DATA} WHERE stream = ?", stream)
        for part in parts:
            self._run(f"INSERT INTO {DATA} VALUES (?, ?, ?, ?)", stream, part.path, part.rows, part.size_bytes)
        self._run(f"DELETE FROM {UNMERGED} WHERE stream = ?", stream)
        return sum(part.rows for part in parts)

    def close(self) -> None:
        super().close()
        if self.layout.exists and sys.exc_info()[0] is None:
            self._compact()

    def _compact(self) -> None:
        """Makes one data file of many small ones, where they have the same columns."""
        found = self._run(
            f"SELECT path, size_bytes FROM {DATA} WHERE stream = ? AND size_bytes < {TARGET_BYTES // 4} ORDER BY rowid",
            self._ledger.stream,
        )
        if len(found) < _MANY_FILES:
            return
        storage = self._database.storage
        alike: dict[tuple[pa.Schema, int], list[str]] = {}
        sizes: Counter[pa.Schema] = Counter()
        for path, size_bytes in found:
            schema = schema_of(storage, str(path))
            alike.setdefault((schema, sizes[schema] // TARGET_BYTES), []).append(str(path))
            sizes[schema] += cast(int, size_bytes)
        self._run(self._db.begin)
        for (schema, _), paths in alike.items():
            if len(paths) > 1:
                batches = chain.from_iterable(batches_of(storage, path) for path in paths)
                tables = (pa.Table.from_batches([batch]) for batch in batches)
                self._replace(paths, written(storage, self._new_path(), schema, tables))
        super()._commit()
