"""Bodies of answers: unpacked if they were packed for the way, and held. What unpacks them is imported by one that is packed."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from file_cdk.core.errors import SystemLimitError
from file_cdk.declarative.http.holding import MAX_HELD_BYTES, held
from file_cdk.declarative.http.messages import Spilled
from file_cdk.declarative.http.network.wire import BrokenError

ACCEPTED = "gzip, deflate"
"""What the Accept-Encoding header asks for. Brotli is read where a manifest asks for it itself."""

MAX_BYTES = 4 << 30
"""Maximum size of a body that was packed, unpacked, in bytes: a few megabytes may come to any."""

_MAX_CODINGS = 4
_BROTLI_BYTES = (1 << 20, 1 << 24, 1 << 28, 1 << 30)

_PIECE_BYTES = 1 << 20
_GZIP, _ZLIB, _RAW = 31, 15, -15
_MEMBER = b"\x1f\x8b"
"""What each member of a gzip file begins with."""
_DAMAGED = "the answer is packed, and damaged"


class _Unpacking(Protocol):
    """What isal and zlib have of decompressobj."""

    eof: bool
    unused_data: bytes
    unconsumed_tail: bytes

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


def received(pieces: Iterable[bytes], encoding: str) -> bytes | Spilled:
    """The body of an answer with this Content-Encoding.
    Raises BrokenError for one that is not what it says, SystemLimitError for one that unpacks to more than MAX_BYTES."""
    if not encoding:
        return held(iter(pieces))
    named = (each.strip().lower() for each in encoding.split(","))
    codings = [each for each in named if each not in ("", "identity")]
    if len(codings) > _MAX_CODINGS:
        raise BrokenError(f"the answer is packed {len(codings)} times, one over the other")
    for coding in reversed(codings):
        pieces = _measured(_unpacked(pieces, coding))
    return held(iter(pieces))


def _measured(pieces: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_BYTES:
            raise SystemLimitError(
                f"an answer unpacks to more than {MAX_BYTES >> 30} GiB",
                remedy="Ask the API for smaller pages, if what it sends is meant",
            )
        yield piece


def _unpacked(pieces: Iterable[bytes], coding: str) -> Iterator[bytes]:
    if coding in ("gzip", "x-gzip"):
        return _inflated(pieces, _gzip, has_members=True)
    if coding == "deflate":
        return _inflated(pieces, _deflate, has_members=False)
    if coding == "br":
        return _of_brotli(pieces)
    raise BrokenError(f"the answer is packed in a way that is not read: {coding[:40]!r}")


def _gzip(_head: bytes) -> _Unpacking:
    from isal import isal_zlib

    return isal_zlib.decompressobj(_GZIP)


def _deflate(head: bytes) -> _Unpacking:
    """Servers send it with the header of zlib, as RFC 9110 has it, and without."""
    from isal import isal_zlib

    has_header = len(head) > 1 and head[0] & 15 == 8 and int.from_bytes(head[:2], "big") % 31 == 0
    return isal_zlib.decompressobj(_ZLIB if has_header else _RAW)


def _inflated(pieces: Iterable[bytes], opened: Callable[[bytes], _Unpacking], *, has_members: bool) -> Iterator[bytes]:
    from isal import isal_zlib

    unpacking: _Unpacking | None = None
    rest = b""
    for piece in pieces:
        rest += piece
        has_more = False
        while rest or has_more:
            if unpacking is None or (unpacking.eof and has_members and rest.startswith(_MEMBER)):
                unpacking = opened(rest)
            elif unpacking.eof:
                # What follows the end means nothing, unless it is half of what another member begins with.
                rest = rest if has_members and rest == _MEMBER[:1] else b""
                break
            try:
                plain = unpacking.decompress(rest, _PIECE_BYTES)
            except isal_zlib.error as exc:  # type: ignore[misc] # its stub does not derive it
                raise BrokenError(_DAMAGED) from exc
            if plain:
                yield plain
            has_more = len(plain) == _PIECE_BYTES  # it may hold more, with nothing left to put in
            rest = unpacking.unused_data if unpacking.eof else unpacking.unconsumed_tail
    if unpacking is not None and not unpacking.eof:
        raise BrokenError("the answer is packed, and its end is missing")


def _of_brotli(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packed = held(iter(pieces))
    if isinstance(packed, Spilled):
        packed.path.unlink()
        raise BrokenError(f"the answer is packed with Brotli and larger than {MAX_HELD_BYTES >> 20} MiB")
    if packed:
        yield _of_brotli_whole(packed)


def _of_brotli_whole(packed: bytes) -> bytes:
    """A kilobyte may come to gigabytes, and only unpacking tells to how many."""
    import cramjam

    for size in _BROTLI_BYTES:
        plain = bytearray(size)
        try:
            return bytes(memoryview(plain)[: cramjam.brotli.decompress_into(packed, plain)])
        except cramjam.DecompressionError:
            continue  # there may be more of it
    raise BrokenError(f"{_DAMAGED}, or larger than {_BROTLI_BYTES[-1] >> 20} MiB")
