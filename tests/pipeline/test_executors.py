"""Which processes a run starts, and what it leaves."""

import tempfile
from pathlib import Path

import pytest

from file_cdk.core.system.run_folder import PREFIX
from file_cdk.pipeline.execution import Executors


def test_a_run_that_starts_no_process_removes_what_a_killed_one_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"{PREFIX}left").mkdir()
    Executors(2).close()
    assert list(tmp_path.iterdir()) == []
