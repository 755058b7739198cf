"""A run that goes on with a file that an earlier one read in part."""

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lines import Folder, LineEncoder, Lines

from file_cdk.core.files import RemoteFile
from file_cdk.engine.executor import InlineExecutor
from file_cdk.engine.ordering import (
    FileBegan,
    FileBlock,
    FileDone,
    FileEvent,
    FileFailed,
    FileTally,
    OrderedRun,
    SplitDone,
)
from file_cdk.engine.work import Job, RecordShape

RECORDS = st.lists(
    st.one_of(
        st.text("abc", min_size=1, max_size=9),
        st.lists(st.text("abc ", max_size=9), min_size=1, max_size=9).map(lambda lines: "{" + "\n".join(lines) + "\n}"),
        st.just("!reject"),
    ),
    min_size=1,
    max_size=40,
)


def write(folder: Path, uri: str, text: str) -> RemoteFile:
    path = folder / uri
    path.write_text(text)
    return RemoteFile(uri, path.stat().st_size, datetime(2024, 1, 1, tzinfo=UTC))


def job_of(folder: Path, split_bytes: int = 8) -> Job:
    return Job(Folder(str(folder)), Lines(split_bytes), LineEncoder(), RecordShape(None))


def numbered(event: FileBlock) -> list[str]:
    """Lines as `uri:row:line`, the row counted from the file's beginning among what is no reject."""
    lines = (line.split(":", 2) for line in bytes(event.block.read()).decode().splitlines())
    return [f"{uri}:{int(row) + event.rows_before}:{text}" for uri, row, text in lines]


def of_run(run: OrderedRun) -> Iterator[tuple[FileEvent, list[str]]]:
    for event in run:
        yield event, numbered(event) if isinstance(event, FileBlock) else []


@settings(max_examples=60)
@given(records=RECORDS, split_bytes=st.integers(1, 60), later_split_bytes=st.integers(1, 60))
def test_any_end_of_a_split_can_be_gone_on_from(
    tmp_path_factory: pytest.TempPathFactory, records: list[str], split_bytes: int, later_split_bytes: int
) -> None:
    """Whatever the splits are by then, with the same records, numbers and rejects."""
    folder = tmp_path_factory.mktemp("run")
    file = write(folder, "a", "\n".join(["first", *records]) + "\n")
    begun: list[tuple[FileTally, int]] = []
    lines: list[str] = []
    whole = None
    for event, found in of_run(OrderedRun(InlineExecutor(), job_of(folder, split_bytes), [file])):
        lines += found
        if isinstance(event, SplitDone) and event.read_whole and 0 < event.tally.position < file.size_bytes:
            begun.append((deepcopy(event.tally), len(lines)))
        elif isinstance(event, FileDone):
            whole = event.tally
    assert whole is not None
    for tally, known in begun:
        position = tally.position
        run = OrderedRun(InlineExecutor(), job_of(folder, later_split_bytes), [file], lambda _, __, tally=tally: tally)  # type: ignore[misc]
        events = list(of_run(run))
        assert events[0][0] == FileBegan(file, position)
        assert [line for _, found in events for line in found] == lines[known:]
        done = events[-1][0]
        assert isinstance(done, FileDone)
        assert (done.tally.rows, done.tally.rejects) == (whole.rows, whole.rejects)


class Begun:
    """Of file `b`; job: the only one that goes with it."""

    def __init__(self, position: int, rows: int, job: Job | None = None) -> None:
        self.position, self.rows, self.job = position, rows, job

    def __call__(self, file: RemoteFile, job: Job) -> FileTally | None:
        goes = file.uri == "b" and self.job in (None, job)
        return FileTally(file, self.position, self.rows) if goes else None


def test_other_files_begin_at_their_beginning(tmp_path: Path) -> None:
    files = [write(tmp_path, uri, "one\ntwo\nthree\nfour\n") for uri in "abc"]
    run = OrderedRun(InlineExecutor(), job_of(tmp_path), files, Begun(8, 2))
    lines = [line for _, found in of_run(run) for line in found]
    assert [line.split(":")[0] for line in lines] == ["a"] * 4 + ["b"] * 2 + ["c"] * 4
    assert lines[4:6] == ["b:3:three", "b:4:four"]


@pytest.mark.parametrize("changes", ["to one that goes", "to one that does not"])
def test_what_was_begun_is_asked_about_again_when_the_job_changes(tmp_path: Path, changes: str) -> None:
    files = [write(tmp_path, uri, "one\ntwo\nthree\nfour\n") for uri in "abc"]
    first, other = job_of(tmp_path), job_of(tmp_path)
    goes_with = other if changes == "to one that goes" else first
    run = OrderedRun(InlineExecutor(), first, files, Begun(8, 2, goes_with))
    began = []
    for event, _ in of_run(run):
        if isinstance(event, FileBegan):
            began.append((event.file.uri, event.position))
        elif isinstance(event, FileDone) and event.tally.file.uri == "a":
            run.go_on(other)
    assert began == [("a", 0), ("b", 8 if goes_with is other else 0), ("c", 0)]


@pytest.mark.parametrize("anew", [True, False])
def test_a_file_that_has_just_begun_can_come_again(tmp_path: Path, anew: bool) -> None:
    files = [write(tmp_path, uri, "one\ntwo\nthree\nfour\n") for uri in "abc"]
    other = job_of(tmp_path)
    run = OrderedRun(InlineExecutor(), job_of(tmp_path), files, Begun(8, 2, other))
    began, lines = [], []
    for event, found in of_run(run):
        lines += found
        if isinstance(event, FileBegan):
            began.append((event.file.uri, event.position))
            if began == [("a", 0), ("b", 0)]:
                run.retry(event.file, other, anew=anew)
        assert not isinstance(event, FileFailed)
    assert began == [("a", 0), ("b", 0), ("b", 0 if anew else 8), ("c", 0)]
    assert [line.split(":")[0] for line in lines] == ["a"] * 4 + ["b"] * (4 if anew else 2) + ["c"] * 4
