"""What the state machines of the ledger and of the protocol's cursor share: a real folder and what is known of its files, and
ports of which every call is a moment at which a sync may end."""

import gzip
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from source_local.source import connector

from file_cdk import Connector, FileAccessError, LocalReader
from file_cdk.engine import ordering
from file_cdk.engine.planning import plan_file

NAMES = ("a.jsonl", "b/c.jsonl", "d.jsonl", "e.jsonl", "b/f.jsonl.gz", "g.jsonl.gz")
EPOCH_S = 1_700_000_000


def other_names(name: str) -> list[str]:
    """Those that the file may be renamed to: what it is stands in its ending."""
    ending = name[name.index(".") :]
    return [each for each in NAMES if each != name and each[each.index(".") :] == ending]


names = st.sampled_from(NAMES)
times = st.integers(0, 5)
"""Few enough for files to share them, to come late, and for versions to go back."""
lines = st.lists(st.sampled_from([True, True, True, False]), max_size=5).map(tuple)
"""Of each whether it can be read."""


@dataclass(frozen=True, slots=True)
class Version:
    """number: of the write; every value names it. cut: the end of the file is missing, of one that is compressed."""

    number: int
    time_s: int
    lines: tuple[bool, ...]
    cut: bool = False
    size_bytes: int = 0

    @property
    def values(self) -> list[str]:
        return [f"v{self.number}.{at}" for at, is_good in enumerate(self.lines) if is_good]

    @property
    def rejected(self) -> list[str]:
        return [f"nonsense {self.number}.{at}" for at, is_good in enumerate(self.lines) if not is_good]

    @property
    def is_readable(self) -> bool:
        """A file of which no record can be read is none of this format."""
        return not self.cut and (bool(self.values) or not self.rejected)

    def data(self, name: str) -> bytes:
        text = "".join(
            f'{{"v": "v{self.number}.{at}"}}\n' if is_good else f"nonsense {self.number}.{at}\n"
            for at, is_good in enumerate(self.lines)
        )
        data = text.encode()
        if name.endswith(".gz"):
            data = gzip.compress(data, mtime=0)
        return data[:-6] if self.cut else data


class Crash(KeyboardInterrupt):
    """Ends a sync. Of this kind because nothing on its way takes that for the fault of a file, as it does any other exception."""


@dataclass(slots=True)
class Moments:
    """Counts them. at: the number of the one at which `act` is called, once; it may raise."""

    at: int | None = None
    act: Callable[[], None] = lambda: None
    count: int = 0
    may_act: Callable[[], bool] = lambda: True

    def come(self) -> None:
        self.count += 1
        if self.at is not None and self.count >= self.at and self.may_act():
            self.at = None
            self.act()


class Watched:
    """A port: before and after each call a moment comes. What the calls `gives` names give back is watched too."""

    gives = ("table", "begin")

    def __init__(self, target: Any, moments: Moments) -> None:
        self._target, self._moments = target, moments

    @property
    def encoder(self) -> "Watched":
        return Watched(self._target.encoder, self._moments)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self._moments.come()
            result = found(*arguments, **named)
            self._moments.come()
            return Watched(result, self._moments) if name in self.gives else result

        return call


@dataclass(frozen=True, slots=True)
class WatchedReader:
    """A StreamReader over the folder. closed: files that nobody may open."""

    target: LocalReader
    moments: Moments
    closed: frozenset[str]

    def list_files(self, prefix: str) -> Iterator[Any]:
        for file in self.target.list_files(prefix):
            self.moments.come()
            yield file
        self.moments.come()

    def open(self, file: Any) -> Any:
        self.moments.come()
        if file.uri in self.closed:
            raise FileAccessError("forbidden", uri=file.uri)
        return self.target.open(file)


def watched_connector(moments: Moments, closed: frozenset[str]) -> Connector:
    return replaced(connector, make_reader=lambda config: WatchedReader(LocalReader(config.path), moments, closed))


def split_into(patch: pytest.MonkeyPatch, split_bytes: int) -> None:
    patch.setattr(ordering, "splits_of", lambda file, *_: plan_file(file, split_bytes))


@dataclass(slots=True)
class FileWorld:
    """The files of a folder, and what is known of them besides."""

    folder: Path
    files: dict[str, Version] = field(default_factory=dict)
    gone: dict[str, Version] = field(default_factory=dict)
    """The last version of those that vanished."""
    writes: int = 0

    def __post_init__(self) -> None:
        (self.folder / "b").mkdir(parents=True)

    def put(self, name: str, time_s: int, lines: tuple[bool, ...], cut: bool = False) -> None:
        self.writes += 1
        version = Version(self.writes, time_s, lines, cut and name.endswith(".gz"))
        self.place(name, replaced(version, size_bytes=len(version.data(name))))

    def place(self, name: str, version: Version) -> None:
        path = self.folder / name
        path.write_bytes(version.data(name))
        os.utime(path, (EPOCH_S + version.time_s,) * 2)
        self.files[name] = version
        self.gone.pop(name, None)

    def vanish(self, name: str) -> None:
        (self.folder / name).unlink()
        self.gone[name] = self.files.pop(name)

    def come_back(self, name: str) -> None:
        self.place(name, self.gone[name])

    def rename(self, name: str, new: str) -> None:
        (self.folder / name).rename(self.folder / new)
        version = self.files.pop(name)
        self.gone[name] = version
        self.files[new] = version
        self.gone.pop(new, None)

    def repair(self, name: str, time_s: int) -> None:
        """By its writer, who writes all that was to be in it."""
        self.put(name, time_s, (True,) * max(1, len(self.files[name].lines)))

    def in_order(self) -> list[tuple[str, Version]]:
        """As files are read."""
        return sorted(self.files.items(), key=lambda item: (item[1].time_s, item[0]))


class FilesMachine(RuleBasedStateMachine):
    """What happens to files."""

    always: tuple[bool, ...] = ()
    """Lines that every file begins with."""

    def __init__(self) -> None:
        super().__init__()
        self.scratch = Path(tempfile.mkdtemp())
        self.world = FileWorld(self.scratch / "in")

    @rule(found=st.dictionaries(names, st.tuples(times, lines, st.booleans()), min_size=1))
    def files_appear_or_change(self, found: dict[str, tuple[int, tuple[bool, ...], bool]]) -> None:
        for name, (time_s, lines, cut) in found.items():
            self.world.put(name, time_s, self.always + lines, cut)

    @precondition(lambda self: self.world.files)
    @rule(data=st.data())
    def file_vanishes(self, data: st.DataObject) -> None:
        self.world.vanish(data.draw(st.sampled_from(sorted(self.world.files))))

    @precondition(lambda self: self.world.gone)
    @rule(data=st.data())
    def file_comes_back(self, data: st.DataObject) -> None:
        self.world.come_back(data.draw(st.sampled_from(sorted(self.world.gone))))

    @precondition(lambda self: self.world.files)
    @rule(data=st.data())
    def file_is_renamed(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.world.files)))
        self.world.rename(name, data.draw(st.sampled_from(other_names(name))))

    @precondition(lambda self: self.world.files)
    @rule(data=st.data(), time_s=times)
    def file_is_repaired(self, data: st.DataObject, time_s: int) -> None:
        self.world.repair(data.draw(st.sampled_from(sorted(self.world.files))), time_s)
