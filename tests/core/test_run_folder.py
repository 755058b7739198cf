"""Folders for temporary files: whose they are, and who may remove them."""

import errno
import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from file_cdk.core.system import run_folder as module


def test_a_folder_is_removed_when_nobody_holds_its_lock(tmp_path: Path) -> None:
    mine, lock = module._made(tmp_path)
    abandoned = tmp_path / f"{module.PREFIX}abandoned"
    abandoned.mkdir()
    (abandoned / "lock").touch()
    half_removed = tmp_path / f"{module.PREFIX}half-removed"  # or half made
    (half_removed / "pymp-x").mkdir(parents=True)
    module.remove_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == [mine]
    os.close(lock)
    module.remove_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("named", [None, "", "/no/such/folder", "there"])
def test_where_temporary_files_are_is_known_without_tempfile(
    named: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    if named is not None:
        monkeypatch.setenv("TEMP", str(tmp_path) if named == "there" else named)
    monkeypatch.setattr(tempfile, "tempdir", None)  # it keeps what it found
    expected = tempfile.gettempdir()
    monkeypatch.delitem(sys.modules, "tempfile")
    assert str(module._likely_temporary_files()) == expected


@pytest.mark.parametrize("is_imported", [False, True])
def test_without_a_folder_for_temporary_files_none_is_abandoned(
    is_imported: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", list)
    monkeypatch.setattr(os, "access", lambda *_: False)
    if not is_imported:
        monkeypatch.delitem(sys.modules, "tempfile")
    module.remove_abandoned()


def test_a_folder_that_is_removed_while_it_is_made_is_made_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[Path] = []

    def mkdir(folder: Path, mode: int = 0o777) -> None:
        made.append(folder)
        mkdir_of_python(folder, mode)
        if len(made) == 1:
            module.remove_abandoned(tmp_path)

    mkdir_of_python = Path.mkdir
    monkeypatch.setattr(Path, "mkdir", mkdir)
    folder, lock = module._made(tmp_path)
    os.close(lock)
    assert list(tmp_path.iterdir()) == [folder] == [made[1]]


def test_a_folder_is_removed_by_a_process_that_is_interrupted_while_it_makes_it(tmp_path: Path) -> None:
    program = (
        "import fcntl, os, signal\nfrom file_cdk.core.system.run_folder import run_folder\n"
        "fcntl.flock = lambda *_: os.kill(os.getpid(), signal.SIGINT)\nrun_folder()\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", program], check=False, env=environment, capture_output=True)
    assert b"KeyboardInterrupt" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_removed_at_the_end_too(tmp_path: Path) -> None:
    """Its workers, which live on for a moment, may keep the next run from removing all when it begins."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom file_cdk.core.system.run_folder import PREFIX, run_folder\n"
        "left = run_folder().with_name(PREFIX + 'left')\nleft.mkdir()\n(left / 'late').touch()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("refusal", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_has_folders_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refusal: int
) -> None:
    tries = 0

    def flock(*_: int) -> None:
        nonlocal tries
        tries += 1
        assert tries < 10, "it would go on for ever"
        raise OSError(refusal, "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    folder, lock = module._made(tmp_path)
    os.close(lock)
    module.remove_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == [folder]
