"""Commits of Delta tables: which data files a table has, and since which commit of the ledger.

A commit adds and removes data files and notes the ledger's number as the transaction of the application `file_cdk`, all in one
entry of the table's log. Columns that are new are added in an entry before it: until then nobody sees a value in them. A type
that gets wider needs all data files written again, and then one entry overwrites the table, with its schema.
"""

import time
from collections.abc import Mapping, Sequence

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, TableFeatures, Transaction
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from file_cdk.destinations.delta.errors import changed_meanwhile, translating
from file_cdk.destinations.delta.place import Tables, folder_of
from file_cdk.destinations.delta.statistics import statistics_of
from file_cdk.destinations.delta.types import has_local_times
from file_cdk.destinations.files.data import MODIFIED, URL
from file_cdk.destinations.files.manifest import Change, DataFile
from file_cdk.destinations.files.storage import Storage

APPLICATION = "file_cdk"

METADATA = (
    pa.field(URL, pa.string()),
    pa.field(MODIFIED, pa.timestamp("us", "UTC")),
    pa.field("_file_row", pa.int64()),
)


class DeltaCommits:
    """A CommitPoint."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._tables = Tables(storage.root)
        self._active: dict[str, dict[str, int]] = {}
        self.changed: set[str] = set()
        """Streams whose tables this run has changed."""

    def active(self, stream: str, *, anew: bool = False) -> Mapping[str, int]:
        """The sizes of the data files of the stream's table, in bytes, by their names below the root: as this run has found
        them, with what it has committed since; or as they are now."""
        if anew or stream not in self._active:
            self._active[stream] = self._now_active(stream)
        return self._active[stream]

    def _now_active(self, stream: str) -> dict[str, int]:
        table = self._tables.opened(stream)
        return {} if table is None else self._files(stream, table)

    def _files(self, stream: str, table: DeltaTable) -> dict[str, int]:
        with translating(self._tables.url(stream), "listing data files"):
            found = pa.table(table.get_add_actions())
        sizes = zip(found["path"].to_pylist(), found["size_bytes"].to_pylist(), strict=True)
        return {f"{folder_of(stream)}/{path}": size for path, size in sizes}

    def exists(self, stream: str) -> bool:
        return self._tables.opened(stream) is not None

    def reached(self, stream: str, number: int) -> bool:
        table = self._tables.opened(stream)
        if table is None:
            return False
        with translating(self._tables.url(stream), "reading its transactions"):
            found = table.transaction_version(APPLICATION)
        return found is not None and found >= number

    def is_needed(self, change: Change) -> bool:
        before, after, active = _paths(change.before), _paths(change.after), self.active(change.stream).keys()
        return not after <= active or bool((before - after) & active)

    def commit(self, change: Change, number: int) -> None:
        stream, active = change.stream, self.active(change.stream)
        added = [file for file in change.after if file.path not in active]
        removed = [file for file in change.before if file.path in active and file.path not in _paths(change.after)]
        now_ms = int(time.time() * 1000)
        adds = [self._add(stream, file, now_ms, is_change=not change.moves_only) for file in added]
        removes = [
            RemoveAction(_below(stream, file.path), not change.moves_only, now_ms, file.size_bytes, {})
            for file in removed
        ]
        schema = pa.schema([*(pa.field(name, kind) for name, kind in change.columns.items()), *METADATA])
        properties = CommitProperties(app_transactions=[Transaction(APPLICATION, number)])
        table, url = self._tables.opened(stream), self._tables.url(stream)
        found = {} if table is None else self._files(stream, table)
        is_whole = not found.keys() - _paths(removed)
        if not _paths(removed) <= found.keys():
            raise changed_meanwhile(url, "data files are gone that had rows of files that this commit replaces")
        with translating(url, "committing"):
            if table is None:
                create_table_with_add_actions(
                    url,
                    Schema.from_arrow(schema),
                    adds,
                    storage_options=self._tables.options(),
                    commit_properties=properties,
                )
            else:
                self._commit(table, stream, schema, adds, removes, properties, is_whole=is_whole)
        self.changed.add(stream)
        left = {path: size for path, size in active.items() if path not in _paths(removed)}
        self._active[stream] = left | {file.path: file.size_bytes for file in added}

    def _commit(
        self,
        table: DeltaTable,
        stream: str,
        schema: pa.Schema,
        adds: list[AddAction],
        removes: list[RemoveAction],
        properties: CommitProperties,
        *,
        is_whole: bool,
    ) -> None:
        """is_whole: the table has none of its data files afterwards but those that are added."""
        if any(map(has_local_times, schema.types)) and "timestampNtz" not in (table.protocol().reader_features or ()):
            table.alter.add_feature(TableFeatures.TimestampWithoutTimezone, allow_protocol_versions_increase=True)
            table.update_incremental()
        wanted = Schema.from_arrow(schema)
        types = {field.name: field.type for field in table.schema().fields}
        others = [field for field in wanted.fields if types.get(field.name, field.type) != field.type]
        is_narrower = types.keys() - set(schema.names)
        if is_whole and not adds:
            wanted, others = table.schema(), []  # the next commit that has rows gives it their columns
        elif is_whole and (others or is_narrower):
            table.create_write_transaction([*adds], "overwrite", wanted, commit_properties=properties)
            return
        if others:
            reason = f"column {others[0].name!r} has rows of another type than those that are loaded"
            raise changed_meanwhile(self._tables.url(stream), reason)
        new = [field for field in wanted.fields if field.name not in types]
        if new:
            table.alter.add_columns(new)
            table.update_incremental()
        table.create_write_transaction([*adds, *removes], "append", table.schema(), commit_properties=properties)

    def _add(self, stream: str, file: DataFile, now_ms: int, *, is_change: bool) -> AddAction:
        statistics = statistics_of(self._storage, file)
        return AddAction(_below(stream, file.path), file.size_bytes, {}, now_ms, is_change, statistics)

    def vacuum(self, stream: str) -> None:
        """Removes what no version of the table names within the table's own time of retention, a week by default."""
        table = self._tables.opened(stream)
        if table is not None:
            with translating(self._tables.url(stream), "removing old data files"):
                table.vacuum(dry_run=False, full=True)


def _paths(files: Sequence[DataFile]) -> set[str]:
    return {file.path for file in files}


def _below(stream: str, path: str) -> str:
    """As the table's log has it."""
    return path.removeprefix(f"{folder_of(stream)}/")
