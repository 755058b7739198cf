"""One stream's table in a folder of data files.

Small files wait in memory until their transaction ends, and go into one data file together; a large one has data files of its own.
"""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast
from urllib.parse import quote

import pyarrow as pa

from file_cdk.core.arrow_values import repeated_number, repeated_text
from file_cdk.core.errors import DestinationError, InternalError, RowsRefusedError
from file_cdk.core.files import RemoteFile
from file_cdk.core.instants import microseconds
from file_cdk.core.ports import LoadedFile
from file_cdk.core.uris import well_formed
from file_cdk.destinations.files.data import TARGET_BYTES, URL, DataWriter, conformed, extremes, rewritten
from file_cdk.destinations.files.database import DATA, FilesDatabase
from file_cdk.destinations.files.manifest import DataFile
from file_cdk.destinations.files.types import arrow_type, declared, holds, may_change, table_type, wider
from file_cdk.destinations.names import BESIDE, METADATA_COLUMNS, column_names
from file_cdk.destinations.sql.layout import Layout
from file_cdk.destinations.sql.ledger import Ledger, moment, urls
from file_cdk.destinations.sql.table import SqlTable

_METADATA = (pa.field(URL, pa.string()), pa.field("_file_modified_at", pa.timestamp("us")), pa.field("_file_row", pa.int64()))
assert [each.name for each in _METADATA] == list(METADATA_COLUMNS)

_MAX_WAITING_BYTES = 32 << 20
"""Maximum of rows that wait in memory, in bytes."""


@dataclass(slots=True)
class _Load:
    """What was written of one file. parts: its rows in data files of its own."""

    batches: list[pa.RecordBatch] = field(default_factory=list)
    nbytes: int = 0
    parts: list[DataFile] = field(default_factory=list)
    file: RemoteFile | None = None
    rows: int = 0


class FilesTable(SqlTable):
    """A StreamTable."""

    def __init__(self, ledger: Ledger, begins: Callable[[SqlTable], None]) -> None:
        self._open = _Load()
        self._waiting: list[_Load] = []
        self._touched: set[str] = set()
        """Data files that may have rows of files that were replaced or removed in this transaction."""
        super().__init__(ledger, begins)

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
        if pa.types.is_nested(stored):
            return target
        for (path,) in self._run(f"SELECT path FROM {DATA} WHERE stream = ?", self._ledger.stream):
            found = extremes(self._database.folder, str(path), self.layout.columns[name])
            if found is None or not holds(target, *found):
                return pa.string()
        return target

    def insert(self, batch: pa.RecordBatch, metadata: tuple[str, str], rows_before: int, uri: str) -> None:
        """In the load that is open."""
        *columns, numbers = batch.columns
        fields = list(batch.schema)[:-1]
        # A column that has rows and no value says nothing: formats give columns, too, that only other files have.
        kept = {
            f.name: column
            for f, column in zip(fields, columns, strict=True)
            if f.name in self.layout.types or not (column.null_count and column.null_count == len(column))
        }
        self._hold({name: column.type for name, column in kept.items()}, uri)
        rows = batch.num_rows
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
                [*(pa.field(self.layout.columns[name], array.type) for name, array in zip(kept, arrays, strict=True)), *_METADATA]
            ),
        )
        self._open.batches.append(own)
        self._open.nbytes += own.nbytes
        self._taken += rows
        if self._open.nbytes >= _MAX_WAITING_BYTES:
            self._write_own(self._open)

    def _converted(self, name: str, column: pa.Array, uri: str) -> pa.Array:
        target = self.layout.types[name]
        try:
            return column if column.type.equals(target) else column.cast(target)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as exc:
            raise RowsRefusedError(
                f"column {name!r} has values of type {column.type} that its column of type {target} does not hold", uri=uri
            ) from exc

    def _hold(self, types: Mapping[str, pa.DataType], uri: str) -> None:
        """Gives the table columns, or other types; data files that are there stay as they are."""
        wanted = dict(self.layout.types)
        for name, kind in types.items():
            wanted[name] = wider(wanted[name], kind) if name in wanted else table_type(kind)
            if pa.types.is_null(wanted[name]):
                wanted[name] = pa.string()
            elif name in self.layout.types and wanted[name] != self.layout.types[name]:
                wanted[name] = self.exact(name, wanted[name])
        if self.layout.exists and wanted == self.layout.types:
            return
        if not self.layout.exists:
            with self._db.translating(f"creating table {self._ledger.stream!r}", uri):
                self._db.execute(
                    f"CREATE TABLE {self._name} (path TEXT, _file_url TEXT, _file_modified_at TEXT, _file_row INTEGER)"
                )
        self.layout = Layout(True, wanted, column_names(wanted, self.layout.columns))
        self._ledger.set_columns([(n, self.layout.columns[n], declared(k)) for n, k in wanted.items()])

    def finish(self, file: RemoteFile, loaded: LoadedFile) -> None:
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
        if sum(each.nbytes for each in self._waiting) >= _MAX_WAITING_BYTES:
            self._commit()

    def cancel(self) -> None:
        load, self._open = self._open, _Load()
        self._discard(load)
        super().cancel()

    def _discard(self, load: _Load) -> None:
        for part in load.parts:
            self._database.folder.remove(part.path)

    def _commit(self) -> None:
        if self._db.in_transaction:
            self._rewrite()
            self._write_waiting()
        super()._commit()

    def _write_own(self, load: _Load) -> None:
        load.parts += self._written(load.batches)
        load.batches, load.nbytes = [], 0

    def _write_waiting(self) -> None:
        """The rows of all files that are complete."""
        waiting, self._waiting = self._waiting, []
        for load in waiting:
            if load.parts and load.batches:
                self._write_own(load)
            for part in load.parts:
                self._note(part, [(load, part.rows)])
        small = [load for load in waiting if load.batches]
        if small:
            parts = self._written([batch for load in small for batch in load.batches])
            if len(parts) != 1:
                raise InternalError("files that wait went into several data files")
            self._note(parts[0], [(load, load.rows) for load in small])

    def _note(self, part: DataFile, loads: list[tuple[_Load, int]]) -> None:
        self._run(f"INSERT INTO {DATA} VALUES (?, ?, ?, ?)", self._ledger.stream, part.path, part.rows, part.size_bytes)
        for load, rows in loads:
            assert load.file is not None
            version = well_formed(load.file.uri), moment(load.file.modified_at)
            self._run(f"INSERT INTO {self._name} VALUES (?, ?, ?, ?)", part.path, *version, rows)

    def _written(self, batches: list[pa.RecordBatch]) -> list[DataFile]:
        """In a data file."""
        schema = pa.schema([*(pa.field(self.layout.columns[n], k) for n, k in self.layout.types.items()), *_METADATA])
        writer = DataWriter(self._database.folder, self._new_path(), schema)
        try:
            writer.write(conformed(batches, schema))
            return [writer.close()]
        except BaseException:
            writer.abort()
            raise

    def _new_path(self) -> str:
        folder = quote(self._ledger.stream.removeprefix(BESIDE), safe=" ")
        publisher = self._database.publisher
        assert publisher is not None
        return f"{folder}/part-{publisher.new_name()}.parquet"

    def _forget(self, uris: list[str]) -> None:  # type: ignore[override]
        self._ledger.forget(uris)
        if self.layout.exists:
            found = self._run(f"SELECT DISTINCT path FROM {self._name} WHERE _file_url IN ({self._db.values_of})", urls(uris))
            self._touched.update(str(path) for (path,) in found)
            self._run(f"DELETE FROM {self._name} WHERE _file_url IN ({self._db.values_of})", urls(uris))

    def remove(self, uris: list[str]) -> None:  # type: ignore[override]
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
            rows = sum(int(str(count)) for _, count in left)
            if not known or rows == int(str(known[0][0])):
                continue  # the load that would have replaced them was given up
            if left:
                part = rewritten(self._database.folder, path, self._new_path(), [str(url) for url, _ in left])
                if part.rows != rows:
                    raise DestinationError(
                        f"folder {self._db.name!r}: data file {path!r} has other rows than the ledger says",
                        remedy="Let the next sync load its files again: file-cdk status --verify --repair",
                    )
                self._run(f"UPDATE {self._name} SET path = ? WHERE path = ?", part.path, path)
                self._run(
                    f"INSERT INTO {DATA} VALUES (?, ?, ?, ?)", self._ledger.stream, part.path, part.rows, part.size_bytes
                )
            self._run(f"DELETE FROM {DATA} WHERE path = ?", path)
