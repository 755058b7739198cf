"""What columns and types a stream's files are decoded for: a guess from a few of them, widened by what others turn out to hold.

A guess that is too narrow costs a second reading of the file that refutes it; one that is too wide stays in the table for
good. So nobody may type a column by values of a file that is not loaded in the end: where the samples disagree, a file has
a say once it was read to its end without fault; and what a file asks for that is not loaded is taken back.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from file_cdk.core.arrow_types import merge_schemas
from file_cdk.core.config import SchemaContract
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import SchemaFrozenError
from file_cdk.core.files import RemoteFile

if TYPE_CHECKING:
    import pyarrow as pa

TRIED_BYTES = 64 << 20
"""Of all files together that are read to their end to be believed; the types of others come when they are loaded."""

_MAX_REFITS = 100
"""Maximum times that a file is begun anew for wider columns."""


class Widening(Protocol):
    """What is asked of a core.ports.StreamTable here."""

    @property
    def schema(self) -> "pa.Schema": ...

    def widen(self, schema: "pa.Schema", *, anew: bool = False) -> None: ...


@dataclass(slots=True)
class TableColumns:
    """Columns that files are decoded for, of one table in one sync.

    stated: JSON types by column, as the configuration has them. all_text: every column is text. warn: takes what a person
    should know of a table that grew. fixed: types by column that rules state, whatever else is asked for. contract:
    whether the table grows at all, once there is one.
    """

    table: Widening
    stated: Mapping[str, str]
    all_text: bool
    warn: Callable[[str], None]
    fixed: "Mapping[str, pa.DataType]" = field(default_factory=dict)
    contract: SchemaContract = field(default_factory=SchemaContract)
    sampled: dict[RemoteFile, Sequence[str]] = field(default_factory=dict)
    """The columns of files that were looked at beforehand."""
    asked: list[str] = field(default_factory=list)
    """Columns that the file at work is decoded for and no other."""
    _known: "pa.Schema" = field(init=False)
    _guessed: "pa.Schema" = field(init=False)
    _accepted: "pa.Schema" = field(init=False)
    """What the guess and the files loaded so far ask for."""
    _exists: bool = False
    """Whether the table was there, or a file was loaded."""
    _refits: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._known = self._guessed = self._accepted = self.table.schema
        self._exists = len(self._known) > 0

    @property
    def schema(self) -> "pa.Schema":
        return self.table.schema

    def begin(self, found: "pa.Schema") -> None:
        """Before the first file is read; found: what the samples ask for."""
        import pyarrow as pa

        if self._exists and not self.contract.evolves:
            found = pa.schema([column for column in found if self._may_grow(column.name)])
        self.table.widen(found)
        self._guessed = self._accepted = self.table.schema

    def as_stated(self, schema: "pa.Schema") -> "pa.Schema":
        """The schema with what the person said about types in place of what the values suggest."""
        import pyarrow as pa

        arrow = {"boolean": pa.bool_(), "integer": pa.int64(), "number": pa.float64(), "float": pa.float64()}
        types = {column.name: pa.string() if self.all_text else column.type for column in schema}
        types.update({name: arrow.get(kind, pa.string()) for name, kind in self.stated.items()})
        types.update({name: kind for name, kind in self.fixed.items() if name in types})
        return pa.schema(list(types.items()))

    def ask(self, file: RemoteFile, wanted: "Mapping[str, pa.DataType]") -> bool:
        """Widens for the file at work, which is then to be read again, whole; false where it asked too often. Files that are
        already under way may have asked for the same."""
        import pyarrow as pa

        self._refits[file.uri] += 1
        if self._refits[file.uri] > _MAX_REFITS:
            return False
        schema = pa.schema(list(wanted.items()))
        self.table.widen(self.as_stated(schema) if self.all_text else schema)
        self.asked += schema.names
        return True

    def refusal(self, file: RemoteFile, wanted: "Mapping[str, pa.DataType]") -> SchemaFrozenError | None:
        """Why the table does not become what the file at work asks for, by its contract."""
        if not self._exists or self.contract.evolves:
            return None
        for name, needed in wanted.items():
            if self._may_grow(name):
                continue
            was = _type_in(self.table.schema, name)
            change = (
                f"add column {name!r} ({needed})" if was is None else f"change column {name!r} from {was} to {needed}"
            )
            return SchemaFrozenError(
                f"would {change}, and the table's schema contract does not allow that: none of its rows is loaded",
                was=None if was is None else str(was),
                needed=str(needed),
                uri=file.uri,
                column=name,
                remedy="Correct the file; or have the column cast, or dropped, by a rule; or let the table grow with the schema "
                "contract evolve",
            )
        return None

    def _may_grow(self, name: str) -> bool:
        is_new = self.table.schema.get_field_index(name) < 0
        return (self.contract.for_new(name) if is_new else self.contract.for_type(name)) == "evolve"

    def accept(self, file: RemoteFile) -> None:
        """The file is loaded: what it needed, the table has."""
        self._exists = True
        if self.asked:
            self.asked = []
            before, self._accepted = self._accepted, self.table.schema
            for message in _grown_for(before, self._accepted, f"file {file.uri!r}"):
                self.warn(message)

    def withdraw(self) -> bool:
        """The file is not loaded: what it alone needed, no other is to be decoded for. Whether that was anything."""
        if not self.asked:
            return False
        self.asked = []
        self.table.widen(self._accepted, anew=True)
        return True

    def named(self, names: Sequence[str]) -> "pa.RecordBatch":
        """No rows, but those columns that the table has: so that columns without values come into it too."""
        import pyarrow as pa

        schema = self.table.schema
        columns = pa.schema([schema.field(name) for name in dict.fromkeys(names) if schema.get_field_index(name) >= 0])
        # Not from Python values: pyarrow imports pandas, where it is installed, to convert these, which takes 0.4 s.
        return pa.RecordBatch.from_arrays([pa.nulls(0, column.type) for column in columns], schema=columns)

    def end(self) -> None:
        """After the last file, when all are durable: tells what nobody was told of when files were loaded."""
        import pyarrow as pa

        self.table.widen(pa.schema([]), anew=True)  # to see what the table has become
        for message in _grown_besides(self._known, self._guessed, self._accepted, self.table.schema):
            self.warn(message)


@dataclass(frozen=True, slots=True)
class Sample:
    """What the beginning of a file asks for."""

    file: RemoteFile
    schema: "pa.Schema"


def guess(samples: Sequence[Sample], is_readable: Callable[[Sample], bool], *, others: bool) -> "pa.Schema":
    """The columns of the samples, each with the type that those need of which it is known that they can be loaded; without
    the columns of which none is.

    is_readable: reads the whole file. Asked, smallest file first, only of files that are at odds with others, and only
    where it makes a difference. others: whether files are to be loaded that there is no sample of, and that have no say;
    then also of files with columns that none has that is known to be readable.
    """
    merged = merge_schemas(sample.schema for sample in samples)
    disputed = {name for sample in samples for name in _narrower(sample.schema, merged)}
    believed: set[RemoteFile] = set()
    refuted: set[RemoteFile] = set()
    proved: set[str] = set() if others else set(merged.names)
    guessed = _believing(samples, disputed, believed, refuted)
    left_bytes = TRIED_BYTES
    for sample in sorted(samples, key=lambda sample: sample.file.size_bytes):
        wider = _believing(samples, disputed, believed | {sample.file}, refuted)
        if wider.equals(guessed) and proved.issuperset(sample.schema.names):
            continue
        left_bytes -= sample.file.size_bytes
        if left_bytes < 0:
            break
        if is_readable(sample):
            believed.add(sample.file)
            proved.update(sample.schema.names)
            guessed = wider
        else:
            refuted.add(sample.file)
            guessed = _believing(samples, disputed, believed, refuted)
    return guessed


def _narrower(schema: "pa.Schema", merged: "pa.Schema") -> list[str]:
    """The columns of a type that does not hold all that others have."""
    return [column.name for column in merge_schemas([schema]) if column.type != merged.field(column.name).type]


def _believing(
    samples: Sequence[Sample], disputed: set[str], believed: set[RemoteFile], refuted: set[RemoteFile]
) -> "pa.Schema":
    import pyarrow as pa

    return merge_schemas(
        pa.schema([column for column in sample.schema if column.name not in disputed or sample.file in believed])
        for sample in samples
        if sample.file not in refuted
    )


def _grown_for(before: "pa.Schema", now: "pa.Schema", place: str) -> Iterator[str]:
    """One sentence for each column that is new or of another type; none when there was nothing before: all are new then."""
    for column in now if len(before) else ():
        yield from _grown(column, _type_in(before, column.name), place)


def _grown_besides(known: "pa.Schema", guessed: "pa.Schema", accepted: "pa.Schema", now: "pa.Schema") -> Iterator[str]:
    """known: the table before. guessed: what the first file was decoded for; accepted: the last one."""
    for column in now:
        was, expected = _type_in(known, column.name), _type_in(accepted, column.name)
        if column.type == expected and expected == _type_in(guessed, column.name) and len(known):
            yield from _grown(column, was, "newer files")
        elif column.type not in (was, expected):
            yield from _grown(column, expected, "values that the narrower type would change")


def _type_in(schema: "pa.Schema", name: str) -> "pa.DataType | None":
    index = schema.get_field_index(name)
    return None if index < 0 else schema.field(index).type


def _grown(column: "pa.Field", was: "pa.DataType | None", place: str) -> Iterator[str]:
    if was is None:
        yield f"column {column.name!r} ({column.type}) is new, from {place}"
    elif was != column.type:
        yield f"column {column.name!r} was {was} and is now {column.type}, to hold values of {place}"
