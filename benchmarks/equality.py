"""Do contenders give the same data? Asked before any of them is timed."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb

from benchmarks.bench import CONTENDERS
from benchmarks.measuring import COUNT, Run, measure
from benchmarks.workload import Contender

_DIGEST = [sys.executable, str(CONTENDERS / "digest.py")]


class DifferentDataError(Exception):
    """Contenders do not do the same: their figures say nothing."""


def check_equality(contenders: Sequence[Contender]) -> dict[str, Run]:
    """Runs each once, which also brings the files into the page cache. The time is of whatever checks the output, too.

    Raises DifferentDataError, CommandError.
    """
    runs: dict[str, Run] = {}
    found: dict[str, dict[str, str]] = {}
    columns: dict[str, list[tuple[str, str]]] = {}
    for contender in contenders:
        if contender.memory and contender.alike is None:
            continue  # gigabytes, written a moment ago
        remove_database(contender)
        reader = COUNT if contender.alike is None or contender.database else _DIGEST
        run = measure(contender.printing or contender.command, environment=contender.environment, reader=reader)
        runs[contender.name] = run
        if contender.alike is None:
            continue
        if contender.database is None:
            digest = str(json.loads(run.said))
        else:
            digest = _table_digest(contender.database, columns, contender.alike)
        found.setdefault(contender.alike, {})[contender.name] = digest
    for digests in found.values():
        if len(set(digests.values())) > 1:
            raise DifferentDataError("; ".join(f"{name}: {digest}" for name, digest in digests.items()))
    return runs


def remove_database(contender: Contender) -> None:
    """And what tools keep beside it, under a name that begins with the same."""
    if contender.emptying is not None:
        subprocess.run(contender.emptying, check=True, stdout=subprocess.DEVNULL)
    if contender.database is None or not contender.fresh:
        return
    for path in contender.database.parent.glob(contender.database.name + "*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _table_digest(database: Path, columns: dict[str, list[tuple[str, str]]], alike: str) -> str:
    """Of the table t, in whatever schema: the number of rows, and a sum of their hashes.

    Tools give the same value different types, and some none but text: each value is compared as text of the type that the first
    contender's column has. Empty text is the same as null. Columns that begin with an underscore are a tool's own.
    """
    with duckdb.connect(str(database), read_only=True) as connection:
        ((schema,),) = connection.execute("SELECT schema_name FROM duckdb_tables() WHERE table_name = 't'").fetchall()
        described = connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE {schema}.t)").fetchall()
        own = [(str(name), str(kind)) for name, kind in described if not str(name).startswith("_")]
        expected = columns.setdefault(alike, own)
        if sorted(name for name, _ in own) != sorted(name for name, _ in expected):
            raise DifferentDataError(f"{database.name} has the columns {own}, others {expected}")
        values = ", ".join(
            f"coalesce(nullif(CAST(TRY_CAST(CAST({name} AS VARCHAR) AS {kind}) AS VARCHAR), ''), chr(0))"
            for name, kind in expected
        )
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(f"SELECT count(*), sum(hash({values})::HUGEINT) FROM {schema}.t").fetchone()
    return str(found)
