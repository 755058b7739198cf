"""The law of order and versions: whatever changes, fails or dies while files are read, each comes in turn and whole, of one
version, and ends once.

A store in memory changes its files by a schedule; an executor runs splits when they are
handed over or when their turn comes, and lets some of them die. The expectation comes from the files' text alone.
"""

import io
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
from changing import ChangingStore
from hypothesis import given, settings
from hypothesis import strategies as st
from lines import LineEncoder, Lines

from file_cdk.core.errors import (
    FileAccessError,
    FileCdkError,
    FileChangedError,
    MalformedFileError,
    MalformedRecordError,
    TypeMismatchError,
    WorkerCrashedError,
)
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import SplitReport
from file_cdk.engine.executor import Event, MemoryBlock
from file_cdk.engine.ordering import FileBegan, FileBlock, FileDone, FileFailed, OrderedRun, SplitDone
from file_cdk.engine.work import Began, Ended, Failed, Job, Output, RecordShape, Task, run_task

URIS = ("a", "b", "c")
MAX_LEVEL = 2
MAX_NEWER_VERSIONS = 3


@dataclass(frozen=True)
class Leveled(Lines):
    """Lines of which `!kind N` fits no table of a level below N."""

    level: int = 0

    def _obey(self, record: bytes, split: Split, position: int, row: int) -> None:
        word, _, argument = record.strip().partition(b" ")
        if word == b"!kind" and (needed := int(argument[:1])) > self.level:
            raise TypeMismatchError(uri=split.file.uri, row=row, columns={"v": pa.decimal128(needed)})
        Lines._obey(self, record, split, position, row)


@dataclass
class _Attempt:
    task: Task
    executor: "Executor"
    events: Iterator[Began | Output | Ended | Failed]

    def next_event(self) -> Event:
        assert self.executor.waiting[0] is self, "events are taken in the order of submission, and none after a reset"
        event = next(self.events)
        match event:
            case Output(data, rows):
                return MemoryBlock(data, rows)
            case Ended() | Failed():
                self.executor.waiting.popleft()
        return event


@dataclass
class Executor:
    """ahead: whether the n-th task (modulo their number) is run at once, as a process would. deaths: which tasks die, and
    after how many events."""

    width: int
    ahead: Sequence[bool]
    deaths: Mapping[int, int]
    waiting: "deque[_Attempt]" = field(default_factory=deque)
    submitted: int = 0
    died: Counter[str] = field(default_factory=Counter)

    def has_room(self) -> bool:
        return len(self.waiting) < self.width

    def submit(self, task: Task) -> _Attempt:
        assert self.has_room()
        number, self.submitted = self.submitted, self.submitted + 1
        events = self._run(task, self.deaths.get(number))
        attempt = _Attempt(task, self, iter(list(events)) if self.ahead[number % len(self.ahead)] else events)
        self.waiting.append(attempt)
        return attempt

    def _run(self, task: Task, dies_after: int | None) -> Iterator[Began | Output | Ended | Failed]:
        for number, event in enumerate(run_task(task, 64)):
            if number == dies_after:
                self.died[task.split.file.uri] += 1
                yield Failed(WorkerCrashedError("died", uri=task.split.file.uri), SplitReport())
                return
            yield event

    def reset(self) -> None:
        self.waiting.clear()

    def close(self) -> None: ...


@dataclass(frozen=True)
class Expected:
    """What a version is, by its text: records until one is bad, the place of that one, and how many are rejected."""

    records: list[str]
    bad: tuple[int, int] | None
    kind: int
    rejected: int
    all_rejected: bool


def expected(text: bytes) -> Expected:
    records: list[str] = []
    row = byte = rejected = kind = 0
    bad = None
    whole = io.BytesIO(text)
    while (line := whole.readline()) and bad is None:
        record = line
        while line.startswith(b"{") and not record.rstrip().endswith(b"}"):
            record += whole.readline()
        row += 1
        if record.startswith(b"!bad"):
            bad = row, byte
        elif record.startswith(b"!reject"):
            rejected += 1
        else:
            kind = max(kind, int(record[6:7]) if record.startswith(b"!kind") else 0)
            records.append(record.decode().strip().replace("\n", "/"))
        byte += len(record)
    return Expected(records, bad, kind, rejected, bool(rejected) and not records and bad is None)


@dataclass
class Judge:
    """Takes the events of a run as its user does, retries as `sync` does, and compares all that comes with the model."""

    store: ChangingStore
    executor: Executor
    listed: list[RemoteFile]
    split_bytes: int
    begun_anew: Counter[str] = field(default_factory=Counter)
    outcomes: list[FileDone | FileFailed] = field(default_factory=list)
    next_listed: int = 0
    retried: RemoteFile | None = None
    level: int = 0

    def run(self) -> None:
        job = Job(self.store, Leveled(self.split_bytes), LineEncoder(), RecordShape(None))
        run = OrderedRun(self.executor, job, iter(self.listed))
        events = iter(run)
        for event in events:
            assert isinstance(event, FileBegan)
            self._is_next(event.file)
            job = self._read(run, job, event.file, events)
        assert self.retried is None
        assert [each.tally.file.uri for each in self.outcomes] == [file.uri for file in self.listed]

    def _is_next(self, file: RemoteFile) -> None:
        if self.retried is None:
            assert file is self.listed[self.next_listed]
            self.next_listed += 1
        else:
            assert file is self.retried
            self.retried = None

    def _read(self, run: OrderedRun, job: Job, file: RemoteFile, events: Iterator[object]) -> Job:
        lines: list[str] = []
        rows = size_bytes = 0
        for event in events:
            match event:
                case FileBlock(of, block, rows_before):
                    assert of is file
                    for line in bytes(block.read()).decode().splitlines():
                        uri, row, text = line.split(":", 2)
                        assert (uri, int(row) + rows_before) == (file.uri, len(lines) + 1)
                        lines.append(text)
                case SplitDone(tally, count, size):
                    assert tally.file is file
                    rows, size_bytes = rows + count, size_bytes + size
                case FileDone(tally):
                    assert tally.file is file
                    self._is_whole(event, lines)
                    assert (rows, size_bytes) == (tally.rows, file.size_bytes)
                    self.outcomes.append(event)
                    return job
                case FileFailed(tally, error):
                    assert tally.file is file
                    assert lines == expected(self.store.texts[file]).records[: len(lines)]
                    self._is_true(file, error)
                    return self._after(run, job, event)
                case _:
                    raise AssertionError(f"{event} is not of file {file}")
        raise AssertionError(f"file {file} does not end")

    def _is_whole(self, done: FileDone, lines: list[str]) -> None:
        model = expected(self.store.texts[done.tally.file])
        assert lines == model.records
        assert (done.tally.rows, done.tally.rejects.total()) == (len(lines), model.rejected)
        assert model.bad is None
        assert not model.all_rejected
        assert model.kind <= self.level

    def _is_true(self, file: RemoteFile, error: FileCdkError) -> None:
        """Whether the file failed for what is really the matter with it."""
        model = expected(self.store.texts[file])
        assert error.uri == file.uri
        match error:
            case FileChangedError():
                assert self.store.current.get(file.uri) != file
            case FileAccessError():
                assert any(version.uri == file.uri for version in self.store.texts)
            case TypeMismatchError():
                assert model.kind > self.level
            case WorkerCrashedError():
                assert self.executor.died[file.uri]
            case MalformedRecordError():
                assert model.bad == (error.row, error.byte)
            case MalformedFileError():
                assert model.all_rejected
            case _:
                raise error

    def _after(self, run: OrderedRun, job: Job, failed: FileFailed) -> Job:
        file = failed.tally.file
        if isinstance(failed.error, TypeMismatchError):
            self.level += 1
            job = replace(job, format=Leveled(self.split_bytes, level=self.level))
            self.retried = file
        elif isinstance(failed.error, FileChangedError) and self.begun_anew[file.uri] < MAX_NEWER_VERSIONS:
            self.begun_anew[file.uri] += 1
            self.retried = self.store.current.get(file.uri)
        if self.retried is None:
            self.outcomes.append(failed)
        else:
            run.retry(self.retried, job)
        return job


plain = st.sampled_from(["#\n", "# and more\n", "{#\n#}\n", "{#\n!bad #\n}\n", "{\n{#}\n"])
odd = st.sampled_from(["!reject #\n", "!irregular #\n", "!kind 1 #\n", "!kind 2 #\n", "!bad #\n"])
texts = st.lists(st.one_of(plain, plain, plain, plain, odd), max_size=24).map("".join)
good_texts = st.lists(plain, min_size=8, max_size=24).map("".join)
changes = st.lists(
    st.tuples(st.integers(0, 120), st.sampled_from(URIS), st.one_of(good_texts, texts, st.none())), max_size=6
)


@settings(max_examples=2000)
@given(
    files=st.lists(st.tuples(st.sampled_from(URIS), st.one_of(good_texts, texts)), min_size=1, max_size=4),
    schedule=changes.map(lambda found: sorted(found, key=lambda change: change[0])),
    split_bytes=st.integers(4, 60),
    width=st.integers(1, 6),
    ahead=st.lists(st.booleans(), min_size=1, max_size=4),
    deaths=st.dictionaries(st.integers(0, 40), st.integers(0, 3), max_size=2),
)
def test_every_file_comes_in_turn_whole_and_once(
    files: list[tuple[str, str]],
    schedule: list[tuple[int, str, str | None]],
    split_bytes: int,
    width: int,
    ahead: list[bool],
    deaths: dict[int, int],
) -> None:
    store = ChangingStore(schedule)
    listed = []
    for uri, content in files:  # of two with one name, the listing has seen an older version too
        store.put(uri, content)
        listed.append(store.current[uri])
    Judge(store, Executor(width, ahead, deaths), listed, split_bytes).run()
