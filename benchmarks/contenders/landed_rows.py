"""Runs a command, then prints the rows that it has put into Parquet files, or table `t` of a SQLite database, as RECORD messages.

python landed_rows.py parquet|sqlite PATH NAME=TYPE,… -- COMMAND …

PATH: the database, or a pattern of the files. Tools give the same value different types, so each is printed as text of its TYPE,
and empty text as null.
"""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from decimal import Decimal
from typing import Any

import duckdb


def main() -> None:
    filetype, path, given, _, *command = sys.argv[1:]
    types = dict(each.split("=") for each in given.split(","))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for row in {"parquet": of_parquet, "sqlite": of_sqlite}[filetype](path, list(types)):
        data = {name: spelled(value, kind) for (name, kind), value in zip(types.items(), row, strict=True)}
        print(json.dumps({"type": "RECORD", "record": {"data": data}}))


def of_parquet(pattern: str, names: Sequence[str]) -> Iterable[Sequence[Any]]:
    found = duckdb.execute(f"SELECT {', '.join(names)} FROM read_parquet(?)", [pattern])
    while rows := found.fetchmany(10_000):
        yield from rows


def of_sqlite(path: str, names: Sequence[str]) -> Iterable[Sequence[Any]]:
    with closing(sqlite3.connect(path)) as connection:
        yield from connection.execute(f"SELECT {', '.join(names)} FROM t")


def spelled(value: Any, kind: str) -> str | None:
    if value is None or value == "":
        return None
    match kind:
        case "BOOLEAN":
            return str(value in (True, "true"))
        case "NUMERIC":
            return f"{Decimal(str(value)).normalize():f}"
        case "TIMESTAMP":
            return str(value).partition(".")[0]  # the orders have whole seconds
    return str(value)


if __name__ == "__main__":
    main()
