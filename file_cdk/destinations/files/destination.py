"""A folder of Parquet files, on this machine or in a bucket, and what of it can be asked while no sync has it open."""

# ruff: noqa: S608 - names are constant

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from file_cdk.core.errors import ConfigError, DestinationError, InternalError
from file_cdk.core.ledger import Mismatch
from file_cdk.core.ports import TableName
from file_cdk.core.uris import well_formed
from file_cdk.destinations.files.choice import OUTPUT_FORMATS, Choice
from file_cdk.destinations.files.data import TARGET_BYTES
from file_cdk.destinations.files.database import DATA, IS_BESIDE, FilesDatabase, copied
from file_cdk.destinations.files.folder import TEMPORARY, Folder
from file_cdk.destinations.files.kind import Kind, check, claim
from file_cdk.destinations.files.manifest import MERGED_ROWS, OWN, CommitPoint, Manifest, latest, numbered
from file_cdk.destinations.files.partitions import parsed
from file_cdk.destinations.files.storage import Storage
from file_cdk.destinations.files.table import FilesTable
from file_cdk.destinations.merge_rules import mark_all, rows_of, tables_of
from file_cdk.destinations.names import quoted
from file_cdk.destinations.registry import BUCKETS
from file_cdk.destinations.sql.database import Database, transaction
from file_cdk.destinations.sql.destination import SqlDestination
from file_cdk.destinations.sql.merging import SqlMerges
from file_cdk.destinations.sqlite.session import SqliteDatabase, scratch

KEPT_S = 3600
"""How long what a manifest names is kept for readers after the next one, in seconds."""

_DATA_FILE = re.compile(r"[^/]+/([^/]+=[^/]+/)*part-[^/]+\.(parquet|(csv|jsonl)(\.(gz|zst))?)")

_OWN_FOLDERS = (f"{OWN}/manifests/", f"{OWN}/ledger/", f"{MERGED_ROWS}/")


class FilesPlace:
    """See sql/database.py."""

    def __init__(self, storage: Storage, kind: Kind, point: CommitPoint | None = None) -> None:
        self.storage, self.kind, self.point = storage, kind, point

    def is_absent(self) -> bool:
        """Asked before all else. Raises ConfigError where there are tables of another kind."""
        check(self.storage, self.kind)
        return latest(self.storage, self.point).number == 0

    def absent(self) -> DestinationError:
        return DestinationError(
            f"there is no folder {self.storage.root!r} that a sync has written",
            remedy="Name one that file-cdk sync has written",
        )

    def reading(self) -> AbstractContextManager[FilesDatabase]:
        return copied(self.storage, point=self.point)

    @contextmanager
    def correcting(self) -> Iterator[FilesDatabase]:
        run = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}-state"
        with closing(self.storage.hold("file-cdk state")), copied(self.storage, run, self.point) as db:
            yield db

    def scratch(self) -> AbstractContextManager[SqliteDatabase]:
        return scratch()

    def check(self) -> bool:
        """See core.ports.Inspectable."""
        self.storage.check()
        return not self.is_absent()


class FilesDestination(SqlDestination):
    """A folder for each stream, with files of its rows, Parquet if nothing else is said: the files' columns, then `_file_url`,
    `_file_modified_at`, `_file_row`. Which of them count is in the manifests below `_file_cdk`.

    Memory: 32 MiB of rows, and what writing Parquet takes.
    """

    table_class = FilesTable
    place_class = FilesPlace

    def __init__(
        self,
        path: str | Path,
        *,
        output_format: str | None = None,
        partition_by: str | None = None,
        target_file_bytes: int | None = None,
        run: str | None = None,
    ) -> None:
        """path: of a folder, or the URL of a bucket's prefix. output_format: of OUTPUT_FORMATS. partition_by: see
        partitions.parsed; empty for none. None: what a table has.
        target_file_bytes: size of a data file at which the next one is begun. Raises
        ConfigError."""
        if output_format not in (None, *OUTPUT_FORMATS):
            raise ConfigError(
                f"a folder has no files of the format {output_format!r}",
                remedy=f"Its formats are: {', '.join(OUTPUT_FORMATS)}",
            )
        if target_file_bytes is not None and target_file_bytes <= 0:
            raise ConfigError("the target size of files must be a number of bytes, 1 or more")
        self._output_format = output_format
        self._target_bytes = target_file_bytes or TARGET_BYTES
        self._partitions = None if partition_by is None else parsed(partition_by) if partition_by else ()
        self.path = str(path) if str(path).startswith(BUCKETS) else str(path).rstrip("/") or "/"
        self._storage = storage_of(self.path)
        self._point, self._kind = self.commit_point(self._storage), self.kind()
        super().__init__(self.place_class(self._storage, self._kind, self._point), run)
        self._opened = ExitStack()

    def commit_point(self, storage: Storage) -> CommitPoint | None:  # noqa: ARG002 - for tables of a format
        """Where data files do not count by manifests alone."""
        return None

    def kind(self) -> Kind:
        return Kind("files")

    def connect(self) -> FilesDatabase:
        self._opened.enter_context(closing(self._storage.hold(self.run)))
        claim(self._storage, self._kind)
        remove_unneeded(self._storage, self._point)
        return self._opened.enter_context(copied(self._storage, self.run, self._point))

    def table(self, table: TableName, *, anew: bool = False) -> FilesTable:
        found = super().table(table, anew=anew)
        assert isinstance(found, FilesTable)
        of_table = super().table(table)
        assert isinstance(of_table, FilesTable)
        is_made_merged = table.merge is not None and table.stream in self._beside
        has = Choice() if is_made_merged else of_table.has or Choice()
        partitions = has.partitions if self._partitions is None else self._partitions
        chosen = Choice(self._output_format or has.output_format, partitions)
        if table.merge is not None and chosen != Choice():
            raise ConfigError(
                f"table {table.stream!r}: rows are merged by keys in folders of Parquet files alone, without partitions",
                remedy="Leave --output-format and --partition-by, or the mode, out",
            )
        found.target_bytes = self._target_bytes
        found.choose(chosen)
        return found

    def put_in_place(self, table: TableName) -> None:
        for each in (self._tables.get(table.stream), self._beside.get(table.stream)):
            if each is not None:
                each.flush()
        super().put_in_place(table)

    def _replace(self, stream: str, built: str) -> None:
        if self._db is None:
            raise InternalError("the destination is not open")
        with transaction(self._db, f"replacing table {stream!r}"):
            for old, new in zip(tables_of(stream), tables_of(built), strict=True):
                self._db.execute(f"DELETE FROM {DATA} WHERE stream = ?", [old])
                self._db.execute(f"UPDATE {DATA} SET stream = ? WHERE stream = ?", [old, new])
            super()._replace(stream, built)

    def _remove_unfinished(self, db: Database) -> None:
        super()._remove_unfinished(db)
        db.execute(f"DELETE FROM {DATA} WHERE {IS_BESIDE}")

    def mismatches(self, stream: str | None = None, *, repair: bool = False) -> Sequence[Mismatch]:
        """Of data files that are lost, the repair forgets that there were any. A merged table is made anew by the next merge."""
        found = [*super().mismatches(stream, repair=repair), *self._lost_of_shown(stream)]
        if repair and found:
            from file_cdk.destinations.files.rewriting import is_lost

            with self._place.correcting() as db:
                for name, path in db.execute(f"SELECT stream, path FROM {DATA}").fetchall():
                    if is_lost(self._storage, path):
                        with transaction(db, "correcting the ledger"):
                            db.execute(f"DELETE FROM {DATA} WHERE path = ?", [path])
                            if name in db.tables():
                                db.execute(f"DELETE FROM {quoted(name)} WHERE path = ?", [path])
                            elif rows_of(SqlMerges(db), name) != name:  # it is made from others' rows
                                mark_all(SqlMerges(db), name)
        return found

    def _lost_of_shown(self, stream: str | None) -> Iterator[Mismatch]:
        """Of merged tables: the rows that they had, and those that are left."""
        from file_cdk.destinations.files.rewriting import is_lost

        with self._place.reading() as db:
            facts = f"SELECT stream, path, rows FROM {DATA} WHERE NOT {IS_BESIDE} ORDER BY stream"
            for name, files in groupby(db.execute(facts).fetchall(), key=itemgetter(0)):
                is_asked = stream is None or db.folded(name) == db.folded(well_formed(stream))
                if is_asked and rows_of(SqlMerges(db), name) != name:
                    rows = [(count, is_lost(self._storage, path)) for _, path, count in files]
                    if any(lost for _, lost in rows):
                        left = sum(count for count, lost in rows if not lost)
                        yield Mismatch(name, None, sum(count for count, _ in rows), left)

    def let_go(self) -> None:
        self._opened.close()


def storage_of(path: str) -> Storage:
    """Raises ConfigError, and DestinationError where there are no credentials."""
    if not path.startswith(BUCKETS):
        return Folder(path)
    if path.startswith("gs://"):
        try:
            from file_cdk.destinations.files.buckets.gcs import gcs_of
        except ModuleNotFoundError as exc:
            raise ConfigError(
                "a bucket of Google's as a destination needs the package 'google-cloud-storage', which is not installed",
                remedy="Install it: pip install 'file-cdk[gcs]'",
            ) from exc
        return gcs_of(path)
    try:
        from file_cdk.destinations.files.bucket import bucket_of
    except ModuleNotFoundError as exc:
        extra = "azure" if path.startswith("az://") else "s3"
        raise ConfigError(
            "a bucket as a destination needs the package 'obstore', which is not installed",
            remedy=f"Install it: pip install 'file-cdk[{extra}]'",
        ) from exc
    return bucket_of(path)


def remove_unneeded(storage: Storage, point: CommitPoint | None = None) -> None:
    """What no manifest names that counts, or counted within the last KEPT_S. Nobody else may write meanwhile. Where there is a
    commit point, data files of tables are left to the table's own rules."""
    listed = storage.listed("" if point is None else OWN)
    names = numbered(listed)
    if not names and not any(map(_is_ours, listed)):
        return
    counts = latest(storage, point)
    if counts.awaits is not None:
        return  # if its table is dropped before the next one counts, those before it are needed
    since = storage.now() - timedelta(seconds=KEPT_S)
    kept = [name for name in names if name >= counts.name or listed[name] >= since]
    needed = {each for name in kept for each in Manifest.parse(name, storage.read(name)).names()}
    storage.remove(name for name in listed if _is_ours(name) and name not in needed)


def _is_ours(name: str) -> bool:
    """Whether it is a file that commits write, whole or not."""
    is_named = name.startswith(_OWN_FOLDERS) or _DATA_FILE.fullmatch(name) is not None
    return is_named or name.rpartition("/")[2].startswith(TEMPORARY)
