"""A task for several files in the pool: which of them were read together, and which became attempts of their own."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import field
from typing import Generic, TypeVar

from file_cdk.core.dataclass import dataclass
from file_cdk.engine.executor import Attempt, Block, ReadTogether, SetApart
from file_cdk.engine.work import Task

_Attempt = TypeVar("_Attempt", bound=Attempt)


@dataclass(slots=True, eq=False)
class PoolTogether(Generic[_Attempt]):
    """key: of the attempt; those of its files, should they be set apart, follow it. pump: waits for news. receive: makes sure of
    a block. alone: makes an attempt of its own of a task for one file. at: how many files are in the events. block: of those
    that come next."""

    task: Task
    key: int
    pump: Callable[[], None]
    receive: Callable[[Block], None]
    alone: Callable[[Task, int], _Attempt]
    events: deque[ReadTogether | SetApart] = field(default_factory=deque)
    at: int = 0
    block: Block | None = None

    def next_event(self) -> ReadTogether | SetApart:
        while not self.events:
            if self.block is not None:
                self.receive(self.block)
            if not self.events:
                self.pump()
        return self.events.popleft()

    @property
    def is_over(self) -> bool:
        return self.at == len(self.task.splits)

    def read(self, rows: tuple[int, ...], warnings: tuple[str, ...]) -> None:
        """The next files were read together; `block` is theirs."""
        self.events.append(ReadTogether(self.block, rows, warnings))
        self.block = None
        self.at += len(rows)

    def set_apart(self, files: int | None = None) -> list[_Attempt]:
        """The next files, or all that are left, come as attempts of their own."""
        splits = self.task.splits[self.at :][:files]
        attempts = [
            self.alone(self.task.alone(split), self.key + number) for number, split in enumerate(splits, self.at + 1)
        ]
        self.events.append(SetApart([*attempts]))
        self.block = None
        self.at += len(splits)
        return attempts


def set_apart(attempts: Iterable[_Attempt | PoolTogether[_Attempt]]) -> list[_Attempt]:
    """What a dead worker leaves, each file by itself: the one that it died over is not to take others with it."""
    apart: list[_Attempt] = []
    for each in attempts:
        apart += each.set_apart() if isinstance(each, PoolTogether) else [each]
    return apart
