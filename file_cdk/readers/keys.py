"""What the key in a URL means: the patterns of what is wanted, and a name for its table."""

import re

from file_cdk.core.uris import split_member
from file_cdk.readers.globbing import GlobPatterns

_WILDCARD = re.compile(r"[*?\[{]")
_EXTENSION = re.compile(r"[^.]\.[A-Za-z][A-Za-z0-9]{0,7}")


def globs_of_key(key: str) -> tuple[tuple[str, ...], str]:
    """Patterns for GlobPatterns, and a name that may be empty: the last fixed folder's or the file's without extensions.

    No key is everything, one that ends in `/` all below it, any other with wildcards a pattern, any other the object of that
    key, and all below it when that does not look like a file's. After an archive's name and `!`, the same of what is inside.
    """
    if member := split_member(key):
        return _inside(*member)
    if wildcard := _WILDCARD.search(key):
        below = "**" if key.endswith("/") else ""
        return (_not_negated(key) + below,), _last(key[: wildcard.start()].rpartition("/")[0])
    if not key:
        return ("**",), ""
    if key.endswith("/"):
        return (GlobPatterns.escape(key) + "**",), _last(key)
    literal = GlobPatterns.escape(key)
    if _EXTENSION.search(_last(key)):
        return (literal,), _stem(key)
    return (literal, f"{literal}/**"), _last(key)


def globs_inside(outer: str, inner: str) -> tuple[str, ...]:
    """Patterns for what is inside the archives that match `outer`: all, without `inner`, what it matches, or the member of
    that name and all below it."""
    inner = inner.rstrip("/")
    literal = GlobPatterns.escape(inner)
    # A pattern also literally: a member's name, as `_file_url` has it, may look like one.
    wanted = (inner, literal) if _WILDCARD.search(inner) else (literal, f"{literal}/**") if inner else ("**",)
    return tuple(f"{outer}!{each}" for each in wanted)


def _inside(archive: str, inner: str) -> tuple[tuple[str, ...], str]:
    outer = _not_negated(archive) if _WILDCARD.search(archive) else GlobPatterns.escape(archive)
    wildcard = _WILDCARD.search(inner)
    name = _last(inner[: wildcard.start()].rpartition("/")[0]) if wildcard else _stem(inner)
    if not name:
        folder = _WILDCARD.split(archive, maxsplit=1)[0].rpartition("/")[0]
        name = _last(folder) if _WILDCARD.search(archive) else _stem(archive)
    return globs_inside(outer, inner), name


def _not_negated(pattern: str) -> str:
    """A URL says what is wanted, never what is not."""
    return f"\\{pattern}" if pattern.startswith("!") else pattern


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _stem(path: str) -> str:
    """Name without its extensions."""
    name = _last(path)
    return name[:1] + name[1:].partition(".")[0]
