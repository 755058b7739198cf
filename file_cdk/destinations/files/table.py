"""One stream's table in a folder of data files.

Small files wait in memory until their transaction ends, and go into one data file together; a large one has its own.
"""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, cast
from urllib.parse import quote

import pyarrow as pa

from file_cdk.core.errors import DestinationError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Encoder, LoadedFile, MergeRule
from file_cdk.core.uris import well_formed
from file_cdk.destinations.arrow_ipc import ArrowIpcEncoder
from file_cdk.destinations.files.choice import Choice, noted_partitions
from file_cdk.destinations.files.data import TARGET_BYTES, min_max
from file_cdk.destinations.files.database import DATA, FilesDatabase, Publisher
from file_cdk.destinations.files.loads import Load, LoadWriting, by_folder
from file_cdk.destinations.files.manifest import DataFile
from file_cdk.destinations.files.partitions import check, split
from file_cdk.destinations.files.row_groups import LARGE_BYTES, RowGroup, RowGroupEncoder, RowGroupWriter
from file_cdk.destinations.files.types import arrow_type, converted, declared, holds, may_change, table_type, wider
from file_cdk.destinations.merge_rules import UNMERGED
from file_cdk.destinations.names import BESIDE, METADATA_COLUMNS, ROWS_OF, column_names
from file_cdk.destinations.sql.layout import Layout
from file_cdk.destinations.sql.ledger import Ledger, moment, urls
from file_cdk.destinations.sql.table import SqlFileLoad, SqlTable

_METADATA = tuple(map(pa.field, METADATA_COLUMNS, (pa.string(), pa.timestamp("us"), pa.int64())))

_MAX_WAITING_BYTES = 64 << 20
"""Maximum of rows of complete files that wait for others, in bytes of memory."""

_MANY_FILES = 16
"""So many small data files are made fewer when the destination is closed."""

_PIECE_BYTES = 4 << 20
"""Rows that are handed to Parquet at a time, which makes a row group of them. After the last row of a run comes the encoding of
the last piece; files are no larger for it, and row groups of 70,000 rows take as long to make."""


class FilesTable(SqlTable):
    """A StreamTable."""

    group_rows, group_s = 2_000_000, 3.0
    target_bytes = TARGET_BYTES
    takes_row_groups = True
    """Whether workers may make them: not of tables whose columns have more about them than their types."""
    metadata: ClassVar[Sequence[pa.Field]] = _METADATA
    """Columns of where rows came from, the last of each data file."""

    def __init__(self, ledger: Ledger, begins: Callable[[SqlTable], None], rule: MergeRule | None = None) -> None:
        self._open, self._is_large_file = Load(), False
        self._waiting, self._waiting_uris = list[Load](), set[str]()
        storage = cast(FilesDatabase, ledger.database).storage
        self._data = LoadWriting(storage, self._new_path, self._data_schema, lambda: self.target_bytes)
        self._touched: set[str] = set()
        """Data files that may have rows of files that were replaced or removed in this transaction."""
        super().__init__(ledger, begins, rule)
        self._typed = self.layout.types
        """Types that all data files have."""
        self._chosen, self._is_checked = self.has or Choice(), True

    @property
    def _database(self) -> FilesDatabase:
        return cast(FilesDatabase, self._db)

    @property
    def _publisher(self) -> Publisher:
        assert self._database.publisher is not None
        return self._database.publisher

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
        from file_cdk.destinations.files.rewriting import extremes

        column = self.layout.columns[name]
        paths = self._paths()
        batches: list[pa.RecordBatch] = []
        for load in (*self._waiting, self._open):
            self._data.end(load)
            paths += [part.path for part in load.parts]
            batches += [batch for each in load.pieces() for batch in each.batches if column in batch.schema.names]
        found = [extremes(self._database.storage, path, column, stored) for path in paths]
        found += [min_max(batch.column(column)) for batch in batches]
        return target if all(each is not None and holds(target, stored, *each) for each in found) else pa.string()

    def _paths(self, sql: str = "") -> list[str]:
        found = self._run(f"SELECT path FROM {DATA} WHERE stream = ? ORDER BY rowid {sql}", self._ledger.stream)
        return [str(path) for (path,) in found]

    @property
    def has(self) -> Choice | None:
        """What its data files are, if it has any."""
        paths = self._paths("LIMIT 1")
        return Choice.of(paths[0], self._noted, list(self.layout.types)) if paths else None

    def _read_layout(self) -> Layout:
        self._noted = noted_partitions(declared for _, _, declared in self._ledger.columns())
        return super()._read_layout()

    def choose(self, chosen: Choice) -> None:
        """What is written from now on. A table that has other data files takes no more: see `begin`."""
        self._chosen, self._is_checked = chosen, False

    def begin(self, file: RemoteFile) -> SqlFileLoad:
        """Raises ConfigError where something else was chosen than the table has."""
        if not self._is_checked:
            self._chosen.check(self._ledger.stream, self.has or self._chosen)
            check(self._chosen.partitions, self._promised.types)
            self._is_checked = True
        if file.uri in self._waiting_uris:
            self._commit()  # so that its rows are in a data file, which can be replaced
        load = super().begin(file)
        self._is_large_file = file.size_bytes >= LARGE_BYTES
        return load

    @property
    def encoder(self) -> Encoder:
        """See core.gathering.Encoding."""
        has_groups = self.takes_row_groups and self.rule is None and self._chosen == Choice()
        return RowGroupEncoder(self.metadata[1].type) if has_groups else ArrowIpcEncoder()

    def insert_block(
        self, block: bytes | bytearray | memoryview, metadata: tuple[str, str], rows_before: int, uri: str
    ) -> int | None:
        group = RowGroup.of(block)
        if group is None:
            return None
        self._hold(group.types, uri)
        if self._chosen != Choice() or any(not self.layout.types[n].equals(k) for n, k in group.types.items()):
            self.insert(group.batch(), metadata, rows_before, uri)
            return group.rows
        if self._open.batches:
            self._data.write_piece(self._open)
        self._data.writer(self._open, RowGroupWriter).append(group, self.layout.columns, rows_before)
        self._taken += group.rows
        return group.rows

    def insert(self, batch: pa.RecordBatch, metadata: tuple[str, str], rows_before: int, uri: str) -> None:
        """In the load that is open."""
        kept, numbers = self.kept(batch), batch.columns[-1]
        self._hold({name: column.type for name, column in kept.items()}, uri)
        rows = batch.num_rows
        if not rows:
            return  # it names columns; a data file without rows would be taken for rows of which the ledger knows nothing
        arrays = [self._converted(name, column, uri) for name, column in kept.items()]
        fields = [pa.field(self.layout.columns[name], array.type) for name, array in zip(kept, arrays, strict=True)]
        of_file = self._open.of_file(metadata, rows, self.metadata[1].type)
        if rows_before:
            import pyarrow.compute as pc

            numbers = pc.add(numbers, rows_before)
        schema = pa.schema([*fields, *self.metadata])
        own = pa.RecordBatch.from_arrays([*arrays, *of_file, numbers], schema=schema)
        for folder, piece in split(own, self._chosen.partitions, self.layout.columns, uri):
            self._open.add(folder, piece)
        self._taken += rows
        is_known_large = not self._chosen.partitions and (self._open.is_large or self._is_large_file)
        if self._open.nbytes >= (_PIECE_BYTES if is_known_large else LARGE_BYTES):
            self._data.write_piece(self._open)

    def _converted(self, name: str, column: pa.Array, uri: str) -> pa.Array:
        try:
            return converted(column, self.layout.types[name])
        except pa.ArrowInvalid:  # integers that no double holds, instants that no nanoseconds do
            self._hold({name: pa.string()}, uri)
            return converted(column, pa.string())

    def _hold(self, types: Mapping[str, pa.DataType], uri: str) -> None:
        """Gives the table columns, or other types."""
        wanted = self.grown(types)
        if self.layout.exists and wanted == self.layout.types and self._noted == self._chosen.partitions:
            return
        self._chosen.check_bytes(self.layout.types, wanted, uri)
        if not self.layout.exists:
            columns = "path TEXT, _file_url TEXT, _file_modified_at TEXT, _file_row INTEGER"
            with self._db.translating(f"creating table {self._ledger.stream!r}", uri):
                self._db.execute(f"CREATE TABLE {self._name} ({columns})")
        self.layout = Layout(True, wanted, column_names(wanted, self.layout.columns))
        self._noted, by = self._chosen.partitions, self._chosen.partition_by
        self._ledger.set_columns([(n, self.layout.columns[n], declared(k, by)) for n, k in wanted.items()])

    def finish(self, file: RemoteFile, loaded: LoadedFile) -> None:
        for each in self._waiting:
            self._data.end(each)  # they had time to be written
        load, self._open = self._open, Load()
        load.file, load.rows = file, loaded.rows
        self._waiting.append(load)
        try:
            super().finish(file, loaded)
        except BaseException:
            if load in self._waiting:
                self._waiting.remove(load)
            load.discard(self._database.storage)
            raise
        if self._waiting:
            self._waiting_uris.add(file.uri)
        if sum(each.nbytes for each in self._waiting) >= _MAX_WAITING_BYTES:
            self._commit()

    def cancel(self) -> None:
        load, self._open = self._open, Load()
        load.discard(self._database.storage)
        super().cancel()

    def _commit(self) -> None:
        try:
            if self._db.in_transaction:
                self._rewrite()
                self._write_waiting()
                self._retype()  # also of a large file that had begun with narrower types
            super()._commit()
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._data.schemas.clear()

    def _roll_back(self) -> None:
        """What was not committed leaves nothing, files that were complete included."""
        waiting, self._waiting = self._waiting, []
        self._waiting_uris.clear()
        for load in waiting:
            load.discard(self._database.storage)
        self._touched.clear()
        if self._db.in_transaction:
            self._run("ROLLBACK")
            self.layout = self._read_layout()

    def _write_waiting(self) -> None:
        """The rows of all files that are complete."""
        waiting, self._waiting = self._waiting, []
        self._waiting_uris.clear()
        small = [load for load in waiting if not load.is_large]
        together = by_folder(small)
        try:
            for load in waiting:
                self._data.end(load)
                for part in load.parts:
                    self._note(part, [(load, part.rows)])
            for folder, whole in together.items():
                if whole.batches:
                    self._data.write_piece(whole)
                    self._data.end(whole)
                    counts = [(load, load.rows_in(folder)) for load in small]
                    self._note(whole.parts[0], [each for each in counts if each[1]])
        except BaseException:
            for load in (*waiting, *together.values()):
                load.discard(self._database.storage)
            raise

    def _note(self, part: DataFile, loads: list[tuple[Load, int]]) -> None:
        self._run(f"INSERT INTO {DATA} VALUES (?, ?, ?, ?)", self._ledger.stream, part.path, part.rows, part.size_bytes)
        for load, rows in loads:
            assert load.file is not None
            version = well_formed(load.file.uri), moment(load.file.modified_at)
            self._run(f"INSERT INTO {self._name} VALUES (?, ?, ?, ?)", part.path, *version, rows)

    def _data_schema(self) -> pa.Schema:
        return pa.schema([*(pa.field(self.layout.columns[n], k) for n, k in self.layout.types.items()), *self.metadata])

    @staticmethod
    def folder_of(stream: str) -> str:
        folder = quote(stream, safe=" ")
        return f"%2E{folder[1:]}" if folder.startswith(".") else folder  # neither hidden nor a folder above

    @classmethod
    def rows_folder(cls, stream: str) -> str:
        """Of all rows of a stream whose rows are merged."""
        return cls.folder_of(ROWS_OF + stream)

    def _partition_of(self, path: str) -> str:
        """The folders of a data file's partition."""
        return "/".join(path.split("/")[self.folder_of("").count("/") + 1 : -1])

    def _new_path(self, partition: str = "", *, is_shown: bool = False) -> str:
        """partition: its folders. is_shown: of a data file of rows that are merged."""
        name = self._ledger.name.removeprefix(BESIDE)
        folder = self.rows_folder(name) if self._ledger.merges and not is_shown else self.folder_of(name)
        folder = f"{folder}/{partition}" if partition else folder
        return f"{folder}/part-{self._publisher.new_name()}.{self._chosen.output_format}"

    def _forget(self, uris: Sequence[str]) -> None:
        self._ledger.forget(uris)
        if self.layout.exists:
            found = self._run(f"SELECT DISTINCT path FROM {self._name} WHERE {self._db.among('_file_url')}", urls(uris))
            self._touched.update(str(path) for (path,) in found)
            self._run(f"DELETE FROM {self._name} WHERE {self._db.among('_file_url')}", urls(uris))

    def remove(self, uris: Sequence[str]) -> None:
        self._commit_own()
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
                from file_cdk.destinations.files.rewriting import with_rows_of

                new, kept = self._new_path(self._partition_of(path)), [str(url) for url, _ in left]
                part = with_rows_of(self._database.storage, path, new, kept)
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
        storage, known, schema = self._database.storage, self._typed, self._data_schema()
        wider = {self.layout.columns[n]: k for n, k in self.layout.types.items() if not known.get(n, k).equals(k)}
        for path in self._paths():
            is_old = self.must_retype(path)
            if not is_old and self._data.schemas.get(path) == schema:
                continue
            from file_cdk.destinations.files.rewriting import with_types

            part = with_types(storage, path, self._new_path(self._partition_of(path)), schema, wider, always=is_old)
            if part is not None:
                self._replace([path], part)
        self._typed = self.layout.types

    def must_retype(self, path: str) -> bool:  # noqa: ARG002 - for tables of a format
        """Whether a data file is to be written again, too, that has none of the columns whose types became wider."""
        return False

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

        schema, paths = self._data_schema(), self._paths()
        rows = shown_rows(storage, paths, stream, rule, self.layout, schema) if paths else ()
        parts = write_all(storage, rows, schema, lambda: self._new_path(is_shown=True), self.target_bytes)
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
        sql = f"SELECT path, size_bytes FROM {DATA} WHERE stream = ? AND size_bytes < {self.target_bytes // 4} ORDER BY rowid"
        found = self._run(sql, self._ledger.stream)
        if len(found) < _MANY_FILES:
            return
        from file_cdk.destinations.files.rewriting import joined, to_join

        storage, self._publisher.moves_only = self._database.storage, True
        self._run(self._db.begin)
        small = [(str(path), cast(int, size_bytes)) for path, size_bytes in found]
        for paths in to_join(storage, small, self.target_bytes):
            self._replace(paths, joined(storage, paths, self._new_path(self._partition_of(paths[0]))))
        super()._commit()
        self._publisher.moves_only = False
