"""Rows as a table for a person, however many there are."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice

MEASURED = 1000
"""So many rows decide how wide the columns are; no more are held at once."""

WIDEST = 60
"""Cells are shown whole, but a longer one pushes the rest of its line."""


def table_lines(headings: Sequence[str], rows: Iterator[Sequence[str]], right: Collection[str] = ()) -> Iterator[str]:
    """The headings, a rule and a line per row; nothing when there are no rows. right: columns to be set flush right."""
    first = list(islice(rows, MEASURED))
    if not first:
        return
    widths = [min(WIDEST, max(map(len, column))) for column in zip(headings, *first, strict=True)]
    aligned = [str.rjust if heading in right else str.ljust for heading in headings]

    def line(cells: Iterable[str]) -> str:
        padded = (align(cell, width) for align, cell, width in zip(aligned, cells, widths, strict=True))
        return "  ".join(padded).rstrip()

    yield line(headings)
    yield line(["-" * width for width in widths])
    yield from map(line, chain(first, rows))
