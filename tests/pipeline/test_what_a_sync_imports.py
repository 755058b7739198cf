"""A sync that finds nothing new has no use for what reads files."""

import subprocess
import sys
from pathlib import Path

from file_cdk.pipeline.tables.sync import sync

_PROGRAM = """
import sys
from file_cdk.cli.command import main
code = main(sys.argv[1:])
large = ("duckdb", "pyarrow", "wcmatch", "importlib.metadata", "fractions", "file_cdk.engine.ordering", "file_cdk.engine.work")
print(code, [name for name in large if name in sys.modules])
"""


def test_a_sync_that_finds_nothing_new_imports_little(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.csv").write_text("id\n1\n")
    source, database = f"{tmp_path}/files", f"{tmp_path}/x.duckdb"
    assert sync(source, database).streams[0].rows == 1
    command = [sys.executable, "-c", _PROGRAM, "sync", source, "--to", database, "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "0 []\n"
