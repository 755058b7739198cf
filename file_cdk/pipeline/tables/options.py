"""How a sync is to be done."""

import math
import os
from collections.abc import Sequence
from dataclasses import field, replace
from datetime import datetime
from typing import Literal

from file_cdk.core.config import ColumnRules, SchemaContract
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError
from file_cdk.core.memory_ports import MemoryLimited, TakesAsItComes
from file_cdk.core.ports import Destination, MergeRule
from file_cdk.core.system.memory import MemoryShares, budget_of
from file_cdk.pipeline.dialects import Dialect
from file_cdk.pipeline.execution import shares_of
from file_cdk.pipeline.rejects import MaxRejects
from file_cdk.pipeline.sources import streams_of
from file_cdk.pipeline.stream import Stream, check_settle
from file_cdk.pipeline.tables.deletes import MaxDeletes, OnDelete

Mode = Literal["append", "replace", "merge"]


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """workers: processes; 0 none, None chosen by the size of the work. all_text: every column as text.

    filetype, stream: format and table name for a path or URL, in place of what its files and name suggest. max_rejects: how
    many records of a file may be rejected before none of its rows is loaded. retry_rejects: load again the files that were
    loaded with rejected records. dialect: of CSV files that a path or URL names, `auto` finds it from their beginnings,
    `default` is comma, double quotes, UTF-8 and a header row. connector: the source is a configuration of this one, by its URL
    scheme or name, in JSON or YAML, whatever the file is called. partitions: whether `key=value` folders of the files that a
    path or URL names are columns, where all files have them. since, until (aware): only files that were modified at or after
    the one and before the other are read. on_delete: what becomes of loaded files that are gone from the source, `keep` where
    neither this nor the stream's configuration says; max_deletes: how many of them may be removed. full_refresh: load all files
    anew, into tables that take the places of the old ones when each of their files is loaded. settle_s: files that were
    modified less than so long before the listing are left for the next sync; None: none is, but the sync waits until the
    youngest is as old as the connector asks (a second, of a folder or SFTP). wait_s: how long to wait for another run that has
    the destination open, in seconds. memory_bytes: what all processes together may take, in bytes; None: as the environment
    variable FILE_CDK_MEMORY has it, or else what is best for speed (see core.system.memory). output_format: of the files in a
    folder, such as `csv.gz`, partition_by: columns by which these are in folders; None: what the table has, or Parquet, and no
    partitions. target_file_bytes: size at which the next of these is begun, 128 MiB if None. Of rows on stdout the
    output_format is `json` where it is None. mode: what tables show, in place of what the streams' configurations say: `append`
    the rows of all files, `replace` those of this sync, which is a full refresh, `merge` one row of each `key`, chosen by
    `cursor` and `deleted` as core.ports.MergeRule says. columns, contract: rules for the columns of what a path or URL names,
    and what its table does with those that it has not (see docs/guide/columns.md). only: the streams of a configuration that
    are synced; None: all.
    """

    workers: int | None = None
    all_text: bool = False
    filetype: str | None = None
    stream: str | None = None
    max_rejects: MaxRejects = field(default_factory=MaxRejects)
    retry_rejects: bool = False
    dialect: Dialect = "auto"
    connector: str | None = None
    partitions: bool = True
    since: datetime | None = None
    until: datetime | None = None
    on_delete: OnDelete | None = None
    max_deletes: MaxDeletes = field(default_factory=MaxDeletes)
    wait_s: float = 0
    full_refresh: bool = False
    settle_s: float | None = None
    memory_bytes: int | None = None
    output_format: str | None = None
    partition_by: str | None = None
    target_file_bytes: int | None = None
    mode: Mode | None = None
    key: tuple[str, ...] = ()
    cursor: str | None = None
    deleted: str | None = None
    columns: ColumnRules | None = None
    contract: SchemaContract | None = None
    only: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and (not isinstance(self.workers, int) or self.workers < 0):
            raise ConfigError("workers must be 0 or more, or None")
        if self.memory_bytes is not None and (not isinstance(self.memory_bytes, int) or self.memory_bytes <= 0):
            raise ConfigError("memory_bytes must be a number of bytes, or None")
        if any(each is not None and each.tzinfo is None for each in (self.since, self.until)):
            raise ConfigError("since and until must be times with a zone")
        if not 0 <= self.wait_s < math.inf:
            raise ConfigError("wait_s must be a number of seconds, 0 or more")
        check_settle(self.settle_s or 0)
        self._check_mode()
        if self.is_anew and self.settle_s:
            raise ConfigError(
                "a full refresh leaves no file for the next sync: its rows would be missing until then",
                remedy="Leave out --settle, or sync without --full-refresh, and not in mode replace",
            )
        if self.is_anew and (self.since is not None or self.until is not None):
            raise ConfigError(
                "a full refresh of a part of the time would drop the rows of all other files",
                remedy="Leave out --since and --until; or, to load that part alone, load it into a table of its own (--table)",
            )

    @property
    def is_anew(self) -> bool:
        """Whether every file is loaded anew, into a table that takes the old one's place."""
        return self.full_refresh or self.mode == "replace"

    def _check_mode(self) -> None:
        if self.mode not in (None, "append", "replace", "merge"):
            raise ConfigError("mode must be append, replace or merge")
        if self.mode != "merge" and (self.key or self.cursor is not None or self.deleted is not None):
            raise ConfigError(
                "a key, a cursor and a column of deleted rows are for mode merge",
                remedy="Add --mode merge, or leave them out",
            )
        if self.mode == "merge" and not self.key:
            raise ConfigError(
                "mode merge needs the columns of the key", remedy="Name them with --key, such as --key id"
            )
        if not all((*self.key, self.cursor != "", self.deleted != "")) or len(set(self.key)) < len(self.key):
            raise ConfigError("the columns that rows are merged by must have names, and each of the key another")

    def of(self, stream: Stream) -> tuple[Stream, "SyncOptions"]:
        """The stream with the rule by which its table is merged, and the options with its mode. Raises ConfigError."""
        mode = stream.config.mode
        if mode is None or self.mode is not None:
            rule = MergeRule(self.key, self.cursor, self.deleted) if self.mode == "merge" else None
            return replace(stream, merge=rule), self
        return stream, replace(self, mode=mode, key=tuple(stream.config.key_columns), cursor=None, deleted=None)

    def streams_of(self, source: str) -> list[Stream]:
        """What SOURCE stands for. Raises ConfigError, or AccessError when nothing is there."""
        return streams_of(source, self.filetype, self.stream, self.connector, self.partitions, self.only)

    def memory_of(self, streams: Sequence[Stream], target: Destination) -> MemoryShares:
        """Who may take how much, of which the destination is told."""
        budget_bytes = budget_of(os.environ) if self.memory_bytes is None else self.memory_bytes
        readers = [stream.connectors_reader for stream in streams]
        memory = shares_of(budget_bytes, self.workers, readers, database=True)
        if budget_bytes is not None and isinstance(target, MemoryLimited):
            target.limit_memory(memory)
        if isinstance(target, TakesAsItComes):
            return replace(memory, outbox_bytes=min(memory.outbox_bytes, target.outbox_bytes))
        return memory
