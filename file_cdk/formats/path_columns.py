"""Columns out of a file's path, for any format: `key=value` segments, and the named groups of a regular expression."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote

from file_cdk.core.column_ports import Locating, Place
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import TypeMismatchError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.json_lines import JsonLines, member
from file_cdk.core.ports import Format, FormatFacts, SplitReport
from file_cdk.core.uris import split_member, well_formed

if TYPE_CHECKING:  # records that already are JSON need no pyarrow, which takes a tenth of a second
    import pyarrow as pa

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
"""How Hive and Spark spell a null in a path."""

_CODE = re.compile(r"\+|-?0[0-9]")
"""How text begins that a cast takes for a number, and that CSV does not."""

PathValues = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class WithPathColumns:
    """A format whose records also have columns of strings from their file's uri.

    They replace the file's own columns of those names, in their place, or come last. A null (`__HIVE_DEFAULT_PARTITION__`,
    a group that took no part, a pattern that does not match) is an absent column. Of two that name the same column the
    later segment counts, and a group of the pattern before any segment.

    partitions: whether `key=value` segments of the path, its last one included, are columns; percent-escapes are resolved.
    pattern: regular expression searched for in the uri; its named groups are columns.
    folders: of the segments, those of folders that have one of these names, and no others.
    """

    inner: Format
    partitions: bool
    pattern: str | None
    folders: frozenset[str] | None = None

    @property
    def facts(self) -> FormatFacts:
        return self.inner.facts

    def infer_json_schema(self, stream: IO[bytes], file: RemoteFile) -> dict[str, Any]:
        """Each path column is a string."""
        values, _ = self._values(file.uri)
        return self.inner.infer_json_schema(stream, file) | {name: {"type": "string"} for name in values}

    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> "pa.Schema":
        """Each path column is a string, or null where the path has none."""
        import pyarrow as pa

        types = {column.name: column.type for column in self.inner.infer_table_schema(stream, file)}
        values, _ = self._values(file.uri)
        types |= {name: pa.null() if value is None else pa.string() for name, value in values.items()}
        return pa.schema(list(types.items()))

    def read_records(
        self, stream: IO[bytes], split: Split, json_schema: Mapping[str, Any] | None, report: SplitReport
    ) -> "Iterator[pa.RecordBatch | JsonLines]":
        """Path columns that a catalog does not name are left out, with a warning."""
        values, matched = self._values(split.file.uri)
        chosen = {name: value for name, value in values.items() if not json_schema or name in json_schema}
        columns: _Columns | None = None
        for batch in self.inner.read_records(stream, split, json_schema, report):
            self._warn(report, batch.num_rows, matched, values.keys() - chosen.keys())
            if isinstance(batch, JsonLines):
                yield _put_into_lines(batch, chosen, report)
            else:
                columns = columns or _Columns.of(chosen)
                yield columns.put_into(batch, report)

    def read_table(
        self, stream: IO[bytes], split: Split, schema: "pa.Schema", report: SplitReport
    ) -> "Iterator[pa.RecordBatch]":
        """Path columns are cast where `schema` has them as something other than strings.

        Raises TypeMismatchError, together with what the file itself has found by its first batch, when one is missing there
        or does not cast.
        """
        import pyarrow as pa

        values, matched = self._values(split.file.uri)
        types = {column.name: column.type for column in schema}
        columns, misfits = _typed(values, types)
        asked = {column.name: column for column in schema} | {name: pa.field(name, pa.string()) for name in values}
        # Should the file have such a column itself, it is to be decoded, but never to ask for another type: text is any.
        inner = self.inner.read_table(stream, split, pa.schema(list(asked.values())), report)
        if misfits:
            raise TypeMismatchError(uri=split.file.uri, row=None, columns=_first_misfits(inner) | misfits)
        for batch in inner:
            self._warn(report, batch.num_rows, matched, frozenset())
            yield columns.put_into(batch, report)

    def locate(self, stream: IO[bytes], split: Split, report: SplitReport) -> "Iterator[Place] | None":
        """See core.column_ports.Locating."""
        return self.inner.locate(stream, split, report) if isinstance(self.inner, Locating) else None

    def _values(self, uri: str) -> tuple[PathValues, bool]:
        """Column -> value, and whether the pattern matches."""
        values = partition_values(uri) if self.partitions and self.folders is None else {}
        if self.folders is not None:
            values = {name: value for name, value in folder_values(uri).items() if name in self.folders}
        if self.pattern is None:
            return values, True
        match = re.search(self.pattern, uri)
        found = dict.fromkeys(re.compile(self.pattern).groupindex) if match is None else match.groupdict()
        groups = {name: None if value is None else well_formed(value) for name, value in found.items()}
        return values | groups, match is not None

    def _warn(self, report: SplitReport, rows: int, matched: bool, left_out: "frozenset[str] | set[str]") -> None:
        if not matched:
            report.warnings["path_pattern does not match the file's path: its columns are null"] += rows
        for name in sorted(left_out):
            report.warnings[f"column {name!r} of the path is not in the catalog's schema and is left out"] += rows


def partition_values(uri: str) -> PathValues:
    """Column -> value of the `key=value` segments of a uri, percent-escapes resolved."""
    pairs = (segment.partition("=") for segment in _segments(uri) if "=" in segment)
    return {_text(name): None if value == _HIVE_NULL else _text(value) for name, _, value in pairs}


def folder_values(uri: str) -> PathValues:
    """The same without the last segment, which names the file, of an archive and of what is in it."""
    archive = split_member(uri)
    if archive is not None:
        return folder_values(archive[0]) | folder_values(archive[1])
    folder = uri.rpartition("/")[0]
    return partition_values(folder) if "=" in folder else {}


def _segments(uri: str) -> list[str]:
    """Those of an archive's path, then those of its member's."""
    parted = split_member(uri)
    return uri.split("/") if parted is None else [*parted[0].split("/"), *_segments(parted[1])]


def _text(escaped: str) -> str:
    return well_formed(unquote(escaped))


def _gives_way(name: str) -> str:
    return f"column {name!r} of the file gives way to the one of its path"


# Arrow batches


@dataclass(slots=True)
class _Columns:
    """The columns of one file's batches: made once, as long as the longest batch so far, and sliced for each."""

    values: Mapping[str, str | None]
    types: "Mapping[str, pa.DataType]"
    made: "dict[str, pa.Array]" = field(default_factory=dict)

    @classmethod
    def of(cls, values: PathValues) -> "_Columns":
        import pyarrow as pa

        return cls(values, dict.fromkeys(values, pa.string()))

    def put_into(self, batch: "pa.RecordBatch", report: SplitReport) -> "pa.RecordBatch":
        import pyarrow as pa

        rows = batch.num_rows
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        for name, value in self.values.items():
            own = columns.get(name)
            if own is not None and own.null_count < rows:
                report.warnings[_gives_way(name)] += rows - own.null_count
            if value is None:
                columns.pop(name, None)
            else:
                columns[name] = self._constant(name, value, rows)
        if not columns:
            return batch.select([])  # a batch made of no columns would have no rows
        return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    def _constant(self, name: str, value: str, rows: int) -> "pa.Array":
        made = self.made.get(name)
        if made is None or len(made) < rows:
            made = self.made[name] = _repeated(value, 1 << rows.bit_length(), self.types[name])
        return made.slice(0, rows)


def _repeated(value: str, rows: int, kind: "pa.DataType") -> "pa.Array":
    from file_cdk.core.arrow_values import repeated_text

    strings = repeated_text(value, rows)
    return strings if kind.equals(strings.type) else strings.cast(kind)


def _typed(values: PathValues, types: "Mapping[str, pa.DataType]") -> "tuple[_Columns, dict[str, pa.DataType]]":
    """The columns as `types` wants them, and those that it lacks or that do not cast, which need to be strings."""
    import pyarrow as pa

    columns = _Columns(values, types)
    misfits = {}
    for name, value in values.items():
        if value is None:
            continue
        try:
            if name in types and not _is_code(value, types[name]):
                _repeated(value, 1, types[name])
                continue
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            pass
        misfits[name] = pa.string()
    return columns, misfits


def _is_code(value: str, kind: "pa.DataType") -> bool:
    """Whether digits would be lost in a column of numbers: `007`, which casts."""
    import pyarrow.types as t

    is_number = t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind)
    return is_number and _CODE.match(value) is not None


def _first_misfits(batches: "Iterator[pa.RecordBatch]") -> "dict[str, pa.DataType]":
    """What the file asks for at its first batch: said together, it costs one retry and not two."""
    try:
        next(batches, None)
    except TypeMismatchError as exc:
        return exc.columns
    return {}


def _put_into_lines(batch: JsonLines, values: PathValues, report: SplitReport) -> JsonLines:
    """The values as members at the end of each object, in place of those it has of these names."""
    if values:
        batch, had = batch.without(tuple(values))
        report.warnings.update({_gives_way(name): count for name, count in had.items()})
    members = b",".join(member(name, value) for name, value in values.items() if value is not None)
    return batch.with_members(members) if members else batch
