"""One record that is looked at or changed. What is not changed keeps the bytes that the API sent."""

import json
import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import msgspec

from file_cdk.declarative.records.scanning import LENIENT, QUICK, kind

Tree = dict[str, Any] | list[Any]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class UnfitRecordError(Exception):
    """A record to which something cannot be done. reason: in words, without its values."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Record:
    """seen: its values, or some of them, as templates see them; None where none looks. What is changed is changed in both."""

    __slots__ = ("_appended", "_members", "_text", "seen")

    def __init__(self, text: bytes, seen: dict[str, Any] | None) -> None:
        self.seen = seen
        self._text = text
        self._members: dict[str, Any] | None = None
        self._appended: dict[str, Any] = {}

    @property
    def members(self) -> dict[str, Any]:
        """Its outermost members, in order: raw bytes, or the values that were put there. Of two of a name the last."""
        if self._members is None:
            try:
                self._members = dict(QUICK.members(self._text))
            except msgspec.DecodeError:  # half of a surrogate pair
                self._members = {name: msgspec.Raw(value) for name, value in LENIENT.members(self._text).items()}
            self._members.update(self._appended)
        return self._members

    def append(self, spelled: Iterable[bytes], members: bytes) -> bool:
        """Puts outermost members behind all others, unless the text may have one of them. members: their JSON, with the closing
        brace of an object that has no others."""
        text = self._text
        if self._members is not None or self._appended or b"\\u" in text or any(name in text for name in spelled):
            return False
        before = text[:-1]
        self._text = b"".join((before, b"," if b'"' in before else b"", members))
        return True

    def set(self, name: str, spelled: bytes, value: Any) -> None:
        """Puts an outermost member in its place, or behind all others. spelled: its name, as JSON.

        Where the text cannot have it, the member goes in before the closing brace, and nothing is decoded.
        """
        if self._members is None and spelled not in self._text and b"\\u" not in self._text:
            self._appended[name] = value
        else:
            self.members[name] = value

    def text(self) -> bytes:
        """Its JSON, as it is now. Raises UnfitRecordError for a value that JSON has not."""
        if self._members is not None:
            return encoded(self._members)
        if not self._appended:
            return self._text
        before = self._text[:-1]
        return b"".join((before, b"," if b'"' in before else b"", encoded(self._appended)[1:]))


def encoded(value: Any) -> bytes:
    """Raises UnfitRecordError for a value that JSON has not."""
    try:
        return _encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as exc:
        raise UnfitRecordError("has been given a value that JSON has not") from exc


def opened(value: Any) -> Any:
    """A container one level deep, with raw values in it; a plain value of anything else."""
    if not isinstance(value, msgspec.Raw):
        return value
    try:
        if kind(value) == "{":
            return dict(QUICK.members(value))
        if kind(value) == "[":
            return list(QUICK.elements(value))
    except msgspec.DecodeError:
        raw = bytes(value)
        if kind(value) == "{":
            return {name: msgspec.Raw(each) for name, each in LENIENT.members(raw).items()}
        return [msgspec.Raw(each) for each in LENIENT.elements(raw)]
    return decoded(bytes(value))


def opened_wholly(value: Any) -> Any:
    """The same at all levels; what is at the ends stays raw."""
    if isinstance(value, msgspec.Raw) and kind(value) not in "{[":
        return value
    value = opened(value)
    if isinstance(value, dict):
        return {name: opened_wholly(each) for name, each in value.items()}
    if isinstance(value, list):
        return [opened_wholly(each) for each in value]
    return value


def decoded(text: bytes) -> Any:
    """JSON as Python has it, with what JSON of the strict kind has not: half a surrogate pair, numbers without bound. A whole
    number of more digits than Python takes is their text."""
    try:
        return _decode(text)
    except msgspec.MsgspecError:
        return json.loads(text, parse_int=_whole_number)


def _whole_number(digits: str) -> int | str:
    try:
        return int(digits)
    except ValueError:
        return digits


def leniently_decoded(body: bytes) -> Any:
    """The same with U+FFFD for bytes that are no UTF-8; {} for what is no JSON even so."""
    try:
        return json.loads(body.decode("utf-8-sig", errors="replace"), parse_int=_whole_number)
    except (ValueError, RecursionError):
        return {}


def plain(value: Any) -> Any:
    """The same without anything raw in it."""
    if isinstance(value, msgspec.Raw):
        return decoded(bytes(value))
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def is_json(value: Any) -> bool:
    """Whether JSON has it: no NaN or infinity."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(is_json, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(is_json, value))
    return not isinstance(value, bytes | complex) and value is not ...


@lru_cache(maxsize=256)
def view(names: tuple[str, ...] | None) -> Callable[[bytes], dict[str, Any] | None]:
    """Decodes these members of a record, or all of it; nothing where there are no names."""
    if names is None:
        return _whole
    if not names:
        return _nothing
    try:
        fields = [(f"m{i}", Any, msgspec.UNSET) for i in range(len(names))]
        kind_of_record = msgspec.defstruct(
            "Seen", fields, rename={f"m{i}": name for i, name in enumerate(names)}, gc=False
        )
    except ValueError:  # quotes, backslashes or control characters in a name
        return _whole
    decode = msgspec.json.Decoder(kind_of_record).decode
    by_field = [(name, f"m{i}") for i, name in enumerate(names)]

    def some(text: bytes) -> dict[str, Any] | None:
        try:
            found = decode(text)
        except msgspec.MsgspecError:
            return _whole(text)
        return {name: value for name, field in by_field if (value := getattr(found, field)) is not msgspec.UNSET}

    return some


def _whole(text: bytes) -> dict[str, Any]:
    value: dict[str, Any] = decoded(text)
    return value


def _nothing(_: bytes) -> None:
    return None
