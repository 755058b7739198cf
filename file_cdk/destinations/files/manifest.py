"""What a folder of data files holds at one moment: a small file that names all others, of which each commit writes the next.

A manifest is written once and never changed. That of the highest number counts; who writes one of a number that is taken has
lost, and nobody sees what it was about. So readers see all of a commit, or nothing.

Where the data files are those of a table format, readers go by the table, not by manifests: see CommitPoint.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, field
from typing import Any, Protocol

import pyarrow as pa

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import DestinationError
from file_cdk.destinations.files.storage import Storage

OWN = "_file_cdk"
"""The folder of what is not data."""

MERGED_ROWS = f"{OWN}/rows"
"""Where there is a commit point: the folder of data files of all rows of streams whose tables show one of each key."""

_MANIFESTS = f"{OWN}/manifests"
_NAME = re.compile(rf"{_MANIFESTS}/(\d{{12}})\.json")
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class DataFile:
    """path: relative to the folder."""

    path: str
    rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """tables: the data files of each stream. base, log: files that make the ledger up (see database.py), those of the log with
    their sizes in bytes; none of a folder that is new. awaits: the stream whose table has to reach this manifest's number, for
    the manifest to count; None: it counts."""

    number: int = 0
    run: str = ""
    base: str | None = None
    log: Sequence[tuple[str, int]] = ()
    tables: Mapping[str, Sequence[DataFile]] = field(default_factory=dict)
    awaits: str | None = None

    @property
    def name(self) -> str:
        return f"{_MANIFESTS}/{self.number:012}.json"

    def names(self) -> set[str]:
        """Of all files that it needs, itself included."""
        ledger = {name for name in (self.base, *(name for name, _ in self.log)) if name is not None}
        return ledger | {self.name} | {file.path for files in self.tables.values() for file in files}

    def encoded(self) -> bytes:
        facts = {"format": _FORMAT, **asdict(self)}
        if self.awaits is None:
            del facts["awaits"]
        return json.dumps(facts, indent=1).encode()

    @classmethod
    def parse(cls, name: str, data: bytes) -> "Manifest":
        """Raises DestinationError."""
        try:
            facts: dict[str, Any] = json.loads(data)
            if facts.pop("format") != _FORMAT:
                raise DestinationError(
                    f"{name!r} was written by a later version of file_cdk", remedy="Install that version or a later one"
                )
            facts["tables"] = {
                stream: [DataFile(**file) for file in files] for stream, files in facts["tables"].items()
            }
            return cls(**facts | {"log": [(str(path), int(size)) for path, size in facts["log"]]})
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise DestinationError(f"{name!r} is no manifest of file_cdk", remedy="Restore it from a backup") from exc


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit does to the table of one stream. before, after: its data files. columns: types of the data columns, by their
    names in the table, as the data files have them that the commit writes. moves_only: the rows stay the same."""

    stream: str
    columns: Mapping[str, pa.DataType]
    before: Sequence[DataFile]
    after: Sequence[DataFile]
    moves_only: bool = False


class CommitPoint(Protocol):
    """Tables of a format with commits of its own, which alone decide what its readers see: one table of each stream.

    A commit that changes data files (of one stream at most) goes so: its data files are written; then what changed in the
    ledger; then a manifest that awaits the stream's table; then `commit`, which changes the table. From that on the manifest
    counts, and not before: wherever the run is killed, table and ledger are both as before, or both as after. A manifest that
    awaits a table in vain is passed over for the one before it, and its number is not used again. Other commits change the
    ledger alone, and data files that are in no table, and count with their manifests.

    Manifest and table have the number in common: `commit` notes it in the table, in the table's own commit, and `reached` looks
    there. A table that somebody dropped has reached nothing: the ledger is that of before its last commits, and whoever opens the
    stream's table forgets the rest.
    """

    def is_needed(self, change: Change) -> bool:
        """Whether the table is not so yet. It is where the ledger was only made to agree with what others did to the table."""

    def commit(self, change: Change, number: int) -> None:
        """Makes the table so, with the number, or leaves it as it was; where that cannot be told, nothing more is published.
        Raises DestinationError."""

    def reached(self, stream: str, number: int) -> bool:
        """Whether this or a later number is in the table, be it opened or not."""


def numbered(names: Iterable[str]) -> list[str]:
    """The names of manifests among them, the newest last."""
    return sorted(name for name in names if _NAME.fullmatch(name))


def latest(storage: Storage, point: CommitPoint | None = None) -> Manifest:
    """That which counts; of number 0 where there is none. Raises DestinationError."""
    return latest_and_number(storage, point)[0]


def latest_and_number(storage: Storage, point: CommitPoint | None = None) -> tuple[Manifest, int]:
    """That which counts, and the highest number of any."""
    while names := numbered(storage.listed(_MANIFESTS)):
        try:
            for name in reversed(names):
                manifest = Manifest.parse(name, storage.read(name))
                if manifest.awaits is None or (point is not None and point.reached(manifest.awaits, manifest.number)):
                    return manifest, number_of(names[-1])
        except DestinationError as exc:
            if not isinstance(exc.__cause__, FileNotFoundError):
                raise  # else another run has written one, and removed this, since the listing
        else:
            return Manifest(), number_of(names[-1])
    return Manifest(), 0


def number_of(name: str) -> int:
    found = _NAME.fullmatch(name)
    assert found is not None
    return int(found[1])
