"""What must not be seen: values of the configuration, and tokens got with them."""

import base64
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

HIDDEN = "****"
_LEAST_CHARACTERS = 4
"""Minimum length of a value that is looked for: a shorter one is found everywhere."""


class Secrets:
    """Those of one run; for any number of threads."""

    def __init__(self, values: Iterable[object] = ()) -> None:
        self._lock = threading.Lock()
        self._added: set[str] = set()
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        """None where it is to be made: an API may give a token for each request, and seldom is anything hidden."""
        self.add(*values)

    def add(self, *values: object) -> None:
        """Hides these too from now on, in any form they may be said in: JSON, URLs, Base64."""
        texts = {str(each) for each in values if isinstance(each, str | int | float) and not isinstance(each, bool)}
        if texts <= self._added:
            return
        with self._lock:
            self._added |= texts
            self._known |= {form for text in texts for form in _forms(text)}
            self._pattern = None

    def hidden(self, text: str) -> str:
        """The text with `****` where a secret stood."""
        return self._compiled().sub(HIDDEN, text) if self._known else text

    def _compiled(self) -> re.Pattern[str]:
        with self._lock:
            if self._pattern is None:
                longest_first = sorted(self._known, key=len, reverse=True)
                self._pattern = re.compile("|".join(map(re.escape, longest_first)))
            return self._pattern

    def hidden_bytes(self, data: bytes) -> bytes:
        return self.hidden(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def hidden_pieces(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The same for what comes in pieces, also where a secret goes over two of them."""
        with self._lock:
            known = {form.encode("utf-8", "surrogateescape") for form in self._known}
        if not known:
            yield from pieces
            return
        pattern = re.compile(b"|".join(map(re.escape, sorted(known, key=len, reverse=True))))
        longest, rest = max(map(len, known)), b""
        for piece in pieces:
            text, at = rest + piece, 0
            # What begins before here is there to its end.
            certain = max(len(text) - longest + 1, 0)
            hidden = []
            for found in pattern.finditer(text):
                if found.start() >= certain:
                    break
                hidden += [text[at : found.start()], HIDDEN.encode()]
                at = found.end()
            upto = max(at, certain)
            yield b"".join((*hidden, text[at:upto]))
            rest = text[upto:]
        yield pattern.sub(HIDDEN.encode(), rest)


def _forms(text: str) -> Iterator[str]:
    if len(text) < _LEAST_CHARACTERS:
        return
    encoded = base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()
    yield from {
        text,
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        quote(text, safe="", errors="replace"),
        quote(text, errors="replace"),
        quote_plus(text, errors="replace"),
        encoded,
        quote(encoded, safe=""),
    }
    yield from (line.strip() for line in text.splitlines() if len(line.strip()) > 2 * _LEAST_CHARACTERS)


def secret_values(config: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    """Values of a configuration that its JSON Schema marks with `airbyte_secret`, and all that is inside of them."""
    if schema.get("airbyte_secret"):
        yield from _leaves(config)
        return
    for name in ("oneOf", "anyOf", "allOf"):
        for each in schema.get(name) or ():
            if isinstance(each, Mapping):
                yield from secret_values(config, each)
    if isinstance(config, Mapping):
        for name, inner in (schema.get("properties") or {}).items():
            if name in config and isinstance(inner, Mapping):
                yield from secret_values(config[name], inner)
    elif isinstance(config, list) and isinstance(items := schema.get("items"), Mapping):
        for each in config:
            yield from secret_values(each, items)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _leaves(each)
    else:
        yield value
