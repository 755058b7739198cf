"""Which stored or decoded values a wider type would change, and the type that keeps them: text in place of that type."""

# ruff: noqa: S608 - names are quoted or constant

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa

from file_cdk.core.arrow_types import normal
from file_cdk.destinations.duckdb.names import literal
from file_cdk.destinations.duckdb.types import converted, lambda_name, member, sql_type

Query = Callable[[str], list[tuple[Any, ...]]]
"""Runs SQL, and answers all rows."""

_WHOLE = 2**53
"""Up to here, doubles hold each integer; beyond, they skip some."""

_DIGITS = 15
"""Decimals of so many digits are the shortest text of the double nearest to them (C's DBL_DIG)."""


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
