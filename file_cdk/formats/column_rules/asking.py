"""As what types the format inside is asked for a file's columns.

A column that a rule casts is asked for as that type, and as text where a split has another value; one that is hashed as an
integer, then as text. A column that is left out is asked not to be decoded, or as whatever type it has, and a new one of a table
that takes none as that. What was learnt holds for all splits that the process reads, and makes no difference to what comes of
them.
"""

from collections.abc import Mapping
from dataclasses import field

import pyarrow as pa

from file_cdk.core.arrow_types import merge
from file_cdk.core.column_ports import left_out
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import InternalError, TypeMismatchError
from file_cdk.core.ports import FormatFacts
from file_cdk.formats.column_rules.plan import ColumnPlan, Fate, Treatment, arrow_type


@dataclass(slots=True)
class Learnt:
    """What the format inside said of columns that are asked for as no table's schema has them."""

    plan: ColumnPlan
    facts: FormatFacts
    as_text: set[str] = field(default_factory=set)
    others: dict[str, pa.Field] = field(default_factory=dict)
    """Columns that the table's schema does not name, or not as they are to be asked for."""

    def fate(self, source: str, types: Mapping[str, pa.DataType]) -> Fate:
        """With what the table's contract says. types: of the table's columns."""
        fate, contract = self.plan.fate(source), self.plan.contract
        if fate.treatment is Treatment.DROP:
            return fate
        if fate.name not in types:
            return Fate(fate.name, Treatment.DISCARD) if contract.for_new(fate.name) == "discard" else fate
        if fate.treatment is Treatment.PASS and contract.for_type(fate.name) == "discard":
            return Fate(fate.name, Treatment.FIT)
        return fate

    def asked(self, types: Mapping[str, pa.DataType]) -> pa.Schema:
        fields = {}
        for name, kind in types.items():
            source = self.plan.source(name)
            if source is not None and (fate := self.fate(source, types)).name == name:
                fields[source] = pa.field(source, self._type(source, fate, kind))
        for source, other in self.others.items():
            fate = self.fate(source, types)
            if fate.treatment in (Treatment.DROP, Treatment.DISCARD, Treatment.FIT):
                fields[source] = other
            elif fate.name in types:
                fields[source] = pa.field(source, self._type(source, fate, types[fate.name]))
        return pa.schema(list(fields.values()))

    def _type(self, source: str, fate: Fate, kind: pa.DataType) -> pa.DataType:
        if fate.treatment is Treatment.PASS:
            return kind
        if source in self.as_text:
            return pa.string()
        if fate.cast is not None:
            return arrow_type(fate.cast)
        if fate.treatment is Treatment.HASH:
            # Numbers need no more than their digits; but in text, what a number's column has may be spelled otherwise.
            return pa.string() if self.facts.values_are_text else pa.int64()
        return kind

    def learn(self, error: TypeMismatchError, types: Mapping[str, pa.DataType]) -> None:
        """Raises the error with the table's columns that it concerns, if any."""
        asked = self.asked(types)
        names = set(asked.names)
        of_table: dict[str, pa.DataType] = {}
        for source, needed in error.columns.items():
            fate = self.fate(source, types)
            if fate.treatment in (Treatment.DROP, Treatment.DISCARD):
                self.others[source] = self._other(source, needed, fate)
            elif fate.name not in types:
                of_table[fate.name] = self._of_new(fate, needed)
            elif source not in names:  # a rule's column in other letters
                self.others[source] = pa.field(source, needed)
            elif fate.treatment is Treatment.FIT and pa.types.is_nested(types[fate.name]):
                self.others[source] = pa.field(source, merge(asked.field(source).type, needed))
            elif fate.treatment is not Treatment.PASS and source not in self.as_text:
                self.as_text.add(source)
            else:
                of_table[fate.name] = needed
        if of_table:
            raise TypeMismatchError(uri=error.uri or "", row=error.row, columns=of_table) from None
        if self.asked(types).equals(asked, check_metadata=True):
            raise InternalError("its columns fit no types", uri=error.uri) from None

    def _other(self, source: str, needed: pa.DataType, fate: Fate) -> pa.Field:
        """Of a column whose values nobody sees; those that a contract leaves out are counted."""
        known = self.others.get(source)
        if known is None and fate.treatment is Treatment.DROP and self.facts.skips_columns:
            return left_out(source)
        if self.facts.values_are_text:
            return pa.field(source, pa.string())
        return pa.field(source, needed if known is None else merge(known.type, needed))

    @staticmethod
    def _of_new(fate: Fate, needed: pa.DataType) -> pa.DataType:
        if fate.treatment is Treatment.HASH:
            return pa.string()
        return needed if fate.cast is None else arrow_type(fate.cast)
