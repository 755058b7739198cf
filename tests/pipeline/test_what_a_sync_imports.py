"""What a command and its workers import: no more than they have a use for, since each import is a part of every start."""

import subprocess
import sys
from pathlib import Path

import pytest

from file_cdk.pipeline.tables.sync import sync

_PROGRAM = """
import sys
from file_cdk.cli.command import main
code = main(sys.argv[1:])
large = ("duckdb", "pyarrow", "wcmatch", "importlib.metadata", "fractions", "shutil", "tempfile")
ours = ("file_cdk.engine.ordering", "file_cdk.engine.work")
print(code, [name for name in (*large, *ours) if name in sys.modules])
"""


def test_a_sync_that_finds_nothing_new_imports_little(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.csv").write_text("id\n1\n")
    source, database = f"{tmp_path}/files", f"{tmp_path}/x.duckdb"
    assert sync(source, database).streams[0].rows == 1
    command = [sys.executable, "-c", _PROGRAM, "sync", source, "--to", database, "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "0 []\n"


_MODULES = """
import sys
from importlib import import_module
import_module(sys.argv[1])
print([name for name in sys.argv[2:] if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("module", "unused"),
    [
        ("file_cdk.destinations.files.destination", ("pyarrow.compute", "pyarrow.parquet", "msgspec", "hashlib")),
        ("file_cdk.destinations.files.row_groups", ("sqlite3", "msgspec", "file_cdk.core.ledger")),
        ("file_cdk.destinations.postgres.destination", ("pyarrow.compute", "msgspec", "sqlite3")),
        ("file_cdk.destinations.postgres.encoder", ("psycopg", "file_cdk.destinations.sql.destination")),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_folder_and_encoders_in_workers_import_little(module: str, unused: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", _MODULES, module, *unused]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
