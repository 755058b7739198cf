"""Copying files with readers that are slow, fail or hang at a given file."""

import io
import os
import resource
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import pytest

from file_cdk.core.errors import (
    ConfigError,
    DestinationError,
    FileAccessError,
    FileCdkError,
    FileChangedError,
    FileError,
    InternalError,
    TransientError,
)
from file_cdk.core.files import RemoteFile
from file_cdk.engine import transfer as engine
from file_cdk.engine.listing import select
from file_cdk.engine.staging import Staging
from file_cdk.engine.transfer import TransferFailed, Transferred, transfer
from file_cdk.pipeline.transfer import RawFiles, staging_folder

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)

opened: list[str] = []
"""Uris, as the readers' threads open them."""
gate = threading.Event()
"""What `hang` waits for."""


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    opened.clear()
    gate.clear()
    yield
    gate.set()


def file(uri: str, size_bytes: int | None = None, minutes: int = 0) -> RemoteFile:
    size = len(content(uri)) if size_bytes is None else size_bytes
    return RemoteFile(uri, size, NOON + timedelta(minutes=minutes))


def content(uri: str) -> bytes:
    return (uri.encode() + b"\0\r\n\xff") * (1 + len(uri) % 7)


@dataclass(frozen=True)
class ScriptedReader:
    """Opens any uri; a word in it says what happens then."""

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        raise NotImplementedError

    def open(self, file: RemoteFile) -> IO[bytes]:
        opened.append(file.uri)
        if "slow" in file.uri:
            time.sleep(0.1)
        if "forbidden" in file.uri:
            raise FileAccessError("may not be read", uri=file.uri)
        if "bug" in file.uri:
            raise KeyError("secret value")
        return _Stream(file.uri)


class _Stream(io.BytesIO):
    def __init__(self, uri: str) -> None:
        super().__init__(content(uri))
        self.uri = uri

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(3 if "torn" in self.uri else size)
        if "reset" in self.uri:
            raise ConnectionResetError(104, "Connection reset by peer")
        if "passing" in self.uri and not data:
            raise TransientError("the store is busy")
        if "hang" in self.uri and not data:
            gate.wait(30)
        return data


def staged(folder: Path) -> list[Path]:
    # Not rglob: folders may vanish meanwhile.
    return sorted(Path(parent, name) for parent, _, names in os.walk(folder) for name in names)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def run(folder: Path, files: list[RemoteFile], threads: int = 4) -> list[Transferred | TransferFailed]:
    with closing(transfer(ScriptedReader(), files, Staging.below(str(folder)), lambda f: f.uri, threads)) as outcomes:
        return list(outcomes)


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_files_are_copied_as_they_are_and_announced_in_their_order(tmp_path: Path, threads: int) -> None:
    uris = ["slow/first.csv", "b.zip", "torn.gz", "slow/2", *(f"n{number}" for number in range(60))]
    outcomes = run(tmp_path, [file(uri) for uri in uris], threads)
    assert [outcome.file.uri for outcome in outcomes] == uris
    copied = [outcome for outcome in outcomes if isinstance(outcome, Transferred)]
    assert [Path(each.staged).read_bytes() for each in copied] == [content(uri) for uri in uris]
    assert [each.relative for each in copied] == uris
    assert staged(tmp_path) == sorted(Path(each.staged) for each in copied)
    if threads == 1:
        assert opened == uris


def test_files_that_fail_leave_nothing_and_the_others_go_on(tmp_path: Path) -> None:
    uris = ["a", "forbidden", "bug", "reset", "b", "passing", "c"]
    outcomes = run(tmp_path, [file(uri) for uri in uris])
    errors = {each.file.uri: each.error for each in outcomes if isinstance(each, TransferFailed)}
    assert {uri: type(error) for uri, error in errors.items()} == {
        "forbidden": FileAccessError,
        "bug": InternalError,
        "reset": FileAccessError,
        "passing": TransientError,
    }
    assert [error.uri for error in errors.values()] == list(errors)
    assert "secret" not in str(errors["bug"])
    assert [outcome.file.uri for outcome in outcomes] == uris
    assert [path.name for path in staged(tmp_path)] == ["a", "b", "c"]


@pytest.mark.parametrize("listed", [0, 1, len(content("x")) - 1, len(content("x")) + 1])
def test_a_file_that_is_not_as_long_as_it_was_listed_is_not_announced(tmp_path: Path, listed: int) -> None:
    (outcome,) = run(tmp_path, [file("x", listed)])
    assert isinstance(outcome, TransferFailed)
    assert isinstance(outcome.error, FileChangedError)
    assert staged(tmp_path) == []


@pytest.mark.parametrize("threads", [1, 3])
def test_a_file_that_changed_is_copied_as_it_is_now(tmp_path: Path, threads: int) -> None:
    asked: list[tuple[str, int]] = []

    def newer(old: RemoteFile, error: FileCdkError) -> RemoteFile | FileCdkError:
        asked.append((old.uri, old.size_bytes))
        # Of `x`, the second version that is listed is not yet the one that is opened; `forbidden` has no other.
        changes = isinstance(error, FileChangedError) and len(asked) < 4
        return file(old.uri, len(content("d/x")) - 3 + len(asked), minutes=len(asked)) if changes else error

    files = [file("slow"), file("d/x", 1), file("forbidden"), file("b")]
    staging = Staging.below(str(tmp_path))
    with closing(transfer(ScriptedReader(), files, staging, lambda f: f.uri, threads, newer)) as copies:
        outcomes = list(copies)
    assert [outcome.file.uri for outcome in outcomes] == ["slow", "d/x", "forbidden", "b"]
    size = len(content("d/x"))
    assert asked == [("d/x", 1), ("d/x", size - 2), ("d/x", size - 1), ("forbidden", len(content("forbidden")))]
    assert outcomes[1].file == file("d/x", size, minutes=3)
    assert isinstance(outcomes[1], Transferred)
    assert Path(outcomes[1].staged).read_bytes() == content("d/x")
    assert [path.name for path in staged(tmp_path)] == ["slow", "x", "b"]


def test_files_under_way_are_bounded(tmp_path: Path) -> None:
    taken = 0

    def files() -> Iterator[RemoteFile]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield file(f"n{number}")

    with closing(transfer(ScriptedReader(), files(), Staging.below(str(tmp_path)), lambda f: f.uri, 2)) as outcomes:
        next(outcomes)
        time.sleep(0.2)
        assert taken == 2 * engine.FILES_PER_THREAD
        assert len(staged(tmp_path)) <= 2 * engine.FILES_PER_THREAD


def test_closing_removes_what_was_not_announced_even_from_a_thread_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_PATIENCE_S", 0.1)
    outcomes = transfer(
        ScriptedReader(), map(file, ["a", "hang", "b"]), Staging.below(str(tmp_path)), lambda f: f.uri, 2
    )
    first = next(outcomes)
    assert isinstance(first, Transferred)
    wait_until(lambda: {path.name for path in staged(tmp_path)} == {"a", "%~part", "b"})
    outcomes.close()
    assert staged(tmp_path) == [Path(first.staged)]
    gate.set()
    for thread in threading.enumerate():
        if thread.name.startswith("transfer-"):
            thread.join(10)
            assert not thread.is_alive()
    assert staged(tmp_path) == [Path(first.staged)]


def test_a_file_larger_than_the_file_system_takes_fails_alone(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        outcomes = run(tmp_path, [file("a long name"), file("b")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert isinstance(outcomes[0], TransferFailed)
    assert type(outcomes[0].error) is FileError
    assert outcomes[0].error.uri == "a long name"
    assert isinstance(outcomes[1], Transferred)


def test_without_the_staging_folder_nothing_more_is_copied(tmp_path: Path) -> None:
    staging = Staging.below(str(tmp_path))
    outcomes = transfer(ScriptedReader(), (file(f"n{number}") for number in range(100)), staging, lambda f: f.uri, 1)
    assert isinstance(next(outcomes), Transferred)
    wait_until(lambda: len(staged(tmp_path)) == engine.FILES_PER_THREAD)
    shutil.rmtree(staging.path)
    rest = list(outcomes)
    assert isinstance(rest[-1], TransferFailed)
    assert isinstance(rest[-1].error, DestinationError)
    assert len(rest) < 99


def test_the_staging_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("file_cdk.pipeline.transfer.PLATFORM_STAGING", str(tmp_path / "platform"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert staging_folder({"AIRBYTE_STAGING_DIRECTORY": "/not/there"}) == "/not/there"
    assert staging_folder({}) == str(tmp_path / "airbyte-file-transfer")
    assert (tmp_path / "airbyte-file-transfer").is_dir()
    (tmp_path / "platform").mkdir()
    assert staging_folder({"AIRBYTE_STAGING_DIRECTORY": ""}) == str(tmp_path / "platform")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    (tmp_path / "platform").rmdir()
    with pytest.raises(DestinationError) as caught:
        staging_folder({})
    assert "AIRBYTE_STAGING_DIRECTORY" in str(caught.value)


def test_what_a_record_says(tmp_path: Path) -> None:
    one = RemoteFile("a//b.csv", 7, NOON)
    done = Transferred(one, "/stage/a/%2Fb.csv", "a/%2Fb.csv")
    for origin, source_uri in (
        ("s3://bucket", "s3://bucket/a//b.csv"),
        ("gs://bucket/", "gs://bucket/a//b.csv"),
        ("file:///tmp/x%20y", "a//b.csv"),
        (None, "a//b.csv"),
    ):
        record = RawFiles(False, origin, 1).record("s", done, 99)["record"]
        assert record["data"] == {
            "folder": "a",
            "file_name": "b.csv",
            "bytes": 7,
            "source_uri": source_uri,
            "updated_at": "2024-01-01T12:00:00.000000Z",
        }
        assert (record["stream"], record["emitted_at"]) == ("s", 99)
        assert record["file_reference"] == {
            "staging_file_url": "/stage/a/%2Fb.csv",
            "source_file_relative_path": "a/%2Fb.csv",
            "file_size_bytes": 7,
        }


@pytest.mark.parametrize("run_files", [2, 100])
def test_equal_names_are_refused_where_folders_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_files: int
) -> None:
    monkeypatch.setenv("AIRBYTE_STAGING_DIRECTORY", str(tmp_path))
    files = [file(f"{folder}/x.csv", minutes=folder % 3) for folder in range(5)] + [file("1/y.csv")]
    with closing(select(files, [], 2, run_files)) as selection, pytest.raises(ConfigError) as caught:
        RawFiles(True, None, 1).copies(ScriptedReader(), selection, lambda file, error: error)
    assert "'x.csv'" in str(caught.value)
    assert "'0/x.csv'" in str(caught.value)
    assert "y.csv" not in str(caught.value)
    assert opened == []
    assert list(tmp_path.iterdir()) == []
    with closing(select(files[4:], [], 2, run_files)) as selection:
        copied = list(RawFiles(True, None, 1).copies(ScriptedReader(), selection, lambda file, error: error))
    assert [each.relative for each in copied if isinstance(each, Transferred)] == ["y.csv", "x.csv"]
