"""What a folder of data files holds at one moment: a small file that names all others, of which each commit writes the next.

A manifest is written once and never changed. That of the highest number counts; who writes one of a number that is taken has
lost, and nobody sees what it was about. So readers see all of a commit, or nothing.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from file_cdk.core.errors import DestinationError
from file_cdk.destinations.files.storage import Storage

OWN = "_file_cdk"
"""The folder of what is not data."""

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
    their sizes in bytes; none of a folder that is new."""

    number: int = 0
    run: str = ""
    base: str | None = None
    log: Sequence[tuple[str, int]] = ()
    tables: Mapping[str, Sequence[DataFile]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{_MANIFESTS}/{self.number:012}.json"

    def names(self) -> set[str]:
        """Of all files that it needs, itself included."""
        ledger = {name for name in (self.base, *(name for name, _ in self.log)) if name is not None}
        return ledger | {self.name} | {file.path for files in self.tables.values() for file in files}

    def encoded(self) -> bytes:
        return json.dumps({"format": _FORMAT, **asdict(self)}, indent=1).encode()

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


def numbered(names: Iterable[str]) -> list[str]:
    """The names of manifests among them, the newest last."""
    return sorted(name for name in names if _NAME.fullmatch(name))


def latest(storage: Storage) -> Manifest:
    """That of number 0 where there is none. Raises DestinationError."""
    while names := numbered(storage.listed(_MANIFESTS)):
        name = names[-1]
        try:
            return Manifest.parse(name, storage.read(name))
        except DestinationError as exc:
            if not isinstance(exc.__cause__, FileNotFoundError):
                raise  # else another run has written one, and removed this, since the listing
    return Manifest()
