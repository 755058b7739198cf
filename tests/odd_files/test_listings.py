"""One entry of a listing that is no file to read: skipped with its reason, counted and named; the others go on."""

import errno
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from source_local.source import connector

from file_cdk import SyncOptions, sync
from file_cdk.cli.command import main
from file_cdk.core.errors import AccessError, FileAccessError, TransientError
from file_cdk.core.files import RemoteFile
from file_cdk.core.uris import shortened
from file_cdk.pipeline.read import read_streams
from file_cdk.pipeline.tables.deletes import Listed
from file_cdk.readers.globbing import GlobPatterns
from file_cdk.readers.local import LocalReader

TOO_LONG = "its path is longer than the system allows"
NAME = "n" * 200


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "orders"
    root.mkdir()
    (root / "good.csv").write_text("id\n1\n")
    return root


def put_deep(root: Path, name: str = "deep.csv") -> None:
    """A file that is deeper than a path may be long, made from folder to folder."""
    with working_in(root):
        for _ in range(22):
            Path(NAME).mkdir()
            os.chdir(NAME)
        Path(name).write_text("id\n2\n")


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def skipped(source: str = "orders") -> tuple[int, dict[str, int]]:
    [result] = sync(source, "shop.duckdb", SyncOptions(stream="orders", filetype="csv", workers=0)).streams
    return result.files_read, dict(result.skipped)


def listed(root: Path) -> dict[str, str | None]:
    return {file.uri: file.fault for file in LocalReader(root).list_files("")}


def test_a_path_that_is_too_long_is_skipped_and_told_shortly(
    folder: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    put_deep(folder)
    assert skipped() == (1, {TOO_LONG: 1})
    [message] = {record.getMessage() for record in caplog.records}
    assert message.endswith(TOO_LONG)
    assert len(message) < 400

    assert main(["ls", "orders", "--format", "csv", "--json"]) == 0
    decisions = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    [[uri, reason]] = [[each["uri"], each["reason"]] for each in decisions if each["decision"] == "skip"]
    assert uri.startswith(f"{NAME}/{NAME}/")
    assert reason == TOO_LONG


@pytest.mark.parametrize("pattern", ["orders", "orders/*.csv", "orders/**/*.csv"])
def test_a_folder_that_cannot_be_looked_into_is_counted_whatever_the_pattern(folder: Path, pattern: str) -> None:
    """As far as the listing knows, files of the pattern may be below it."""
    put_deep(folder)
    assert skipped(pattern) == (1, {TOO_LONG: 1})
    assert main(["ls", pattern, "--all"]) == 0


def test_a_file_that_failed_in_a_folder_that_is_closed_by_now_is_not_gone() -> None:
    listed = Listed()
    assert listed.look([RemoteFile.unusable("a/b/", TOO_LONG)]) == [None]
    assert list(listed.gone(["a/b/bad.csv", "a/gone.csv"], GlobPatterns(["**"]))) == ["a/gone.csv"]


def test_the_protocol_counts_it_and_reads_the_others(folder: Path) -> None:
    put_deep(folder)
    (folder / "gone.csv").symlink_to("nothing")
    messages = protocol_read(folder)
    assert [m["record"]["data"]["_ab_source_file_url"] for m in messages if m["type"] == "RECORD"] == ["good.csv"]
    [text] = [m["log"]["message"] for m in messages if m["type"] == "LOG" and "to read" in m["log"]["message"]]
    assert text.startswith("stream 's': 1 file to read")
    assert f"1 skipped: {TOO_LONG}" in text
    assert "1 skipped: a link that leads nowhere" in text


def protocol_read(folder: Path) -> list[dict[str, Any]]:
    stream = {"name": "s", "globs": ["**"], "format": {"filetype": "csv"}}
    schema = {"type": "object", "properties": {"id": {"type": ["null", "string"]}}}
    chosen = {
        "stream": {"name": "s", "json_schema": schema, "supported_sync_modes": ["full_refresh"]},
        "sync_mode": "full_refresh",
        "destination_sync_mode": "append",
    }
    with tempfile.TemporaryFile() as out:
        assert (
            read_streams(
                connector, {"path": str(folder), "streams": [stream]}, {"streams": [chosen]}, [], out.fileno(), 0
            )
            == 0
        )
        out.seek(0)
        return [json.loads(line) for line in out]


def test_links_that_lead_nowhere_or_in_a_circle(folder: Path) -> None:
    (folder / "dangling.csv").symlink_to("nothing.csv")
    (folder / "a.csv").symlink_to("b.csv")
    (folder / "b.csv").symlink_to("a.csv")
    assert skipped() == (1, {"a link that leads nowhere": 1, "a link that leads back to itself": 2})


def test_an_entry_at_fault_does_not_decide_the_format(folder: Path) -> None:
    (folder / "dangling.json").symlink_to("nothing.json")
    [result] = sync("orders", "shop.duckdb", SyncOptions(workers=0)).streams
    assert (result.files_read, dict(result.skipped)) == (1, {"a link that leads nowhere": 1})
    assert main(["check", "orders"]) == 0
    assert main(["ls", "orders"]) == 0


def test_an_archive_at_fault_is_not_opened(folder: Path) -> None:
    (folder / "old.zip").symlink_to("nothing.zip")
    assert skipped() == (1, {"a link that leads nowhere": 1})


@pytest.mark.parametrize("code", [errno.EIO, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EOVERFLOW])
def test_a_file_that_the_system_cannot_tell_about(folder: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    (folder / "bad.csv").write_text("id\n2\n")
    fail_lstat_of(monkeypatch, "bad.csv", code)
    fault = TOO_LONG if code == errno.ENAMETOOLONG else f"cannot be looked at: {os.strerror(code)}"
    assert listed(folder) == {"good.csv": None, "bad.csv": fault}
    assert skipped() == (1, {fault: 1})


def test_a_link_to_what_may_not_be_looked_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "closed").mkdir()
    (folder / "closed/target.csv").write_text("id\n2\n")
    (folder / "link.csv").symlink_to("closed/target.csv")
    fail_lstat_of(monkeypatch, "target.csv", errno.EACCES)
    (folder / "closed/target.csv").unlink()
    assert listed(folder) == {"good.csv": None, "link.csv": f"cannot be looked at: {os.strerror(errno.EACCES)}"}


@pytest.mark.parametrize(("code", "error"), [(errno.EACCES, AccessError), (errno.EMFILE, TransientError)])
def test_what_is_no_fault_of_the_one_file_still_ends_the_listing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    """A folder that may not be entered, and a machine at its limits: other files would be missing without a word."""
    fail_lstat_of(monkeypatch, "good.csv", code)
    with pytest.raises(error):
        listed(folder)


def test_a_file_that_vanishes_while_it_is_listed_is_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "bad.csv").write_text("id\n2\n")
    fail_lstat_of(monkeypatch, "bad.csv", errno.ENOENT)
    assert listed(folder) == {"good.csv": None}


def fail_lstat_of(monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> None:
    """By its path, and as an entry of a folder."""
    real, scandir = os.lstat, os.scandir

    def fail(*_: Any, **__: Any) -> os.stat_result:
        raise OSError(code, os.strerror(code))

    def lstat(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        return fail() if str(path).endswith(name) else real(path, *arguments, **options)

    @contextmanager
    def entries_of(folder: Any) -> Iterator[Iterator[Any]]:
        with scandir(folder) as entries:
            yield (Entry(entry, fail) if entry.name == name else entry for entry in entries)

    monkeypatch.setattr(os, "lstat", lstat)
    monkeypatch.setattr(os, "scandir", entries_of)


class Entry:
    """Of a folder, with a `stat` of its own, which an os.DirEntry does not let itself be given."""

    def __init__(self, real: os.DirEntry[str], stat: Callable[..., os.stat_result]) -> None:
        self._real = real
        self.stat = stat

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.mark.parametrize("seconds", [-(2**40), -1, 0, 2**33])
def test_times_that_no_file_should_have_are_read_all_the_same(folder: Path, seconds: int) -> None:
    try:
        os.utime(folder / "good.csv", (seconds, seconds))
    except OSError:
        pytest.skip("the file system cannot keep such a time")
    assert skipped() == (1, {})
    assert skipped() == (0, {"already loaded": 1})


def test_names_that_are_no_text_or_move_the_cursor_are_read(folder: Path) -> None:
    for name in (b"caf\xe9.csv", b"a\nb.csv", b"back\\slash.csv", b"tab\t.csv", b"\x1b[31m.csv"):
        (folder / os.fsdecode(name)).write_text("id\n2\n")
    assert skipped() == (6, {})


def test_a_pattern_that_is_longer_than_a_name_can_be_matches_nothing(folder: Path) -> None:
    assert list(LocalReader(folder).list_files(f"{'x' * 300}/a")) == []


def test_a_check_says_that_nothing_but_faults_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").symlink_to("nothing")
    assert main(["check", str(tmp_path / "*.csv")]) == 3
    assert "no file would be read of the 1 that match '*.csv': 1 a link that leads nowhere" in capsys.readouterr().out


def test_a_long_uri_is_shortened_in_the_middle() -> None:
    uri = f"{'a' * 4000}/end.csv"
    assert len(shortened(uri)) == 300
    assert shortened(uri).startswith("aaa")
    assert shortened(uri).endswith("/end.csv")
    assert shortened("short.csv") == "short.csv"
    assert len(str(FileAccessError("cannot be opened", uri=uri))) < 400


def test_an_entry_at_fault_travels_whole() -> None:
    import pickle

    file = RemoteFile.unusable("a", "because")
    assert pickle.loads(pickle.dumps(file)) == file
    assert pickle.loads(pickle.dumps(file)).fault == "because"
