"""By which rules tables of SQL databases show one row of each key, and what changed since; merging.py makes the tables.

Of a stream `orders` whose rows are merged, `_file_cdk_rows_of_orders` has all rows, as the table of any other stream has, and the
ledger's entries are about it; the table `orders` is made from it. `_file_cdk_merges` has the rule of each such stream, and
`_file_cdk_unmerged` the files whose rows have changed since: each transaction that changes rows notes its files there, and that
which brings the table up to date removes the notes. A note without a file stands for all.
"""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any, Protocol

from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.ports import MergeRule, TableName
from file_cdk.destinations.names import METADATA_COLUMNS, RESERVED_PREFIX, ROWS_OF, folded

MERGES = f"{RESERVED_PREFIX}_merges"
UNMERGED = f"{RESERVED_PREFIX}_unmerged"
DELETED_OF = f"{RESERVED_PREFIX}_deleted_of_"

_CREATE = (
    f"CREATE TABLE IF NOT EXISTS {MERGES} (stream TEXT, rule TEXT)",
    f"CREATE TABLE IF NOT EXISTS {UNMERGED} (stream TEXT, url TEXT)",
)


class MergeDatabase(Protocol):
    """An open connection, in whose transaction all runs. where: names a stream's table and the database, for messages."""

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    def transaction(self) -> AbstractContextManager[None]: ...

    def declared(self, table: str) -> Mapping[str, str]:
        """Types of the columns of a table, as they may be declared again; none where there is no such table."""

    def table_name(self, stream: str) -> str: ...

    def by_bytes(self, text: str) -> str:
        """SQL that sorts texts as their bytes are. text: SQL, too."""

    def parts(self, keys: Sequence[str], rows: int) -> Sequence[str]:
        """Conditions, of which each row meets one, and rows of one key the same; so many that the rows of each can be sorted."""

    def where(self, stream: str) -> str: ...


def rule_of(db: MergeDatabase, stream: str) -> MergeRule | None:
    """By which the stream's rows are merged, if they are."""
    if not db.declared(MERGES):
        return None
    found = db.run(f"SELECT rule FROM {MERGES} WHERE stream = ?", [stream])
    if not found:
        return None
    facts = json.loads(found[0][0])
    return MergeRule(tuple(facts["keys"]), facts["cursor"], facts["deleted"])


def rows_of(db: MergeDatabase, stream: str) -> str:
    """The stream as the table is called that has all its rows."""
    return stream if rule_of(db, stream) is None else ROWS_OF + stream


def open_merge(db: MergeDatabase, table: TableName, *, as_it_is: bool = False) -> MergeRule | None:
    """The rule by which the table is to be merged from now on, of which a note is made. as_it_is: by which it was until now.

    Raises ConfigError where it was merged by another, or by none, and DestinationError where no table may be so called.
    """
    stream, wanted = table.stream, table.merge
    if folded(stream).startswith((ROWS_OF, DELETED_OF)):
        raise DestinationError(
            f"{db.where(stream)} cannot be called so: names that begin with {RESERVED_PREFIX!r} are file_cdk's own",
            remedy="Give the stream another name",
        )
    known = rule_of(db, stream)
    if as_it_is or known == wanted:
        return known
    shown = db.declared(db.table_name(stream))
    if shown and not shown.keys() >= METADATA_COLUMNS.keys():
        raise not_ours(db, stream)
    if shown or db.declared(db.table_name(ROWS_OF + stream)):
        raise ConfigError(
            f"{db.where(stream)} has {_described(known)}, not {_described(wanted)}",
            remedy="Build it anew from all files: --full-refresh. Or load into another table (--table)",
        )
    with db.transaction():
        set_rule(db, stream, wanted)
    return wanted


def set_rule(db: MergeDatabase, stream: str, rule: MergeRule | None) -> None:
    if rule is None and not db.declared(MERGES):
        return
    for sql in _CREATE:
        db.run(sql)
    for table in (MERGES, UNMERGED):
        db.run(f"DELETE FROM {table} WHERE stream = ?", [stream])
    if rule is not None:
        db.run(f"INSERT INTO {MERGES} VALUES (?, ?)", [stream, json.dumps(asdict(rule))])


def mark_all(db: MergeDatabase, stream: str) -> None:
    """The whole table is to be made anew, by the next merge."""
    db.run(f"INSERT INTO {UNMERGED} VALUES (?, NULL)", [stream])


def tables_of(stream: str) -> tuple[str, ...]:
    """All that a stream may have, by the streams that would be so called."""
    return stream, ROWS_OF + stream, DELETED_OF + stream


def rename_rule(db: MergeDatabase, stream: str, to: str) -> None:
    """A stream that was built anew becomes another, whose rule is forgotten."""
    if db.declared(MERGES):
        for table in (MERGES, UNMERGED):
            db.run(f"DELETE FROM {table} WHERE stream = ?", [to])
            db.run(f"UPDATE {table} SET stream = ? WHERE stream = ?", [to, stream])


def _described(rule: MergeRule | None) -> str:
    if rule is None:
        return "all rows of its files (mode append)"
    facts = [f"key {', '.join(map(repr, rule.keys))}"]
    facts += [f"{name} {value!r}" for name, value in (("cursor", rule.cursor), ("deleted", rule.deleted)) if value]
    return f"one row of each key (mode merge: {', '.join(facts)})"


def not_ours(db: MergeDatabase, stream: str) -> DestinationError:
    return DestinationError(
        f"{db.where(stream)} is not one that file_cdk made",
        remedy="Give the stream another name, or load into another database; nothing was changed",
    )
