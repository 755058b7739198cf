"""When Python looks for cycles: put off while a command begins, and as whoever called it had it afterwards."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from file_cdk.cli import main
from file_cdk.core.system.collecting import put_off_collecting, take_up_collecting
from file_cdk.pipeline.tables.loading import StreamLoading


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    yield
    gc.enable()


def noting(method: Callable[..., None], states: list[bool]) -> Callable[..., None]:
    def noted(*arguments: Any) -> None:
        states.append(gc.isenabled())
        method(*arguments)

    return noted


def test_a_sync_collects_from_its_first_row_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[bool] = []
    for name in ("load", "_take"):
        monkeypatch.setattr(StreamLoading, name, noting(getattr(StreamLoading, name), states))
    (tmp_path / "a.csv").write_text("id\n1\n")
    assert main(["sync", str(tmp_path / "a.csv"), "--to", str(tmp_path / "x.sqlite"), "-q"]) == 0
    assert [*states, gc.isenabled()] == [False, True, True]


def test_a_sync_that_fails_collects_again(tmp_path: Path) -> None:
    assert main(["sync", str(tmp_path / "none"), "--to", str(tmp_path / "x.sqlite"), "-q"]) != 0
    assert gc.isenabled()


def test_who_does_not_collect_is_left_alone() -> None:
    gc.disable()
    put_off_collecting()
    take_up_collecting()
    assert not gc.isenabled()
