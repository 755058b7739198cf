"""What a source says, without the secrets of its configuration."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

_SECRET = re.compile(
    r"pass|pwd|secret|token|key|credential|auth|private|signature|cert|cookie|session|bearer|pat$|sas|connection_string|dsn",
    re.IGNORECASE,
)
"""Names of members that are secret, with all that is inside of them."""

_KIND = re.compile(r"(auth|credential|option)\w*_?(type|method|title)|type", re.IGNORECASE)
"""Names of members that say which of several forms the secret has."""

_IN_URL = re.compile(r"://[^/\s:@]*:([^\s]+)@")
_LEAST_CHARACTERS = 4
"""Minimum length of a value that is looked for: a shorter one is found everywhere."""

_LEAST_OF_A_LINE = 8


class Secrets:
    """Those of one configuration, and of what it becomes."""

    def __init__(self, config: Any) -> None:
        self._found: set[str] = set()
        self.add(config)

    def add(self, config: Any) -> None:
        """Those that another configuration has are hidden too."""
        found = {form for value in _values(config, is_secret=False) for form in _forms(value)}
        self._found |= {each for each in found if len(each) >= _LEAST_CHARACTERS}
        parts = sorted(map(re.escape, self._found), key=len, reverse=True)
        self._pattern = re.compile("|".join(parts)) if parts else None

    def hidden(self, text: str) -> str:
        """The text with `***` where a secret stood."""
        return text if self._pattern is None else self._pattern.sub("***", text)


def _values(value: Any, *, is_secret: bool) -> Iterator[str]:
    match value:
        case str():
            if is_secret:
                yield value
            yield from (found[1] for found in _IN_URL.finditer(value))
        case int() | float() if is_secret and not isinstance(value, bool):
            yield str(value)
        case dict():
            for name, member in value.items():
                yield from _values(
                    member, is_secret=not _KIND.fullmatch(name) and (is_secret or bool(_SECRET.search(name)))
                )
        case list():
            for each in value:
                yield from _values(each, is_secret=is_secret)


def _forms(value: str) -> Iterator[str]:
    """In which it may be said."""
    yield from (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], quote(value, safe=""))
    yield quote_plus(value)
    yield from (line.strip() for line in value.splitlines() if len(line.strip()) >= _LEAST_OF_A_LINE)
    try:
        inner = json.loads(value)
    except ValueError:
        return
    if isinstance(inner, dict | list):  # a file of credentials, as text
        for each in _values(inner, is_secret=True):
            yield from _forms(each)
