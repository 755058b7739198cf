"""Folders within a table's folder, one for each value of some columns, as Hive, Spark and DuckDB read them: `country=NL`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, cast

import pyarrow as pa

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError, RowsRefusedError
from file_cdk.destinations.files.types import text

NULL = "__HIVE_DEFAULT_PARTITION__"
"""Of NULL, and of empty text."""

_LONGEST_BYTES = 255
"""Maximum size of a folder's name, in bytes."""

_PERIODS = ("date", "month", "year")
_FUNCTION = re.compile(rf"({'|'.join(_PERIODS)})\((.+)\)")
_ESCAPED = re.compile(r"""[\x00-\x1f"#%'*/:=?\\{\[\]^\x7f]""")


@dataclass(frozen=True, slots=True)
class Partition:
    """period: of a column with dates or times; None: the column's value."""

    column: str
    period: Literal["date", "month", "year"] | None = None

    def __str__(self) -> str:
        return self.column if self.period is None else f"{self.period}({self.column})"

    @property
    def key(self) -> str:
        """What names of its folders begin with."""
        return escaped(self.column if self.period is None else f"{self.column}_{self.period}")


def parsed(partition_by: str) -> tuple[Partition, ...]:
    """`country,month(created_at)`. Raises ConfigError."""
    found = []
    for each in map(str.strip, partition_by.split(",")):
        function = _FUNCTION.fullmatch(each)
        found.append(Partition(each) if function is None else Partition(function[2], cast(Any, function[1])))
    if not all(each.column for each in found) or len({each.key for each in found}) < len(found):
        raise ConfigError(
            f"{partition_by!r} names no partitions",
            remedy="Write columns with commas between them, each once, and of a date its year, month or date: "
            "country,month(created_at)",
        )
    return tuple(found)


def of_path(path: str, columns: Sequence[str]) -> tuple[Partition, ...]:
    """Those that a data file's folders seem to show, for ledgers of earlier versions, which do not note them: whether `d_month`
    is a column or a month is guessed. columns: of the table."""
    found = []
    for folder in (each for each in path.split("/")[1:-1] if "=" in each):
        key = re.sub("%([0-9A-F]{2})", lambda code: chr(int(code[1], 16)), folder.partition("=")[0])
        column, _, period = key.rpartition("_")
        is_period = key not in columns and period in _PERIODS
        found.append(Partition(column, cast(Any, period)) if is_period else Partition(key))
    return tuple(found)


def check(partitions: Sequence[Partition], types: Mapping[str, pa.DataType]) -> None:
    """types: of the table's columns. Raises ConfigError."""
    for each in partitions:
        kind = types.get(each.column)
        if kind is None:
            raise ConfigError(
                f"no file has the column {each.column!r} to partition by", remedy="Correct --partition-by"
            )
        if each.period and not (has_periods(kind) or pa.types.is_null(kind)):
            raise ConfigError(
                f"column {each.column!r} is of type {kind}, and has no {each.period} to partition by",
                remedy="Partition by the column itself, or state its type: input_schema",
            )


def has_periods(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def escaped(value: str) -> str:
    """As Spark and DuckDB have it in names of folders."""
    return _ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", value)


def split(
    batch: pa.RecordBatch, partitions: Sequence[Partition], names: Mapping[str, str], uri: str
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The rows by their folders, in the order in which folders and rows come. names: of columns in the table, by those in the
    files. Raises RowsRefusedError."""
    if not batch.num_rows:
        return
    if not partitions:
        yield "", batch
        return
    import pyarrow.compute as pc  # which most tables do without

    folders = pa.array([""] * batch.num_rows)
    for each in partitions:
        name = names.get(each.column)
        column = batch.column(name) if name in batch.schema.names else pa.nulls(batch.num_rows)
        parts = _folders(each, column, uri)
        folders = parts if each is partitions[0] else pc.binary_join_element_wise(folders, parts, "/")
    coded = folders.dictionary_encode()
    if len(coded.dictionary) == 1:
        yield coded.dictionary[0].as_py(), batch
        return
    order = pc.array_sort_indices(coded.indices)
    whole, start = batch.take(order), 0
    for counted in sorted(coded.indices.value_counts().to_pylist(), key=lambda found: found["values"]):
        yield coded.dictionary[counted["values"]].as_py(), whole.slice(start, counted["counts"])
        start += counted["counts"]


def _folders(partition: Partition, column: pa.Array, uri: str) -> pa.Array:
    kind, period = column.type, partition.period
    if period and not has_periods(kind) and column.null_count < len(column):
        raise RowsRefusedError(
            f"has values of type {kind}, which have no {period} to partition by",
            uri=uri,
            column=partition.column,
            remedy="Correct the file, or partition by another column and load all files anew: --full-refresh",
        )
    coded = column.dictionary_encode() if not pa.types.is_nested(kind) else None
    try:
        values = _texts(column if coded is None else coded.dictionary)
    except (ValueError, OverflowError) as exc:
        raise RowsRefusedError(
            "has a value that is out of the range of what names of folders can say",
            uri=uri,
            column=partition.column,
            remedy="Correct the file, or partition by another column",
        ) from exc
    if period:
        values = [value and value.partition(" ")[0][: _CUT[period]] for value in values]
    names = [f"{partition.key}={escaped(value) if value else NULL}" for value in values]
    if any(len(name.encode()) > _LONGEST_BYTES for name in names):
        raise RowsRefusedError(
            "has a value that is too long for the name of a folder",
            uri=uri,
            column=partition.column,
            remedy="Partition by another column",
        )
    if coded is None:
        return pa.array(names, pa.string())
    null = f"{partition.key}={NULL}"
    return pa.array([*names, null]).take(coded.indices.fill_null(len(names)))


_CUT = {"date": None, "month": -len("-01"), "year": -len("-01-01")}


def _texts(column: pa.Array) -> list[str | None]:
    """Each value as a column of text has it. Raises ValueError or OverflowError for one that has no text."""
    kind = column.type
    if not pa.types.is_temporal(kind):
        return [None if value is None else text(value, kind) for value in column.to_pylist()]
    # Python has neither nanoseconds nor years beyond 9999, and Arrow writes years beyond 32767 wrongly where there is a zone.
    is_zoned = pa.types.is_timestamp(kind) and kind.tz is not None
    cells = (column.cast(pa.timestamp(kind.unit)) if is_zoned else column).cast(pa.string()).to_pylist()
    if any(cell is not None and cell.startswith("<") for cell in cells):
        raise ValueError("out of range")
    zone = "+00:00" if is_zoned else ""
    return [None if cell is None else f"{_ZEROS.sub(_kept, cell)}{zone}" for cell in cells]


_ZEROS = re.compile(r"\.(?:0+|(\d{6})000)$")
"""What is left out of a fraction of a second: all of it, or nanoseconds."""


def _kept(fraction: re.Match[str]) -> str:
    return f".{fraction[1]}" if fraction[1] else ""
