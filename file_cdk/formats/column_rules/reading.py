"""One pass over a split: batches as the format inside decodes them, made into those that the rules ask for."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import IO

import pyarrow as pa

from file_cdk.core.arrow_types import merge
from file_cdk.core.column_ports import Place
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import TypeMismatchError
from file_cdk.core.files import Split
from file_cdk.core.ports import MAX_REJECTS_KEPT, Format, Reject, Rejects, SplitReport
from file_cdk.formats.arrow_cast import EXACT
from file_cdk.formats.column_rules.asking import Learnt
from file_cdk.formats.column_rules.casting import Cast, stated_cast
from file_cdk.formats.column_rules.hashing import hashed
from file_cdk.formats.column_rules.plan import ColumnPlan, Fate, Treatment
from file_cdk.formats.csv.table import with_points


@dataclass(frozen=True, slots=True)
class Rules:
    """See WithColumnRules."""

    inner: Format
    plan: ColumnPlan
    salt: bytes = field(repr=False)
    decimal_mark: str


@dataclass(slots=True)
class SplitReading:
    rules: Rules
    learnt: Learnt
    stream: IO[bytes]
    split: Split
    schema: pa.Schema
    report: SplitReport
    types: Mapping[str, pa.DataType] = field(init=False)
    inside: SplitReport = field(default_factory=SplitReport)
    """What the format inside reports of its last attempt."""
    counts: Counter[str] = field(default_factory=Counter)
    first: list[tuple[int, str]] = field(default_factory=list)
    """Rejected here: number from 0 among the records that the format inside gave, and reason."""
    warnings: Counter[str] = field(default_factory=Counter)
    _fates: tuple[list[str], Mapping[str, Fate]] = field(default=([], {}))

    def __post_init__(self) -> None:
        self.types = {column.name: column.type for column in self.schema}

    def batches(self) -> Iterator[pa.RecordBatch]:
        places: Mapping[int, Place] = {}
        try:
            for batch, first in self._decoded():
                treated = self._treated(batch, first)
                self.report.start = self.inside.start
                self.report.rows += treated.num_rows
                if treated.num_rows:
                    yield treated
            places = self._places()
        finally:
            self._fill_in(places)

    def _decoded(self) -> Iterator[tuple[pa.RecordBatch, int]]:
        """The batches, and how many records were before each; begun anew where columns have to be asked for otherwise."""
        done = 0
        while True:
            self.inside = SplitReport()
            seen = 0
            try:
                asked = self.learnt.asked(self.types)
                for batch in self.rules.inner.read_table(self.stream, self.split, asked, self.inside):
                    seen += batch.num_rows
                    if seen > done:
                        new = seen - done
                        yield batch.slice(batch.num_rows - new), done
                        done = seen
            except TypeMismatchError as error:
                self.learnt.learn(error, self.types)
                self.stream.seek(0)
            else:
                return

    def _treated(self, batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
        if self._fates[0] != batch.schema.names:
            names = batch.schema.names
            self.rules.plan.names(names, self.split.file.uri)
            self._fates = names, {name: self.learnt.fate(name, self.types) for name in names}
        columns: dict[str, pa.Array] = {}
        bad: dict[int, str] = {}
        for (source, fate), array in zip(self._fates[1].items(), batch.columns, strict=True):
            if fate.treatment is Treatment.DISCARD:
                self._discard(fate.name, len(array) - array.null_count)
            elif fate.treatment is not Treatment.DROP:
                columns[fate.name] = self._column(source, fate, array, bad)
        rows = batch.num_rows
        made = _batch(columns, rows)
        if not bad:
            return made
        for row in sorted(bad):
            self.counts[bad[row]] += 1
            if len(self.first) < MAX_REJECTS_KEPT:
                self.first.append((first + row, bad[row]))
        good = [row not in bad for row in range(rows)]
        if not columns:
            return _batch({}, sum(good))
        return made.filter(pa.array(good, pa.bool_()))

    def _discard(self, name: str, values: int) -> None:
        if values:
            self.warnings[f"column {name!r} is not in the table and is left out, as the schema contract asks"] += values

    def _column(self, source: str, fate: Fate, array: pa.Array, bad: dict[int, str]) -> pa.Array:
        kind = self.types[fate.name]
        if fate.treatment is Treatment.FIT:
            return self._fitted(fate.name, array, bad)
        if fate.cast is not None:
            if self.rules.decimal_mark != "." and pa.types.is_string(array.type) and fate.cast != "text":
                array = with_points(array, self.rules.decimal_mark)
            array, without = stated_cast(fate.cast)(array)
            for row in without:
                bad.setdefault(row, f"column {source!r} has a value that is not exactly of type {fate.cast}")
        if fate.treatment is Treatment.HASH:
            array = hashed(array, self.rules.salt)
        if array.type.equals(kind):
            return array
        try:
            return EXACT(array, kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            if self.rules.plan.contract.for_type(fate.name) == "discard":
                return self._fitted(fate.name, array, bad)
            wider = merge(kind, array.type)
            needed = pa.string() if wider.equals(kind) else wider
            raise TypeMismatchError(uri=self.split.file.uri, row=None, columns={fate.name: needed}) from None

    def _fitted(self, name: str, array: pa.Array, bad: dict[int, str]) -> pa.Array:
        kind = self.types[name]
        if self.rules.decimal_mark != "." and pa.types.is_string(array.type) and not pa.types.is_string(kind):
            array = with_points(array, self.rules.decimal_mark)
        array, without = Cast(kind)(array)
        for row in without:
            bad.setdefault(row, f"column {name!r} has a value that its type in the table, {kind}, does not hold")
        return array

    # What is told of the records

    def _places(self) -> Mapping[int, Place]:
        """Of the records that were rejected here: they are looked for in the split once more, one by one."""
        locate = getattr(self.rules.inner, "locate", None)
        if not self.first or locate is None:
            return {}
        self.stream.seek(0)
        wanted = {number for number, _ in self.first}
        last = max(wanted)
        found = locate(self.stream, self.split, SplitReport())
        if found is None:
            return {}
        places = {}
        for number, place in enumerate(found):
            if number in wanted:
                places[number] = place
            if number == last:
                break
        return places

    def _fill_in(self, places: Mapping[int, Place]) -> None:
        report, inside = self.report, self.inside
        report.start, report.end = inside.start, inside.end
        report.skipped, report.warnings = inside.skipped, inside.warnings + self.warnings
        hides = self.rules.plan.rules.hides_values
        others = [Reject(each.row, each.byte, each.reason, None) if hides else each for each in inside.rejects.first]
        own = [self._reject(number, reason, places.get(number)) for number, reason in self.first]
        if hides:
            own = [Reject(each.row, each.byte, each.reason) for each in own]
        kept = Rejects()
        for reject in sorted([*others, *own], key=lambda each: each.row or 0):
            kept.add(reject)
        report.rejects = Rejects(inside.rejects.counts + self.counts, kept.first, kept.raw_bytes)

    def _reject(self, number: int, reason: str, place: Place | None) -> Reject:
        if place is not None:
            return Reject(place.row, place.byte, reason, place.raw)
        row = number + 1
        for other in sorted(each.row for each in self.inside.rejects.first if each.row is not None):
            row += other <= row
        return Reject(row, None, reason)


def _batch(columns: Mapping[str, pa.Array], rows: int) -> pa.RecordBatch:
    if not columns:
        return pa.RecordBatch.from_arrays([pa.nulls(rows)], names=[""]).select([])  # has rows all the same
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
