"""Run the splits of many files several at a time, and hand out their output in file order with proof of completeness.

The proof: the first split of a file begins at byte 0, every split ends where the next one began, and the last ends at the
file's size. A format may guess where a split's first record begins (see Ge et al., Speculative Distributed CSV Data Parsing
for Big Data Analytics, SIGMOD 2019); a wrong guess breaks the chain and that split is run again from the right byte.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field, replace

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import FileCdkError, InternalError, MalformedFileError, SequentialOnlyError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import Rejects, SplitReport
from file_cdk.engine.executor import Attempt, Block, Executor, ReadTogether, SetApart
from file_cdk.engine.planning import rest_of, splits_of
from file_cdk.engine.together import Room, reads_together
from file_cdk.engine.work import Began, Ended, Failed, Job, Task

MAX_WRONG_GUESSES = 3
"""Maximum of wrong guesses in one file: after them, the rest of it is read as one split, which is faster."""


@dataclass(slots=True)
class FileTally:
    """What was read of one file so far."""

    file: RemoteFile
    position: int = 0
    rows: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    rejects: Rejects = field(default_factory=Rejects)
    warnings: Counter[str] = field(default_factory=Counter)
    wrong_guesses: int = 0

    @property
    def rows_present(self) -> int:
        return self.rows + self.skipped.total() + self.rejects.total()


@dataclass(frozen=True, slots=True)
class FileBegan:
    """position: the byte that the file goes on at, if an earlier run read what is before it."""

    file: RemoteFile
    position: int = 0


@dataclass(frozen=True, slots=True)
class FileBlock:
    """Output of a split of the current file. rows_before: records of the file that precede the split."""

    file: RemoteFile
    block: Block
    rows_before: int


@dataclass(frozen=True, slots=True)
class SplitDone:
    """read_whole: all that the file's tally then counts came out, so that the file can be gone on with from its position."""

    tally: FileTally
    rows: int
    size_bytes: int
    read_whole: bool


@dataclass(frozen=True, slots=True)
class FileDone:
    """Every byte of the file was read."""

    tally: FileTally


@dataclass(frozen=True, slots=True)
class FileFailed:
    """The file could not be read to its end; `tally` is what was output of it."""

    tally: FileTally
    error: FileCdkError


@dataclass(frozen=True, slots=True)
class FilesDone:
    """Small files in a row of which every byte was read; nothing else is told of them. rows: how many records each has.
    block: all their records; None where they have none. warnings: of every record."""

    files: tuple[RemoteFile, ...]
    rows: tuple[int, ...]
    block: Block | None
    warnings: tuple[str, ...]

    @property
    def with_warnings(self) -> "Iterator[FileTally]":
        """What is to be said of each file of which there is anything."""
        if self.warnings:
            for file, rows in zip(self.files, self.rows, strict=True):
                if rows:
                    yield FileTally(file, file.size_bytes, rows, warnings=Counter(dict.fromkeys(self.warnings, rows)))


FileEvent = FilesDone | FileBegan | FileBlock | SplitDone | FileDone | FileFailed


@dataclass(slots=True, eq=False)
class _Plan:
    """The splits of one file version that are left: those that were put back, then those never given out. Dropping it leaves
    the plan of another version of the same file as it is. goes_on: from there, until it is at work."""

    file: RemoteFile
    rest: Iterator[Split]
    put_back: deque[Split] = field(default_factory=deque)
    goes_on: FileTally | None = None

    def next_split(self) -> Split | None:
        return self.put_back.popleft() if self.put_back else next(self.rest, None)

    def drop(self) -> None:
        self.put_back.clear()
        self.rest = iter(())
        self.goes_on = None


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """others: further plans, of small files in whole, whose last splits are with the attempt as well."""

    plan: _Plan
    attempt: Attempt
    others: tuple[_Plan, ...] = ()

    @property
    def plans(self) -> tuple[_Plan, ...]:
        return self.plan, *self.others

    @property
    def is_together(self) -> bool:
        return bool(self.attempt.task.others)

    @property
    def splits(self) -> tuple[Split, ...]:
        """Of the plans; a task for several files has brought those before."""
        return self.attempt.task.splits[-len(self.plans) :]


class OrderedRun:
    """Iterates over the events of all files, one file after the other, in the order given.

    Blocks are to be taken (read or copied) before the next event is asked for; one that is not is dropped. Each file ends in
    one FileDone or FileFailed, and once more after each `retry`. job: of the files that come next.

    begun: what an earlier run read of a file, if under this job the rest can be put behind it; a tally of its own each time.
    work_bytes: of all files; 0 where that is not known.
    """

    def __init__(
        self,
        executor: Executor,
        job: Job,
        files: Iterable[RemoteFile],
        begun: Callable[[RemoteFile, Job], FileTally | None] | None = None,
        work_bytes: int = 0,
    ) -> None:
        self._executor = executor
        self._work_bytes = work_bytes
        self.job = job
        self._files = iter(files)
        self._begun = begun
        self._plans: deque[_Plan] = deque()  # the first is being given out; others were put back behind it
        self._under_way: deque[_UnderWay] = deque()
        self._at_work: _Plan | None = None

    def __iter__(self) -> Iterator[FileEvent]:
        while (first := self._next_under_way()) is not None:
            if first.is_together:
                yield from self._read_together(first)
            else:
                yield from self._read_file(first.plan, first.attempt)

    def retry(self, file: RemoteFile, job: Job, *, anew: bool = True) -> None:
        """After FileFailed or FileBegan: the same file, or another version of it, comes next, under another job, which all later
        files get too. anew: from its beginning, whatever was begun."""
        self._take_up(job)
        self._plans.appendleft(_Plan(file, self._splits(file)) if anew else self._plan(file))

    def go_on(self, job: Job) -> None:
        """After FileDone or FileFailed: all later files come under another job."""
        self._take_up(job)

    def _take_up(self, job: Job) -> None:
        self.job = job
        self._rewind()
        # Of files that are not at work yet: what was begun of one may go with this job and not with the other.
        self._plans = deque(self._plan(plan.file) for plan in self._plans if plan is not self._at_work)
        self._at_work = None

    def _plan(self, file: RemoteFile) -> _Plan:
        splits = self._splits(file)
        tally = None if self._begun is None else self._begun(file, self.job)
        return _Plan(file, splits if tally is None else rest_of(splits, tally.position), goes_on=tally)

    def _splits(self, file: RemoteFile) -> Iterator[Split]:
        job = self.job
        return splits_of(file, job.format, job.reader, job.max_split_bytes, self._work_bytes)

    def _next_under_way(self) -> _UnderWay | None:
        self._fill()
        return self._under_way.popleft() if self._under_way else None

    def _fill(self) -> None:
        while self._executor.has_room():
            following = self._next_split()
            if following is None:
                return
            plan, split = following
            others = self._others(split) if reads_together(self.job) else []
            task = Task(self.job, split, time.time_ns() // 1_000_000, tuple(split for _, split in others))
            self._under_way.append(_UnderWay(plan, self._executor.submit(task), tuple(plan for plan, _ in others)))

    def _others(self, first: Split) -> list[tuple[_Plan, Split]]:
        """What comes next and is read together with `first`."""
        others: list[tuple[_Plan, Split]] = []
        room = Room()
        if not room.takes(first):
            return others
        while (following := self._next_split()) is not None:
            plan, split = following
            if not room.takes(split):
                self._put_back(plan, split)
                break
            others.append(following)
        return others

    def _next_split(self) -> tuple[_Plan, Split] | None:
        while True:
            if not self._plans:
                if (file := next(self._files, None)) is None:
                    return None
                self._plans.append(self._plan(file))
            if (split := self._plans[0].next_split()) is not None:
                return self._plans[0], split
            self._plans.popleft()

    def _rewind(self) -> None:
        """Takes back everything that is under way, each split to its plan.

        Rare by design, hence simple: busy workers are replaced rather than told.
        """
        taken_back, self._under_way = self._under_way, deque()
        self._executor.reset()
        for each in reversed(taken_back):
            for plan, split in zip(reversed(each.plans), reversed(each.splits), strict=True):
                self._put_back(plan, split)

    def _put_back(self, plan: _Plan, split: Split) -> None:
        plan.put_back.appendleft(split)
        if not self._plans or self._plans[0] is not plan:
            self._plans.appendleft(plan)

    def _drop_rest(self, plan: _Plan) -> None:
        if self._under_way and self._under_way[0].plan is plan:
            self._rewind()
        plan.drop()

    def _again(self, plan: _Plan, split: Split) -> Attempt:
        self._rewind()
        self._put_back(plan, split)
        return self._following(plan)

    def _following(self, plan: _Plan) -> Attempt:
        following = self._next_under_way()
        if following is None or following.plan is not plan:
            raise InternalError("the splits of a file do not reach its end", uri=plan.file.uri)
        return following.attempt

    def _read_together(self, first: _UnderWay) -> Iterator[FileEvent]:
        event = first.attempt.next_event()
        assert isinstance(event, ReadTogether | SetApart)
        count = len(event.rows) if isinstance(event, ReadTogether) else len(event.attempts)
        plans, left = first.plans[:count], first.plans[count:]
        if left:
            self._under_way.appendleft(_UnderWay(left[0], first.attempt, left[1:]))
        if isinstance(event, SetApart):
            self._under_way.extendleft(reversed([*map(_UnderWay, plans, event.attempts)]))
            return
        self._fill()
        yield FilesDone(tuple(plan.file for plan in plans), event.rows, event.block, event.warnings)
        if event.block is not None:
            event.block.drop()

    def _read_file(self, plan: _Plan, attempt: Attempt) -> Iterator[FileEvent]:
        file = plan.file
        tally, plan.goes_on = plan.goes_on or FileTally(file), None
        emitted = 0  # records of the split that came out so far
        self._at_work = plan
        yield FileBegan(file, tally.position)
        while self._at_work is plan:
            split = attempt.task.split
            event = attempt.next_event()
            if not isinstance(event, Began):
                self._fill()
            match event:
                case Began():
                    emitted = 0
                    if event.start != tally.position:
                        attempt = self._from_right_start(plan, split, tally)
                case Ended():
                    yield _close_split(tally, event.report, read_whole=emitted == event.report.rows)
                    if emitted != event.report.rows:
                        self._drop_rest(plan)
                        lost = f"{event.report.rows} records were read and {emitted} came out"
                        yield FileFailed(tally, InternalError(lost, uri=file.uri))
                        return
                    if split.is_last:
                        yield _finish(tally)
                        return
                    attempt = self._following(plan)
                case Failed(error=SequentialOnlyError(), report=report) if not split.sequential:
                    yield _close_split(tally, report)
                    self._drop_rest(plan)
                    attempt = self._again(plan, split.rest_of_file(tally.position))
                case Failed():
                    error = event.error.shifted(tally.rows_present)
                    yield _close_split(tally, event.report)
                    self._drop_rest(plan)
                    yield FileFailed(tally, error)
                    return
                case block:
                    assert not isinstance(block, ReadTogether | SetApart)  # of tasks for several files
                    emitted += block.rows
                    yield FileBlock(file, block, tally.rows)
                    block.drop()

    def _from_right_start(self, plan: _Plan, split: Split, tally: FileTally) -> Attempt:
        if split.at_record or split.is_first:
            raise InternalError("a split did not begin where it was told to", uri=split.file.uri, byte=tally.position)
        tally.wrong_guesses += 1
        redo = split.restarted_at(tally.position)
        if tally.wrong_guesses >= MAX_WRONG_GUESSES:
            self._drop_rest(plan)
            redo = replace(redo, end=split.file.size_bytes)
        return self._again(plan, redo)


def _close_split(tally: FileTally, report: SplitReport, *, read_whole: bool = False) -> SplitDone:
    advance = max(report.end - tally.position, 0)
    tally.position += advance
    if report.rejects.counts:
        tally.rejects.update(report.rejects, tally.rows_present)
    tally.rows += report.rows
    if report.skipped:
        tally.skipped.update(report.skipped)
    if report.warnings:
        tally.warnings.update(report.warnings)
    return SplitDone(tally, report.rows, advance, read_whole)


def _all_rejected(tally: FileTally) -> MalformedFileError:
    """A file of another format, more likely than one that has nothing but mistakes."""
    first, count = tally.rejects.first[0], tally.rejects.total()
    which = "its only record" if count == 1 else f"none of its {count} records"
    verb = "cannot be read" if count == 1 else "can be read; the first"
    return MalformedFileError(
        f"{which} {verb}: {first.reason}",
        uri=tally.file.uri,
        row=first.row,
        byte=first.byte,
        remedy="Check that the file is of the stream's format",
    )


def _finish(tally: FileTally) -> FileDone | FileFailed:
    if tally.position == tally.file.size_bytes:
        if tally.rejects.first and tally.rejects.total() == tally.rows_present:
            return FileFailed(tally, _all_rejected(tally))
        return FileDone(tally)
    error = InternalError(
        f"only {tally.position} of {tally.file.size_bytes} bytes were read", uri=tally.file.uri, byte=tally.position
    )
    return FileFailed(tally, error)
