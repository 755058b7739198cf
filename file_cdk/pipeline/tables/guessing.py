"""Which columns a stream's files are decoded for at first: found in the latest of them, by whoever loads them and by whoever only
asks what a load would make of them."""

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import FileCdkError
from file_cdk.core.ports import Format, StreamReader
from file_cdk.engine.listing import Selection
from file_cdk.pipeline.rejects import MaxRejects
from file_cdk.pipeline.stream import FolderKeys
from file_cdk.pipeline.tables.columns import Sample, TableColumns, guess
from file_cdk.pipeline.tables.rules import StreamRules, with_partitions

if TYPE_CHECKING:
    import pyarrow as pa

    from file_cdk.engine.executor import Executor


@dataclass(frozen=True, slots=True)
class FirstColumns:
    """columns: of the table, which are begun. keys: of `key=value` folders; None where they are no columns. max_rejects: which
    files can be loaded, and so have a say. warn: takes what a person should know. unreadable: why files that were looked at tell
    nothing."""

    columns: TableColumns
    rules: StreamRules
    keys: FolderKeys | None
    max_rejects: MaxRejects
    warn: Callable[[str], None]
    unreadable: list[FileCdkError] = field(default_factory=list)

    def begin(self, executor: "Executor", file_format: Format, selection: Selection) -> Format:
        """Answers the format, with the columns of folders. Raises ConfigError for a rule of a column that there is not."""
        rules, columns = self.rules, self.columns
        known = rules.sources(columns.schema.names)
        found = self._guess(executor, rules.stream.reader, file_format, selection)
        folders = self.keys.besides(rules.own(found.names)) if self.keys is not None else frozenset()
        rules.check([*known, *folders])
        if folders:
            file_format, found = with_partitions(rules, file_format, found, folders, columns.schema.names, self.warn)
        columns.begin(found)
        return file_format

    def _guess(
        self, executor: "Executor", reader: StreamReader, file_format: Format, selection: Selection
    ) -> "pa.Schema":
        """Columns and types of the latest files, merged. A file that cannot be sampled will say why when it is read."""
        from file_cdk.engine.sampling import SAMPLE_FILES, read_through, sample

        files = selection.latest(SAMPLE_FILES)[::-1]
        found = []
        for file, schema in zip(files, sample(executor, reader, file_format, files, "table"), strict=True):
            if isinstance(schema, FileCdkError):
                self.unreadable.append(schema)
            else:
                found.append((file, schema))
        self.rules.look(schema for _, schema in found)
        samples = [Sample(file, self.columns.as_stated(schema)) for file, schema in found]
        self.columns.sampled = {each.file: each.schema.names for each in samples}

        def is_readable(sample: Sample) -> bool:
            tally = read_through(executor, reader, file_format, sample.file, sample.schema)
            return tally is not None and self.max_rejects.allow(tally)

        return guess(samples, is_readable, others=selection.files > len(samples))
