"""Lines of columns that all are text, joined by Arrow's kernels: the bytes of the JSON writer for four fifths of its time."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, pairwise

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from file_cdk.core.arrow_values import repeated_text

MAX_JOINED_BYTES = (1 << 31) - 1
"""Maximum size of the lines of one batch, in bytes: the offsets of text have 32 bits."""

ESCAPED_BYTES, _CHARACTER_BYTES = 6, 4
"""Maximum size of an escape, and of a character in UTF-8, in bytes."""

_TEXT = pa.string().id
_END = '",'
"""What ends a value."""

_LOWEST_PRINTABLE = 0x20
_ESCAPES = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_NULLS_ARE_NOTHING = pc.JoinOptions(null_handling="replace", null_replacement="")


def joined_lines(
    before: str, names: Sequence[str], columns: Sequence[pa.Array], after: str | pa.Array
) -> memoryview | None:
    """Each row's columns as members of an object, without those that are null, every one ended by a comma; `before` stands
    before each row, `after` behind it, or its own value of that.

    None where a column is not of text: the JSON writer prints numbers in less time than it takes to cast them.
    """
    if not columns or any(column.type.id != _TEXT for column in columns):
        return None
    data = [_data(column) for column in columns]
    keys = list(map(_key, names))
    end, after_each = (after, None) if isinstance(after, str) else ("", after)
    of_keys = _CHARACTER_BYTES * (len(before) + len(end) + sum(len(key) + len(_END) for key in keys))
    of_values = ESCAPED_BYTES * sum(map(len, data)) + (0 if after_each is None else after_each.nbytes)
    if of_values + of_keys * len(columns[0]) > MAX_JOINED_BYTES:
        return None
    parts: list[pa.Array | pa.Scalar] = []
    between = before
    for key, column in zip(keys, _escaped(columns, data), strict=True):
        if column.null_count:
            parts += (_scalar(between), _join(_scalar(key), column, _scalar(_END)))
            between = ""
        else:
            parts += (_scalar(between + key), column)
            between = _END
    parts.append(_scalar(between + end))
    if after_each is not None:
        parts.append(after_each)
    lines = _join(*parts, options=_NULLS_ARE_NOTHING)
    _, _, data_of_all = lines.buffers()
    return memoryview(data_of_all)


def escaped(columns: Sequence[pa.Array]) -> Sequence[pa.Array]:
    """Columns of text as it stands between quotes in JSON."""
    return _escaped(columns, [_data(column) for column in columns])


def _data(text: pa.Array) -> memoryview:
    """The values' bytes one after another."""
    _, offsets, data = text.buffers()
    if data is None:
        return memoryview(b"")
    ends = memoryview(offsets).cast("i")
    return memoryview(data)[ends[text.offset] : ends[text.offset + len(text)]]


def _escaped(columns: Sequence[pa.Array], data: Sequence[memoryview]) -> Sequence[pa.Array]:
    """The columns with JSON's escapes in their text. Most have none, which is found out for all of them at once."""
    whole = b"".join(data)
    special = _special_characters(whole)
    if not special:
        return columns
    edges = list(pairwise(accumulate(map(len, data), initial=0)))
    return [
        _with_escapes(column, [each for each in special if whole.find(each.encode(), start, end) >= 0])
        for column, (start, end) in zip(columns, edges, strict=True)
    ]


def _special_characters(data: bytes) -> list[str]:
    """Those in the data that JSON escapes, the backslash first."""
    found = [each for each in ("\\", '"') if each.encode() in data]
    if data:
        codes = pa.Array.from_buffers(pa.uint8(), len(data), [None, pa.py_buffer(data)])
        if pc.min_max(codes)["min"].as_py() < _LOWEST_PRINTABLE:
            found += [chr(code) for code in range(_LOWEST_PRINTABLE) if code in data]
    return found


def _with_escapes(text: pa.Array, special: Sequence[str]) -> pa.Array:
    for each in special:
        escape = "\\" + each if each in '\\"' else _ESCAPES.get(each, f"\\u{ord(each):04x}")
        text = pc.replace_substring(text, each, escape)
    return text


def _join(*parts: pa.Array | pa.Scalar, options: pc.JoinOptions | None = None) -> pa.Array:
    return pc.call_function("binary_join_element_wise", [*parts, _scalar("")], options)


@lru_cache(maxsize=4096)
def _scalar(text: str) -> pa.Scalar:
    return repeated_text(text, 1)[0]


@lru_cache(maxsize=4096)
def _key(name: str) -> str:
    """`"name":"`"""
    return msgspec.json.encode(name).decode() + ':"'
