"""The records of a body, each as the bytes that the API sent, without a Python value for any of them.

The body is decoded into nested structs whose last field is a list of raw values: one pass in C. What does not fit (another type
at the path, wildcards, one object for a list) is walked level by level, and what the C decoder refuses (`NaN`, half a surrogate
pair) is walked in Python, so that a record that is no JSON is rejected alone.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from file_cdk.core.errors import AnswerError
from file_cdk.declarative.pages import Rejected
from file_cdk.declarative.records.places import Path, has_wildcards, places
from file_cdk.declarative.records.scanning import (
    LENIENT,
    QUICK,
    NotJsonError,
    Scanner,
    Value,
    check,
    has_number_that_is_none,
    kind,
    on_one_line,
)

NOT_AN_OBJECT = "is no object"
NOT_UTF8 = "is not valid UTF-8"
NO_NUMBER = "has NaN or Infinity, which are no JSON, for a number"

_MARK = b"\xef\xbb\xbf"
_BRACE = ord("{")
_LEAST_OBJECT = len(b'{"":1}')


class Cut(msgspec.Struct, frozen=True):
    """records: JSON objects, each on one line. rejected: elements at the path that are none, numbered among all; in a piece of a
    body, from its first record on.

    members: those of the answer that were asked for, as far as it has them; None where they were not decoded.
    """

    records: list[bytes]
    rejected: Sequence[Rejected] = ()
    members: Mapping[str, Any] | None = None

    @property
    def found(self) -> int:
        return len(self.records) + len(self.rejected)


class Cutter(msgspec.Struct, frozen=True):
    """path: where the records are, from the outermost member on; empty for a body that is the records.

    names: outermost members of the answer that templates look at, and that are decoded with it; not the first of the path.
    """

    path: Path
    names: tuple[str, ...] = ()

    def cut(self, body: bytes) -> Cut:
        """Raises AnswerError for a body that is no JSON, or that has neither the path nor null or nothing on the way there."""
        body = body.removeprefix(_MARK).strip(b" \t\r\n")
        try:
            return self._quickly(msgspec.json.format(body, indent=-1) if _has_line_ends(body) else body)
        except RecursionError:
            raise AnswerError("the answer is nested too deeply") from None
        except msgspec.MsgspecError:
            if not body:
                return Cut([], members={})
        try:
            check(body)
            values = list(places(body, self.path, LENIENT))
        except NotJsonError as exc:
            where = "" if exc.byte is None else f" (byte {exc.byte} of {len(body)})"
            raise AnswerError(
                f"the answer is not JSON{where}", remedy="If the API sends another format, name its decoder"
            ) from None
        except RecursionError:
            raise AnswerError("the answer is nested too deeply") from None
        return sorted_out([on_one_line(bytes(value)) for value in values], LENIENT, None)

    def _quickly(self, body: bytes) -> Cut:
        values: Sequence[Value] | None = None
        members = None
        envelope = _envelope(self.path, self.names)
        if envelope is not None:
            try:
                values, members = envelope.open(body)
            except msgspec.ValidationError:  # not of these types
                values = None
        records = list(map(bytes, places(body, self.path, QUICK) if values is None else values))
        # All of them are objects in UTF-8, as a rule: asked at once.
        are_objects = {record[0] for record in records} <= {_BRACE}
        if not self.path and not (are_objects and min(map(len, records), default=_LEAST_OBJECT) >= _LEAST_OBJECT):
            # Elements of an outermost list are bodies: a list in it has records of its own, and an empty object is none.
            records = list(map(bytes, places(body, self.path, QUICK)))
        elif are_objects and (body.isascii() or _is_utf8(body)):
            return Cut(records, members=members)
        return sorted_out(records, QUICK, members)


def _has_line_ends(body: bytes) -> bool:
    return b"\n" in body or b"\r" in body


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def sorted_out(values: list[bytes], scanner: Scanner, members: Mapping[str, Any] | None) -> Cut:
    """values: each on one line; those that are no records are rejected."""
    records, rejected = [], []
    for number, value in enumerate(values):
        reason = _what_is_wrong(value, scanner)
        if reason is None:
            records.append(value)
        else:
            rejected.append(Rejected(number, reason))
    return Cut(records, tuple(rejected), members)


def _what_is_wrong(value: bytes, scanner: Scanner) -> str | None:
    if kind(value) != "{":
        return NOT_AN_OBJECT
    if not _is_utf8(value):
        return NOT_UTF8
    return NO_NUMBER if scanner is LENIENT and has_number_that_is_none(value) else None


class _Envelope(msgspec.Struct, frozen=True):
    """A decoder of bodies whose records are a list at a path of plain names."""

    decoder: "msgspec.json.Decoder[Any]"
    depth: int
    names: tuple[str, ...]

    def open(self, body: bytes) -> tuple[Sequence[Value] | None, Mapping[str, Any] | None]:
        """The records, None where the path leads nowhere, and the members of these names."""
        level = whole = self.decoder.decode(body)
        for _ in range(self.depth):
            level = level.at
            if level is msgspec.UNSET:
                return None, None
        if not self.names:
            return level, None
        values = [(name, getattr(whole, f"m{i}")) for i, name in enumerate(self.names)]
        return level, {name: value for name, value in values if value is not msgspec.UNSET}


@lru_cache(maxsize=256)
def _envelope(path: Path, names: tuple[str, ...]) -> _Envelope | None:
    """None where the path has wildcards, or a name that a struct cannot have."""
    if any(map(has_wildcards, path)):
        return None
    kind_of_level: Any = list[msgspec.Raw]
    try:
        for depth, part in reversed(list(enumerate(path))):
            fields: list[tuple[str, Any, Any]] = [("at", kind_of_level | msgspec.UnsetType, msgspec.UNSET)]
            spelled = {"at": part}
            if depth == 0:  # the outermost also holds what templates look at
                fields += [(f"m{i}", Any, msgspec.UNSET) for i in range(len(names))]
                spelled |= {f"m{i}": name for i, name in enumerate(names)}
            kind_of_level = msgspec.defstruct("Level", fields, rename=spelled, gc=False)
    except ValueError:  # quotes, backslashes or control characters in a name, or one twice
        return None
    return _Envelope(msgspec.json.Decoder(kind_of_level), len(path), names)
