"""Regular expressions of manifests, ended after a time: the standard library's cannot be."""

import re
from typing import Any

import regex

from file_cdk.declarative.templates.faults import RefusedError

_SECONDS = 0.5  # of CPU, for one search
_LONGEST = 1000  # of a pattern, in characters


def first_group(pattern: str, text: str) -> str:
    """Of the first match; empty where there is no match or no group."""
    try:
        match = _compiled(pattern).search(text, timeout=_SECONDS)
    except TimeoutError:
        raise _too_long() from None
    return match[1] if match and match.re.groups else ""


def replaced(pattern: str, replacement: str, text: str) -> str:
    try:
        return str(_compiled(pattern).sub(replacement, text, timeout=_SECONDS))
    except TimeoutError:
        raise _too_long() from None


def is_found(pattern: str, text: str) -> bool:
    """Raises ValueError where the pattern is none."""
    try:
        return _compiled(pattern).search(text, timeout=_SECONDS) is not None
    except TimeoutError:
        raise _too_long() from None


def _compiled(pattern: str) -> Any:
    if len(pattern) > _LONGEST:
        raise RefusedError(f"a regular expression has more than {_LONGEST} characters")
    try:
        re.compile(pattern)
        return regex.compile(pattern, regex.VERSION0)
    except (re.error, regex.error):
        raise ValueError("a regular expression is none") from None


def _too_long() -> RefusedError:
    return RefusedError(f"a regular expression takes more than {_SECONDS} s")
