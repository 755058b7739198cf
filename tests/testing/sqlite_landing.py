"""A landing in a SQLite database."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from file_cdk.destinations.sqlite.destination import SqliteDestination


@dataclass(frozen=True)
class SqliteLanding:
    path: str

    def destination(self) -> SqliteDestination:
        return SqliteDestination(self.path)

    def rows(self, stream: str) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.path)) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [stream]).fetchall():
                return []
            found = db.execute(f'SELECT * FROM "{stream}" ORDER BY rowid')
            names = [column[0] for column in found.description]
            return [
                {name: value for name, value in zip(names, row, strict=True) if not name.startswith("_file_")}
                for row in found
            ]

    def delete_row(self, stream: str, uri: str) -> None:
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute(
                f'DELETE FROM "{stream}" WHERE rowid = (SELECT min(rowid) FROM "{stream}" WHERE _file_url = ?)', [uri]
            )
