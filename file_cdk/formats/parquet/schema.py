"""The schema in a Parquet footer, changed where pyarrow reads less than the file has, or refuses what others write.

A footer is a structure in Thrift's compact protocol; the schema is a list in it, near the beginning, of one structure for each
column and group in depth-first order. Only that list is written anew, so that the time it takes does not grow with row groups:
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift .

| in the file | for pyarrow | why |
|---|---|---|
| INT96 | twelve bytes | its own conversion wraps around beyond its range, and cuts nanoseconds |
| integers of 8 and 16 bits | of 32, as they are stored | it cuts those that have more bits than their type says |
| a map whose keys may be null, as Trino, Presto and Athena wrote them | a list of pairs | it refuses them |
| a group without any column below it | nothing | it loses its place at them |
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from file_cdk.core.dataclass import dataclass

_SCHEMA_FIELD = 2
_TRUE, _I8, _I32, _LIST, _STRUCT = 1, 3, 5, 9, 12
_MAX_NESTING = 64

# Fields of a schema's element
_TYPE, _TYPE_LENGTH, _REPETITION, _NAME, _CHILDREN, _CONVERTED, _PRECISION, _LOGICAL = 1, 2, 3, 4, 5, 6, 8, 10

_INT32, _INT96, _FIXED_LEN_BYTE_ARRAY = 1, 3, 7
_OPTIONAL, _REPEATED = 1, 2
_MAP, _MAP_KEY_VALUE, _LIST_CONVERTED, _DECIMAL_CONVERTED = 1, 2, 3, 5
_LOGICAL_MAP, _LOGICAL_DECIMAL, _LOGICAL_INTEGER = 2, 5, 10

_SIGNED = 2
"""The field of a logical integer that says whether it is signed."""

SHORT_INTEGERS = {11: "uint8", 12: "uint16", 15: "int8", 16: "int16"}
"""Names of the types by the number of their converted type."""

INT96_BYTES = 12
MAX_DECIMAL_DIGITS = 76


class ThriftError(ValueError):
    """The bytes are no footer."""


@dataclass(slots=True)
class Element:
    """fields: (number, Thrift's type, bytes of the value) in the order of their numbers."""

    fields: dict[int, tuple[int, bytes]]
    children: "list[Element]" = field(default_factory=list)

    def number(self, at: int) -> int | None:
        found = self.fields.get(at)
        return None if found is None or found[0] != _I32 else _Reader(found[1]).zigzag()

    def set_number(self, at: int, value: int) -> None:
        self.fields[at] = (_I32, _varint(value << 1))  # none of them is negative

    @property
    def raw_name(self) -> bytes:
        reader = _Reader(self.fields[_NAME][1]) if _NAME in self.fields else _Reader(b"\0")
        return reader.take(reader.varint())

    @property
    def name(self) -> str:
        return self.raw_name.decode("utf-8", "backslashreplace")

    @property
    def logical(self) -> int | None:
        """The number of the logical type's field in the union of them."""
        found = self.fields.get(_LOGICAL)
        return found[1][0] >> 4 if found and found[1] and found[1][0] else None

    @property
    def is_group(self) -> bool:
        return _TYPE not in self.fields


@dataclass(frozen=True, slots=True)
class FitSchema:
    """A footer that pyarrow reads. meanings: of leaves that are plain now, by number: `int96`, or `uint8` and the like. maps:
    paths of the maps that are lists now. left_out: names of columns without any data below them."""

    footer: bytes
    meanings: Mapping[int, str]
    maps: frozenset[tuple[str, ...]]
    left_out: tuple[str, ...]


def fit_schema(footer: bytes) -> FitSchema:
    """Raises ThriftError."""
    start, end, elements = _schema_of(footer)
    root = _tree(elements)
    left_out = tuple(child.name for child in root.children if _is_empty(child))
    _prune(root)
    meanings = {}
    for number, leaf in enumerate(found for found in _flat(root) if not found.is_group):
        if leaf.number(_TYPE) == _INT96:
            meanings[number] = "int96"
            leaf.set_number(_TYPE, _FIXED_LEN_BYTE_ARRAY)
            leaf.set_number(_TYPE_LENGTH, INT96_BYTES)
            _without_annotation(leaf)
        elif short := _short_integer(leaf):
            meanings[number] = short
            _without_annotation(leaf)
    maps = frozenset(_maps_to_lists(root, ()))
    written = list(_flat(root))
    return FitSchema(footer[:start] + _list_of(written) + footer[end:], meanings, maps, left_out)


def _without_annotation(leaf: Element) -> None:
    leaf.fields.pop(_CONVERTED, None)
    leaf.fields.pop(_LOGICAL, None)


def _short_integer(leaf: Element) -> str:
    if leaf.number(_TYPE) != _INT32:
        return ""
    if leaf.logical != _LOGICAL_INTEGER:
        return SHORT_INTEGERS.get(leaf.number(_CONVERTED) or 0, "")
    integer = _Reader(leaf.fields[_LOGICAL][1])
    bits, signed = 32, True
    for _, union in integer.fields():
        for number, kind in integer.fields() if union == _STRUCT else ():
            if kind == _I8:
                bits = integer.byte()
            elif number == _SIGNED:
                signed = kind == _TRUE
    return f"{'' if signed else 'u'}int{bits}" if bits in (8, 16) else ""


def is_whole(footer: bytes) -> bool:
    """Whether it is a structure from its first byte to its last."""
    reader = _Reader(footer)
    try:
        reader.skip(_STRUCT)
    except ThriftError:
        return False
    return reader.at == len(footer)


def has_odd_name(footer: bytes) -> bool:
    """Whether a column's name is not valid UTF-8. Raises ThriftError."""
    for element in _schema_of(footer)[2]:
        try:
            element.raw_name.decode()
        except UnicodeDecodeError:
            return True
    return False


def too_wide_decimal(footer: bytes) -> tuple[str, int] | None:
    """The first column of decimals with more digits than can be read, and how many. Raises ThriftError."""
    for element in _schema_of(footer)[2]:
        is_decimal = element.number(_CONVERTED) == _DECIMAL_CONVERTED or element.logical == _LOGICAL_DECIMAL
        digits = element.number(_PRECISION) if is_decimal else None
        if digits is not None and digits > MAX_DECIMAL_DIGITS:
            return element.name, digits
    return None


# The tree


def _tree(elements: Sequence[Element]) -> Element:
    if not elements:
        raise ThriftError
    root = elements[0]
    open_: list[tuple[Element, int]] = [(root, root.number(_CHILDREN) or 0)]
    for element in elements[1:]:
        while open_ and len(open_[-1][0].children) >= open_[-1][1]:
            open_.pop()
        if not open_ or len(open_) > _MAX_NESTING:
            raise ThriftError
        open_[-1][0].children.append(element)
        if element.is_group:
            open_.append((element, element.number(_CHILDREN) or 0))
    return root


def _flat(element: Element) -> Iterator[Element]:
    yield element
    for child in element.children:
        yield from _flat(child)


def _is_empty(element: Element) -> bool:
    return element.is_group and all(_is_empty(child) for child in element.children)


def _prune(element: Element) -> None:
    kept = [child for child in element.children if not _is_empty(child)]
    if len(kept) < len(element.children):
        element.set_number(_CHILDREN, len(kept))
        element.children = kept
    for child in kept:
        _prune(child)


def _maps_to_lists(element: Element, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for child in element.children:
        if _is_map_with_nullable_keys(child):
            child.set_number(_CONVERTED, _LIST_CONVERTED)
            child.fields.pop(_LOGICAL, None)
            yield (*path, child.name)
        yield from _maps_to_lists(child, (*path, child.name))


def _is_map_with_nullable_keys(element: Element) -> bool:
    if element.number(_CONVERTED) not in (_MAP, _MAP_KEY_VALUE) and element.logical != _LOGICAL_MAP:
        return False
    entries = element.children[0] if len(element.children) == 1 else None
    if entries is None or entries.number(_REPETITION) != _REPEATED or len(entries.children) != 2:
        return False
    return entries.children[0].number(_REPETITION) == _OPTIONAL


# Thrift


@dataclass(slots=True)
class _Reader:
    data: bytes
    at: int = 0

    def byte(self) -> int:
        if self.at >= len(self.data):
            raise ThriftError
        self.at += 1
        return self.data[self.at - 1]

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise ThriftError
        self.at += size
        return self.data[self.at - size : self.at]

    def varint(self) -> int:
        value = shift = 0
        while (byte := self.byte()) > 0x7F:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise ThriftError
        return value | byte << shift

    def zigzag(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def fields(self) -> Iterator[tuple[int, int]]:
        """Number and type of each field of a structure; the value has to be read or skipped before the next."""
        number = 0
        while head := self.byte():
            number = number + (head >> 4) if head >> 4 else self.zigzag()
            if number < 0:
                raise ThriftError
            yield number, head & 0x0F

    def list_head(self) -> tuple[int, int]:
        """How many values, and of which type."""
        head = self.byte()
        size = head >> 4
        return (self.varint() if size == 0x0F else size), head & 0x0F

    def skip(self, kind: int, depth: int = 0, *, in_list: bool = False) -> None:
        if depth > _MAX_NESTING:
            raise ThriftError
        match kind:
            case 1 | 2:
                if in_list:
                    self.take(1)
            case 3:
                self.take(1)
            case 4 | 5 | 6:
                self.varint()
            case 7:
                self.take(8)
            case 8:
                self.take(self.varint())
            case 9 | 10:
                size, inner = self.list_head()
                for _ in range(size):
                    self.skip(inner, depth + 1, in_list=True)
            case 12:
                for _, inner in self.fields():
                    self.skip(inner, depth + 1)
            case _:
                raise ThriftError


def _schema_of(footer: bytes) -> tuple[int, int, list[Element]]:
    """Where the value of the schema's field begins and ends, and its elements."""
    reader = _Reader(footer)
    for number, kind in reader.fields():
        if number != _SCHEMA_FIELD:
            reader.skip(kind)
            continue
        start = reader.at
        size, inner = reader.list_head()
        if kind != _LIST or inner != _STRUCT:
            raise ThriftError
        elements = [_element(reader) for _ in range(size)]
        return start, reader.at, elements
    raise ThriftError


def _element(reader: _Reader) -> Element:
    fields = {}
    for number, kind in reader.fields():
        start = reader.at
        reader.skip(kind)
        fields[number] = (kind, reader.data[start : reader.at])
    return Element(fields)


def _list_of(elements: Sequence[Element]) -> bytes:
    size = len(elements)
    head = bytes([size << 4 | _STRUCT]) if size < 0x0F else bytes([0xF0 | _STRUCT]) + _varint(size)
    return b"".join((head, *map(_written, elements)))


def _written(element: Element) -> bytes:
    pieces, before = [], 0
    for number, (kind, value) in sorted(element.fields.items()):
        step = number - before
        pieces.append(bytes([step << 4 | kind]) if 0 < step <= 0x0F else bytes([kind]) + _varint(number << 1))
        pieces.append(value)
        before = number
    return b"".join((*pieces, b"\0"))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
