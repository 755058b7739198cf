"""The order and completeness of a run, on the inline executor; tests/process repeats the essence on real processes."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lines import Folder, LineEncoder, Lines, Torn

from file_cdk.core.errors import MalformedFileError, MalformedRecordError
from file_cdk.core.files import RemoteFile
from file_cdk.engine.conform import NOT_CONFORMING, Conform
from file_cdk.engine.executor import Executor, InlineExecutor
from file_cdk.engine.ordering import FileBlock, FileDone, FileEvent, FileFailed, OrderedRun, SplitDone
from file_cdk.engine.work import Job, RecordShape


def write(folder: Path, uri: str, text: str) -> RemoteFile:
    path = folder / uri
    path.write_text(text)
    return RemoteFile(uri, path.stat().st_size, datetime(2024, 1, 1, tzinfo=UTC))


def run_of(
    folder: Path, files: Iterable[RemoteFile], split_size: int = 64, executor: Executor | None = None
) -> OrderedRun:
    job = Job(Folder(str(folder)), Lines(split_size), LineEncoder(), RecordShape(None))
    return OrderedRun(executor or InlineExecutor(), job, files)


def lines_of(events: Iterable[FileEvent]) -> list[str]:
    """`uri:row:line` with the row counted from the file's beginning."""
    found = []
    for event in events:
        if isinstance(event, FileBlock):
            for line in bytes(event.block.read()).decode().splitlines():
                uri, row, text = line.split(":", 2)
                found.append(f"{uri}:{int(row) + event.rows_before}:{text}")
    return found


records = st.lists(
    st.one_of(st.text("abc", min_size=1, max_size=9), st.lists(st.text("abc ", max_size=9), min_size=1, max_size=9)),
    max_size=40,
)


@settings(max_examples=150)
@given(contents=st.lists(records, max_size=4), split_size=st.integers(1, 90))
def test_any_split_size_gives_every_record_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, contents: list[list[str | list[str]]], split_size: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    files, expected = [], []
    for number, items in enumerate(contents):
        text = ""
        for row, item in enumerate(items, start=1):
            record = item if isinstance(item, str) else "{" + "\n".join(item) + "\n}"
            text += record + "\n"
            expected.append(f"{number}:{row}:{record.replace(chr(10), '/')}")
        files.append(write(folder, str(number), text))
    events = list(map(taken, run_of(folder, files, split_size)))
    assert lines_of(events) == expected
    assert [event.tally.file.uri for event in events if isinstance(event, FileDone)] == [file.uri for file in files]
    assert sum(event.size_bytes for event in events if isinstance(event, SplitDone)) == sum(f.size_bytes for f in files)


def taken(event: FileEvent) -> FileEvent:
    """Blocks are to be read before the next event is asked for."""
    if isinstance(event, FileBlock):
        event.block.read()
        object.__setattr__(event, "block", _Kept(bytes(event.block.read())))
    return event


class _Kept:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self) -> bytes:
        return self._data


def test_a_bad_record_fails_its_file_with_the_row_counted_from_the_beginning(tmp_path: Path) -> None:
    good = "".join(f"line {n}\n" for n in range(30))
    bad = write(tmp_path, "bad", good + "!bad\n" + good)
    files = [write(tmp_path, "a", good), bad, write(tmp_path, "z", good)]
    events = [taken(event) for event in run_of(tmp_path, files)]
    (failed,) = (event for event in events if isinstance(event, FileFailed))
    assert isinstance(failed.error, MalformedRecordError)
    assert (failed.error.uri, failed.error.row, failed.error.byte) == ("bad", 31, len(good))
    assert failed.tally.rows == 30
    assert [event.tally.file.uri for event in events if isinstance(event, FileDone)] == ["a", "z"]
    assert [line.split(":")[0] for line in lines_of(events)] == ["a"] * 30 + ["bad"] * 30 + ["z"] * 30


@pytest.mark.parametrize("split_size", [5, 1000])
def test_a_file_fails_for_its_rejects_only_when_it_holds_nothing_else(tmp_path: Path, split_size: int) -> None:
    files = [write(tmp_path, "a", "!reject\n!reject\n"), write(tmp_path, "b", '{"x":1}\n!reject\n{"x":2}\n')]
    leaves_out_all = RecordShape(None, Conform({}, stops=False))
    job = Job(Folder(str(tmp_path)), Lines(split_size), LineEncoder(), leaves_out_all)
    events = [taken(event) for event in OrderedRun(InlineExecutor(), job, files)]
    (failed,) = (event for event in events if isinstance(event, FileFailed))
    assert isinstance(failed.error, MalformedFileError)
    assert (failed.error.uri, failed.error.row, failed.tally.rejects.total()) == ("a", 1, 2)
    (done,) = (event for event in events if isinstance(event, FileDone))
    assert (done.tally.file.uri, done.tally.rows, done.tally.skipped) == ("b", 0, {NOT_CONFORMING: 2})
    assert [(reject.row, reject.byte) for reject in done.tally.rejects.first] == [(2, 8)]


def test_irregular_content_is_read_on_in_sequence(tmp_path: Path) -> None:
    text = "".join(f"line {n}\n" for n in range(30)) + "!irregular\n" + "".join(f"{n}\n" for n in range(50))
    files = [write(tmp_path, "a", text), write(tmp_path, "b", "x\n")]
    events = [taken(event) for event in run_of(tmp_path, files)]
    assert [line.split(":")[1:] for line in lines_of(events)] == [
        *([str(n), line] for n, line in enumerate(text.splitlines(), start=1)),
        ["1", "x"],
    ]
    assert [event.tally.rows for event in events if isinstance(event, FileDone)] == [81, 1]


def test_a_file_that_failed_can_be_retried_under_another_job(tmp_path: Path) -> None:
    files = [write(tmp_path, uri, "one\n!bad\ntwo\n") for uri in ("a", "b")]
    run = run_of(tmp_path, files, split_size=5)
    other = Job(Folder(str(tmp_path)), Lines(5, piece=1), LineEncoder(), RecordShape(None))
    seen = []
    retried = False
    for event in run:
        if isinstance(event, FileFailed):
            seen.append(event.tally.file.uri)
            if not retried:
                retried = True
                run.retry(event.tally.file, other)
    assert seen == ["a", "a", "b"]


def test_a_block_that_is_not_taken_is_dropped(tmp_path: Path) -> None:
    files = [write(tmp_path, uri, "one\n" * 50) for uri in ("a", "b")]
    assert sum(isinstance(event, FileDone) for event in run_of(tmp_path, files)) == 2


def test_of_a_split_whose_bytes_do_not_come_nothing_is_guessed(tmp_path: Path) -> None:
    files = [write(tmp_path, uri, "".join(f"line {n}\n" for n in range(100))) for uri in ("a", "b")]
    job = Job(Torn(str(tmp_path), reach=300), Lines(64), LineEncoder(), RecordShape(None))
    failures = [event for event in OrderedRun(InlineExecutor(), job, files) if isinstance(event, FileFailed)]
    assert [(event.tally.file.uri, str(event.error)[:21]) for event in failures] == [
        ("a", "the connection failed"),
        ("b", "the connection failed"),
    ]
    # What each split costs is the store's whole patience, and more of the same file is not tried.
    opened = (tmp_path / "opened").read_text().split()
    assert [opened.count(uri) for uri in ("a", "b")] == [5, 5]
