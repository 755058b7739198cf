"""Validation policies: whole batches checked against the catalog's schema, and the records that do not fit it left out.

A record fits when each of its columns is in the schema and each value is of the column's type or a narrower one: null <
boolean < integer < number < string, of which a wider type holds all that is narrower; objects fit objects, arrays arrays. A
null fits anything, also a column that the schema lacks.
"""

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import reduce
from typing import TYPE_CHECKING, Any, NoReturn, Union

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import StopStreamError
from file_cdk.core.files import FILE_COLUMNS
from file_cdk.core.json_lines import JsonLines
from file_cdk.core.json_schema import SCALARS

if TYPE_CHECKING:
    import pyarrow as pa

NOT_CONFORMING = "record does not fit the schema"


@dataclass(frozen=True, slots=True)
class Kept:
    """The records of a batch that fit. left_out: how many did not. stop: the number within the batch of the record at
    which the stream has to end."""

    batch: "pa.RecordBatch | JsonLines"
    left_out: int = 0
    stop: int | None = None


@dataclass(frozen=True, slots=True)
class Conform:
    """json_schema: the catalog's `properties` for the stream. stops: the first record that does not fit ends the stream,
    instead of being left out."""

    json_schema: Mapping[str, Any]
    stops: bool
    _decode: Any = field(default=None, init=False, repr=False, compare=False)
    """Built in the process that uses it: it does not pickle."""

    def __reduce__(self) -> tuple[type["Conform"], tuple[Mapping[str, Any], bool]]:
        return Conform, (self.json_schema, self.stops)

    def apply(self, batch: "pa.RecordBatch | JsonLines") -> Kept:
        fits = self._lines_fit(batch) if isinstance(batch, JsonLines) else self._rows_fit(batch)
        if fits is None:
            return Kept(batch)
        if self.stops:
            first = fits.index(False)
            return Kept(batch.slice(0, first), stop=first + 1)
        return Kept(_chosen(batch, fits), left_out=fits.count(False))

    def _lines_fit(self, batch: JsonLines) -> list[bool] | None:
        """Per record; None when all do."""
        if self._decode is None:
            object.__setattr__(self, "_decode", _line_decoder(self.json_schema))
        import msgspec

        try:
            deque(map(self._decode, batch.lines), 0)
        except (msgspec.MsgspecError, RecursionError):
            fits = [_line_fits(line, self.json_schema) for line in batch.lines]
            return None if all(fits) else fits
        return None

    def _rows_fit(self, batch: "pa.RecordBatch") -> list[bool] | None:
        import pyarrow.compute as cp

        misfits = [
            column
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
            if name not in FILE_COLUMNS
            and column.null_count < len(column)
            and not _type_fits(column.type, self.json_schema.get(name))
        ]
        if not misfits:
            return None
        fits: list[bool] = reduce(cp.and_, (column.is_null() for column in misfits)).to_pylist()
        return fits


def stopped(uri: str, row: int | None) -> StopStreamError:
    return StopStreamError(
        f"{NOT_CONFORMING}, and the validation policy is to wait until the schema was discovered anew",
        uri=uri,
        row=row,
        remedy="Refresh the source's schema, then sync again",
    )


def _chosen(batch: "pa.RecordBatch | JsonLines", fits: list[bool]) -> "pa.RecordBatch | JsonLines":
    if isinstance(batch, JsonLines):
        return JsonLines([line for line, fit in zip(batch.lines, fits, strict=True) if fit])
    import pyarrow as pa

    return batch.filter(pa.array(fits, pa.bool_()))


def _allowed(schema: Any) -> frozenset[str]:
    """The types that a column takes: those its schema names and, below the widest scalar, all narrower ones."""
    kind = schema.get("type", "string") if isinstance(schema, Mapping) else "string"
    named = {kind} if isinstance(kind, str) else set(kind)
    widest = max((SCALARS.index(name) for name in named if name in SCALARS), default=0)
    return frozenset(named) | set(SCALARS[: widest + 1])


# Columns of Arrow types, which all records of a batch share


def _type_fits(kind: "pa.DataType", schema: Any) -> bool:
    if schema is None:
        return False
    found = _json_type(kind)
    if found not in _allowed(schema):
        return False
    items = schema.get("items")
    return found != "array" or items is None or _type_fits(kind.value_type, items)


def _json_type(kind: "pa.DataType") -> str:
    """The JSON type that the record encoder writes for values of this type."""
    import pyarrow.types as t

    if t.is_dictionary(kind) or t.is_run_end_encoded(kind):
        return _json_type(kind.value_type)
    if t.is_null(kind):
        return "null"
    if t.is_boolean(kind):
        return "boolean"
    if t.is_integer(kind) or t.is_duration(kind):
        return "integer"
    if t.is_floating(kind):
        return "number"
    if t.is_struct(kind) or t.is_map(kind):
        return "object"
    if t.is_nested(kind):
        return "array"
    return "string"


# Records that are JSON: one typed decoder for the lines of a batch, and where it refuses one, a look at each value's text

# Of numbers only the kind matters: they may have more digits than Python is willing to convert.
_parse = json.JSONDecoder(parse_int=lambda _: 0, parse_float=lambda _: 0.0).decode

_TYPE_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "array"}


def _line_decoder(json_schema: Mapping[str, Any]) -> Callable[[bytes], Any]:
    """Raises msgspec.MsgspecError for a line that does not fit, and for a few that do."""
    import msgspec

    fields = [(f"f{i}", _python_type(schema), None) for i, schema in enumerate(json_schema.values())]
    names = {f"f{i}": name for i, name in enumerate(json_schema)}
    try:
        record = msgspec.defstruct("Record", fields, rename=names, forbid_unknown_fields=True, gc=False)
    except ValueError:  # a name with a character that JSON escapes
        return _refuse
    return msgspec.json.Decoder(record).decode


def _refuse(line: bytes) -> NoReturn:  # noqa: ARG001 - for each to be looked at
    import msgspec

    raise msgspec.ValidationError


def _python_type(schema: Any) -> Any:
    from msgspec import Raw

    allowed = _allowed(schema)
    scalars = {"null": None, "boolean": bool, "integer": int, "number": float, "string": str, "object": dict[str, Raw]}
    types = [kind for name, kind in scalars.items() if name in allowed]
    if "array" in allowed:
        items = schema.get("items")
        types.append(list[_python_type(items) if isinstance(items, Mapping) else Raw])  # type: ignore[misc, arg-type]
    return Union[tuple(types)]  # noqa: UP007 - the members are known at run time only


def _line_fits(line: bytes, json_schema: Mapping[str, Any]) -> bool:
    return all(
        name in FILE_COLUMNS or _value_fits(value, json_schema.get(name))
        for name, value in _parse(line.decode()).items()
    )


def _value_fits(value: Any, schema: Any) -> bool:
    if value is None:
        return True
    if schema is None or _TYPE_NAMES[type(value)] not in _allowed(schema):
        return False
    items = schema.get("items")
    return not isinstance(value, list) or items is None or all(_value_fits(item, items) for item in value)
