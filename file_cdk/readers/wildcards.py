"""Patterns with wildcards and braces, by wcmatch; apart, because a sync of all files does without the time of its import."""

import bracex
from bracex import ExpansionLimitException as TooManyAlternatives
from wcmatch import glob

MAX_ALTERNATIVES = 1000

# CASE and FORCEUNIX: a key means the same whatever machine the sync runs on.
_FLAGS = glob.GLOBSTAR | glob.CASE | glob.FORCEUNIX


def expanded(pattern: str) -> list[str]:
    """The alternatives that its braces stand for, each once, escapes kept. Raises TooManyAlternatives."""
    return list(dict.fromkeys(bracex.iexpand(pattern, keep_escapes=True, limit=MAX_ALTERNATIVES)))


def regex(pattern: str, *, hidden: bool) -> str:
    """Of a pattern without braces. hidden: wildcards match a leading dot of a segment."""
    (found,), _ = glob.translate(pattern, flags=_FLAGS | glob.DOTMATCH if hidden else _FLAGS)
    return str(found)


__all__ = ["MAX_ALTERNATIVES", "TooManyAlternatives", "expanded", "regex"]
