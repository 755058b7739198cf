"""What a person is told of a table that grew."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def grown(before: "pa.Schema", now: "pa.Schema", place: str) -> Iterator[str]:
    """One sentence for each column that is new or of another type; none when there was nothing before: all are new then."""
    for column in now if len(before) else ():
        yield from _grown(column, _type_in(before, column.name), place)


def grown_in_all(known: "pa.Schema", guessed: "pa.Schema", accepted: "pa.Schema", now: "pa.Schema") -> Iterator[str]:
    """What nobody was told of when files were loaded. known: the table before; guessed: what the first file was decoded for,
    and accepted, the last one."""
    for column in now:
        was, expected = _type_in(known, column.name), _type_in(accepted, column.name)
        if column.type == expected and expected == _type_in(guessed, column.name) and len(known):
            yield from _grown(column, was, "newer files")
        elif column.type not in (was, expected):
            yield from _grown(column, expected, "values that the narrower type would change")


def _type_in(schema: "pa.Schema", name: str) -> "pa.DataType | None":
    index = schema.get_field_index(name)
    return None if index < 0 else schema.field(index).type


def _grown(column: "pa.Field", was: "pa.DataType | None", place: str) -> Iterator[str]:
    if was is None:
        yield f"column {column.name!r} ({column.type}) is new, from {place}"
    elif was != column.type:
        yield f"column {column.name!r} was {was} and is now {column.type}, to hold values of {place}"
