"""Going on with files that an earlier run read in part: what of them was kept, and whether the rest goes behind it.

The hazard: rows of two readings in one file. So progress counts only for the same version of the file, read by the same
version of file_cdk in the same format, with columns that have the types they had; else the file begins anew.
"""

import json
import pickle
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING

from file_cdk.core.arrow_types import merge_schemas
from file_cdk.core.config.model import ConfigModel
from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import FileLoad, Format, Rejects, StreamTable
from file_cdk.core.progress import LoadProgress, resumable
from file_cdk.core.version import VERSION

if TYPE_CHECKING:
    import pyarrow as pa

    from file_cdk.engine.ordering import FileTally
    from file_cdk.engine.work import Job


@dataclass(frozen=True, slots=True)
class Meaning:
    """What decides how the rest of a file is read. reading: see `fingerprint`. schema: what the file is decoded for, and asked:
    the columns of it that the file itself asked for, when values did not fit."""

    reading: str
    schema: "pa.Schema"
    asked: tuple[str, ...] = ()

    def __str__(self) -> str:
        schema = b64encode(self.schema.serialize()).decode()
        return json.dumps({"reading": self.reading, "schema": schema, "asked": self.asked})

    @classmethod
    def parse(cls, text: str) -> "Meaning":
        import pyarrow as pa

        found = json.loads(text)
        schema = pa.ipc.read_schema(pa.py_buffer(b64decode(found["schema"])))
        return cls(found["reading"], schema, tuple(found["asked"]))

    def goes_with(self, now: "Meaning") -> bool:
        """Columns that are new since are no matter: one that the file had, would have been asked for when it was read."""
        return self.reading == now.reading and not self._missing(now.schema)

    def wanted(self, now: "Meaning") -> "Mapping[str, pa.DataType] | None":
        """The columns that would have to become what the file asked for, where no more than that is missing."""
        missing = {column.name: column.type for column in self._missing(now.schema)}
        if self.reading != now.reading or not missing or not missing.keys() <= set(self.asked):
            return None
        return None if self._missing(merge_schemas([now.schema, self.schema])) else missing

    def _missing(self, schema: "pa.Schema") -> "list[pa.Field]":
        types = dict(zip(schema.names, schema.types, strict=True))
        return [column for column in self.schema if column.type != types.get(column.name)]


class BegunFiles:
    """Those of one stream. Where the destination keeps no progress, there are none.

    told: what besides the format decides how files are read: values that `fingerprint` takes.
    """

    def __init__(self, table: StreamTable, told: object = None) -> None:
        self._table = table
        self._told = told
        self._resumable = resumable(table)
        begun = self._resumable.begun() if self._resumable is not None else ()
        self._begun = {each.file: (each, Meaning.parse(each.meaning)) for each in begun}
        self._reading: tuple[Format, str] | None = None

    def tally(self, file: RemoteFile, job: "Job") -> "FileTally | None":
        """See OrderedRun."""
        if file not in self._begun:
            return None
        progress, meaning = self._begun[file]
        if not meaning.goes_with(self._meaning(job)):
            return None
        found = progress.rejects
        from file_cdk.engine.ordering import FileTally

        return FileTally(
            file,
            progress.position,
            progress.rows,
            Counter(progress.skipped),
            Rejects(Counter(found.counts), list(found.first), found.raw_bytes),
            Counter(progress.warnings),
        )

    def wanted(self, file: RemoteFile, job: "Job") -> "Mapping[str, pa.DataType] | None":
        """The columns that an earlier run widened for this file; once they are asked for again, it may go on. Answered once."""
        if file not in self._begun:
            return None
        progress, meaning = self._begun[file]
        wanted = meaning.wanted(self._meaning(job))
        self._begun[file] = progress, replace(meaning, asked=())
        return wanted

    def load(self, file: RemoteFile, position: int) -> tuple[FileLoad, LoadProgress | None]:
        """Of a file that begins at `position`; the progress, where that is not its beginning."""
        progress, _ = self._begun.pop(file, (None, None))
        if not position:
            return self._table.begin(file), None
        assert self._resumable is not None
        assert progress is not None
        return self._resumable.resume(progress), progress

    def keep(self, tally: "FileTally", job: "Job", asked: Sequence[str] = ()) -> None:
        """After a split of the file at work that was read whole. asked: columns that it is decoded for and no other file.
        Raises RowsRefusedError, DestinationError."""
        if self._resumable is None or not 0 < tally.position < tally.file.size_bytes:
            return
        self._resumable.keep(
            tally.position,
            lambda: LoadProgress(
                *(tally.file, tally.position, tally.rows, tally.skipped, tally.rejects, tally.warnings),
                meaning=str(self._meaning(job, asked)),
            ),
        )

    def _meaning(self, job: "Job", asked: Sequence[str] = ()) -> Meaning:
        from file_cdk.engine.work import TableShape

        assert isinstance(job.shape, TableShape)
        if self._reading is None or self._reading[0] is not job.format:
            self._reading = job.format, fingerprint(job.format, self._told)
        return Meaning(self._reading[1], job.shape.schema, tuple(asked))


def fingerprint(file_format: Format, told: object = None) -> str:
    """Of this version of file_cdk and all that the format is told: the same in every process, and for no other."""
    import hashlib  # seldom needed, and takes 3 ms

    facts = json.dumps([VERSION, _plain(file_format), _plain(told)], sort_keys=True)
    return hashlib.sha256(facts.encode("utf-8", "backslashreplace")).hexdigest()


def _plain(value: object) -> object:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case ConfigModel():
            return [type(value).__qualname__, _plain(vars(value))]
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
