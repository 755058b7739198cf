"""The examples of docs/guide/python.md in one program, and the notebook beside it in a kernel."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from test_examples import GUIDE, files


def test_the_examples_of_the_guide_run_as_one_script(tmp_path: Path) -> None:
    page = (GUIDE / "python.md").read_text(encoding="utf-8")
    for number, (name, content) in enumerate(files(page).items()):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
        os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert len(blocks) > 5
    (tmp_path / "guide.py").write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run([sys.executable, "guide.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, ""), done.stderr


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the kernel's client
def test_the_notebook_runs_and_shows_how_far_it_is(tmp_path: Path) -> None:
    notebook: Any = nbformat.read(GUIDE / "reading.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(
        notebook, kernel_name="python3", timeout=120, resources={"metadata": {"path": str(tmp_path)}}
    )
    asyncio.run(client.async_execute())
    _, polars, iteration, sync, silent = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert shown(polars[0]) == "read 2 of 2 files, 3 rows in … s"
    assert "quince" in polars[1]["data"]["text/plain"]
    assert [shown(output) for output in iteration] == ["read 2 of 2 files, 3 rows in … s", "3"]
    assert [shown(output) for output in sync] == ["synced 2 of 2 files, 3 rows in … s", "3"]
    assert [shown(output) for output in silent] == ["3"]


def shown(output: Any) -> str:
    """As it is in the end."""
    return re.sub(r"in \d+\.\d s( \(.*\))?$", "in … s", output["data"]["text/plain"])
