"""A few kills of whom chance chooses; benchmarks/kills.py does hundreds."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

KILLS = Path(__file__).parents[2] / "benchmarks" / "kills.py"
COMMAND = Path(sys.executable).with_name("file-cdk")


@pytest.mark.parametrize("to", ["duckdb", "postgres"])
def test_a_run_makes_up_for_those_that_were_killed(tmp_path: Path, to: str, request: pytest.FixtureRequest) -> None:
    if to == "postgres":
        request.getfixturevalue("postgres_server")  # skips where none is installed; the script has one of its own
    size = ["--to", to, "--kills", "4", "--files", "30", "--large-mb", "6"]
    command: list[str | Path] = [sys.executable, KILLS, *size, "--command", COMMAND, "--scratch", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "over 1 databases" in done.stdout, said
    assert "0 orphans, 0 files left behind, 0 differences" in done.stdout, said
