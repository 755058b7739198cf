"""What the rules say of each column."""

import os
import re
from collections.abc import Collection, Iterable, Mapping
from enum import Enum, auto
from typing import TYPE_CHECKING

from file_cdk.core.config import ColumnRules, SchemaContract
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError, FileError

if TYPE_CHECKING:  # the parent of workers makes a plan before it needs pyarrow
    import pyarrow as pa

_DECIMAL = re.compile(r"decimal\(([0-9]+),([0-9]+)\)")
JSON = "json"


class Treatment(Enum):
    PASS = auto()
    CAST = auto()
    """To the type that a rule states; a value that it does not hold rejects its record."""
    HASH = auto()
    FIT = auto()
    """To the type that the table has, by its contract; a value that it does not hold rejects its record."""
    DROP = auto()
    DISCARD = auto()
    """By the table's contract, and counted."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a file's column. cast: the type that a rule states, which a hash may follow."""

    name: str
    treatment: Treatment
    cast: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """A stream's rules, which go by the names in its files, and its table's contract, which goes by those in the table."""

    rules: ColumnRules
    contract: SchemaContract

    def fate(self, source: str) -> Fate:
        """Of a file's column by the rules alone. Names are the same in any case of letters: `Email` is not to come through
        where `email` is to be hashed."""
        rules, folded = self.rules, source.casefold()
        if (rules.select is not None and not _has(rules.select, folded)) or _has(rules.drop, folded):
            return Fate(source, Treatment.DROP)
        cast = _get(rules.cast, source)
        name = _get(rules.rename, source) or source
        if _has(rules.hash, folded):
            return Fate(name, Treatment.HASH, cast)
        return Fate(name, Treatment.PASS if cast is None else Treatment.CAST, cast)

    def source(self, name: str) -> str | None:
        """The file's column that gives a column of the table; None for one that only other rules gave."""
        for source, renamed in self.rules.rename.items():
            if renamed == name:
                return source
        return name if self.fate(name).name == name else None

    def names(self, sources: Iterable[str], uri: str | None = None) -> dict[str, Fate]:
        """The columns that come of a file's columns, by those. Raises FileError where two would have one name."""
        fates = {source: self.fate(source) for source in sources}
        given: dict[str, str] = {}
        for source, fate in fates.items():
            if fate.treatment is Treatment.DROP:
                continue
            if fate.name in given:
                raise FileError(
                    f"columns {given[fate.name]!r} and {source!r} would both be called {fate.name!r} in the table",
                    uri=uri,
                    remedy="Rename one of them to something else, or drop it",
                )
            given[fate.name] = source
        return fates

    def applied(self, schema: "pa.Schema", uri: str | None = None) -> "pa.Schema":
        """The columns that a table gets of these. Its metadata has the names in the file; see `sources_of`."""
        import json

        import pyarrow as pa

        fates = self.names(schema.names, uri)
        fields = [
            pa.field(fates[column.name].name, column.type if pa.types.is_null(column.type) else kind)
            for column in schema
            if (kind := self._type(fates[column.name], column.type)) is not None
        ]
        return pa.schema(fields, {_SOURCES: json.dumps(schema.names)})

    def _type(self, fate: Fate, found: "pa.DataType") -> "pa.DataType | None":
        import pyarrow as pa

        match fate.treatment:
            case Treatment.DROP:
                return None
            case Treatment.HASH:
                return pa.string()
            case _:
                return found if fate.cast is None else arrow_type(fate.cast)

    def stated(self, types: Mapping[str, str]) -> dict[str, str]:
        """JSON types that the configuration gives the files' columns, of those that the rules leave as they are."""
        fates = {source: self.fate(source) for source in types}
        return {fate.name: types[source] for source, fate in fates.items() if fate.treatment is Treatment.PASS}

    def fixed(self) -> "dict[str, pa.DataType]":
        """The types that rules state, whatever else is asked for."""
        fates = [self.fate(source) for source in self.rules.cast]
        return {
            fate.name: arrow_type(fate.cast)
            for fate in fates
            if fate.cast is not None and fate.treatment is Treatment.CAST
        }

    def check(self, sources: Collection[str], stream: str, files: int) -> None:
        """Raises ConfigError for a rule of a column that none of these is, unless it is optional."""
        found = {source.casefold() for source in sources}
        for column in self.rules.required:
            if column.casefold() not in found:
                import difflib

                near = difflib.get_close_matches(column.casefold(), sorted(found), 1)
                nearest = next((each for each in sources if near and each.casefold() == near[0]), None)
                looked_at = "the file that was looked at" if files == 1 else f"none of the {files} files looked at"
                has = "has not" if files == 1 else "has"
                meant = f"The columns are {_few(sources)}. " if nearest is None else f"Did you mean {nearest!r}? "
                raise ConfigError(
                    f"stream {stream!r}: there is a rule for column {column!r}, which {looked_at} {has}",
                    remedy=f"{meant}Correct it; or, if it may be missing, say that it is optional (--optional {column})",
                )


def salt_of(rules: ColumnRules, stream: str) -> bytes:
    """From the environment, where a rule needs one. Raises ConfigError without it."""
    if not rules.hash:
        return b""
    salt = os.environ.get(rules.salt_variable, "")
    if not salt:
        raise ConfigError(
            f"stream {stream!r}: columns are to be hashed, and there is no salt for that",
            remedy=f"Set the environment variable {rules.salt_variable} to a long random text, and keep it: with another one, "
            "the same values get other hashes",
        )
    return os.fsencode(salt)


_SOURCES = b"file_cdk.sources"


def sources_of(schema: "pa.Schema") -> list[str]:
    """The names that the columns have in the file, of a schema that a format with rules gave, or any other."""
    import json

    found = (schema.metadata or {}).get(_SOURCES)
    return list(schema.names) if found is None else list(json.loads(found))


def arrow_type(name: str) -> "pa.DataType":
    """Of a type as core.config.columns.cast_type names it."""
    import pyarrow as pa

    if (found := _DECIMAL.fullmatch(name)) is not None:
        return pa.decimal128(int(found[1]), int(found[2]))
    return {
        "integer": pa.int64(),
        "float": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "time": pa.time64("us"),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", "UTC"),
    }.get(name, pa.string())


_NAMED = 10


def _few(columns: Collection[str]) -> str:
    first = ", ".join(map(repr, list(columns)[:_NAMED]))
    return f"{first} …" if len(columns) > _NAMED else first


def _has(columns: Iterable[str], folded: str) -> bool:
    return any(column.casefold() == folded for column in columns)


def _get(rules: Mapping[str, str], source: str) -> str | None:
    """The rule for exactly this name first."""
    if source in rules:
        return rules[source]
    folded = source.casefold()
    return next((rule for column, rule in rules.items() if column.casefold() == folded), None)
