"""The installed command, killed while it loads one large file: the next run reads only what is left of it."""

import contextlib
import os
import re
import subprocess
from pathlib import Path
from typing import Literal

import duckdb
import psutil
import pytest
import warm

from file_cdk.destinations.duckdb.destination import KEEP_AFTER_VARIABLE

pytestmark = pytest.mark.process

ROWS = 700_000
NOTE = "x" * 270
HEAD_BYTES = 8 << 20
"""What is looked at before a file is read: its dialect and its columns come from there."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 MB of CSV; every tenth row has a value that goes over two lines."""
    path = tmp_path_factory.mktemp("large") / "large.csv"
    with path.open("w", newline="") as out:
        out.write("id,note\n")
        for row in range(ROWS):
            out.write(f'{row},"{NOTE} {row}' + ('"\n' if row % 10 else '\n"\n'))
    return path


def sync(source: Path, database: Path, keep_after_s: float) -> warm.Process:
    command: list[str | Path] = ["file-cdk", "sync", source, "--to", database, "--workers", "2"]
    environment = {**os.environ, KEEP_AFTER_VARIABLE: str(keep_after_s)}
    return warm.Process(*command, env=environment, stderr=warm.PIPE, text=True)


def killed(source: Path, database: Path, after_s: float) -> tuple[int, int] | Literal["ended"] | None:
    """The byte and the rows that were kept; None where nothing was yet."""
    database.unlink(missing_ok=True)
    run = sync(source, database, 0.1)
    family = psutil.Process(run.pid).children(recursive=True)
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.communicate(timeout=after_s)
        return "ended"
    family += psutil.Process(run.pid).children(recursive=True)
    run.kill()
    run.communicate()
    psutil.wait_procs(family, timeout=10)
    if not database.exists():
        return None
    with duckdb.connect(str(database), read_only=True) as connection:
        if not connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = '_file_cdk_parts'").fetchall():
            return None
        kept = connection.execute("SELECT position, rows FROM _file_cdk_parts").fetchall()
        seen = connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'large'").fetchall()
        assert not (kept and seen), "rows of a file that is not whole are in its table"
    return (int(kept[0][0]), int(kept[0][1])) if kept else None


def killed_within(source: Path, database: Path) -> tuple[int, int]:
    """Tries until a kill comes late enough for something to be kept, and before the end, however fast the machine is."""
    too_early_s, too_late_s = 0.5, 600.0
    for _ in range(12):
        after_s = min(2 * too_early_s, (too_early_s + too_late_s) / 2)
        kept = killed(source, database, after_s)
        if isinstance(kept, tuple) and kept[0] > 2 * HEAD_BYTES:
            return kept
        if kept == "ended":
            too_late_s = after_s
        else:
            too_early_s = after_s
    pytest.fail("no kill came while the file was loaded")


def test_the_next_run_reads_what_is_left(large: Path, tmp_path: Path) -> None:
    database = tmp_path / "x.duckdb"
    position, rows = killed_within(large, database)
    facts = large.stat()
    with large.open("r+b") as file:  # what is not to be read again, can no longer be read
        file.seek(HEAD_BYTES)
        saved = file.read(position - 1 - HEAD_BYTES)
        file.seek(HEAD_BYTES)
        file.write(b"#" * len(saved))
    os.utime(large, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    run = sync(large, database, 60)
    _, messages = run.communicate(timeout=600)
    with large.open("r+b") as file:
        file.seek(HEAD_BYTES)
        file.write(saved)
    assert run.returncode == 0, messages
    found = re.search(r"file 'large.csv' goes on at byte ([\d,]+) of ([\d,]+): ([\d,]+) rows", messages)
    assert found is not None, messages
    assert [int(number.replace(",", "")) for number in found.groups()] == [position, facts.st_size, rows]
    with duckdb.connect(str(database), read_only=True) as connection:
        assert connection.execute(
            "SELECT count(*), count(DISTINCT id), min(id), max(id), bool_and(_file_row = id + 1), "
            "bool_and(rtrim(note, chr(10)) = repeat('x', 270) || ' ' || id), count_if(note LIKE '%' || chr(10)) FROM large"
        ).fetchall() == [(ROWS, ROWS, 0, ROWS - 1, True, True, ROWS // 10)]
        assert connection.execute("SELECT url, rows, status FROM _file_cdk_files").fetchall() == [
            ("large.csv", ROWS, "loaded")
        ]
        assert connection.execute("SELECT count(*) FROM _file_cdk_parts").fetchall() == [(0,)]
