"""Names of files as the server has them, bytes, and as uris have them, text; the same rules as for local folders.

In between a name is text with the bytes that are not UTF-8 as surrogates, as Python's `os.fsdecode` gives.
"""

import re

_SURROGATE = re.compile("[\ud800-\udfff]")
_UNDECODABLE = re.compile("[\udc80-\udcff]")
_UNDECODABLE_OR_PERCENT = re.compile("[%\udc80-\udcff]")
_ESCAPED = re.compile("%(25|[89A-F][0-9A-F])")


def decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def encode(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def escape_name(name: str) -> str:
    """In a name that is not UTF-8, the bytes at fault as `%E9` and the like, and `%` as `%25`."""
    if not _UNDECODABLE.search(name):
        return name
    return _UNDECODABLE_OR_PERCENT.sub(lambda match: f"%{ord(match[0]) & 0xFF:02X}", name)


def names_of(segment: str) -> tuple[str, ...]:
    """The names that `escape_name` turns into `segment`, itself first; there are at most two."""
    if "%" not in segment:
        return (segment,)
    raw = decode(encode(_ESCAPED.sub(_unescaped, segment)))
    return (segment, raw) if raw != segment and escape_name(raw) == segment else (segment,)


def is_name(segment: str) -> bool:
    """Whether a listing may give a uri with this segment."""
    return segment not in ("", ".", "..") and "\0" not in segment and not _SURROGATE.search(segment)


def _unescaped(match: re.Match[str]) -> str:
    byte = int(match[1], 16)
    return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)
