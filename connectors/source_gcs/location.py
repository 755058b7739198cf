"""`gs://bucket/path` turned into a configuration and the globs of the objects that are meant. Asks nobody."""

import re
from pathlib import PurePosixPath

from file_cdk import ConfigError, GlobPatterns, Location, redacted, split_member
from source_gcs.config import BUCKET

_WILDCARD = re.compile(r"[*?\[{]")


def locate(url: str) -> Location:
    """A bucket means everything in it, a path that ends with a slash everything below it, a pattern what it matches;
    any other path the object of that key and everything below it. After an archive's name and `!`, what is inside.

    Keys are taken as they stand: nothing is percent-decoded. Raises ConfigError for what names no bucket.
    """
    _, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if not BUCKET.fullmatch(bucket):
        raise ConfigError(f"{redacted(url)} names no bucket", remedy="Write gs://bucket/path")
    globs, name = _wanted(key)
    return Location({"bucket": bucket}, globs, name or bucket)


def _wanted(key: str) -> tuple[tuple[str, ...], str]:
    """Globs, and a name for the table, which may be empty."""
    if not key:
        return ("**",), ""
    if member := split_member(key):
        return _inside(*member)
    if wildcard := _WILDCARD.search(key):
        folder, _, _ = key[: wildcard.start()].rpartition("/")
        return (_not_negated(key),), PurePosixPath(folder).name
    if key.endswith("/"):
        return (f"{GlobPatterns.escape(key)}**",), PurePosixPath(key).name
    literal = GlobPatterns.escape(key)
    return (literal, f"{literal}/**"), PurePosixPath(key).stem


def _inside(archive: str, inner: str) -> tuple[tuple[str, ...], str]:
    outer = _not_negated(archive) if _WILDCARD.search(archive) else GlobPatterns.escape(archive)
    inner = inner.rstrip("/")
    literal = GlobPatterns.escape(inner)
    if wildcard := _WILDCARD.search(inner):
        # Also literally: a member's name, as `_file_url` has it, may look like a pattern.
        folder, _, _ = inner[: wildcard.start()].rpartition("/")
        wanted, name = [inner, literal], PurePosixPath(folder).name
    else:
        wanted, name = [literal, f"{literal}/**"] if inner else ["**"], PurePosixPath(inner).stem
    return tuple(f"{outer}!{each}" for each in wanted), name or PurePosixPath(archive).stem


def _not_negated(pattern: str) -> str:
    return f"\\{pattern}" if pattern.startswith("!") else pattern
