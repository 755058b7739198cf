"""One stream that is written: the records that wait, its units, and the table that they go into."""

from dataclasses import field
from datetime import datetime

import pyarrow as pa

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ledger import Replacing
from file_cdk.core.merging import merging
from file_cdk.core.ports import Destination, LoadedFile
from file_cdk.pipeline.receiving.columns import ColumnTypes, DecodedRecords, first_schema
from file_cdk.pipeline.writing.empty import without_rows
from file_cdk.pipeline.writing.rows import OWN_COLUMNS, rows_of
from file_cdk.pipeline.writing.units import Unit, Units
from file_cdk.protocol.written_streams import WrittenStream


@dataclass(slots=True)
class Waiting:
    """Records that are not written yet."""

    chunks: list[DecodedRecords] = field(default_factory=list)
    size_bytes: int = 0

    def add(self, records: DecodedRecords) -> None:
        self.chunks.append(records)
        self.size_bytes += records.size_bytes

    def take(self) -> list[DecodedRecords]:
        chunks, self.chunks, self.size_bytes = self.chunks, [], 0
        return chunks


class StreamWriter:
    """began_at: when the run did, which units have for the time of a file.

    Of a stream that replaces what is there, units go into a table of their own. With a generation, that stays from run to run
    until the stream is complete, and goes on in the next run of the same generation; without, it is of this run alone.
    """

    def __init__(self, stream: WrittenStream, destination: Destination, began_at: datetime) -> None:
        self.stream = stream
        self._destination = destination
        self._began_at = began_at
        self.is_complete = False
        self._sealed, self._passed, self._open = Waiting(), Waiting(), Waiting()
        """Before the last state of the stream that came; since that, and before the last of another stream; since that."""
        self._is_sealed = False
        """Whether a state of the stream has come since the last unit."""
        self._reach = 0
        """The number of the last unit that its last state stands for."""
        self._not_covered: list[Unit] = []
        """Units that no state which was handed back stands for."""
        is_anew = stream.replaces and stream.generation is None
        # First: what is to be replaced may have been merged by another rule.
        beside = destination.table(stream.table, anew=True) if is_anew else None
        own = destination.table(stream.table)
        merging(own, stream.table)  # refuses before anything is read
        units = Units.of(own)
        self._last = units.last
        self._older: list[str] = []
        """Units in the table that is written to, that go once the stream is complete."""
        self._is_beside = stream.replaces
        self._table = own if beside is None else beside
        if stream.replaces and beside is None:
            self._begin_replacement(units)

    def _begin_replacement(self, units: Units) -> None:
        stream, destination = self.stream, self._destination
        if not isinstance(destination, Replacing):
            raise ConfigError(
                f"stream {stream.shown} is to replace what is there, which this destination cannot",
                remedy="Choose append",
            )
        if stream.generation in units.found:
            # An earlier run of this generation was complete.
            self._is_beside = False
            self._older = units.of_other_generations(stream.generation)
            return
        self._table = destination.table(stream.staging)
        staged = Units.of(self._table)
        if staged.of_other_generations(stream.generation):
            destination.table(stream.staging, anew=True)
            destination.put_in_place(stream.staging)
            self._table, staged = destination.table(stream.staging), Units({})
        self._last = max(self._last, staged.last)

    def first_schema(self) -> pa.Schema:
        """What the first records are decoded for: the columns of the table, and those that the catalog has besides; of type null
        those that only records can tell the type of."""
        present = {each.name: each.type for each in self._table.schema}
        named = {each.name: each.type for each in first_schema(self.stream.properties) if each.name not in present}
        types = self.widened(named) | present
        return pa.schema([(name, types[name]) for name in (*named, *present) if name not in OWN_COLUMNS])

    def widened(self, columns: ColumnTypes) -> dict[str, pa.DataType]:
        """Has the table promise to hold these as well, and answers what it will hold them as. Without any value, a column is not
        promised."""
        self._promise(pa.schema([(name, kind) for name, kind in columns.items() if name not in OWN_COLUMNS]))
        types = {each.name: each.type for each in self._table.schema}
        return {name: types.get(name, kind) for name, kind in columns.items()}

    def _promise(self, schema: pa.Schema) -> None:
        self._table.widen(pa.schema([each for each in schema if not pa.types.is_null(each.type)]))

    @property
    def last_unit(self) -> int:
        """The number of the last one that is durable; 0 where there is none."""
        return self._last

    @property
    def holds_back(self) -> bool:
        """Whether what is written is lost should the run end now: then no state may say that it is there."""
        return self._is_beside and self.stream.generation is None

    @property
    def size_bytes(self) -> int:
        return self._sealed.size_bytes + self._passed.size_bytes + self._open.size_bytes

    def add(self, records: DecodedRecords) -> None:
        self._open.add(records)

    def seal(self) -> None:
        """A state of the stream has come: what waits was before it."""
        for chunk in (*self._passed.take(), *self._open.take()):
            self._sealed.add(chunk)
        self._is_sealed = True

    def pass_by(self) -> None:
        """A state of another stream has come."""
        for chunk in self._open.take():
            self._passed.add(chunk)

    def write(self, *, all_of_it: bool = False) -> None:
        """What was sealed, or all, as a unit, which is durable then. Raises DestinationError, and RowsRefusedError."""
        self._write_chunks(self._sealed.take())
        if self._is_sealed:
            self._is_sealed, self._reach = False, self._last
        if all_of_it:
            self._write_chunks([*self._passed.take(), *self._open.take()])

    def write_passed(self) -> None:
        """What came before states of other streams, as a unit that the last state of this one does not stand for."""
        self._write_chunks(self._passed.take())

    def _write_chunks(self, chunks: list[DecodedRecords]) -> None:
        if chunks:
            unit = self._next_unit()
            self._write_unit(unit, rows_of(self.stream.table.stream, chunks, unit))

    def _next_unit(self) -> Unit:
        return Unit(self.stream.generation, self.stream.sync, self._last + 1)

    def _write_unit(self, unit: Unit, batch: pa.RecordBatch) -> None:
        file, rows = RemoteFile(unit.uri, batch.nbytes, self._began_at), batch.num_rows
        self._promise(batch.schema)
        self._not_covered.append(unit)  # before it can be there: an interruption may come at any time
        load = self._table.begin(file)
        try:
            block = self._destination.encoder.encode(batch, file, 1, 0)
            del batch  # the block is a copy
            load.write(block, 0)
            load.commit(LoadedFile(rows))
        except BaseException:
            load.abort()
            raise
        self._last = unit.number
        # At once: the tables of a destination may share a transaction, and one of them at most may have files that wait for it.
        for refused in self._table.flush():
            raise refused.error

    def merge(self) -> None:
        """Shows one row of each key, where that is asked for. Raises ConfigError of a destination that cannot."""
        if (table := merging(self._table, self.stream.table)) is not None:
            table.merge()

    def complete(self) -> None:
        """All of the stream has come, and is durable: it takes its place."""
        self.write(all_of_it=True)
        if self._is_beside and not Units.of(self._table).found:
            # So that there is a table to take the place, and its generation is known to be complete.
            self._write_unit(self._next_unit(), without_rows(self.stream))
        self.merge()
        self.is_complete = True
        if self._is_beside:
            stream, destination = self.stream, self._destination
            if stream.generation is None:
                destination.put_in_place(stream.table)
            else:
                assert isinstance(destination, Replacing)
                destination.take_place(stream.table, stream.staging)
            self._is_beside = False
            self._table = destination.table(stream.table)
        elif self._older:
            older, self._older = self._older, []
            self._table.remove(older)

    def covered(self) -> None:
        """Its last state was handed back that what is written stands for."""
        self._not_covered = [unit for unit in self._not_covered if unit.number > self._reach]

    def drop_uncovered(self) -> None:
        """What waits, and the units that no state stands for: who goes on from the last one sends them again."""
        for waiting in (self._sealed, self._passed, self._open):
            waiting.take()
        units, self._not_covered = self._not_covered, []
        if units and not self.is_complete:
            self._table.remove([unit.uri for unit in units])
        self.merge()
