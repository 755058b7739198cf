"""JSON answers that are too large to hold: looked through where they lie, and cut in pieces."""

import mmap
from collections.abc import Iterable, Iterator
from typing import IO, cast

import msgspec

from file_cdk.core.errors import AnswerError
from file_cdk.core.streams import ByteStream
from file_cdk.declarative.http.messages import Spilled
from file_cdk.declarative.records.bodies import BodyReader
from file_cdk.declarative.records.cutting import Cut, Cutter, sorted_out
from file_cdk.declarative.records.places import has_wildcards, places, straight
from file_cdk.declarative.records.record import decoded
from file_cdk.declarative.records.scanning import QUICK, Value, kind, on_one_line

_PIECE_BYTES = 256 << 10
_MARK = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n"


def cut_in_pieces(body: Spilled, cutter: Cutter, elements: BodyReader) -> Iterator[Cut]:
    """The records as `cutter` finds them in a body that is held. An array at the path takes no memory; of what is found by
    wildcards there are 80 bytes for each record, as of an array of bodies. Raises AnswerError, also for what a body that is held
    may have and a strict parser does not take: `NaN`, half a surrogate pair.
    """
    try:
        text = _mapped(body)
        if text is None:
            yield Cut([], members={})
            return
        yield Cut([], members=_members(text, cutter.names))
        array = _array(text, cutter)
        if array is None:
            yield from _in_pieces(places(text, cutter.path, QUICK))
        else:
            view = memoryview(array)
            yield from elements.pieces(lambda: cast(IO[bytes], _View(view)), view.nbytes)
    except msgspec.DecodeError as exc:
        raise AnswerError(
            f"the answer, of {body.size_bytes >> 20} MiB, is not JSON of the strict kind: {exc}",
            remedy="Ask the API for smaller pages: in those, what is not JSON is rejected record by record",
        ) from None
    except RecursionError:
        raise AnswerError("the answer is nested too deeply") from None


def _mapped(body: Spilled) -> msgspec.Raw | None:
    """The body in its file, without a mark of byte order and blanks; None where there is nothing else."""
    with body.path.open("rb") as file:
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    # Not closed here: what is found in it refers to it.
    start, end = len(_MARK) if whole[: len(_MARK)] == _MARK else 0, len(whole)
    while start < end and whole[start] in _BLANKS:
        start += 1
    while end > start and whole[end - 1] in _BLANKS:
        end -= 1
    return msgspec.Raw(memoryview(whole)[start:end]) if end > start else None


def _members(text: msgspec.Raw, names: tuple[str, ...]) -> dict[str, object] | None:
    if not names or kind(text) != "{":
        return None
    members = QUICK.members(text)
    return {name: decoded(bytes(members[name])) for name in names if name in members}


def _array(text: msgspec.Raw, cutter: Cutter) -> Value | None:
    """The one array that the records are in; None where they are anywhere else."""
    if kind(text) == "[":
        return None if cutter.path else text
    if any(map(has_wildcards, cutter.path)):
        return None
    place = straight(text, cutter.path, cutter.path, QUICK)
    return place if place is not None and kind(place) == "[" else None


def _in_pieces(values: Iterable[Value]) -> Iterator[Cut]:
    piece: list[bytes] = []
    size = 0
    for value in values:
        piece.append(on_one_line(bytes(value)))
        size += len(piece[-1])
        if size > _PIECE_BYTES:
            yield sorted_out(piece, QUICK, None)
            piece, size = [], 0
    yield sorted_out(piece, QUICK, None)


class _View(ByteStream):
    """Bytes that are somewhere, as a stream, without a copy of them."""

    def __init__(self, view: memoryview) -> None:
        super().__init__()
        self._view = view
        self._at = 0

    def read(self, size: int | None = -1, /) -> bytes:
        end = self._view.nbytes if size is None or size < 0 else self._at + size
        data = bytes(self._view[self._at : end])
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._at = max(0, offset + (0, self._at, self._view.nbytes)[whence])
        return self._at

    def tell(self) -> int:
        return self._at
