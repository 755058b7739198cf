"""The Protocols that a third party implements: where files come from, what is in them, how records leave, where they land.

Implementations of StreamReader, Format and Encoder cross process boundaries: they must pickle under `spawn`, hold their
configuration only, and open clients lazily in the process that uses them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import RowsRefusedError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.format_facts import FormatFacts as FormatFacts
from file_cdk.core.json_lines import JsonLines as JsonLines
from file_cdk.core.merge_rule import MergeRule as MergeRule

if TYPE_CHECKING:  # neither is needed to define the ports, and each takes a tenth of a second
    import pyarrow as pa


class Matcher(Protocol):
    """Which uris a stream wants."""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Listing prefixes that together cover every uri that can match; none is a prefix of another."""

    def matches(self, uri: str) -> bool: ...


@runtime_checkable
class StreamReader(Protocol):
    """Lists and opens the files of one root (a bucket, a container, a folder)."""

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        """Every file whose uri starts with `prefix` (more is allowed: the engine filters), lazily, in any order.

        Raises AccessError when the root cannot be listed, TransientError when trying again may help.
        """

    def open(self, file: RemoteFile) -> IO[bytes]:
        """The bytes of exactly this version, readable and seekable; the caller closes it.

        Raises FileAccessError when the file is gone or forbidden, FileChangedError when it is another version by now.
        """


@runtime_checkable
class Prefetching(Protocol):
    """What a StreamReader may do besides: begin to fetch what will soon be read."""

    def prefetch(self, file: RemoteFile, start: int, end: int) -> None:
        """Bytes `[start, end)` of the file are likely to be read next but for what was announced before. Never waits or
        raises: it may ignore what there is no room for, and errors come when the bytes are read."""


def prefetching(reader: StreamReader) -> Prefetching | None:
    """The reader, if it can fetch ahead. Asking isinstance of a Protocol takes longer than fetching ahead does."""
    return cast(Prefetching, reader) if hasattr(reader, "prefetch") else None


def stop_fetching(reader: StreamReader) -> None:
    """Has a reader that can fetch ahead, by its method `stop_fetching` if it has one, give up what is on its way: it ends its
    threads, tries nothing again, and may be used again afterwards."""
    if (stop := getattr(reader, "stop_fetching", None)) is not None:
        stop()


MAX_REJECTS_KEPT = 10_000
"""Maximum number of rejected records of a file that are kept with their place and text; all are counted."""

MAX_RAW_BYTES = 64 << 10
"""Maximum kept of one rejected record, in bytes."""

MAX_RAW_BYTES_KEPT = 16 << 20
"""Maximum kept of all rejected records of a split or file together, in bytes."""


@dataclass(frozen=True, slots=True)
class Reject:
    """One record that was left out because it cannot be read.

    row: 1-based, counted like FileCdkError.row. byte: 0-based offset of its beginning in the file (or, of a compressed
    file, in what it unpacks to). reason: what is wrong, the same words for the same fault, without values or positions.
    raw: the record as the file has it, cut after MAX_RAW_BYTES; None when it has no bytes of its own, or too many are kept.
    """

    row: int | None
    byte: int | None
    reason: str
    raw: bytes | None = None


@dataclass(slots=True)
class Rejects:
    """Rejected records: all counted by reason, the first ones kept. Bounded by the MAX_… above."""

    counts: Counter[str] = field(default_factory=Counter)
    first: list[Reject] = field(default_factory=list)
    raw_bytes: int = 0

    def add(self, reject: Reject) -> None:
        self.counts[reject.reason] += 1
        self._keep(reject)

    def update(self, other: "Rejects", rows_before: int) -> None:
        """Adds those of a later split. rows_before: records of the file before it, rejected ones included."""
        self.counts.update(other.counts)
        for reject in other.first:
            row = None if reject.row is None else reject.row + rows_before
            self._keep(Reject(row, reject.byte, reject.reason, reject.raw))

    def total(self) -> int:
        return self.counts.total()

    def _keep(self, reject: Reject) -> None:
        if len(self.first) >= MAX_REJECTS_KEPT:
            return
        if reject.raw is not None:
            raw = reject.raw[:MAX_RAW_BYTES] if self.raw_bytes < MAX_RAW_BYTES_KEPT else None
            self.raw_bytes += len(raw or b"")
            reject = Reject(reject.row, reject.byte, reject.reason, raw)
        self.first.append(reject)


@dataclass(slots=True)
class SplitReport:
    """What one pass over a split found; the format fills it in while it decodes.

    start and end are where the first record began and where the first record after the split begins, as byte offsets
    (`start == end` for a split in which no record begins). The engine checks that each split ends where the next one
    began and that the last ends at the file's size: that is the proof that no byte was lost between splits.
    `start` is set before the first batch is yielded, `end` when the last one was.
    rows: records yielded. skipped: records left out as the configuration asks, by reason. rejects: records that cannot be
    read. warnings: message -> how many records it concerns. A record is yielded, skipped or rejected, so that their sum
    is what the split holds.
    """

    start: int = 0
    end: int = 0
    rows: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    rejects: Rejects = field(default_factory=Rejects)
    warnings: Counter[str] = field(default_factory=Counter)

    def __reduce__(self) -> tuple[Any, ...]:
        bare = self.start, self.end, self.rows
        if not (self.skipped or self.rejects.counts or self.warnings):
            return SplitReport, bare  # as nearly all are
        return SplitReport, (*bare, self.skipped, self.rejects, self.warnings)

    @property
    def rows_present(self) -> int:
        """Records met so far: the next one's number in the split is one more."""
        return self.rows + self.skipped.total() + self.rejects.total()

    def reject(self, byte: int | None, reason: str, raw: bytes | None = None) -> None:
        """Counts the next record as rejected; `rows` must hold the records before it."""
        self.rejects.add(Reject(self.rows_present + 1, byte, reason, raw))


class Format(Protocol):
    """One file format, configured. Its splits are byte ranges; see Split for which records belong to which.

    The class of a format that another package provides is constructed with its PluginConfig, and says in `extensions` how
    the names of its files end: a tuple, in lower case.
    """

    @property
    def facts(self) -> FormatFacts: ...

    def infer_json_schema(self, stream: IO[bytes], file: RemoteFile) -> dict[str, Any]:
        """JSON Schema `properties` of the records, from a bounded sample; not yet nullable. Raises MalformedFileError."""

    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> "pa.Schema":
        """Arrow schema for a table, from a bounded sample; a column without any value has type null."""

    def read_records(
        self, stream: IO[bytes], split: Split, json_schema: Mapping[str, Any] | None, report: SplitReport
    ) -> Iterator["pa.RecordBatch | JsonLines"]:
        """The split's records for the protocol, in file order, in batches of about 100-500 KB of input.

        Text in batches is valid UTF-8: who decodes checks it, and who encodes relies on it.

        json_schema: the catalog's `properties` for this stream, or None when records go out as they are.
        A record that cannot be read is rejected (see SplitReport) where its end is known. Raises MalformedRecordError where
        it is not, or where the configuration wants files whole; MalformedFileError, SequentialOnlyError. `row` counts from 1
        within the split.
        """

    def read_table(
        self, stream: IO[bytes], split: Split, schema: "pa.Schema", report: SplitReport
    ) -> Iterator["pa.RecordBatch"]:
        """The split's records for a table, in file order: columns of the file that `schema` names have exactly its type.

        Columns that the file lacks are absent from the batches. A column that `schema` lacks, or a value that does not fit
        its type, raises TypeMismatchError naming every such column found so far. Otherwise as `read_records`, but that what
        can be rejected is, unless the configuration says otherwise: whether the file counts as read is the caller's to decide.
        """


class Encoder(Protocol):
    """Turns decoded batches into the bytes that leave the worker."""

    @property
    def line_oriented(self) -> bool:
        """Whether output may be cut after any line feed; otherwise each encoded batch is one unit."""

    def encode(
        self, batch: "pa.RecordBatch | JsonLines", file: RemoteFile, first_row: int, emitted_at_ms: int
    ) -> bytes | memoryview:
        """first_row: 1-based number of the batch's first record within its split. Deterministic in its arguments."""


@dataclass(frozen=True, slots=True)
class TableName:
    """The table of a stream, which is called as the stream is, and the files that belong into it.

    origin: the root that the stream's uris are relative to, if its connector names it; the same uri below another root is
    another file. folder: what the uris of all its files begin with, where the stream's name was only derived from that.
    merge: where the table is to show one row of each key; see core/merging.py.
    """

    stream: str
    origin: str | None = None
    folder: str = ""
    merge: MergeRule | None = None


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """What a finished load records of a file version in the destination's ledger. rejects: of records that cannot be read.
    skipped: number of records left out as the configuration asks; None where nobody counted. With the rows, these are all
    records that the file has."""

    rows: int
    rejects: Rejects = field(default_factory=Rejects)
    skipped: int | None = 0


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """A file version that was committed, as `loaded`, and whose rows the destination did not take when it wrote them."""

    file: RemoteFile
    loaded: LoadedFile
    error: RowsRefusedError


class FileLoad(Protocol):
    """The load of one file version: all of it, or nothing. `write` and `commit` raise RowsRefusedError for rows that the
    destination does not take; then abort it, and go on with the next file."""

    def write(self, block: bytes | bytearray | memoryview, rows_before: int) -> None:
        """One block as the destination's encoder made it. rows_before: rows of this file in earlier splits."""

    def commit(self, loaded: LoadedFile) -> None:
        """Replaces the rows of any older version and records the file in the ledger, in one transaction.

        Small files may share a transaction: then they are durable when it ends, at the latest when the destination closes.
        """

    def abort(self) -> None:
        """Leaves the destination as it was before. Safe to call twice."""


class StreamTable(Protocol):
    """One stream's table in a destination, with the ledger of files loaded into it."""

    @property
    def schema(self) -> "pa.Schema":
        """Data columns and types that files are to be decoded for: those that the table has, widened as was asked for."""

    def widen(self, schema: "pa.Schema", *, anew: bool = False) -> None:
        """Promises to hold `schema` too; never narrows, never drops. The table itself is created and grows with the first
        load that needs it, in its transaction: a file of which nothing is loaded changes no table.

        anew: in place of all that was promised and that no committed load needs.
        """

    def unloaded(self, files: Sequence[RemoteFile], *, with_rejects: bool = False) -> list[bool]:
        """For each file, whether this version of it still has to be loaded; also those loaded `with_rejects`, if so asked."""

    def begin(self, file: RemoteFile) -> FileLoad: ...

    def flush(self, *, keep_waiting: bool = False) -> Sequence[RefusedFile]:
        """Makes every committed file durable, but for those that are refused then; the ledger says that they failed. Answers
        all that were refused since it was last asked.

        keep_waiting: files that wait for others may go on doing so; only those are answered that were refused before.
        """

    def record_failure(self, file: RemoteFile, error: str, rejects: Rejects | None = None) -> None:
        """Notes in the ledger that this version failed, and its rejected records; rows of an older version stay as they are."""

    def failed(self, limit: int) -> list[str]:
        """Uris of files of which a version failed and was not loaded since, at most `limit`."""

    def forget_failed(self, uris: Sequence[str]) -> None:
        """Removes the notes of such failures: the files are gone. Rows of older versions stay as they are."""

    def loaded(self) -> Iterator[Sequence[str]]:
        """Uris of all files of which a version is loaded, each once, in parts that bound memory. Those of a part may be removed
        before the next is asked for."""

    def remove(self, uris: Sequence[str]) -> None:
        """Removes the files, all or none: their rows, rejected records and notes. Durable when it returns; not while a load is
        open."""


class Destination(Protocol):
    """Where rows land: a database or a folder."""

    @property
    def encoder(self) -> Encoder: ...

    def open(self) -> None:
        """Raises DestinationError when it cannot be written, before any file is read; DestinationInUseError when another run
        has it open, for which `--wait` tries again."""

    def table(self, table: TableName, *, anew: bool = False) -> StreamTable:
        """Raises ConfigError when it holds files of another origin, or from outside of the folder; or when its rows are merged by
        another rule than this one, or by none: but once it was asked for anew, it is as it was.

        anew: an empty table with a ledger of its own, of which nobody sees anything before `put_in_place`; the stream's own stays
        as it is, and can be asked for besides. Of one that was not put in place nothing is left when the destination was opened
        again, but that the stream's own ledger may have taken its failures over. Raises DestinationError when it could not take
        the other's place.
        """

    def put_in_place(self, table: TableName) -> None:
        """The table that was built anew in place of the stream's own, with all that its ledger holds in place of what that one's
        held, in one transaction. All its files are flushed, and neither object is used afterwards."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """One record that is not in its stream's table. url, modified_at (UTC): the version of the file it stands in.

    row, byte, reason, raw: as in Reject, but raw is text where it is UTF-8. rejected_at (UTC), run: when, and in which run.
    """

    stream: str
    url: str
    modified_at: datetime
    row: int | None
    byte: int | None
    reason: str
    raw: str | bytes | None
    rejected_at: datetime
    run: str


Known = Callable[[Sequence[RemoteFile]], list[bool]]
"""StreamTable.unloaded of one table, as it was when it was asked for."""


@runtime_checkable
class Inspectable(Protocol):
    """What a Destination may do besides: it can be asked while it is not open, and is the same afterwards. For `file-cdk ls`,
    `check` and `rejects`, which load nothing."""

    def check(self) -> bool:
        """Whether it exists. Raises DestinationError when `open` would."""

    def known(self, table: TableName) -> AbstractContextManager[Known]:
        """What is loaded: nothing, if the destination does not exist. Others may use it while the context is open.

        Raises DestinationError when it cannot be read, and ConfigError where `table` would.
        """

    def rejects(self, stream: str | None = None, limit: int | None = None) -> Iterator[RejectedRecord]:
        """The first `limit` rejected records that are kept, of one stream or of all; a file's together and in its order.

        Raises DestinationError when it cannot be read or no sync made it, ConfigError when it holds no such stream.
        """

    def rejected(self, stream: str | None = None) -> int:
        """How many records were rejected in the file versions that `rejects` is about, whether kept or not."""
