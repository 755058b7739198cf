"""Values of a CSV file as the types that the catalog gives its columns: whole batches through Arrow, the rest by Python.

The reference is Python: `int()`, `float()`, JSON, and the configured spellings of booleans, compared as they are written. A
value that does not cast is null when it is one of the null values, and stays a string otherwise.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from file_cdk.core.config import CsvConfig
from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import FILE_COLUMNS, gives_way
from file_cdk.core.json_schema import plain_type
from file_cdk.core.ports import JsonLines, SplitReport
from file_cdk.formats.csv.decode import Batch
from file_cdk.formats.csv.header import Header

if TYPE_CHECKING:  # small pieces go without Arrow, which takes longer to import than they take to read
    import pyarrow as pa
    import pyarrow.csv as pc

    from file_cdk.formats.csv.lexer import Lexer

TextCast = Callable[[str], Any]

_ARROW_TYPES = {
    "string": "string",
    "null": "string",
    "integer": "int64",
    "number": "float64",
    "float": "float64",
    "boolean": "bool",
}
"""Type of JSON -> name of Arrow's."""

_ALIASES = {"float": "number"}
_NARROWEST_FIRST = ("boolean", "integer", "number")

_encoder = msgspec.json.Encoder()
_encode, _encode_lines = _encoder.encode, _encoder.encode_lines


def no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_json = json.JSONDecoder(parse_constant=no_constant).decode


def parse_json(text: str) -> Any:
    """Any JSON value, integers of any size exact. Raises ValueError."""
    try:
        value = _json(text)
        if "\\u" in text:
            _encode(value)  # an escaped lone surrogate parses, but could not be written again
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _parse_array(text: str) -> list[Any]:
    value = parse_json(text)
    if not isinstance(value, list):
        raise ValueError("not an array")
    return value


def _empty(text: str) -> None:
    if text:
        raise ValueError("not empty")


def _float_with_comma(text: str) -> float:
    if "." in text:
        raise ValueError("a point is no decimal mark here")
    return float(text.replace(",", "."))


def casts(config: CsvConfig) -> dict[str, TextCast]:
    """By JSON type, what turns text into a value; each raises ValueError for text that is none of that type."""
    booleans = dict.fromkeys(config.false_values, False) | dict.fromkeys(config.true_values, True)

    def boolean(text: str) -> bool:
        try:
            return booleans[text]
        except KeyError:
            raise ValueError("not a boolean") from None

    return {
        "null": _empty,
        "boolean": boolean,
        "integer": int,
        "number": float if config.decimal_mark == "." else _float_with_comma,
        "object": parse_json,
        "array": _parse_array,
        "string": str,
    }


def _finite(cast: TextCast) -> TextCast:
    """JSON has no numbers for `nan`, `inf` and what is too large: they would become null, and so stay text instead."""

    def finite(text: str) -> float:
        value = cast(text)
        if not math.isfinite(value):
            raise ValueError("not a number of JSON")
        return float(value)

    return finite


@dataclass(frozen=True, slots=True)
class _Column:
    position: int
    name: str
    kind: str


class RecordConversion:
    """Batches for the protocol: columns that the schema has, in the file's order.

    A piece whose values Arrow converts as Python would becomes a batch; a small one, or any other, becomes JsonLines, alone.
    """

    def __init__(
        self, header: Header, config: CsvConfig, json_schema: Mapping[str, Any] | None, report: SplitReport
    ) -> None:
        self._report = report
        self._config = config
        self._width = header.width
        self._nulls = config.null_values
        self._casts = casts(config)
        self._casts["number"] = _finite(self._casts["number"])
        self._left_out: list[str] = []
        self._columns = self._choose(header, json_schema)
        # Without a schema no column is declared a string, so that null values are null in all of them.
        self._null_strings = not json_schema or config.strings_can_be_null
        # A record that goes out whole has its nulls; one of columns leaves them out, as its batch would.
        self._keeps_nulls = json_schema is None
        self._names = [column.name for column in self._columns]
        self._keys = [name.replace("\0", "\\x00") for name in self._names]  # as they are written of a batch
        self._integers = any(column.kind == "integer" for column in self._columns)
        self._plain = all(column.kind == "string" for column in self._columns)
        self._as_is = self._plain and len(self._columns) == header.width and not (self._nulls and self._null_strings)

    def reporting_to(self, report: SplitReport) -> "RecordConversion":
        """The same for another split."""
        other = copy(self)
        other._report = report
        return other

    @property
    def left_out(self) -> list[str]:
        """What is said of columns that no record has."""
        return self._left_out

    def _choose(self, header: Header, json_schema: Mapping[str, Any] | None) -> list[_Column]:
        names = header.names if not json_schema else header.stripped_names
        columns = []
        for position, name in enumerate(names):
            if name in FILE_COLUMNS:
                self._left_out.append(gives_way(name))
            elif not json_schema:
                columns.append(_Column(position, name, "string"))
            elif name not in json_schema:
                self._left_out.append(f"column {name!r} is not in the catalog's schema and is left out")
            else:
                kind = plain_type(json_schema[name])
                kind = _ALIASES.get(kind, kind)
                columns.append(_Column(position, name, kind if kind in self._casts else "string"))
        return columns

    @cached_property
    def fast(self) -> "pc.ConvertOptions | None":
        import pyarrow as pa
        import pyarrow.csv as pc

        config, kinds = self._config, {column.kind for column in self._columns}
        if not self._columns or not kinds <= _ARROW_TYPES.keys():
            return None
        # Arrow looks for null values before it converts, the reference after: alike when no null value converts.
        if any(_converts(self._casts[kind], null) for kind in kinds - {"string"} for null in self._nulls):
            return None
        types = {str(position): pa.string() for position in range(self._width)}
        types |= {str(column.position): pa.type_for_alias(_ARROW_TYPES[column.kind]) for column in self._columns}
        return pc.ConvertOptions(
            column_types=types,
            null_values=sorted(self._nulls),
            strings_can_be_null=bool(self._nulls) and self._null_strings,
            quoted_strings_can_be_null=True,
            true_values=sorted(config.true_values),
            false_values=sorted(config.false_values - config.true_values),
            check_utf8=False,  # see Lexer.prepare
            decimal_point=config.decimal_mark,
        )

    def from_typed(self, table: "pa.Table", prepared: bytes) -> Sequence[Batch] | None:
        import pyarrow as pa
        import pyarrow.compute as cp

        if self._integers and any(mark in prepared and b"0" + mark in prepared for mark in (b"x", b"X")):
            return None  # Arrow takes hexadecimal integers, Python does not; one byte is found much faster than two
        batches = []
        for batch in table.to_batches():
            chosen = []
            for column in self._columns:
                values = batch.column(column.position)
                if column.kind == "number" and not cp.all(cp.is_finite(values)).as_py():
                    return None  # see _finite; and Arrow takes `nan(1)`, which Python does not
                if column.kind == "null":
                    if cp.any(cp.not_equal(values, "")).as_py():
                        return None
                    values = pa.nulls(len(values))
                chosen.append(values)
            batches.append(pa.RecordBatch.from_arrays(chosen, names=self._names))
        self._note_left_out(table.num_rows)
        return batches

    def from_strings(self, table: "pa.Table", prepared: bytes, lexer: "Lexer") -> Sequence[Batch]:  # noqa: ARG002
        if self._plain:
            return self._from_plain(table)
        texts = [table.column(column.position).to_pylist() for column in self._columns]
        return self._lines(texts, table.num_rows)

    def from_rows(self, rows: Sequence[Sequence[str]]) -> Sequence[Batch]:
        if self._as_is:
            return self._encoded([dict(zip(self._keys, row, strict=True)) for row in rows])
        columns = list(zip(*rows, strict=True))
        return self._lines([columns[column.position] for column in self._columns], len(rows))

    def _lines(self, texts: Sequence[Sequence[str | None]], count: int) -> Sequence[Batch]:
        """Records of so many rows, whose values are given column by column."""
        columns = [self._cast(column, values) for column, values in zip(self._columns, texts, strict=True)]
        names = self._keys
        rows = zip(*columns, strict=True) if columns else ((),) * count
        if not self._keeps_nulls and any(None in values for values in columns):
            records = [
                {name: value for name, value in zip(names, row, strict=True) if value is not None} for row in rows
            ]
        else:
            records = [dict(zip(names, row, strict=True)) for row in rows]
        self._note_left_out(count)
        return self._encoded(records)

    def _encoded(self, records: Sequence[Mapping[str, Any]]) -> Sequence[Batch]:
        return [JsonLines(_encode_lines(records).splitlines(), checked=True)]

    def _from_plain(self, table: "pa.Table") -> Sequence[Batch]:
        """Nothing but strings: so rows come whose missing values are null already."""
        import pyarrow as pa
        import pyarrow.compute as cp

        columns = [table.column(column.position) for column in self._columns]
        if self._nulls and self._null_strings:
            nulls = pa.array(sorted(self._nulls), pa.string())
            columns = [cp.if_else(cp.is_in(texts, nulls), pa.scalar(None, pa.string()), texts) for texts in columns]
        self._note_left_out(table.num_rows)
        if not columns:
            return [JsonLines([b"{}"] * table.num_rows, checked=True)]
        batches: list[Batch] = pa.table(columns, names=self._names).to_batches()
        return batches

    def _cast(self, column: _Column, texts: Sequence[str | None]) -> Sequence[Any]:
        nulls = self._nulls
        if column.kind == "string":
            if not (nulls and self._null_strings):
                return texts
            return [None if text in nulls else text for text in texts]
        cast = self._casts[column.kind]
        values: list[Any] = []
        uncast = 0
        for text in texts:
            if text is None:
                values.append(None)
                continue
            try:
                values.append(cast(text))
            except ValueError:
                is_null = text in nulls
                uncast += not is_null
                values.append(None if is_null else text)
        if uncast:
            message = f"value of column {column.name!r} does not cast to {column.kind} and stays a string"
            self._report.warnings[message] += uncast
        return values

    def _note_left_out(self, rows: int) -> None:
        for message in self._left_out:
            self._report.warnings[message] += rows


def json_types(width: int, rows: Iterable[list[str]], config: CsvConfig) -> list[str]:
    """Per column the narrowest of boolean, integer, number and string that every value but the null ones fits."""
    values: list[set[str]] = [set() for _ in range(width)]
    for row in rows:
        for column, value in zip(values, row, strict=True):
            column.add(value)
    by_name = casts(config)
    candidates = [(name, by_name[name]) for name in _NARROWEST_FIRST]
    return [_narrowest(column - config.null_values, candidates) for column in values]


def _narrowest(values: set[str], candidates: list[tuple[str, TextCast]]) -> str:
    fitting = (name for name, cast in candidates if all(_converts(cast, value) for value in values))
    return next(fitting, "string") if values else "string"


def _converts(cast: TextCast, text: str) -> bool:
    try:
        cast(text)
    except ValueError:
        return False
    return True
