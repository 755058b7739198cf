"""Streams above streams, made up from a seed, and the pages that each slice of them has."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import strategies as st

from file_cdk.core.errors import TransientError
from file_cdk.declarative.pages import Page, Token
from file_cdk.declarative.slices import Slice
from file_cdk.declarative.slicing.stream import ListRouter, Parent, ParentRouter, Router, SlicedStream

VALUES = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3)


@dataclass(frozen=True, slots=True)
class Tree:
    """sources: for each router its values, or the streams above. fails: one page of so many, 0 for none. is_numbered: its tokens
    follow from one another, but for one of 10 that the API counts on from elsewhere."""

    name: str
    seed: int
    sources: Sequence["Sequence[str] | Sequence[Tree]"]
    fails: int
    is_numbered: bool


def trees(name: str = "top", depth: int = 3) -> st.SearchStrategy[Tree]:
    source: st.SearchStrategy[Any] = VALUES
    if depth > 0:
        above = st.sampled_from([1, 1, 2]).flatmap(
            lambda number: st.tuples(*(trees(f"{name}{each}", depth - 1) for each in range(number)))
        )
        source = above if depth == 3 else st.one_of(above, VALUES)
    sources = st.one_of(*[st.tuples(source)] * 3, st.tuples(source, VALUES), *([st.just(())] if depth < 3 else []))
    return st.builds(Tree, st.just(name), st.integers(0, 1 << 30), sources, st.sampled_from([0, 0, 60]), st.booleans())


def pages_of(tree: Tree, partition: Any) -> list[Page | None]:
    """None for one that fails for good."""
    random = Random(f"{tree.seed} {json.dumps(partition, sort_keys=True)}")
    number = random.choice([1, 1, 2, 3, 7])
    pages: list[Page | None] = []
    value = 0
    for page in range(number):
        value += 100 if random.randrange(10) == 0 else 1
        if tree.fails and random.randrange(tree.fails) == 0:
            pages.append(None)
            continue
        records = [
            {"id": random.choice([1, 2, 3, 4, 5, None]), "page": page, "pad": "x" * random.choice([0, 0, 500])}
            for _ in range(random.choice([0, 1, 1, 2, 2]))
        ]
        texts = [json.dumps(record).encode() for record in records]
        following = Token(page + 1, value) if page + 1 < number else None
        pages.append(Page(texts, [None] * len(texts), len(texts) + 1, 1, [], following))
    return pages


def expected(tree: Tree) -> Iterator[tuple[str, Any, Any]]:
    """What comes out, one after the other: pages, ends of slices, and an error in the place of the first page that fails."""
    for partition in partitions_of(tree):
        for number, page in enumerate(pages_of(tree, partition)):
            if page is None:
                raise TransientError(f"page {number} of {partition}")
            yield "page", partition, (number, page.records)
        yield "end", partition, None


def partitions_of(tree: Tree) -> Iterator[Any]:
    seen = []
    for partition in _all(tree):
        if partition not in seen:
            yield partition
        if tree.sources:
            seen.append(partition)


def _all(tree: Tree) -> Iterator[Any]:
    if not tree.sources:
        yield {}
        return
    inner = [list(_of_source(number, source)) for number, source in enumerate(tree.sources) if number]
    outer = _of_source(0, tree.sources[0]) if all(inner) else iter(())
    for first in outer:
        for second in inner[0] if inner else [{}]:
            yield {**second, **first}


def _of_source(number: int, source: Sequence[Any]) -> Iterator[Any]:
    for each in source:
        if isinstance(each, str):
            yield {f"value{number}": each}
            continue
        for kind, partition, page in expected(each):
            for record in map(json.loads, page[1] if kind == "page" else ()):
                if record["id"] is not None:
                    yield {f"of_{each.name}": record["id"], "parent_slice": partition}


@dataclass
class Api:
    """Answers requests in an order of its own. choose: which of so many that wait is answered next. is_held_back: those for the
    slice that came first are answered only when no others wait."""

    choose: Callable[[int], int]
    is_held_back: bool = False
    most_at_once: int = 0
    asked: int = 0
    _waiting: list[tuple[bool, threading.Event]] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _is_over: bool = False
    _is_paused: bool = False
    _first: Any = None

    def __enter__(self) -> "Api":
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self._thread.join()

    def pause(self) -> None:
        with self._changed:
            self._is_paused = True

    def go_on(self) -> None:
        with self._changed:
            self._is_paused = False
            self._changed.notify()

    def wait(self, of: Any) -> None:
        answered = threading.Event()
        with self._changed:
            self._first = self._first or of
            self._waiting.append((self.is_held_back and of == self._first, answered))
            self.asked += 1
            self.most_at_once = max(self.most_at_once, len(self._waiting))
            self._changed.notify()
        assert answered.wait(20)

    def _answer(self) -> None:
        with self._changed:
            while True:
                self._changed.wait_for(lambda: (self._waiting and not self._is_paused) or self._is_over)
                if not self._waiting:
                    return
                before = 0
                while not self._is_over and len(self._waiting) > before:  # others that come at the same time
                    before = len(self._waiting)
                    self._changed.wait(0.0005)
                others = [each for each in self._waiting if not each[0]] or self._waiting
                chosen = others[self.choose(len(others))]
                self._waiting.remove(chosen)
                chosen[1].set()


@dataclass(frozen=True)
class TreeReader:
    tree: Tree
    api: Api

    def first(self, of: Slice) -> Token:
        return Token(0)

    def ahead(self, of: Slice, token: Token) -> Token | None:
        return Token(token.number + 1, (token.value or 0) + 1) if self.tree.is_numbered else None

    def page(self, of: Slice, token: Token) -> Page:
        self.api.wait((self.tree.name, of.partition))
        pages = pages_of(self.tree, of.partition)
        before = pages[token.number - 1] if 0 < token.number < len(pages) else None
        if token.number >= len(pages) or (before and before.following != token):
            if token.number % 2:
                raise TransientError("not in the slice")
            return Page([b'{"id": 77}'], [None], 1, 0, [], None)
        page = pages[token.number]
        if page is None:
            raise TransientError(f"page {token.number} of {of.partition}")
        return page


def stream_of(tree: Tree, api: Api) -> SlicedStream:
    return SlicedStream(
        tree.name,
        TreeReader(tree, api),
        tuple(_router(number, source, api) for number, source in enumerate(tree.sources)),
    )


def _router(number: int, source: Sequence[Any], api: Api) -> Router:
    if isinstance(source[0], str):
        return ListRouter(f"value{number}", tuple(source))
    return ParentRouter(tuple(Parent(stream_of(each, api), ("id",), f"of_{each.name}") for each in source))
