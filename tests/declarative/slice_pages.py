"""Pages of made-up streams, without an API."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from file_cdk.declarative.cursors.cursor import DatetimeCursor
from file_cdk.declarative.pages import Page, Token
from file_cdk.declarative.slices import Slice

Json = dict[str, Any]


def day(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)


def daily(**facts: Any) -> DatetimeCursor:
    """From the first of January to the tenth of March."""
    return DatetimeCursor("at", "%Y-%m-%d", ("%Y-%m-%d",), day("2024-01-01"), day("2024-03-10"), **facts)


def page(records: Sequence[Json], following: Token | None = None, ended_early: str | None = None) -> Page:
    texts = [json.dumps(record).encode() for record in records]
    return Page(texts, [record.get("at") for record in records], len(texts), 0, [], following, ended_early)


@dataclass
class Pages:
    """pages: of a slice, the records of each. numbered_to: size of a full page; a slice ends with one that is not full. asked:
    how often each page was. before: called in the thread that asks."""

    pages: Callable[[Slice], Sequence[Sequence[Json]]]
    numbered_to: int = 0
    ended_early: Mapping[int, str] = field(default_factory=dict)
    before: Callable[[Slice, Token], None] = lambda of, token: None
    asked: Counter[tuple[str, int]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def first(self, of: Slice) -> Token:
        return Token(0)

    def ahead(self, of: Slice, token: Token) -> Token | None:
        return Token(token.number + 1, token.number + 1) if self.numbered_to else None

    def page(self, of: Slice, token: Token) -> Page:
        with self._lock:
            self.asked[json.dumps([dict(of.partition), dict(of.interval)]), token.number] += 1
        self.before(of, token)
        pages = self.pages(of)
        if self.numbered_to:
            found = pages[token.number] if token.number < len(pages) else []
            following = self.ahead(of, token) if len(found) == self.numbered_to else None
            return page(found, following)
        following = Token(token.number + 1, token.number + 1) if token.number + 1 < len(pages) else None
        return page(pages[token.number], following, self.ended_early.get(token.number))
