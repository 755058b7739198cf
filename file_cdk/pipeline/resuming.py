"""Going on with files that an earlier run read in part: what of them was kept, and whether the rest goes behind it.

The hazard: rows of two readings in one file. So progress counts only for the same version of the file, read by the same
version of file_cdk in the same format, with columns that have the types they had; else the file begins anew.
"""

import hashlib
import json
import pickle
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from pydantic import BaseModel

from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import FileLoad, Format, Rejects, StreamTable
from file_cdk.core.progress import LoadProgress, resumable
from file_cdk.engine.ordering import FileTally
from file_cdk.engine.work import Job, TableShape


class BegunFiles:
    """Those of one stream. Where the destination keeps no progress, there are none."""

    def __init__(self, table: StreamTable) -> None:
        self._table = table
        self._resumable = resumable(table)
        begun = self._resumable.begun() if self._resumable is not None else ()
        self._progress = {progress.file: progress for progress in begun}
        self._meaning = _Meaning()

    @property
    def uris(self) -> list[str]:
        return [file.uri for file in self._progress]

    def forget(self, uris: Iterable[str]) -> None:
        """The files are gone."""
        if self._resumable is not None:
            self._resumable.forget_begun(list(uris))

    def tally(self, file: RemoteFile, job: Job) -> FileTally | None:
        """See OrderedRun."""
        progress = self._progress.get(file)
        if progress is None or not _goes_with(progress.meaning, self._meaning.of(job)):
            return None
        found = progress.rejects
        return FileTally(
            file,
            progress.position,
            progress.rows,
            Counter(progress.skipped),
            Rejects(Counter(found.counts), list(found.first), found.raw_bytes),
            Counter(progress.warnings),
        )

    def load(self, file: RemoteFile, position: int) -> tuple[FileLoad, LoadProgress | None]:
        """Of a file that begins at `position`; the progress, where that is not its beginning."""
        progress = self._progress.pop(file, None)
        if not position:
            return self._table.begin(file), None
        assert self._resumable is not None
        assert progress is not None
        return self._resumable.resume(progress), progress

    def keep(self, tally: FileTally, job: Job) -> None:
        """After a split of the file at work that was read whole. Raises RowsRefusedError, DestinationError."""
        if self._resumable is None or not 0 < tally.position < tally.file.size_bytes:
            return
        self._resumable.keep(
            tally.position,
            lambda: LoadProgress(
                *(tally.file, tally.position, tally.rows, tally.skipped, tally.rejects, tally.warnings),
                meaning=json.dumps(self._meaning.of(job)),
            ),
        )


@dataclass(slots=True)
class _Meaning:
    """Of the last job asked about: what decides how a file is read, and the types of its columns."""

    job: Job | None = None
    found: dict[str, Any] = field(default_factory=dict)

    def of(self, job: Job) -> dict[str, Any]:
        if self.job is not job:
            assert isinstance(job.shape, TableShape)
            columns = {column.name: str(column.type) for column in job.shape.schema}
            self.job, self.found = job, {"reading": fingerprint(job.format), "columns": columns}
        return self.found


def _goes_with(kept: str, now: Mapping[str, Any]) -> bool:
    """Columns that are new since are no matter: one that the file had, would have been asked for when it was read."""
    before = json.loads(kept)
    columns = set(before["columns"].items())
    return bool(before["reading"] == now["reading"] and columns.issubset(now["columns"].items()))


def fingerprint(file_format: Format) -> str:
    """Of this version of file_cdk and the format's configuration: the same in every process, and for no other."""
    from importlib.metadata import version  # takes long, and most runs do without

    facts = json.dumps([version("file-cdk"), _plain(file_format)], sort_keys=True)
    return hashlib.sha256(facts.encode("utf-8", "backslashreplace")).hexdigest()


def _plain(value: object) -> object:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case BaseModel():
            return [type(value).__qualname__, _plain(value.model_dump())]
        case _ if is_dataclass(value):
            own = {each.name: _plain(getattr(value, each.name)) for each in fields(value) if each.compare}
            return [type(value).__qualname__, own]
        case Mapping():
            return sorted(([_plain(key), _plain(each)] for key, each in value.items()), key=json.dumps)
        case Set():
            return sorted(map(_plain, value), key=json.dumps)
        case list() | tuple():
            return list(map(_plain, value))
        case _:
            return pickle.dumps(value).hex()  # a format of another package, perhaps
