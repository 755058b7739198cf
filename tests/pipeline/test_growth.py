"""What is said of a table that grew, when, and from whose values."""

from pathlib import Path

import pytest

from file_cdk import SyncOptions, sync
from file_cdk.pipeline.tables.report import Silence


class Observer(Silence):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warned(self, message: str) -> None:
        self.warnings.append(message)


def told(folder: Path, **files: str) -> list[str]:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    observer = Observer()
    sync(folder, folder.parent / "x.duckdb", SyncOptions(workers=0, stream="t", dialect="default"), observer)
    return observer.warnings


def test_nothing_is_said_of_a_new_table(tmp_path: Path) -> None:
    assert told(tmp_path / "in", a="id,v\n1,2\n", b="id,v,w\n1,x,3\n") == []


def test_columns_of_newer_files_are_told_once_they_are_loaded(tmp_path: Path) -> None:
    told(tmp_path / "in", a="id,v\n1,2\n")
    assert told(tmp_path / "in", b="id,v,more\n1,x,2\n2\n") == []  # it failed
    assert told(tmp_path / "in", b="id,v,w\n1,x,2\n") == [
        "column 'v' was int64 and is now string, to hold values of newer files",
        "column 'w' (int64) is new, from newer files",
    ]


def test_a_file_that_refutes_the_guess_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("file_cdk.engine.sampling.SAMPLE_FILES", 1)
    assert told(tmp_path / "in", a="id,w\nx,1\n", b="id\n1\n") == [
        "column 'id' was int64 and is now string, to hold values of file 'a.csv'",
        "column 'w' (int64) is new, from file 'a.csv'",
    ]


def test_values_that_a_wider_type_would_change_are_told(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text('{"v":9007199254740993}\n')
    sync(tmp_path / "in", tmp_path / "x.duckdb", SyncOptions(workers=0, stream="t"))
    (tmp_path / "in" / "b.jsonl").write_text('{"v":1e300}\n')
    observer = Observer()
    sync(tmp_path / "in", tmp_path / "x.duckdb", SyncOptions(workers=0, stream="t"), observer)
    assert observer.warnings == ["column 'v' was int64 and is now string, to hold values of newer files"]
