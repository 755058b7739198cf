"""Tables of SQL databases that show one row of each key, made from a table of all rows; see merge_rules.py.

A key that a file had, and that is in none of its rows any more, is found where its row was shown: in the table, or, of a row that
removed its key, in `_file_cdk_deleted_of_orders`, which keeps these.
"""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

from collections.abc import Mapping, Sequence

import pyarrow as pa

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import RowsRefusedError
from file_cdk.core.ports import MergeRule
from file_cdk.destinations.merge_rules import DELETED_OF, UNMERGED, MergeDatabase, not_ours
from file_cdk.destinations.names import METADATA_COLUMNS, RESERVED_PREFIX, ROWS_OF, quoted

NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"
_AFFECTED = f"{RESERVED_PREFIX}_affected"
_NOT_DELETED = "('', '0', 'f', 'n', 'no', 'false')"


class MergedLoad:
    """What of a file's rows decides whether they can be merged. stored: types of the table's columns."""

    def __init__(
        self, rule: MergeRule, stored: Mapping[str, pa.DataType], uri: str, *, is_resumed: bool = False
    ) -> None:
        """is_resumed: an earlier run has seen a part of the file."""
        self._rule, self._uri = rule, uri
        self._cursor_type = stored.get(rule.cursor) if rule.cursor is not None else None
        self._needed = [*rule.keys, *([rule.cursor] if rule.cursor is not None else [])]
        self._missing = set() if is_resumed else set(self._needed)

    def see(self, batch: pa.RecordBatch) -> None:
        """Raises RowsRefusedError."""
        for name in self._needed:
            place = batch.schema.get_field_index(name)
            if place < 0:
                continue
            column = batch.column(place)
            is_text = self.see_column(name, column.type, has_values=column.null_count < len(column))
            if is_text and _has_numbers(column):
                raise self.refused_numbers()

    def see_column(self, name: str, kind: pa.DataType, *, has_values: bool) -> bool:
        """Answers whether these are texts of the cursor, among which are to be no numbers. Raises RowsRefusedError."""
        self._missing.discard(name)
        if name in self._needed and pa.types.is_nested(kind):
            raise self._refused(f"its values of {name!r}, by which rows are merged, are nested", name)
        is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        if name != self._rule.cursor or not is_text or not has_values:
            return False
        known = self._cursor_type
        if known is not None and not pa.types.is_string(known) and not pa.types.is_null(known):
            raise self._refused(f"its values of the cursor {name!r} are text, and those in the table are {known}", name)
        return True

    def refused_numbers(self) -> RowsRefusedError:
        name = self._rule.cursor
        return self._refused(f"numbers among its values of the cursor {name!r} would be compared as text", name)

    def check(self, rows: int) -> None:
        """At the file's end. Raises RowsRefusedError."""
        if rows and self._missing:
            missing = ", ".join(repr(name) for name in self._needed if name in self._missing)
            noun = "column" if len(self._missing) == 1 else "columns"
            raise self._refused(f"it has no {noun} {missing}, by which rows are merged", None)

    def _refused(self, message: str, column: str | None) -> RowsRefusedError:
        return RowsRefusedError(
            message,
            uri=self._uri,
            column=column,
            remedy="Correct the file or leave it out, give the column's type in input_schema, or name another key or cursor",
        )


@dataclass(frozen=True, slots=True)
class Merge:
    """How a stream's table is made. types, columns: of all rows, by their names in the files; see sql/layout.py."""

    db: MergeDatabase
    stream: str
    rule: MergeRule
    types: Mapping[str, pa.DataType]
    columns: Mapping[str, str]

    def run(self) -> int | None:
        """See core.merging.MergingTable. In the transaction that is open."""
        db = self.db
        [(notes, of_files)] = db.run(f"SELECT count(*), count(url) FROM {UNMERGED} WHERE stream = ?", [self.stream])
        declared = db.declared(db.table_name(ROWS_OF + self.stream))
        if not notes and (not declared or db.declared(db.table_name(self.stream))):
            return None
        if declared:
            is_all = self._prepare(declared) or of_files < notes
            if is_all:
                self._make_all(declared)
            else:
                self._make_affected(declared)
        elif db.declared(db.table_name(self.stream)):
            db.run(f"DELETE FROM {self._shown}")  # somebody dropped the rows
        db.run(f"DELETE FROM {UNMERGED} WHERE stream = ?", [self.stream])
        if not declared:
            return 0
        return int(db.run(f"SELECT count(*) FROM {self._shown}")[0][0])

    @property
    def _shown(self) -> str:
        return quoted(self.db.table_name(self.stream))

    @property
    def _rows(self) -> str:
        return quoted(self.db.table_name(ROWS_OF + self.stream))

    @property
    def _deleted(self) -> str:
        return quoted(self.db.table_name(DELETED_OF + self.stream))

    @property
    def _keys(self) -> list[str]:
        """None, where no file has had a value of one of them."""
        is_keyed = all(name in self.columns for name in self.rule.keys)
        return [quoted(self.columns[name]) for name in self.rule.keys] if is_keyed else []

    def _prepare(self, declared: Mapping[str, str]) -> bool:
        """Gives the table the columns of all rows; whether it then has to be made as a whole."""
        shown = self.db.declared(self.db.table_name(self.stream))
        if shown and not shown.keys() >= METADATA_COLUMNS.keys():
            raise not_ours(self.db, self.stream)
        is_new = self._create(self._shown, shown, declared)
        if self._deletes:
            columns = {self.columns[name]: declared[self.columns[name]] for name in self.rule.keys}
            columns["_file_url"] = declared["_file_url"]
            known = self.db.declared(self.db.table_name(DELETED_OF + self.stream))
            is_new |= self._create(self._deleted, known, columns)
        return is_new

    def _create(self, table: str, known: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
        if known and all(known.get(name, kind) == kind for name, kind in wanted.items()):
            for name, kind in wanted.items():
                if name not in known:
                    self.db.run(f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {kind}")
            return False
        if known:
            self.db.run(f"DROP TABLE {table}")
        self.db.run(f"CREATE TABLE {table} ({', '.join(f'{quoted(name)} {kind}' for name, kind in wanted.items())})")
        return True

    def _make_all(self, declared: Mapping[str, str]) -> None:
        self.db.run(f"DELETE FROM {self._shown}")
        if self._deletes:
            self.db.run(f"DELETE FROM {self._deleted}")
        [(rows,)] = self.db.run(f"SELECT count(*) FROM {self._rows}")
        for part in self.db.parts(self._keys, rows) if self.has_keys else ():
            self._insert(declared, part)
        self._insert_without_key(declared, "", [])

    def _make_affected(self, declared: Mapping[str, str]) -> None:
        of_files, stream = f"_file_url IN (SELECT url FROM {UNMERGED} WHERE stream = ?)", [self.stream]
        self.db.run(f"DELETE FROM {self._shown} WHERE {of_files} AND NOT ({self._has_key})", stream)
        if self.has_keys:
            self._make_keys(declared, of_files)
        self._insert_without_key(declared, f"AND {of_files}", stream)

    def _make_keys(self, declared: Mapping[str, str], of_files: str) -> None:
        """Of the rows that the files have, and of those of theirs that were shown, or hid others."""
        db, keys, stream = self.db, ", ".join(self._keys), [self.stream]
        sources = [self._rows, self._shown, *([self._deleted] if self._deletes else [])]
        queries = [f"SELECT {keys} FROM {source} WHERE {of_files} AND {self._has_key}" for source in sources]
        db.run(f"DROP TABLE IF EXISTS {_AFFECTED}")
        db.run(f"CREATE TEMPORARY TABLE {_AFFECTED} AS {' UNION '.join(queries)}", stream * len(sources))
        is_affected = f"({keys}) IN (SELECT {keys} FROM {_AFFECTED})"
        for table in sources[1:]:
            db.run(f"DELETE FROM {table} WHERE {is_affected}")
        [(count,)] = db.run(f"SELECT count(*) FROM {_AFFECTED}")
        for part in db.parts(self._keys, count):
            self._insert(declared, f"{is_affected} AND {part}")
        db.run(f"DROP TABLE {_AFFECTED}")

    @property
    def _has_key(self) -> str:
        return " AND ".join(f"{key} IS NOT NULL" for key in self._keys) or "false"

    @property
    def has_keys(self) -> bool:
        """Whether some file has had values of each."""
        return bool(self._keys)

    @property
    def _deletes(self) -> bool:
        return self.rule.deleted is not None and bool(self._keys)

    def with_key(self, names: str, rows: str, condition: str, *, deleted: bool = False) -> str:
        """SQL of the rows that are shown of the keys that meet the condition; or of those that hide theirs."""
        keys = ", ".join(self._keys)
        return (
            f"SELECT {names} FROM (SELECT {names}, {self._is_deleted} AS _file_cdk_deleted, "
            f"row_number() OVER (PARTITION BY {keys} ORDER BY {self._order}) AS _file_cdk_rank "
            f"FROM {rows} WHERE {self._has_key} AND {condition}) r "
            f"WHERE _file_cdk_rank = 1 AND {'' if deleted else 'NOT '}_file_cdk_deleted"
        )

    def without_key(self, names: str, rows: str) -> str:
        return f"SELECT {names} FROM {rows} WHERE NOT ({self._has_key}) AND NOT ({self._is_deleted})"

    def _insert(self, declared: Mapping[str, str], condition: str) -> None:
        """The rows of the keys that meet the condition."""
        names = ", ".join(map(quoted, declared))
        self.db.run(f"INSERT INTO {self._shown} ({names}) {self.with_key(names, self._rows, condition)}")
        if self._deletes:
            names = ", ".join([*self._keys, "_file_url"])
            hiding = self.with_key(names, self._rows, condition, deleted=True)
            self.db.run(f"INSERT INTO {self._deleted} ({names}) {hiding}")

    def _insert_without_key(self, declared: Mapping[str, str], condition: str, parameters: Sequence[str]) -> None:
        names = ", ".join(map(quoted, declared))
        rows = self.without_key(names, self._rows)
        self.db.run(f"INSERT INTO {self._shown} ({names}) {rows} {condition}", parameters)

    @property
    def _order(self) -> str:
        later = f"_file_modified_at DESC, {self.db.by_bytes('_file_url')} DESC, _file_row DESC"
        if self.rule.cursor is None or self.rule.cursor not in self.columns:
            return later
        cursor = quoted(self.columns[self.rule.cursor])
        if pa.types.is_string(self.types[self.rule.cursor]):
            cursor = self.db.by_bytes(cursor)
        return f"{cursor} DESC NULLS LAST, {later}"

    @property
    def _is_deleted(self) -> str:
        """SQL that is true or false."""
        name = self.rule.deleted
        if name is None or name not in self.columns:
            return "false"
        column, kind = quoted(self.columns[name]), self.types[name]
        if pa.types.is_boolean(kind):
            return f"coalesce({column}, false)"
        if pa.types.is_string(kind):
            return f"({column} IS NOT NULL AND lower({column}) NOT IN {_NOT_DELETED})"
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            return f"coalesce({column} <> 0, false)"
        return f"({column} IS NOT NULL)"


def _has_numbers(texts: pa.Array) -> bool:
    import pyarrow.compute as pc  # a tenth of a second, which most that a ledger is for do without

    return bool(pc.any(pc.match_substring_regex(texts, NUMBER)).as_py())
