"""What a destination's ledger can be asked, and told, besides what a sync needs: its streams, files and runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Protocol, runtime_checkable

from file_cdk.core.dataclass import dataclass
from file_cdk.core.ports import TableName


@dataclass(frozen=True, slots=True)
class RunCounts:
    """What a run did, over all its streams. rejected: records, in files that were loaded."""

    files_read: int = 0
    files_failed: int = 0
    files_skipped: int = 0
    files_removed: int = 0
    rows: int = 0
    rejected: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """One sync. Times are UTC; ended_at: None while it goes on, and for ever where it was killed. exit_code: as `file-cdk sync`
    has it; None of a run that did not come to its end by itself. error: what ended it early. source: without passwords.
    options: those that are not the default, as a JSON object."""

    name: str
    started_at: datetime
    version: str
    source: str
    options: str
    ended_at: datetime | None = None
    exit_code: int | None = None
    error: str | None = None
    counts: RunCounts = RunCounts()


@runtime_checkable
class RunLog(Protocol):
    """What an open Destination may do besides: keep a record of each run."""

    def begin_run(self, version: str, source: str, options: str) -> None:
        """Durable when it returns. See Run."""

    def end_run(self, exit_code: int | None, error: str | None, counts: RunCounts) -> None:
        """Of the run that was begun last."""


@dataclass(frozen=True, slots=True)
class KeptState:
    """How far a source came, in its own words. about: which of its states it is: a stream's, or that of all. state: JSON, as the
    source wrote it. units: by the streams' tables, the number of the last unit of rows that it stands for."""

    about: str
    state: str
    units: Mapping[str, int]


@runtime_checkable
class KnowsTables(Protocol):
    """What a Destination may do besides, open or not: say which tables it has of a source."""

    def tables_of(self, origin: str, name: str) -> Mapping[str, str]:
        """Those of files below `origin` that are called `name`, or begin with that and `_`: each with the uri of one of the files
        that its ledger has. None, where no sync made the destination. Raises DestinationError when it cannot be read."""

    def forget_table(self, name: str) -> None:
        """That anybody asked an open destination for it: it has no file, nor will it have one in this run."""


@runtime_checkable
class StateKeeper(Protocol):
    """What an open Destination may do besides: keep the states of sources beside the rows that they stand for. source: its name;
    each has states of its own."""

    def states(self, source: str) -> Sequence[KeptState]:
        """By `about`; none of a source that is not known."""

    def keep_states(self, source: str, states: Sequence[KeptState], forgotten: Sequence[str] = ()) -> None:
        """Each in place of the one about the same; and there are none about those that are forgotten. All in one transaction, and
        durable when it returns. All tables are flushed, and no load is open."""


@dataclass(frozen=True, slots=True)
class SliceEntry:
    """A slice of an API whose rows are in a table, or, while a stream is read as a whole, are to be. stream: the table's name.
    attempt: the number of the read that it is of, which goes on over runs that are killed, and grows. slice: JSON of its
    partition and interval. records: that came out; with filtered and rejected, all that were found. highest: of its cursor
    values, ISO 8601. read_at: UTC."""

    stream: str
    attempt: int
    slice: str
    pages: int
    records: int
    filtered: int
    rejected: int
    highest: str | None
    read_at: datetime
    run: str


@dataclass(frozen=True, slots=True)
class SliceReject:
    """A record of an API that is not in its table. page: in its slice, record: in the page, both from 0. rejected_at: UTC."""

    stream: str
    attempt: int
    slice: str
    page: int
    record: int
    reason: str
    rejected_at: datetime
    run: str


@dataclass(frozen=True, slots=True)
class SlicesRead:
    """What a StateKeeper is told of slices beside states. obsolete: of these tables, entries of attempts before this one go."""

    entries: Sequence[SliceEntry] = ()
    rejects: Sequence[SliceReject] = ()
    obsolete: Mapping[str, int] = field(default_factory=dict)


@runtime_checkable
class SliceKeeper(Protocol):
    """What a StateKeeper may do besides: have a ledger of the slices of APIs, beside that of files."""

    run: str

    def slices(self, stream: str, attempt: int) -> Iterator[SliceEntry]:
        """By the time at which they were read, in bounded memory. For an open destination, that does nothing else meanwhile."""

    def keep_slices(
        self, source: str, states: Sequence[KeptState], forgotten: Sequence[str], slices: SlicesRead
    ) -> None:
        """As `keep_states`, and the slices in the same transaction. Durable when it returns."""


@dataclass(frozen=True, slots=True)
class SlicesStatus:
    """What the ledger has of the slices of one table: sums of them, and when, and by which run, the last one was read (UTC)."""

    stream: str
    slices: int
    pages: int
    records: int
    filtered: int
    rejected: int
    read_at: datetime
    run: str


@runtime_checkable
class SliceLedger(Protocol):
    """What a SliceKeeper may do besides: answer while it is not open. Each raises DestinationError when it cannot be read; of one
    that no sync made, there is nothing."""

    def slices_read(self, stream: str | None = None) -> Sequence[SlicesStatus]:
        """By stream."""

    def slice_entries(self, stream: str) -> Iterator[SliceEntry]:
        """By the time at which they were read, in bounded memory."""

    def states_kept(self, source: str | None = None) -> Sequence[KeptState]:
        """Of all sources, or one."""


@runtime_checkable
class Replacing(Protocol):
    """What an open Destination may do besides: have a table that was filled under a name of its own, over several runs, take
    another's place."""

    def take_place(self, table: TableName, built: TableName) -> None:
        """`built`, with all that its ledger holds, in place of `table` and what that one's held, in one transaction. All files of
        both are flushed; neither object is used afterwards, and there is no table `built` any more."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One file version, as the ledger has it. status: `loaded`, or `failed` with an error. rows, rejected: None of a version
    that failed before they were counted. skipped: records left out as the configuration asked; None where nobody counted. The
    three together are all records that the file has. size_bytes: None where the file is to be loaded again whatever its
    version."""

    stream: str
    url: str
    modified_at: datetime
    size_bytes: int | None
    etag: str | None
    rows: int | None
    rejected: int | None
    status: str
    error: str | None
    loaded_at: datetime
    run: str
    skipped: int | None = None


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """files, rows, rejected, size_bytes: of the versions that are loaded. failed: files whose latest version is not.
    newest_at: when the newest of the loaded files was modified; loaded_at, run: when, and by which run, the last entry was made.
    again: loaded files that the next sync loads again. skipped: as in LedgerEntry, where somebody counted; uncounted: loaded
    files where nobody did."""

    stream: str
    source: str | None
    files: int
    rows: int
    rejected: int
    size_bytes: int
    failed: int
    again: int
    newest_at: datetime | None
    loaded_at: datetime | None
    run: str | None
    skipped: int = 0
    uncounted: int = 0


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A file whose rows in the table are not as many as the ledger has. expected: None where the ledger has no such file as
    loaded; url: None for rows that are of no file, and, with what is expected, for those of a table that is made from others."""

    stream: str
    url: str | None
    expected: int | None
    present: int


@runtime_checkable
class LedgerKeeper(Protocol):
    """What a Destination may do besides: answer for its ledger, and correct it, while it is not open. Each raises
    DestinationError when it cannot be read or no sync made it, and ConfigError when it holds no such stream."""

    def streams(self, stream: str | None = None) -> Sequence[StreamStatus]:
        """By name."""

    def runs(self, limit: int) -> Sequence[Run]:
        """The last ones, the latest first."""

    def entries(
        self, stream: str | None = None, urls: Sequence[str] | None = None, *, failed: bool = False
    ) -> Iterator[LedgerEntry]:
        """By stream and url; urls: only of these files; failed: only of versions that failed. None of what does not exist.
        Memory is bounded."""

    def loaded(self, stream: str) -> Iterator[Sequence[str]]:
        """The urls of files of which a version is loaded, in parts, in no particular order."""

    def mismatches(self, stream: str | None = None, *, repair: bool = False) -> Sequence[Mismatch]:
        """By stream and url. repair: their files are to be loaded again by the next sync, which replaces what is there of them;
        rows of files that the ledger does not have as loaded are removed; rows of no file stay."""

    def reset(self, stream: str, urls: Sequence[str] = ()) -> int:
        """These files, or all, are to be loaded again by the next sync, which replaces their rows; until then the rows stay.
        Failures are forgotten. Answers how many loaded files there are of these."""
