"""Folders for temporary files: whose they are, and who may remove them."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from file_cdk.core.system import run_folder as module


def test_a_folder_is_removed_when_nobody_holds_its_lock(tmp_path: Path) -> None:
    mine, lock = module._made(tmp_path)
    abandoned = tmp_path / f"{module.PREFIX}abandoned"
    abandoned.mkdir()
    (abandoned / "lock").touch()
    begun = tmp_path / f"{module.PREFIX}begun"
    begun.mkdir()
    module.remove_abandoned(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([mine, begun])
    os.close(lock)
    module.remove_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == [begun]


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
