"""The process pool: warm workers from a fork server, their deaths survived, their output taken block by block.

Bytes in flight are bounded: each worker holds at most MemoryShares.outbox_bytes of output, one pipe (MAX_BLOCK_BYTES) and the
piece it is working on; the parent holds one block.
"""

import contextlib
import itertools
import logging
import os
import pickle
import select
from collections import deque
from dataclasses import field

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import InternalError, SystemLimitError, WorkerCrashedError
from file_cdk.core.ports import SplitReport, prefetching
from file_cdk.core.system.connection import Connection
from file_cdk.core.system.memory import DEFAULT_MEMORY, MemoryShares
from file_cdk.engine.executor import Block, Event
from file_cdk.engine.together import Apart, Together
from file_cdk.engine.work import Began, Ended, Failed, Job, Task
from file_cdk.engine.workers.forkserver import start_fork_server
from file_cdk.engine.workers.outbox import BlockReady, Logged, Made, Message
from file_cdk.engine.workers.pipes import PipeBlock, WorkerPipe
from file_cdk.engine.workers.process import WorkerProcess
from file_cdk.engine.workers.start import start_worker
from file_cdk.engine.workers.together import PoolTogether, set_apart
from file_cdk.engine.workers.worker import AtWork, TaskOrder

MAX_TRIES = 2
"""Maximum number of workers that one split may kill before it is given up."""

_QUEUE_TASKS = 32
_QUEUE_FILES = 512
_QUEUE_NAMES_BYTES = 48 << 10
"""Maximum number of orders queued with one worker, of their files, and of bytes of these files' names: they fit the worker's
socket, so that sending one never blocks while the worker itself waits for the parent to read."""
_UNMADE, _UNMADE_TO_FETCH = 2, 3
"""Number of attempts of any size that a worker has at work or next: the fewer, the more evenly the last of them are shared. One
more where the next but one is being fetched meanwhile."""
_MAX_IDLE_DEATHS = 2

_ORDERS_TOGETHER = 8
"""Number of orders sent to a busy worker in one message; fewer are sent when the pool waits for news."""

_keys = itertools.count()


@dataclass(slots=True, eq=False)
class PoolAttempt:
    """A submitted task. It survives its workers: what was received before a death is not received again."""

    task: Task
    pool: "ProcessPool"
    key: int = field(default_factory=lambda: next(_keys))
    events: deque[Event] = field(default_factory=deque)
    began: bool = False
    received: list[tuple[int, int]] = field(default_factory=list)
    repeated: int = 0
    tries: int = 0

    def next_event(self) -> Event:
        while True:
            while not self.events:
                self.pool.pump()
            event = self.events[0]
            if isinstance(event, PipeBlock) and event.taken is None and event.size_bytes > event.pipe.size_bytes:
                # Announced before it was written: it exists once its last byte is here.
                try:
                    event.read()
                except EOFError:
                    self.pool.bury_of(event.pipe)
                    continue
            return self.events.popleft()


@dataclass(slots=True, eq=False)
class _Worker:
    process: WorkerProcess
    control: Connection
    pipe: WorkerPipe
    at_work: AtWork
    memory: MemoryShares
    queue: deque[PoolAttempt | PoolTogether[PoolAttempt]] = field(default_factory=deque)
    known_jobs: set[int] = field(default_factory=set)
    queued_bytes: int = 0
    queued_names_bytes: int = 0
    made_to: int = -1
    """Key of the last attempt that only has output to send."""
    fetches: bool = False
    """The reader of its tasks can fetch ahead."""
    orders: list[TaskOrder] = field(default_factory=list)
    """Not sent yet."""

    @property
    def has_room(self) -> bool:
        if self.queued_names_bytes >= _QUEUE_NAMES_BYTES or len(self.queue) >= _QUEUE_TASKS:
            return False
        if self.unmade < (_UNMADE_TO_FETCH if self.fetches else _UNMADE):
            return True
        # More of small ones, which take less time than asking.
        files = sum(len(attempt.task.splits) for attempt in self.queue)
        return files < _QUEUE_FILES and self.queued_bytes < self.memory.queue_bytes

    @property
    def at(self) -> str:
        """Uri of the file that it is at; empty where it only has output to send, or nothing."""
        return next((each.task.split.file.uri for each in self.queue if each.key > self.made_to), "")

    @property
    def unmade(self) -> int:
        """Number of attempts that are at work, or still to be."""
        return sum(attempt.key > self.made_to for attempt in self.queue)

    def give(self, attempt: PoolAttempt | PoolTogether[PoolAttempt]) -> None:
        """Queues the attempt, and sends its order, or leaves it for `send_orders`; raises as that does."""
        self.queue.append(attempt)
        task = attempt.task
        self.fetches = prefetching(task.job.reader) is not None
        self.queued_bytes += task.size_bytes
        self.queued_names_bytes += task.names_bytes
        job = None if task.job.key in self.known_jobs else task.job
        self.known_jobs.add(task.job.key)
        self.orders.append(TaskOrder(attempt.key, task.job.key, job, task.split, task.emitted_at_ms, task.others))
        if len(self.orders) >= _ORDERS_TOGETHER:
            self.send_orders()

    def send_orders(self) -> None:
        """Sends the orders that wait. A dead worker is noticed, and replaced, when its events are read.

        Raises InternalError for a job that does not pickle; the pool is to be reset then.
        """
        if not self.orders:
            return
        orders, self.orders = self.orders, []
        try:
            self.control.send(orders)
        except (BrokenPipeError, ConnectionResetError):
            return
        except (TypeError, AttributeError, pickle.PicklingError) as exc:
            raise InternalError(
                "the reader or format cannot be sent to a worker process",
                remedy="It must pickle: hold configuration only, open clients when they are first used",
            ) from exc

    def first_ended(self) -> None:
        """The first attempt of the queue has ended."""
        self._forget(self.queue.popleft().task)

    def set_first_apart(self, files: int) -> None:
        """The next files of the first attempt, which is for several, are attempts of their own, that come first."""
        together = self.queue.popleft()
        assert isinstance(together, PoolTogether)
        attempts = together.set_apart(files)
        if together.is_over:
            self._forget(together.task)
        else:
            self.queue.appendleft(together)
        self.queue.extendleft(reversed(attempts))
        self.queued_bytes += sum(attempt.task.size_bytes for attempt in attempts)
        self.queued_names_bytes += sum(attempt.task.names_bytes for attempt in attempts)

    def _forget(self, task: Task) -> None:
        self.queued_bytes -= task.size_bytes
        self.queued_names_bytes -= task.names_bytes

    def stop(self) -> None:
        self.process.kill()
        self.control.close()
        os.close(self.pipe.fd)
        os.close(self.at_work.fd)
        if self.process.is_known:
            self.process.join()
        self.process.close()


@dataclass(slots=True)
class ProcessPool:
    """An Executor over `size` worker processes, started as tasks come.

    preload: modules that the tasks will need, imported once for all workers; the first pool of the process decides.
    """

    size: int
    preload: tuple[str, ...] = ()
    memory: MemoryShares = DEFAULT_MEMORY
    workers: list[_Worker] = field(default_factory=list)
    idle_deaths: int = 0
    waiting: deque[PoolAttempt | PoolTogether[PoolAttempt]] = field(default_factory=deque)
    """Submitted, and next for whichever worker first has room."""

    def prestart(self) -> None:
        """Starts the fork server in the background, so that its imports overlap with listing."""
        start_fork_server(self.preload)

    def has_room(self) -> bool:
        return len(self.waiting) < self.size

    def submit(self, task: Task) -> PoolAttempt | PoolTogether[PoolAttempt]:
        attempt = self._together(task) if task.others else PoolAttempt(task, self)
        self.waiting.append(attempt)
        self._give_out()
        return attempt

    def _give_out(self) -> None:
        """Gives what waits to workers that have room, in order: whatever a worker has comes before all that waits."""
        while self.waiting:
            roomy = [worker for worker in self.workers if worker.has_room]
            worker = min(roomy, key=lambda worker: (worker.unmade, worker.queued_bytes), default=None)
            if (worker is None or worker.queue) and len(self.workers) < self.size:
                worker = self._start(self.waiting[0].task.job)
                self.workers.append(worker)
            if worker is None:
                return
            worker.give(self.waiting.popleft())

    def _together(self, task: Task) -> PoolTogether[PoolAttempt]:
        key, *_ = [next(_keys) for _ in range(1 + len(task.splits))]
        return PoolTogether(task, key, self.pump, self._receive, lambda task, key: PoolAttempt(task, self, key))

    def _receive(self, block: Block) -> None:
        """Reads a block that was announced before it was written: until then, nothing that follows it is told."""
        assert isinstance(block, PipeBlock)
        if block.size_bytes > block.pipe.size_bytes:
            try:
                block.read()
            except EOFError:
                self.bury_of(block.pipe)

    def at_work(self) -> list[tuple[int, str]]:
        """The processes, each with the uri of the file it is at; empty for none."""
        return [
            (worker.process.pid, worker.at)
            for worker in self.workers
            if worker.process.pid is not None and worker.process.pid > 0
        ]

    def reset(self) -> None:
        self.waiting.clear()
        busy = [worker for worker in self.workers if worker.queue or worker.pipe.unread]
        for worker in busy:
            worker.stop()
        self.workers = [worker for worker in self.workers if worker not in busy]

    def close(self) -> None:
        for worker in self.workers:
            worker.process.kill()  # all, before the first is waited for
        for worker in self.workers:
            worker.stop()
        self.workers.clear()

    def pump(self) -> None:
        """Waits for messages from any worker and files them under their attempts."""
        self._give_out()
        for worker in self.workers:
            worker.send_orders()
        by_control = {worker.control.fileno(): worker for worker in self.workers}
        waiting = select.poll()
        for control in by_control:
            waiting.register(control, select.POLLIN)
        for control, _ in waiting.poll():
            worker = by_control[control]
            try:
                messages: list[Message] = worker.control.recv()
            except (EOFError, OSError):  # OSError: it died halfway through a message
                self.bury(worker)
                continue
            for message in messages:
                self._file(worker, message)
            try:
                # Makes room in the pipe: what its predecessor had sent before it died is not kept again.
                while worker.pipe.unread and worker.pipe.unread[0].repeats:
                    worker.pipe.unread[0].read()
            except EOFError:
                self.bury(worker)

    def _file(self, worker: _Worker, message: Message) -> None:
        self.idle_deaths = 0
        if isinstance(message, Logged):
            logging.getLogger(message.logger).log(message.level, "%s", message.text)
            return
        if isinstance(message, Made):
            worker.made_to = message.attempt_key
            return
        attempt = worker.queue[0]
        if isinstance(attempt, PoolTogether):
            match message:
                case BlockReady():
                    attempt.block = PipeBlock(message.size_bytes, message.rows, worker.pipe)
                    worker.pipe.unread.append(attempt.block)
                case Apart(files):
                    worker.set_first_apart(files)
                case Together(rows, warnings):
                    attempt.read(rows, warnings)
                    if attempt.is_over:
                        worker.first_ended()
            return
        match message:
            case Began():
                if not attempt.began:
                    attempt.began = True
                    attempt.events.append(message)
            case BlockReady():
                block = PipeBlock(message.size_bytes, message.rows, worker.pipe)
                worker.pipe.unread.append(block)
                block.repeats = attempt.repeated < len(attempt.received)
                if not block.repeats:
                    attempt.received.append((block.size_bytes, block.rows))
                    attempt.events.append(block)
                elif attempt.received[attempt.repeated] != (block.size_bytes, block.rows):
                    raise InternalError(
                        "a split gave other output when it was read again", uri=attempt.task.split.file.uri
                    )
                attempt.repeated += 1
            case Ended() | Failed():
                worker.first_ended()
                attempt.events.append(message)

    def bury_of(self, pipe: WorkerPipe) -> None:
        self.bury(next(worker for worker in self.workers if worker.pipe is pipe))

    def bury(self, worker: _Worker) -> None:
        """Keeps what a dead worker had finished, and gives the rest of its queue to a new one, in the same order."""
        # A message cut short by the death is no message: its attempt runs again.
        with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):
            while worker.control.poll(0):
                for message in worker.control.recv():
                    self._file(worker, message)
        _rescue_blocks(worker)
        self.workers.remove(worker)
        died_of = _cause_of_death(worker)
        to_blame = worker.at_work.read()
        worker.stop()
        if to_blame is None:
            self.idle_deaths += 1
            if (refused := worker.process.was_refused) is not None:
                raise refused
            if self.idle_deaths > _MAX_IDLE_DEATHS:
                if worker.process.never_began:
                    raise SystemLimitError(
                        "worker processes cannot be started: the process that they are forked from was killed each time",
                        remedy="There may be too little memory, or a limit on processes (ulimit -u); "
                        "or run without them (--workers 0)",
                    )
                raise InternalError(
                    f"worker processes end before they can work ({died_of})",
                    remedy="A script that defines its own reader must run it under `if __name__ == '__main__':`, "
                    "since workers import the script",
                )
        lost = set_apart(worker.queue)
        if not lost:
            return
        heir = self._start(lost[0].task.job)
        self.workers.append(heir)
        for attempt in lost:
            attempt.repeated = 0
            attempt.tries += attempt.key == to_blame
            if attempt.tries < MAX_TRIES:
                heir.give(attempt)
                continue
            error = WorkerCrashedError(
                f"a worker process died {MAX_TRIES} times while it read this file ({died_of})",
                uri=attempt.task.split.file.uri,
                remedy="It may need more memory than there is, or hit a defect in a native library",
            )
            attempt.events.append(Failed(error, SplitReport()))

    def _start(self, job: Job) -> _Worker:
        return _Worker(*start_worker(job, self.preload, self.memory.outbox_bytes), self.memory)


def _rescue_blocks(worker: _Worker) -> None:
    """Takes every whole block out of a dead worker's pipe; one that is not whole was never received."""
    for block in list(worker.pipe.unread):
        try:
            block.read()
        except EOFError:
            for attempt in worker.queue:
                if isinstance(attempt, PoolAttempt) and block in attempt.events:
                    attempt.events.remove(block)
                    attempt.received.pop()
    worker.pipe.unread.clear()


def _cause_of_death(worker: _Worker) -> str:
    worker.process.join(timeout_s=5)
    code = worker.process.exitcode
    if code is None:
        return "it stopped answering"
    return f"signal {-code}" if code < 0 else f"exit code {code}"
