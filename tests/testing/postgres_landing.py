"""A landing in a Postgres database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from file_cdk.destinations.postgres.destination import PostgresDestination


@dataclass(frozen=True)
class PostgresLanding:
    url: str

    def destination(self) -> PostgresDestination:
        return PostgresDestination(self.url)

    def rows(self, stream: str) -> list[dict[str, Any]]:
        with connected(self.url) as db:
            db.adapters.register_loader("json", psycopg.types.string.TextLoader)
            if not db.execute("SELECT 1 FROM pg_class WHERE relname = %s", [stream]).fetchall():
                return []
            found = db.execute(f'SELECT * FROM "{stream}" ORDER BY ctid')
            assert found.description is not None
            names = [column.name for column in found.description]
            return [
                {name: value for name, value in zip(names, row, strict=True) if not name.startswith("_file_")}
                for row in found
            ]

    def delete_row(self, stream: str, uri: str) -> None:
        with connected(self.url) as db:
            chosen = f'SELECT min(_file_row) FROM "{stream}" WHERE _file_url = %s'
            db.execute(f'DELETE FROM "{stream}" WHERE _file_url = %s AND _file_row = ({chosen})', [uri, uri])


@contextmanager
def connected(url: str) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        yield connection
