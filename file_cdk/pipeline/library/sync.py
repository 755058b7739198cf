"""`sync`, as a program calls it: options as keywords, and a line in a notebook."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from os import PathLike
from typing import TypedDict, Unpack

from file_cdk.core.config import ColumnRules, SchemaContract
from file_cdk.pipeline.dialects import Dialect
from file_cdk.pipeline.library.watching import shown
from file_cdk.pipeline.rejects import MaxRejects
from file_cdk.pipeline.tables import sync as tables
from file_cdk.pipeline.tables.deletes import MaxDeletes, OnDelete
from file_cdk.pipeline.tables.options import Mode, SyncOptions
from file_cdk.pipeline.tables.report import SyncObserver, SyncResult


class SyncKeywords(TypedDict, total=False):
    """The fields of SyncOptions; limits also as a number or as text."""

    workers: int | None
    all_text: bool
    filetype: str | None
    stream: str | None
    max_rejects: MaxRejects | int | str
    retry_rejects: bool
    dialect: Dialect
    connector: str | None
    partitions: bool
    since: datetime | None
    until: datetime | None
    on_delete: OnDelete
    max_deletes: MaxDeletes | int | str
    wait_s: float
    full_refresh: bool
    settle_s: float | None
    memory_bytes: int | None
    output_format: str | None
    partition_by: str | None
    target_file_bytes: int | None
    mode: Mode
    key: Sequence[str]
    cursor: str | None
    deleted: str | None
    columns: ColumnRules | None
    contract: SchemaContract | None


def sync(
    source: str | PathLike[str],
    to: str | PathLike[str],
    options: SyncOptions | None = None,
    observer: SyncObserver | None = None,
    *,
    progress: bool = True,
    **changes: Unpack[SyncKeywords],
) -> SyncResult:
    """Loads what is new or modified in `source` into `to`, both as `file-cdk sync` takes them.

    changes: options by name, as SyncOptions has them, in place of those of `options`: `max_rejects="1%"`. observer: told how
    it goes, where it is given in place of a notebook. progress: whether a notebook shows how far it is.

    A file that cannot be read is in the result, noted in the ledger as failed and tried again next time; the others go on.
    `SyncResult.raise_for_failures` raises its error. Raises ConfigError, AccessError, TransientError and DestinationError; what
    was committed before stays.
    """
    given: dict[str, object] = dict(changes)
    for name, limit in (("max_rejects", MaxRejects), ("max_deletes", MaxDeletes)):
        if isinstance(value := given.get(name), int | str):
            given[name] = limit.parse(str(value))
    if isinstance(key := given.get("key"), Sequence) and not isinstance(key, str):
        given["key"] = tuple(key)
    chosen = replace(options or SyncOptions(), **given)  # type: ignore[arg-type]  # their types are those of SyncKeywords
    if observer is not None or not progress:
        return tables.sync(source, to, chosen, observer)
    counts, line = shown("synced")
    result = tables.sync(source, to, chosen, counts)
    line.end()
    return result
