"""A stream's rules for columns, as far as a sync has to know of them: they are applied where files are decoded."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING

from file_cdk.core.config import ColumnRules, SchemaContract
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError
from file_cdk.formats.column_rules import ColumnPlan, salt_of, sources_of
from file_cdk.formats.registry import with_folders
from file_cdk.pipeline.stream import Stream
from file_cdk.pipeline.tables.options import SyncOptions

if TYPE_CHECKING:
    import pyarrow as pa

    from file_cdk.core.ports import Format


def with_rules(stream: Stream, options: SyncOptions) -> Stream:
    """The stream with the rules that the options have for it. Raises ConfigError, also where a hash has no salt."""
    rules, contract = options.columns, options.contract
    if rules is not None or contract is not None:
        if not stream.finds_dialect:  # as only what a path or URL names does
            raise ConfigError(
                "rules for columns, and the schema contract, of a configuration's streams are set in that file",
                remedy="Write `columns` and `schema_contract` into it (docs/guide/columns.md)",
            )
        config = stream.config.replace(columns=rules, schema_contract=contract)
        stream = replace(stream, config=config)
    if stream.config.columns is not None:
        salt_of(stream.config.columns, stream.name)
    return stream


def check_merged(stream: Stream) -> None:
    """Raises ConfigError where its rules leave no column by which its rows are to be merged, or another."""
    merge, rules = stream.table.merge, stream.config.columns
    if merge is None or rules is None:
        return
    new_names = {old.casefold(): new for old, new in rules.rename.items()}
    old_names = {new.casefold(): old.casefold() for old, new in rules.rename.items()}
    left_out = {name.casefold() for name in rules.drop}
    selected = None if rules.select is None else {name.casefold() for name in rules.select}
    hashed = {name.casefold() for name in rules.hash}
    for name in filter(None, (*merge.keys, merge.cursor, merge.deleted)):
        of_files = old_names.get(name.casefold(), name.casefold())
        if of_files in new_names and name.casefold() not in old_names:
            raise ConfigError(
                f"stream {stream.name!r}: rows are to be merged by column {name!r}, which is renamed to {new_names[of_files]!r}",
                remedy=f"Name it as the table has it: {new_names[of_files]!r}",
            )
        if of_files in left_out or (selected is not None and of_files not in selected):
            raise ConfigError(
                f"stream {stream.name!r}: rows are to be merged by column {name!r}, which the rules leave out",
                remedy="Have it loaded, or merge by another column",
            )
        if of_files in hashed and name not in merge.keys:
            raise ConfigError(
                f"stream {stream.name!r}: column {name!r} is hashed, and a hash says neither what is newer nor what is deleted",
                remedy="Leave it as it is, or name another cursor or column of deleted rows",
            )


@dataclass(slots=True)
class StreamRules:
    stream: Stream
    plan: ColumnPlan = field(init=False)
    sampled: dict[str, None] = field(default_factory=dict)
    """The columns of files that were looked at beforehand, as the files call them."""
    files: int = 0

    def __post_init__(self) -> None:
        config = self.stream.config
        self.plan = ColumnPlan(config.columns or ColumnRules(), config.schema_contract or SchemaContract())

    @property
    def stated(self) -> Mapping[str, str]:
        """The JSON types that the configuration has for columns of the table."""
        return self.plan.stated(self.stream.config.input_types or {})

    @property
    def fixed(self) -> "Mapping[str, pa.DataType]":
        return self.plan.fixed()

    def sources(self, names: Iterable[str]) -> list[str]:
        """What the table's columns are called in the files."""
        return [source for name in names if (source := self.plan.source(name)) is not None]

    def own(self, names: Collection[str]) -> Collection[str]:
        """What the files have as columns. names: of the table's, as they were guessed."""
        return names if self.stream.config.columns is None else {*names, *self.sampled}

    def applied(self, schema: "pa.Schema") -> "pa.Schema":
        return self.plan.applied(schema)

    def look(self, schemas: "Iterable[pa.Schema]") -> None:
        for schema in schemas:
            self.files += 1
            self.sampled.update(dict.fromkeys(sources_of(schema)))

    def check(self, others: Collection[str]) -> None:
        """After `look`. others: columns that there are besides. Raises ConfigError for a rule of a column that is none of them;
        where no file could be looked at, each will say why."""
        if self.files:
            self.plan.check([*self.sampled, *others], self.stream.name, self.files)


def with_partitions(
    rules: StreamRules,
    file_format: "Format",
    schema: "pa.Schema",
    keys: frozenset[str],
    known: Collection[str],
    warn: Callable[[str], None],
) -> "tuple[Format, pa.Schema]":
    """The format with the columns of folders, and the schema with those that the table has not yet, of which is told. known:
    the table's columns."""
    import pyarrow as pa

    new = sorted(keys.difference(rules.sources(known)))
    if new:
        noun = "column" if len(keys) == 1 else "columns"
        names = ", ".join(map(repr, sorted(keys)))
        warn(f"folders named key=value give every file the {noun} {names}; --no-partitions leaves them out")
    columns = rules.applied(pa.schema([pa.field(key, pa.string()) for key in new]))
    return with_folders(file_format, keys), pa.schema([*schema, *columns])
