"""Staging on real folders."""

import errno
import os
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.core.errors import DestinationError, FileError
from file_cdk.engine.staged_names import PARTIAL, staged_path
from file_cdk.engine.staging import Staging, StagingClosedError

NASTY = [
    "../../x",
    "/abs",
    "x",
    "x/y",
    "X",
    "a/./b",
    "a//b",
    "a/b",
    "..",
    ".",
    "\0",
    "n\n",
    "L" * 300,
    "C:\\x",
    "",
    "/",
    "%2F",
]
URIS = st.one_of(st.sampled_from(NASTY), st.text(st.sampled_from("./%~2F\\aA\0\n\ud800é"), max_size=40))


def put(staging: Staging, name: str, uri: str, content: bytes = b"data") -> Path:
    staged = staging.begin(name, staged_path(uri), uri, len(content))
    try:
        staged.write(content)
        staged.publish()
    finally:
        staged.close()
    return Path(staged.path)


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


@settings(max_examples=50)
@given(st.lists(URIS, unique=True, max_size=12))
def test_every_set_of_uris_can_be_staged_inside_the_folder(uris: list[str]) -> None:
    with TemporaryDirectory() as outside:
        folder = Path(outside, "a", "b", "staging")
        folder.mkdir(parents=True)
        staging = Staging.below(str(folder))
        staged = [put(staging, str(number), uri, f"{number}".encode()) for number, uri in enumerate(uris)]
        for number in range(len(uris)):
            staging.release(str(number))
        staging.close()
        assert sorted(staged) == files_in(Path(outside))
        assert [path.read_bytes() for path in staged] == [f"{number}".encode() for number in range(len(uris))]
        assert all(path.resolve().is_relative_to(folder.resolve()) for path in staged)


def test_two_runs_share_a_folder(tmp_path: Path) -> None:
    first, second = Staging.below(str(tmp_path)), Staging.below(str(tmp_path))
    paths = [put(staging, "0", "a.csv", content) for staging, content in ((first, b"1"), (second, b"2"))]
    assert [path.read_bytes() for path in paths] == [b"1", b"2"]
    first.close()
    assert [path.exists() for path in paths] == [False, True]
    second.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_has_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    staging = Staging.below(str(tmp_path))
    staged = staging.begin("0", "a/b.csv", "a/b.csv", 4)
    staged.write(b"12")
    assert [path.name for path in files_in(tmp_path)] == [PARTIAL]
    staged.write(b"34")
    staged.publish()
    staged.close()
    assert files_in(tmp_path) == [Path(staged.path)]
    assert Path(staged.path).read_bytes() == b"1234"
    staging.close()


@pytest.mark.parametrize("at", ["0", "0/a"])
def test_links_are_not_followed(tmp_path: Path, at: str) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "staging"
    outside.mkdir()
    folder.mkdir()
    staging = Staging.below(str(folder))
    link = Path(staging.path, at)
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside)
    with pytest.raises(DestinationError):
        put(staging, "0", "a/b.csv")
    assert list(outside.iterdir()) == []
    staging.close()
    assert outside.is_dir()


def test_a_link_put_in_the_place_of_a_folder_does_not_lead_out(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "staging"
    outside.mkdir()
    folder.mkdir()
    staging = Staging.below(str(folder))
    staged = staging.begin("0", "a/b.csv", "a/b.csv", 1)
    Path(staging.path, "0").rename(tmp_path / "moved")
    Path(staging.path, "0").symlink_to(outside)
    staged.write(b"x")
    staged.publish()
    staged.close()
    staging.close()
    assert list(outside.iterdir()) == []


def test_nothing_is_staged_after_the_end(tmp_path: Path) -> None:
    staging = Staging.below(str(tmp_path))
    staged = staging.begin("0", "a.csv", "a.csv", 2)
    staged.write(b"x")
    released = put(staging, "1", "b.csv")
    staging.release("1")
    staging.close()
    assert files_in(tmp_path) == [released]
    with pytest.raises(StagingClosedError):
        staged.write(b"y")
    with pytest.raises(StagingClosedError):
        staged.publish()
    staged.close()
    with pytest.raises(StagingClosedError):
        staging.begin("2", "c.csv", "c.csv", 1)
    staging.discard("0")
    staging.close()
    assert files_in(tmp_path) == [released]


def test_a_discarded_file_leaves_nothing(tmp_path: Path) -> None:
    staging = Staging.below(str(tmp_path))
    put(staging, "0", "a/b/c.csv")
    staging.discard("0")
    assert list(Path(staging.path).iterdir()) == []
    staging.close()


def test_many_threads_stage_side_by_side(tmp_path: Path) -> None:
    staging = Staging.below(str(tmp_path))
    threads = [threading.Thread(target=put, args=(staging, str(n), "same/name", b"%d" % n)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    contents = [Path(staging.path, str(n), "same", "name").read_bytes() for n in range(16)]
    assert contents == [b"%d" % n for n in range(16)]
    staging.close()


def test_a_file_that_is_larger_than_the_room_is_refused_before_it_is_read(tmp_path: Path) -> None:
    staging = Staging.below(str(tmp_path))
    with pytest.raises(FileError) as caught:
        staging.begin("0", "a.csv", "dir/a.csv", 1 << 62)
    assert caught.value.uri == "dir/a.csv"
    assert str(tmp_path) in str(caught.value)
    assert "AIRBYTE_STAGING_DIRECTORY" in str(caught.value)
    staging.close()


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (errno.ENOSPC, FileError),
        (errno.EDQUOT, FileError),
        (errno.EFBIG, FileError),
        (errno.ENAMETOOLONG, FileError),
        (errno.EROFS, DestinationError),
        (errno.EIO, DestinationError),
        (errno.EACCES, DestinationError),
    ],
)
def test_which_faults_are_of_one_file(tmp_path: Path, cause: int, kind: type[Exception]) -> None:
    staging = Staging.below(str(tmp_path))
    error = staging.error(OSError(cause, os.strerror(cause)), "a.csv")
    staging.close()
    assert type(error) is kind
    assert str(tmp_path) in str(error)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for name, said in (("none", "does not exist"), ("file", "is not a folder")):
        with pytest.raises(DestinationError) as caught:
            Staging.below(str(tmp_path / name))
        assert said in str(caught.value)
        assert name in str(caught.value)
        assert caught.value.remedy
