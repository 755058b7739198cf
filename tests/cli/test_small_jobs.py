"""A small job of CSV or JSON lines goes without Arrow, which takes longer to import than all else that it does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from file_cdk.formats.csv.rows import SMALL_PIECE_BYTES

PROGRAM = """
import sys
from file_cdk import run_connector
try:
    run_connector("source_local.source:connector")
finally:
    sys.stderr.write(f"imported: {[name for name in ('pyarrow', 'arro3') if name in sys.modules]}")
"""


def imported_by(command: str, folder: Path, filetype: str, text: str, count: int = 1) -> str:
    files = folder / "files"
    files.mkdir()
    for number in range(count):
        (files / f"{number}").write_text(text)
    config = {"path": str(files), "streams": [{"name": "s", "format": {"filetype": filetype}}]}
    (folder / "config.json").write_text(json.dumps(config))
    properties = {"id": {"type": "integer"}, "name": {"type": "string"}}
    stream = {"name": "s", "json_schema": {"properties": properties}, "supported_sync_modes": ["full_refresh"]}
    chosen = {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
    (folder / "catalog.json").write_text(json.dumps({"streams": [chosen]}))
    argv = [command, "--config", f"{folder}/config.json"]
    if command == "read":
        argv += ["--catalog", f"{folder}/catalog.json"]
    ended = subprocess.run([sys.executable, "-c", PROGRAM, *argv], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    if command == "read":
        assert ended.stdout.count('"type":"RECORD"') == text.count("a") * count
    return ended.stderr.rpartition("imported: ")[2]


ROWS = {"csv": "id,n\n1,a\n2,a\n", "jsonl": '{"id":1,"n":"a"}\n{"id":2,"n":"a"}\n'}


@pytest.mark.parametrize("filetype", ["csv", "jsonl"])
@pytest.mark.parametrize("command", ["check", "read"])
def test_imports_no_arrow(tmp_path: Path, command: str, filetype: str) -> None:
    assert imported_by(command, tmp_path, filetype, ROWS[filetype]) == "[]"


def test_a_few_files_that_are_read_together_import_none(tmp_path: Path) -> None:
    assert imported_by("read", tmp_path, "csv", ROWS["csv"], count=5) == "[]"


def test_discovering_csv_imports_none(tmp_path: Path) -> None:
    assert imported_by("discover", tmp_path, "csv", ROWS["csv"]) == "[]"


def test_a_large_file_goes_by_arrow(tmp_path: Path) -> None:
    text = "id,n\n" + "1,a\n" * SMALL_PIECE_BYTES
    assert imported_by("read", tmp_path, "csv", text) == "['pyarrow', 'arro3']"
