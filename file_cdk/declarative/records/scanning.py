"""JSON in parts: the members of an object and the elements of an array, each as its own bytes.

`QUICK` skips values in C and refuses what is not JSON. `LENIENT` looks at every character in Python: it takes `NaN` and
`Infinity`, escapes of half a surrogate pair and bytes that are no UTF-8, so that one record with them does not take the whole
answer with it.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from json.decoder import scanstring  # type: ignore[attr-defined]  # undocumented, and there since Python 2.6

import msgspec

_BLANKS = re.compile(r"[ \t\r\n]*")
_LINE_END = re.compile(rb"[\r\n][ \t\r\n]*")

Value = bytes | msgspec.Raw


class Scanner(msgspec.Struct, frozen=True):
    """members: of an object; of two of a name the last. Both raise NotJsonError."""

    members: Callable[[Value], Mapping[str, Value]]
    elements: Callable[[Value], Sequence[Value]]


class NotJsonError(ValueError):
    """byte: where it stops being JSON, from the beginning of the text; None where that is not known."""

    def __init__(self, byte: int | None = None) -> None:
        super().__init__(byte)
        self.byte = byte


def kind(value: Value) -> str:
    """The first character, which tells objects, arrays and texts from all others."""
    return chr(memoryview(value)[0])


def on_one_line(record: bytes) -> bytes:
    """The same JSON without line ends, all of which are between tokens."""
    return _LINE_END.sub(b"", record) if b"\n" in record or b"\r" in record else record


_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode

QUICK = Scanner(members=_decode_members, elements=_decode_elements)


def _lenient_members(value: Value) -> dict[str, Value]:
    text = _text(value)
    found: dict[str, Value] = {}
    at = _after_blanks(text, 1)
    while text[at : at + 1] != "}":
        start = at
        if text[at : at + 1] != '"':
            raise NotJsonError(at)
        _, at = _scan(scanstring, text, at + 1)
        name = json.loads(text[start:at].encode("latin-1").decode(errors="replace"))
        at = _after_blanks(text, at)
        if text[at : at + 1] != ":":
            raise NotJsonError(at)
        start = _after_blanks(text, at + 1)
        _, at = _scan(_raw_decode, text, start)
        found[name] = text[start:at].encode("latin-1")
        at = _after_separator(text, at, "}")
    _check_end(text, at)
    return found


def _lenient_elements(value: Value) -> list[Value]:
    text = _text(value)
    found: list[Value] = []
    at = _after_blanks(text, 1)
    while text[at : at + 1] != "]":
        start = at
        _, at = _scan(_raw_decode, text, start)
        found.append(text[start:at].encode("latin-1"))
        at = _after_separator(text, at, "]")
    _check_end(text, at)
    return found


LENIENT = Scanner(members=_lenient_members, elements=_lenient_elements)

# Numbers stay text: Python refuses to make an integer of thousands of digits.
_raw_decode = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode


def check(text: Value) -> None:
    """Raises NotJsonError for what is not one value, leniently."""
    whole = _text(text)
    _, end = _scan(_raw_decode, whole, 0)
    if end != len(whole):
        raise NotJsonError(end)


def _refuse(_: str) -> None:
    raise NotJsonError


_strict_decode = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse).decode


def has_number_that_is_none(record: bytes) -> bool:
    """Whether a record that the lenient scanner found has NaN or Infinity for a number."""
    try:
        _strict_decode(_text(record))
    except NotJsonError:
        return True
    return False


def _text(value: Value) -> str:
    """A character for each byte: positions are those of the bytes, and nothing but ASCII matters to the structure."""
    return str(memoryview(value), "latin-1")


def _scan(scan: Callable[[str, int], tuple[object, int]], text: str, at: int) -> tuple[object, int]:
    try:
        return scan(text, at)
    except json.JSONDecodeError as exc:
        raise NotJsonError(exc.pos) from exc


def _after_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def _after_separator(text: str, at: int, end: str) -> int:
    at = _after_blanks(text, at)
    following = text[at : at + 1]
    if following == end:
        return at
    if following != ",":
        raise NotJsonError(at)
    at = _after_blanks(text, at + 1)
    if text[at : at + 1] == end:
        raise NotJsonError(at)
    return at


def _check_end(text: str, at: int) -> None:
    end = _after_blanks(text, at + 1)
    if end != len(text):
        raise NotJsonError(end)
