"""Arrow types as DuckDB columns, the SQL that turns one into another without loss, and which values a wider one would change."""

# ruff: noqa: S608 - names are quoted or constant

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from file_cdk.core.arrow_types import merge, normal, without_nulls
from file_cdk.destinations.duckdb.engine import duckdb
from file_cdk.destinations.names import folded, literal, quoted

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType

_SCALARS = {
    "BOOLEAN": pa.bool_(),
    "BIGINT": pa.int64(),
    "UBIGINT": pa.uint64(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "BLOB": pa.binary(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "TIME_NS": pa.time64("ns"),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMP_NS": pa.timestamp("ns"),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
    "TIMESTAMPTZ_NS": pa.timestamp("ns", "UTC"),
    "INTERVAL": pa.duration("us"),
}
_SQL_NAMES = {kind: name for name, kind in _SCALARS.items()}

_TYPES_OF_OTHERS = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER"), pa.int64()),
    "HUGEINT": pa.decimal128(38, 0),
    "FLOAT": pa.float64(),
    "TIMESTAMP_S": pa.timestamp("us"),
    "TIMESTAMP_MS": pa.timestamp("us"),
}
"""Types that file_cdk never gives a column, but a person may have."""

_LATER_TYPES = frozenset({"TIME_NS", "TIMESTAMPTZ_NS"})
"""Not in every DuckDB; where one is missing, text holds what microseconds do not."""


def missing_types(connection: duckdb.DuckDBPyConnection) -> frozenset[pa.DataType]:
    """The types among those of this module that this DuckDB does not have."""
    known = {str(name).upper() for (name,) in connection.execute("SELECT type_name FROM duckdb_types()").fetchall()}
    return frozenset(_SCALARS[name] for name in _LATER_TYPES - known)


def table_type(kind: pa.DataType, missing: frozenset[pa.DataType] = frozenset()) -> pa.DataType:
    """The type a table column gets for values of `kind`: itself, normalised, where DuckDB has it, else string.

    Structs whose fields DuckDB cannot tell apart (by case only, or without a name) become JSON text.
    """
    return _storable(without_nulls(normal(kind)), missing)


def wider(stored: pa.DataType, kind: pa.DataType, missing: frozenset[pa.DataType] = frozenset()) -> pa.DataType:
    """The type of a column of type `stored` after it was widened for values of `kind`."""
    return table_type(merge(stored, _storable(normal(kind), missing)), missing)


def _storable(kind: pa.DataType, missing: frozenset[pa.DataType]) -> pa.DataType:
    t = pa.types
    if t.is_null(kind):
        return kind
    if t.is_duration(kind):
        return pa.duration("us")
    if kind in _SQL_NAMES:
        return pa.string() if kind in missing else kind
    if t.is_decimal(kind):
        return pa.decimal128(kind.precision, kind.scale) if kind.precision <= 38 and kind.scale >= 0 else pa.string()
    if t.is_struct(kind):
        names = {folded(field.name) for field in kind}
        if len(names) < kind.num_fields or "" in names or any("\0" in name for name in names):
            return pa.string()
        return pa.struct([pa.field(field.name, _storable(field.type, missing)) for field in kind])
    if t.is_list(kind):
        return pa.list_(_storable(kind.value_type, missing))
    if t.is_map(kind):
        return pa.map_(_storable(kind.key_type, missing), _storable(kind.item_type, missing))
    return pa.string()


def sql_type(kind: pa.DataType) -> str:
    """How DuckDB spells a type that `table_type` gave."""
    t = pa.types
    if name := _SQL_NAMES.get(kind):
        return name
    if t.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if t.is_struct(kind):
        return "STRUCT(" + ", ".join(f"{quoted(field.name)} {sql_type(field.type)}" for field in kind) + ")"
    if t.is_list(kind):
        return sql_type(kind.value_type) + "[]"
    if t.is_map(kind):
        return f"MAP({sql_type(kind.key_type)}, {sql_type(kind.item_type)})"
    raise TypeError(f"{kind} is not a type for a table")


def arrow_type(kind: "DuckDBPyType") -> pa.DataType:
    """The reverse of `sql_type`; string for a type that file_cdk gives to no column."""
    if kind.id in ("decimal", "struct", "list", "array", "map"):
        return _nested_arrow_type(kind.id, dict(kind.children))
    name = str(kind)
    return _SCALARS.get(name) or _TYPES_OF_OTHERS.get(name) or pa.string()


def _nested_arrow_type(id_: str, children: dict[str, Any]) -> pa.DataType:
    match id_:
        case "decimal":
            return pa.decimal128(children["precision"], children["scale"])
        case "struct":
            return pa.struct([pa.field(name, arrow_type(child)) for name, child in children.items()])
        case "map":
            return pa.map_(arrow_type(children["key"]), arrow_type(children["value"]))
        case _:
            return pa.list_(arrow_type(children["child"]))


def fits(source: pa.DataType, target: pa.DataType) -> bool:
    """Whether a column of type `target` takes values of `source` as they are, or as text."""
    return bool(wider(target, source).equals(target))


def converted(expression: str, source: pa.DataType, target: pa.DataType) -> str:
    """SQL for `expression`, of type `source`, as `target`. Nested values become JSON text where `target` is string.

    DuckDB's own casts do the rest: they match struct fields by name and fill those that are missing with NULL.
    """
    source = normal(source)
    if pa.types.is_string(target) and pa.types.is_nested(source):
        return f"CAST(to_json({_for_json(expression, source)}) AS VARCHAR)"
    if pa.types.is_string(target) and pa.types.is_duration(source):
        return _elapsed(expression)
    if pa.types.is_floating(target) and pa.types.is_decimal(source):
        # The nearest double. DuckDB's own cast divides by a power of ten, and is off by a digit where that is inexact.
        return f"CAST(CAST({expression} AS VARCHAR) AS DOUBLE)"
    if _is_rebuilt(source, target):
        return f"CAST({_rebuilt(expression, source, target)} AS {sql_type(target)})"
    return f"CAST({expression} AS {sql_type(target)})"


def _is_rebuilt(source: pa.DataType, target: pa.DataType) -> bool:
    """Whether `converted` differs from DuckDB's cast somewhere below: a nested value as JSON, a decimal as a double, a duration
    as text."""
    t = pa.types
    if t.is_string(target):
        return bool(t.is_nested(source) or t.is_duration(source))
    if t.is_struct(source) and t.is_struct(target):
        types = {field.name: field.type for field in target}
        return any(_is_rebuilt(field.type, types[field.name]) for field in source if field.name in types)
    if t.is_list(source) and t.is_list(target):
        return _is_rebuilt(source.value_type, target.value_type)
    if t.is_map(source) and t.is_map(target):
        return _is_rebuilt(source.key_type, target.key_type) or _is_rebuilt(source.item_type, target.item_type)
    return bool(t.is_decimal(source) and t.is_floating(target))


def _rebuilt(expression: str, source: pa.DataType, target: pa.DataType) -> str:
    """The nested value taken apart and put together again, its parts converted one by one."""
    t = pa.types
    if t.is_struct(source):
        types = {field.name: field.type for field in target}
        parts = [(f.name, converted(member(expression, f.name), f.type, types[f.name])) for f in source]
        return _struct(expression, parts)
    if t.is_list(source):
        element = lambda_name(expression)
        return _list(expression, element, converted(element, source.value_type, target.value_type))
    entry = lambda_name(expression)
    key = converted(f"{entry}.key", source.key_type, target.key_type)
    return _map(expression, entry, key, converted(f"{entry}.value", source.item_type, target.item_type))


def _for_json(expression: str, kind: pa.DataType) -> str:
    """The value with text in place of what `to_json` spells otherwise than formats do: NaN and infinities, for which JSON has
    nothing, and durations."""
    t = pa.types
    if not _has_other_json(kind):
        return expression
    if t.is_floating(kind):
        return f"CASE WHEN isfinite({expression}) THEN to_json({expression}) ELSE to_json(CAST({expression} AS VARCHAR)) END"
    if t.is_duration(kind):
        return _elapsed(expression)
    if t.is_struct(kind):
        return _struct(expression, [(f.name, _for_json(member(expression, f.name), f.type)) for f in kind])
    name = lambda_name(expression)
    if t.is_list(kind):
        return _list(expression, name, _for_json(name, kind.value_type))
    return _map(expression, name, f"{name}.key", _for_json(f"{name}.value", kind.item_type))


def _has_other_json(kind: pa.DataType) -> bool:
    t = pa.types
    if t.is_struct(kind):
        return any(_has_other_json(field.type) for field in kind)
    if t.is_map(kind):
        return _has_other_json(kind.item_type)
    return _has_other_json(kind.value_type) if t.is_list(kind) else bool(t.is_floating(kind) or t.is_duration(kind))


def _elapsed(expression: str) -> str:
    """The text of a duration, as core.instants spells it."""
    us, day = f"epoch_us({expression})", 86_400_000_000
    rest = f"(({us} % {day} + {day}) % {day})"
    clock = f"{rest} // 3600000000, {rest} // 60000000 % 60, {rest} // 1000000 % 60"
    fraction = f"CASE WHEN {rest} % 1000000 = 0 THEN '' ELSE rtrim(printf('.%06d', {rest} % 1000000), '0') END"
    return f"printf('P%dDT%dH%dM%d%sS', ({us} - {rest}) // {day}, {clock}, {fraction})"


def member(expression: str, name: str) -> str:
    """SQL for a struct's field."""
    return f"struct_extract({expression}, {literal(name)})"


def _struct(expression: str, parts: list[tuple[str, str]]) -> str:
    packed = ", ".join(f"{quoted(name)} := {part}" for name, part in parts)
    return f"CASE WHEN {expression} IS NOT NULL THEN struct_pack({packed}) END"


def _list(expression: str, element: str, part: str) -> str:
    return f"list_transform({expression}, lambda {element}: {part})"


def _map(expression: str, entry: str, key: str, value: str) -> str:
    pairs = _list(f"map_entries({expression})", entry, f"struct_pack(k := {key}, v := {value})")
    return f"CASE WHEN {expression} IS NOT NULL THEN map_from_entries({pairs}) END"


def lambda_name(expression: str) -> str:
    """A parameter name that no enclosing lambda has."""
    number = 0
    while f"_v{number}" in expression:
        number += 1
    return f"_v{number}"


Query = Callable[[str], list[tuple[Any, ...]]]
"""Runs SQL, and answers all rows."""

_WHOLE = 2**53
"""Doubles hold each integer up to this one, and beyond it they skip some."""

_DIGITS = 15
"""Maximum number of digits of a decimal that is the shortest text of the double nearest to it (C's DBL_DIG)."""


def exact_type(query: Query, relation: str, column: str, source: pa.DataType, target: pa.DataType) -> pa.DataType:
    """`target`, with string in place of each part of it that does not hold all values that `relation` has there.

    Merged types hold each other's values, save for two: a double has 53 bits, and nanoseconds span the years 1677 to 2262
    alone. One pass over the column, and none where the types leave no doubt. relation, column: as SQL spells them.
    """
    doubts = list(_doubts(column, normal(source), target))
    if not doubts:
        return target
    found = ", ".join(f"bool_or({misfit})" for _, misfit in doubts)
    [answers] = query(f"SELECT {found} FROM {relation}")
    for (path, _), is_misfit in zip(doubts, answers, strict=True):
        if is_misfit:
            target = _with_text(target, path)
    return target


def _doubts(expression: str, source: pa.DataType, target: pa.DataType) -> Iterator[tuple[tuple[int, ...], str]]:
    """The parts of `target` that may be too narrow, as positions of child types, and SQL that is true of a value that has
    a misfit there, and false or NULL of others."""
    t = pa.types
    if source.equals(target):
        return
    if t.is_struct(source) and t.is_struct(target):
        for field in source:
            at = target.get_field_index(field.name)
            for path, misfit in _doubts(member(expression, field.name), field.type, target.field(at).type):
                yield (at, *path), misfit
    elif t.is_map(source) and t.is_map(target):
        yield from _doubts_inside(f"map_keys({expression})", 0, source.key_type, target.key_type)
        yield from _doubts_inside(f"map_values({expression})", 1, source.item_type, target.item_type)
    elif t.is_list(source) and t.is_list(target):
        yield from _doubts_inside(expression, 0, source.value_type, target.value_type)
    elif (own := _misfit(expression, source, target)) is not None:
        yield (), own


def _doubts_inside(
    values: str, at: int, source: pa.DataType, target: pa.DataType
) -> Iterator[tuple[tuple[int, ...], str]]:
    name = lambda_name(values)
    for path, misfit in _doubts(name, source, target):
        yield (at, *path), f"list_bool_or(list_transform({values}, lambda {name}: {misfit}))"


def _misfit(expression: str, source: pa.DataType, target: pa.DataType) -> str | None:
    """SQL that is true of a value that `target` does not hold; None when there are none, which the types alone tell."""
    t = pa.types
    if t.is_timestamp(target):
        # Compared with rounded limits: dates reach further than microseconds, and those further than nanoseconds.
        first, last = ("1677-09-22", "2262-04-11") if target.unit == "ns" else ("0001-01-01", "9999-12-31")
        return f"{expression} NOT BETWEEN DATE {literal(first)} AND DATE {literal(last)}"
    if t.is_floating(target) and (t.is_integer(source) or t.is_decimal(source)):
        return _no_double(expression, source)
    return None


def _no_double(expression: str, source: pa.DataType) -> str | None:
    """SQL that is true of a number that no double stands for, be it taken as its value or as its shortest text, which is
    what becomes of it should the column be widened to text one day.

    Of a fraction, which hardly ever is a double, only the text has to agree. DuckDB's cast from double to decimal cannot
    tell, since what it multiplies by a power of ten may be rounded back to the right digits by chance.
    """
    whole = pa.types.is_integer(source) or source.scale == 0
    if not whole and source.precision <= _DIGITS:
        return None
    kind = "HUGEINT" if whole else sql_type(source)
    number = f"CAST({expression} AS {kind})"
    largest = Decimal(_WHOLE) if whole else Decimal(1).scaleb(_DIGITS - source.scale)
    limit = f"CAST({literal(f'{largest:f}')} AS {kind})"  # DuckDB does not read each decimal with an exponent
    double = converted(expression, source, pa.float64())
    by_text = f"TRY_CAST(CAST({double} AS VARCHAR) AS {kind})"
    by_value = f"TRY_CAST(TRY_CAST({double} AS HUGEINT) AS {kind})"
    is_large = f"abs({double}) > CAST({_WHOLE} AS DOUBLE)"
    return (
        f"CASE WHEN {number} NOT BETWEEN -{limit} AND {limit} THEN "
        f"{by_text} IS DISTINCT FROM {number} OR ({is_large} AND {by_value} IS DISTINCT FROM {number}) END"
    )


def _with_text(kind: pa.DataType, path: tuple[int, ...]) -> pa.DataType:
    if not path:
        return pa.string()
    at, rest = path[0], path[1:]
    if pa.types.is_struct(kind):
        fields = list(kind)
        fields[at] = pa.field(fields[at].name, _with_text(fields[at].type, rest))
        return pa.struct(fields)
    if pa.types.is_map(kind):
        sides = [kind.key_type, kind.item_type]
        sides[at] = _with_text(sides[at], rest)
        return pa.map_(*sides)
    return pa.list_(_with_text(kind.value_type, rest))
