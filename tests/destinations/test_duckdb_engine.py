"""What of DuckDB's package a load imports."""

import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile
from file_cdk.destinations.duckdb import engine
from file_cdk.destinations.duckdb import ledger as duckdb_ledger
from file_cdk.destinations.duckdb.file import open_to_write
from file_cdk.destinations.duckdb.ledger import DuckDBLedger
from file_cdk.destinations.duckdb.memory import MemoryBudget
from file_cdk.destinations.duckdb.session import Session
from file_cdk.destinations.sql.ledger import create_ledger

_OPENS = """
import sys
from file_cdk.destinations.duckdb import destination
target = destination.DuckDBDestination(sys.argv[1])
target.open()
target.close()
print(destination.duckdb.__name__, "duckdb" in sys.modules)
"""

_ELSEWHERE = """
import runpy, sys
sys.modules["_duckdb"], sys.modules["duckdb"] = None, sys
print(runpy.run_path(sys.argv[1])["duckdb"] is sys)
"""


def test_it_has_the_same_classes_as_the_package() -> None:
    for name in ("DuckDBPyConnection", "Error", "ConnectionException", "FatalException", "OutOfMemoryException"):
        assert getattr(engine.duckdb, name) is getattr(duckdb, name)


def test_a_database_is_opened_without_the_package_that_stands_on_it(tmp_path: Path) -> None:
    assert _printed(_OPENS, f"{tmp_path}/x.duckdb") == "_duckdb False\n"


def test_where_there_is_no_such_module_the_package_does() -> None:
    assert _printed(_ELSEWHERE, engine.__file__) == "True\n"


def _printed(program: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("few", [0, 1000])
def test_few_files_are_told_from_loaded_ones_as_many_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(duckdb_ledger, "_FEW_FILES", few)
    early, late = datetime(1960, 1, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2024, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC)
    loaded = [
        RemoteFile("a.csv", 1, early),
        RemoteFile("\u00e9.csv", 2, late, "t"),
        RemoteFile("\udcff.csv", 3, late, "\udcfe"),
    ]
    others = [
        RemoteFile("a.csv", 1, late),
        RemoteFile("a.csv", 2, early),
        RemoteFile("a.csv", 1, early, "t"),
        RemoteFile("\u00e9.csv", 2, late),
        RemoteFile("b.csv", 1, early),
    ]
    connection, _ = open_to_write(f"{tmp_path}/x.duckdb", {})
    with closing(connection):
        session = Session("x", connection, MemoryBudget(connection))
        create_ledger(session)
        ledger = DuckDBLedger(session, "run", "s")
        ledger.add_loaded([(file, LoadedFile(1)) for file in loaded])
        ledger.set_failed(RemoteFile("b.csv", 1, early), "no")
        assert ledger.unloaded([others[0], loaded[0], *others[1:], *loaded[1:]]) == [
            True,
            False,
            *[True] * 4,
            False,
            False,
        ]
        assert ledger.unloaded(loaded * 3) == [False] * 9
