"""What a workload is: contenders that do the same, and what is asked of their figures."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarks.measuring import Command, Run

if TYPE_CHECKING:
    from benchmarks.bench import Bench

Figure = Literal["seconds", "cpu_seconds", "rss"]


@dataclass(frozen=True, slots=True)
class Contender:
    """name: unique in its workload.

    environment: in place of this process's. peer: what has to be installed for it. slow: it takes minutes.
    database: what it loads into. fresh: the database, and what it keeps beside it, is removed before each run.
    alike: contenders with the same word must give the same data; None where there is none to compare.
    printing: what prints the data of a contender that only goes through it, or loads it into a server's database.
    emptying: what is run before each run, and not measured.
    """

    name: str
    command: Command
    environment: Mapping[str, str] | None = None
    peer: str | None = None
    slow: bool = False
    database: Path | None = None
    fresh: bool = True
    alike: str | None = "data"
    printing: Command | None = None
    emptying: Command | None = None
    memory: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """The figure of one contender may be so many times that of another at most; without another, so many seconds or bytes.

    For a figure per core, `times` is the number of cores over that of the other; for one per file, 1 over the number of files.
    """

    of: str
    to: str | None
    at_most: float
    figure: Figure = "seconds"
    times: float = 1.0
    what: str = ""

    def value(self, runs: Mapping[str, Sequence[Run]]) -> float | None:
        """The median of the pairs, or the ratio of medians where one has fewer runs; None where one of them did not run."""
        if not runs.get(self.of) or (self.to is not None and not runs.get(self.to)):
            return None
        ours = [float(getattr(run, self.figure)) * self.times for run in runs[self.of]]
        if self.to is None:
            return statistics.median(ours)
        theirs = [float(getattr(run, self.figure)) for run in runs[self.to]]
        if len(ours) == len(theirs):
            return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
        return statistics.median(ours) / statistics.median(theirs)


@dataclass(frozen=True, slots=True)
class Trial:
    """A workload with its data made. rows: that each contender goes through; 0 where how many a second says nothing."""

    contenders: Sequence[Contender]
    bars: Sequence[Bar] = field(default=())
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Workload:
    name: str
    title: str
    prepare: Callable[["Bench"], Trial]
