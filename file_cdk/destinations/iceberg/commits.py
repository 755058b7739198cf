"""Commits of Iceberg tables, each of which is where a commit of the ledger begins to count: see files/manifest.py, CommitPoint.

All that a commit changes in a table (columns, data files, properties, snapshots that expire) goes to the catalog as one update,
which names the metadata that it replaces: so it takes place as a whole, or, where somebody else was faster, not at all. pyiceberg
would try again with the other's metadata; but then a run that has lost its lock could commit, so tables are told not to.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from file_cdk.core.errors import DestinationError
from file_cdk.destinations.files.data import opened
from file_cdk.destinations.files.manifest import Change, DataFile
from file_cdk.destinations.files.storage import Storage
from file_cdk.destinations.iceberg.fields import FieldIds
from file_cdk.destinations.iceberg.library import catalog_of, translating
from file_cdk.destinations.iceberg.place import TablesUrl, folder_of

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile as IcebergFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table, Transaction

COMMIT = "file_cdk.commit"
"""Property of a table: the number of the last commit of the ledger that it was changed with."""

KEPT = "history.expire.max-snapshot-age-ms"
_KEPT_MS = 24 * 3600 * 1000
"""How long a snapshot is kept that is not the last one, unless the table's property says otherwise, in milliseconds."""

_MAX_SNAPSHOTS = 200
"""Maximum number of snapshots that are kept. Each commit writes them all anew, and a long load makes one every few seconds."""

_PROPERTIES = {
    "format-version": "2",
    "commit.retry.num-retries": "0",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "20",
    "write.delete.mode": "copy-on-write",
    "write.update.mode": "copy-on-write",
    "write.merge.mode": "copy-on-write",
    KEPT: str(_KEPT_MS),
}
"""Of a table that is made."""


class IcebergCommits:
    """A CommitPoint: the tables of one namespace, whose data files are below one root."""

    def __init__(self, url: TablesUrl, storage: Storage) -> None:
        self.url, self.storage = url, storage
        self._catalog: Catalog | None = None
        self._tables: dict[str, Table | None] = {}
        self._ids: dict[str, FieldIds] = {}
        self._active: dict[str, dict[str, IcebergFile]] = {}
        """The data files of tables, by their names below the root."""
        self.changed: set[str] = set()
        """Streams whose tables this run has changed."""

    @property
    def catalog(self) -> "Catalog":
        if self._catalog is None:
            self._catalog = catalog_of(self.url)
        return self._catalog

    def close(self) -> None:
        if self._catalog is not None:
            self._catalog.close()
        self._catalog = None
        self._forget(*self._tables)

    def _forget(self, *streams: str) -> None:
        for stream in streams:
            for known in (self._tables, self._ids, self._active):
                known.pop(stream, None)

    def name_of(self, stream: str) -> tuple[str, ...]:
        return (*self.url.namespace, stream)

    def table(self, stream: str, *, anew: bool = False) -> "Table | None":
        """As this run saw it last, or as it is now."""
        if anew or stream not in self._tables:
            from pyiceberg.exceptions import NoSuchTableError

            self._forget(stream)
            self._tables[stream] = None
            with translating(self.url.root, f"looking for table {stream!r}"), suppress(NoSuchTableError):
                self._tables[stream] = self.catalog.load_table(self.name_of(stream))
        return self._tables[stream]

    def ids(self, stream: str) -> FieldIds:
        if stream not in self._ids:
            table = self.table(stream)
            self._ids[stream] = FieldIds.first() if table is None else FieldIds.of(table)
        return self._ids[stream]

    def active(self, stream: str, *, anew: bool = False) -> Mapping[str, int]:
        """See files/agreeing.py."""
        table = self.table(stream, anew=anew)
        if stream not in self._active:
            self._active[stream] = {} if table is None else self._files(stream, table)
        return {path: file.file_size_in_bytes for path, file in self._active[stream].items()}

    def _files(self, stream: str, table: "Table") -> "dict[str, IcebergFile]":
        with translating(self.url.root, f"listing the data files of table {stream!r}"):
            tasks = list(table.scan().plan_files())
        root = f"{self.url.location}/"
        for task in tasks:
            if task.delete_files:
                raise DestinationError(
                    f"{self.url.root!r}: table {stream!r} has rows that are deleted by files of deletes (merge-on-read)",
                    remedy="Rewrite its data files with the program that wrote those, or give the stream another name",
                )
            if not task.file.file_path.startswith(root):
                raise DestinationError(
                    f"{self.url.root!r}: table {stream!r} has data files elsewhere: {task.file.file_path!r}",
                    remedy="Give the stream another name, or use the folder that has them",
                )
        return {task.file.file_path.removeprefix(root): task.file for task in tasks}

    def exists(self, stream: str) -> bool:
        return self.table(stream) is not None

    def reached(self, stream: str, number: int) -> bool:
        table = self.table(stream, anew=True)
        return table is not None and int(table.properties.get(COMMIT, 0)) >= number

    def is_needed(self, change: Change) -> bool:
        before, after, active = _paths(change.before), _paths(change.after), self.active(change.stream).keys()
        return not after <= active or bool((before - after) & active)

    def commit(self, change: Change, number: int) -> None:
        stream, after, ids = change.stream, _paths(change.after), self.ids(change.stream)
        active = self.active(stream).keys()
        columns = ids.schema(change.columns)
        added: list[tuple[DataFile, pq.FileMetaData]] = []
        for file in change.after:
            if file.path not in active:
                with opened(self.storage, file.path) as parquet:
                    ids.check(columns, parquet.schema_arrow)
                    added.append((file, parquet.metadata))
        removed = [file.path for file in change.before if file.path in active and file.path not in after]
        with translating(self.url.root, f"committing to table {stream!r}"):
            table, files = self._changed(stream, number, columns, added, removed)
        self.changed.add(stream)
        self._forget(stream)
        self._tables[stream], self._active[stream] = table, files

    def _changed(
        self,
        stream: str,
        number: int,
        columns: pa.Schema,
        added: Sequence[tuple[DataFile, pq.FileMetaData]],
        removed: Sequence[str],
    ) -> "tuple[Table, dict[str, IcebergFile]]":
        """The table, and its data files then."""
        known, files = self.table(stream), dict(self._active[stream])
        change = self._new(stream) if known is None else known.transaction()
        schema = _set_schema(change, columns, self.url.root)
        if added or removed:
            update = change.update_snapshot()
            with update.overwrite() if removed else update.merge_append() as snapshot:
                for path in removed:
                    snapshot.delete_data_file(files.pop(path))
                for file, footer in added:
                    files[file.path] = _data_file(schema, self.uri(file.path), file.size_bytes, footer)
                    snapshot.append_data_file(files[file.path])
        change.set_properties({COMMIT: str(number)})
        _expire(change)
        change.commit_transaction()
        return self.catalog.load_table(self.name_of(stream)) if known is None else known, files

    def _new(self, stream: str) -> "Transaction":
        from pyiceberg.io.pyarrow import pyarrow_to_schema

        self.catalog.create_namespace_if_not_exists(self.url.namespace)
        try:
            return self.catalog.create_table_transaction(
                self.name_of(stream),
                pyarrow_to_schema(FieldIds.first().schema({})),
                location=self.uri(folder_of(stream)),
                properties=_PROPERTIES,
            )
        except ValueError as exc:
            raise DestinationError(
                f"{self.url.root!r}: the catalog has no place for table {stream!r}: {exc}",
                remedy="Name another namespace",
            ) from exc

    def uri(self, path: str) -> str:
        """As a table has it. path: relative to the root."""
        return f"{self.url.location}/{path}"


def _paths(files: Sequence[DataFile]) -> set[str]:
    return {file.path for file in files}


def _set_schema(change: "Transaction", columns: pa.Schema, root: str) -> "Schema":
    from pyiceberg.io.pyarrow import pyarrow_to_schema
    from pyiceberg.schema import Schema
    from pyiceberg.table.update import AddSchemaUpdate, SetCurrentSchemaUpdate, UpdateTableMetadata

    try:
        wanted = pyarrow_to_schema(columns)
        wanted.find_column_name(0)  # builds the index of names, which refuses two that are the same
    except ValueError as exc:
        raise DestinationError(
            f"{root!r}: an Iceberg table cannot have these columns together: {exc}",
            remedy="Give one of them another name in the files, or leave it out",
        ) from exc
    metadata = change.table_metadata
    current = metadata.schema()
    if current.fields == wanted.fields:
        return current
    known = next((each for each in metadata.schemas if each.fields == wanted.fields), None)
    number = 1 + max(each.schema_id for each in metadata.schemas)
    schema = known or Schema(*wanted.fields, schema_id=number)

    class SetSchema(UpdateTableMetadata[Any]):
        def _commit(self) -> Any:
            set_current = SetCurrentSchemaUpdate.model_validate({"schema-id": schema.schema_id})
            return ((set_current,) if known else (AddSchemaUpdate(schema=schema), set_current)), ()

    SetSchema(change).commit()
    return schema


def _expire(change: "Transaction") -> None:
    """Snapshots that are older than the table's property says, and those before the last ones."""
    from pyiceberg.table.update.snapshot import ExpireSnapshots

    metadata = change.table_metadata
    since_ms = time.time() * 1000 - float(metadata.properties.get(KEPT, _KEPT_MS))
    named = {ref.snapshot_id for ref in metadata.refs.values()}
    by_age = sorted(metadata.snapshots, key=lambda each: each.sequence_number or 0)
    too_many = {each.snapshot_id for each in by_age[:-_MAX_SNAPSHOTS]}
    old = [each.snapshot_id for each in by_age if each.timestamp_ms < since_ms or each.snapshot_id in too_many]
    if expired := [each for each in old if each not in named]:
        ExpireSnapshots(change).by_ids(expired).commit()


def _data_file(schema: "Schema", uri: str, size_bytes: int, footer: pq.FileMetaData) -> "IcebergFile":
    from pyiceberg.io.pyarrow import (
        compute_statistics_plan,
        data_file_statistics_from_parquet_metadata,
        parquet_path_to_id_mapping,
    )
    from pyiceberg.manifest import DataFile as IcebergFile
    from pyiceberg.manifest import DataFileContent, FileFormat
    from pyiceberg.typedef import Record

    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=footer,
        stats_columns=compute_statistics_plan(schema, {}),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
    )
    file = IcebergFile.from_args(
        content=DataFileContent.DATA,
        file_path=uri,
        file_format=FileFormat.PARQUET,
        partition=Record(),
        file_size_in_bytes=size_bytes,
        sort_order_id=None,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )
    file.spec_id = 0
    return file
