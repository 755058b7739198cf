"""Regular expressions of manifests: bounded in size before they are compiled, and ended after a time.

The standard library's cannot be ended, so `regex` runs them, and takes only what the standard library takes too.
"""

import re
from functools import lru_cache
from typing import Any

import regex

from file_cdk.declarative.templates.faults import LONGEST_TEXT, FaultError, RefusedError, too_long

MOST_SECONDS = 0.5  # of the process's CPU, for one search
LONGEST_PATTERN = 1000  # characters
LARGEST_PATTERN = 10_000  # characters, with what is counted written as often as it is counted: `regex` makes it so

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(?P<times>\d+)(?:,\d*)?\}|.", re.DOTALL)
# A brace that begins no repetition would allow for errors, a feature of `regex` alone.
_BRACE = re.compile(r"\\.|\{(?!\d*,?\d*\})", re.DOTALL)


def first_group(pattern: str, text: str) -> str:
    """Of the first match; empty where there is no match or no group."""
    compiled = _compiled(pattern)
    try:
        match = compiled.search(text, timeout=MOST_SECONDS)
    except TimeoutError:
        raise _too_long() from None
    return match[1] if match and compiled.groups else ""


def replaced(pattern: str, replacement: str, text: str) -> str:
    compiled = _compiled(pattern)
    references = replacement.count("\\")
    made = 0

    def expanded(match: Any) -> str:
        nonlocal made
        longest = max((len(group or "") for group in (match[0], *match.groups())), default=0)
        made += len(replacement) + references * longest
        if made > LONGEST_TEXT:
            raise too_long()
        return str(match.expand(replacement)) if references else replacement

    try:
        return str(compiled.sub(expanded, text, timeout=MOST_SECONDS))
    except TimeoutError:
        raise _too_long() from None
    except (regex.error, IndexError):
        raise FaultError("the replacement does not fit its regular expression") from None


def is_found(pattern: str, text: str) -> bool:
    try:
        return _compiled(pattern).search(text, timeout=MOST_SECONDS) is not None
    except TimeoutError:
        raise _too_long() from None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    if len(pattern) > LONGEST_PATTERN or _size(pattern) > LARGEST_PATTERN:
        raise RefusedError("has a regular expression that is too large")
    try:
        re.compile(pattern)
        return regex.compile(
            _BRACE.sub(lambda match: match[0] if len(match[0]) == 2 else r"\{", pattern), regex.VERSION0
        )
    except (re.error, regex.error, OverflowError, RecursionError):
        raise FaultError("is no regular expression") from None


def _size(pattern: str) -> int:
    """At least that of what `regex` makes of it."""
    if re.search(r"\(\?(#|[a-zA-Z]*x)", pattern):
        raise RefusedError("has a regular expression with comments")
    sizes, last = [0], 0
    for token in _TOKEN.finditer(pattern):
        if token[0] == "(":
            sizes.append(1)
        elif token[0] == ")" and len(sizes) > 1:
            last = sizes.pop()
            sizes[-1] += last
        elif token["times"]:
            times = int(token["times"][:9])
            sizes[-1] += last * max(times - 1, 0)
            last *= max(times, 1)
        else:
            last = 1
            sizes[-1] += 1
    return sum(sizes)


def _too_long() -> RefusedError:
    return RefusedError(f"has a regular expression that takes more than {MOST_SECONDS} s")
