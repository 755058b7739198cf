"""Rules for columns as a format around any other, as path columns are: they are applied where batches are decoded."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import IO, TYPE_CHECKING, Any

from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.json_lines import JsonLines
from file_cdk.core.ports import Format, FormatFacts, SplitReport
from file_cdk.formats.column_rules.plan import ColumnPlan

if TYPE_CHECKING:
    import pyarrow as pa

    from file_cdk.formats.column_rules.asking import Learnt


@dataclass(frozen=True, slots=True)
class WithColumnRules:
    """A format whose tables have the columns that `plan` makes of the files' own.

    A record with a value that a cast, or the table's contract, does not take is rejected. salt: of hashes. decimal_mark: before
    the fraction in the files' texts.
    """

    inner: Format
    plan: ColumnPlan
    salt: bytes = field(default=b"", compare=False, repr=False)
    """Takes no part in comparisons, which would leave traces of it: of what is kept of a half-read file, for one."""
    decimal_mark: str = "."
    once: str = ""
    """Of rules with hashes, another in each run: no part of a file that was read with another salt, perhaps, is gone on with."""
    _learnt: "list[Learnt]" = field(default_factory=list, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.plan.rules.hash and not self.once:
            object.__setattr__(self, "once", os.urandom(16).hex())

    @property
    def facts(self) -> FormatFacts:
        return self.inner.facts

    def infer_json_schema(self, stream: IO[bytes], file: RemoteFile) -> dict[str, Any]:
        return self.inner.infer_json_schema(stream, file)

    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> "pa.Schema":
        """Columns as the rules give them; see plan.sources_of for those of the file. Raises FileError where two get one name."""
        return self.plan.applied(self.inner.infer_table_schema(stream, file), file.uri)

    def read_records(
        self, stream: IO[bytes], split: Split, json_schema: Mapping[str, Any] | None, report: SplitReport
    ) -> "Iterator[pa.RecordBatch | JsonLines]":
        """As `inner` does: rules are for tables."""
        return self.inner.read_records(stream, split, json_schema, report)

    def read_table(
        self, stream: IO[bytes], split: Split, schema: "pa.Schema", report: SplitReport
    ) -> "Iterator[pa.RecordBatch]":
        """Raises as `inner` does, with the names that columns have in the table, and FileError where two get one name."""
        from file_cdk.formats.column_rules.asking import Learnt
        from file_cdk.formats.column_rules.reading import Rules, SplitReading

        if not self._learnt:
            self._learnt.append(Learnt(self.plan, self.inner.facts))
        rules = Rules(self.inner, self.plan, self.salt, self.decimal_mark)
        return SplitReading(rules, self._learnt[0], stream, split, schema, report).batches()
