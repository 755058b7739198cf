"""Pieces of text whose lines pyarrow's JSON parser takes as they are: it alone looks whether they are JSON, and no line becomes
an object of Python. Most pieces of most files are such."""

import re

import pyarrow as pa

from file_cdk.core.arrow_kernels import pc
from file_cdk.core.dataclass import dataclass
from file_cdk.formats.jsonl.kinds import Kinds, infer_schema
from file_cdk.formats.jsonl.syntax import check_lines, is_utf8
from file_cdk.formats.jsonl.table import TableReader

_BETWEEN = (re.compile(rb"}\n{").findall, re.compile(rb"}\r\n{").findall)
"""Finds what is between two objects on lines that end with LF, or with CRLF; `bytes.count` takes half as long again."""

_FEW_LINES = 64
"""Maximum number of lines that are looked at one by one, for what kinds of values there are."""

_FIRST_DAY = -719162
"""0001-01-01, the first that Python has, in days."""


@dataclass(frozen=True, slots=True)
class LineRows:
    """Makes rows of whole lines."""

    reader: TableReader

    def __call__(self, text: bytes) -> pa.RecordBatch | None:
        """None unless each line is one object, of values that the parser takes.

        The parser refuses all that is not JSON, but for bytes that are not UTF-8, and for NaN and infinity, which `parsed` does
        not let pass. In JSON a brace that closes is followed by one that opens between two objects alone; so where that is at
        each line's end, and there are as many objects as lines, each line has one.
        """
        crlf = text.endswith(b"\r\n")
        lines = text.count(b"\n") + (not text.endswith(b"\n"))
        if lines <= _FEW_LINES or not text.startswith(b"{"):
            return None
        if len(_BETWEEN[crlf](text)) != lines - 1 or not is_utf8(text):
            return None
        return self.reader.parsed(text, lines)


@dataclass(slots=True)
class Kindred:
    """Takes whole lines for rows, of which nothing is kept, where all have values of the kinds that the first of them have: then
    these are the kinds of all. kinds: where they go."""

    uri: str
    kinds: Kinds

    def __call__(self, text: bytes) -> pa.RecordBatch | None:
        records = check_lines(b"\n".join(text.split(b"\n", _FEW_LINES)[:_FEW_LINES]))
        if records is None:
            return None
        kinds: Kinds = {}
        batch = LineRows(TableReader(infer_schema(records, kinds), self.uri))(text)
        if batch is None or not all(map(_is_of_python, batch.columns)):
            return None
        for name, found in kinds.items():
            self.kinds.setdefault(name, {}).update(found)
        return batch


def _is_of_python(column: pa.Array) -> bool:
    """Whether kinds.py, which asks Python, takes these for dates or times, as Arrow does. Only Arrow has a year 0."""
    if pa.types.is_date(column.type):
        first, days = pc.min(column.view(pa.int32())).as_py(), 1
    elif pa.types.is_timestamp(column.type):
        if column.type.unit != "us":
            return False
        first, days = pc.min(column.view(pa.int64())).as_py(), 24 * 60 * 60 * 10**6
    else:
        return True
    return first is None or first >= _FIRST_DAY * days
