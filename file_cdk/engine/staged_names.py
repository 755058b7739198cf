"""What a file is called where it is staged: its own name as far as a folder can hold it, and never another file's."""

import hashlib
import re

MAX_SEGMENT_BYTES = 255
MAX_PATH_BYTES = 2048
"""Maximum length of a staged path, in bytes: the staging folder in front of it has to fit into the 4096 bytes of a path."""

PARTIAL = "%~part"
"""Name of a file that is not complete yet. No staged file is called so."""

_MAX_ENDING_BYTES = 32

# What the names of a folder cannot hold or would take for something else: control characters, halves of surrogate pairs,
# slashes that part nothing, the segments `.` and `..`. And `%` where it could be taken for the mark of an escape.
_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f]|[\ud800-\udfff]"
    r"|(?<![^/])/|/\Z"
    r"|(?<![^/])\.{1,2}(?![^/])"
    r"|%(?=[01][0-9A-F]|7F|2[5EF]|uD[89A-F][0-9A-F]{2}|~)"
)


def staged_path(uri: str, *, flat: bool = False) -> str:
    """The relative path of a file: its uri, or its name alone where `flat`.

    Parts are separated by `/`, none is empty, `.` or `..`, none is longer than MAX_SEGMENT_BYTES in UTF-8, and all of it
    is at most MAX_PATH_BYTES. Two uris never give one path; two names, where flat, only if they are equal.
    What cannot stand in a name is written as `%2F` and the like, what is too long ends in `%~` and a digest.
    """
    escaped = _UNSAFE.sub(_escape, (uri.rpartition("/")[2] or uri) if flat else uri)
    if flat:  # of a uri that ends in slashes, the last of them are its name
        escaped = escaped.rpartition("/")[2]
    path = "/".join(map(_fitting, escaped.split("/")))
    if len(path.encode()) > MAX_PATH_BYTES:
        return _marked(escaped.rpartition("/")[2], escaped)
    return path or "%~"


def _escape(found: re.Match[str]) -> str:
    return "".join(f"%{ord(c):02X}" if ord(c) < 0x80 else f"%u{ord(c):04X}" for c in found[0])


def _fitting(segment: str) -> str:
    return segment if len(segment.encode()) <= MAX_SEGMENT_BYTES else _marked(segment, segment)


def _marked(segment: str, whole: str) -> str:
    """The beginning of the segment, a digest of `whole`, and the ending that tells what kind of file it is."""
    stem, dot, ending = segment.rpartition(".")
    if not stem or len(ending.encode()) > _MAX_ENDING_BYTES:
        stem, dot, ending = segment, "", ""
    mark = f"%~{hashlib.blake2b(whole.encode(), digest_size=16).hexdigest()}{dot}{ending}"
    room = MAX_SEGMENT_BYTES - len(mark.encode())
    return stem.encode()[:room].decode(errors="ignore") + mark
