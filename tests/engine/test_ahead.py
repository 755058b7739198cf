"""A thread that runs tasks ahead: the same events in the same order, within its bounds, and gone when it is stopped."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lines import Folder, LineEncoder, Lines

from file_cdk.core.errors import InternalError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.engine.ahead import ThreadAhead
from file_cdk.engine.executor import InlineExecutor
from file_cdk.engine.ordering import FileBlock, FileDone, OrderedRun
from file_cdk.engine.work import Ended, Job, Output, RecordShape, Task, run_task

_BLOCK_BYTES = 1 << 20


@pytest.fixture(autouse=True)
def _leaves_no_thread() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def task_of(folder: Path, text: str) -> Task:
    path = folder / "f"
    path.write_text(text)
    file = RemoteFile("f", path.stat().st_size, datetime(2024, 1, 1, tzinfo=UTC))
    job = Job(Folder(str(folder)), Lines(), LineEncoder(), RecordShape(None))
    return Task(job, Split(file, 0, 0, file.size_bytes), 0)


def test_events_are_those_of_a_task_that_is_run_when_asked(tmp_path: Path) -> None:
    task = task_of(tmp_path, "".join(f"line {number}\n" for number in range(1000)))
    ahead = ThreadAhead(1, _BLOCK_BYTES)
    try:
        events = ahead.events(task)
        found = []
        while not isinstance(event := next(events), Ended):
            found.append(event)
    finally:
        ahead.stop()
    expected = list(run_task(task, _BLOCK_BYTES))
    assert found == expected[:-1]
    assert isinstance(expected[-1], Ended)
    assert event.report.rows == expected[-1].report.rows == 1000


def test_output_waits_up_to_the_bound(tmp_path: Path) -> None:
    task = task_of(tmp_path, "".join(f"line {number}\n" for number in range(1000)))
    block_bytes = next(len(event.data) for event in run_task(task, _BLOCK_BYTES) if isinstance(event, Output))
    max_bytes = 5 * block_bytes
    ahead = ThreadAhead(max_bytes, _BLOCK_BYTES)
    try:
        events = ahead.events(task)
        seen = 0
        for event in events:
            seen += 1
            assert ahead._ready_bytes <= max_bytes
            if isinstance(event, Ended):
                break
    finally:
        ahead.stop()
    assert seen > 300


def test_what_is_left_of_a_task_is_dropped_when_the_next_is_asked_for(tmp_path: Path) -> None:
    ahead = ThreadAhead(1, _BLOCK_BYTES)
    try:
        task = task_of(tmp_path, "line\n" * 100)
        first, second = ahead.events(task), ahead.events(task)
        next(first)
        found = []
        while not isinstance(event := next(second), Ended):
            found.append(event)
    finally:
        ahead.stop()
    assert found == list(run_task(task, _BLOCK_BYTES))[:-1]


def test_a_job_that_does_not_pickle_is_refused_in_words(tmp_path: Path) -> None:
    task = task_of(tmp_path, "line\n")
    reader = threading.Lock()
    job = Job(reader, task.job.format, task.job.encoder, task.job.shape)  # type: ignore[arg-type]
    with pytest.raises(InternalError, match="cannot be copied for a thread"):
        ThreadAhead(1, _BLOCK_BYTES).events(Task(job, task.split, 0))


def test_files_come_in_order_and_wrong_guesses_are_run_again(tmp_path: Path) -> None:
    """Which forgets all attempts that were submitted."""
    text = "".join(f"{{{number}\n{'x' * 40}\n}}\n" for number in range(200))
    task = task_of(tmp_path, text)
    outputs = []
    for ahead_bytes in (None, 1):
        executor = InlineExecutor(ahead_bytes)
        try:
            events, lines = OrderedRun(executor, task.job, [task.split.file] * 3), []
            for event in events:
                if isinstance(event, FileBlock):
                    lines.append(bytes(event.block.read()))
                elif isinstance(event, FileDone):
                    assert event.tally.wrong_guesses, "so that this tests something"
                    lines.append(b"done")
        finally:
            executor.close()
        outputs.append(lines)
    assert outputs[0] == outputs[1]
    assert outputs[0].count(b"done") == 3


def test_stopping_does_not_wait_for_room(tmp_path: Path) -> None:
    task = task_of(tmp_path, "line\n" * 1000)
    ahead = ThreadAhead(1, _BLOCK_BYTES)
    next(ahead.events(task))
    ahead.stop()
    assert ahead._ready_bytes < 200
