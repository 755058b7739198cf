"""Thrift's compact protocol, in which the footers of Parquet files are, as plain values: pyarrow reads and writes footers, but
changes none.

The protocol: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md. Footers have no maps.
"""

from typing import Any, NamedTuple, TypeAlias

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_NUMBERS = (_I16, _I32, _I64)
_LONG_LIST = 15
"""In place of the size of a list that has so many elements or more, which follows then."""


class Value(NamedTuple):
    """kind: of the protocol. value: bool, int, bytes (of a double, too), Elements, or a Struct."""

    kind: int
    value: Any


Struct: TypeAlias = dict[int, Value]
"""By the numbers of fields."""


class Elements(NamedTuple):
    kind: int
    values: list[Any]


def number(value: int) -> Value:
    """Of 64 bits."""
    return Value(_I64, value)


def structs(values: list[Struct]) -> Value:
    return Value(_LIST, Elements(_STRUCT, values))


def texts(values: list[bytes]) -> Value:
    return Value(_LIST, Elements(_BINARY, values))


def parsed(data: bytes) -> Struct:
    """Raises ValueError or IndexError for what is none."""
    return _Reader(data).struct()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def struct(self) -> Struct:
        found: Struct = {}
        last = 0
        while head := self._byte():
            last = last + (head >> 4) if head >> 4 else _signed(self._varint())
            kind = head & 15
            # Of a boolean, the type says which it is.
            found[last] = Value(kind, kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind))
        return found

    def _value(self, kind: int) -> Any:
        if kind in _NUMBERS:
            return _signed(self._varint())
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind == _STRUCT:
            return self.struct()
        if kind in (_LIST, _SET):
            head = self._byte()
            size = head >> 4 if head >> 4 < _LONG_LIST else self._varint()
            return Elements(head & 15, [self._value(head & 15) for _ in range(size)])
        if kind == _DOUBLE:
            return self._bytes(8)
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._byte()
        raise ValueError(f"no type {kind} in a footer")

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]

    def _varint(self) -> int:
        shift = found = 0
        while (byte := self._byte()) & 0x80:
            found |= (byte & 0x7F) << shift
            shift += 7
        return found | byte << shift


def _signed(zigzag: int) -> int:
    return zigzag >> 1 ^ -(zigzag & 1)


def encoded(struct: Struct) -> bytes:
    out = bytearray()
    _write_struct(out, struct)
    return bytes(out)


def _write_struct(out: bytearray, struct: Struct) -> None:
    last = 0
    for field in sorted(struct):
        kind, value = struct[field]
        if 0 < field - last < 16:
            out.append((field - last) << 4 | kind)
        else:
            out.append(kind)
            _write_varint(out, field << 1)
        last = field
        if kind not in (_TRUE, _FALSE):
            _write_value(out, kind, value)
    out.append(0)


def _write_value(out: bytearray, kind: int, value: Any) -> None:
    if kind in _NUMBERS:
        _write_varint(out, value << 1 if value >= 0 else -value * 2 - 1)
    elif kind == _BINARY:
        _write_varint(out, len(value))
        out += value
    elif kind == _STRUCT:
        _write_struct(out, value)
    elif kind in (_LIST, _SET):
        size = len(value.values)
        out.append(min(size, _LONG_LIST) << 4 | value.kind)
        if size >= _LONG_LIST:
            _write_varint(out, size)
        for each in value.values:
            _write_value(out, value.kind, each)
    elif kind == _DOUBLE:
        out += value
    else:
        out.append(value)


def _write_varint(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
