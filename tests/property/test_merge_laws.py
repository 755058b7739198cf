"""The law of merged tables: whatever is loaded, given up, removed or left by a run that ends early, a merge leaves of each key
the row that a model of a few lines has."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest
from duckdb_landing import DuckDBLanding
from files_landing import FilesLanding
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlite_landing import SqliteLanding

from file_cdk.core.ports import MergeRule
from file_cdk.testing.landing import STREAM, Landing, load_whole, version, write
from file_cdk.testing.merge_conformance import RULE, merged_table

LANDINGS: dict[str, Callable[[str], Landing]] = {
    "duckdb": lambda folder: DuckDBLanding(f"{folder}/x.duckdb"),
    "sqlite": lambda folder: SqliteLanding(f"{folder}/x.sqlite"),
    "files": lambda folder: FilesLanding(f"{folder}/x"),
}

TYPES = pa.schema({"id": pa.int64(), "kind": pa.string(), "at": pa.int64(), "gone": pa.bool_(), "v": pa.int64()})

Row = tuple[int | None, str | None, int | None, bool | None]
row = st.tuples(
    st.sampled_from([1, 1, 2, 3, None]),
    st.sampled_from(["a", "a", "B", None]),
    st.sampled_from([1, 1, 0, None]),
    st.sampled_from([False, True, None]),
)
_OLD, _GONE = (1, "a", 0, False), (1, "a", 1, True)
rows: st.SearchStrategy[list[Row]] = st.one_of(
    st.lists(row, min_size=2, max_size=6), st.lists(row, min_size=2, max_size=6), st.just([])
)
"""So many of one key that each part of the rule decides in some example."""

uris = st.sampled_from(["a", "b", "ä"])


@dataclass(frozen=True, slots=True)
class Load:
    uri: str
    number: int
    rows: Sequence[Row]
    is_aborted: bool = False


@dataclass(frozen=True, slots=True)
class Remove:
    uris: Sequence[str]


@dataclass(frozen=True, slots=True)
class Merge:
    pass


@dataclass(frozen=True, slots=True)
class Reopen:
    """Without a merge, as after a run that was killed when all was durable."""


steps = st.lists(
    st.one_of(
        st.builds(Load, uris, st.integers(0, 2), rows),
        st.builds(Load, uris, st.integers(0, 2), rows),
        st.builds(Load, uris, st.integers(0, 2), rows, st.just(True)),
        st.builds(Remove, st.lists(uris, min_size=1, max_size=2, unique=True)),
        st.just(Merge()),
        st.just(Reopen()),
    ),
    min_size=4,
    max_size=12,
)
rules = st.sampled_from(
    [
        MergeRule(("id",), "at", "gone"),
        MergeRule(("id", "kind"), "at", "gone"),
        MergeRule(("kind",), "id", "gone"),
        MergeRule(("id",), "at"),
        MergeRule(("id", "kind")),
    ]
)
Files = dict[str, tuple[int, list[dict[str, Any]]]]


def expected(files: Files, rule: MergeRule) -> list[int]:
    """Numbers of the rows that are shown."""
    ranked: list[tuple[Any, tuple[Any, ...]]] = []
    for uri, (number, of_file) in files.items():
        for at, row in enumerate(of_file):
            cursor = None if rule.cursor is None else row[rule.cursor]
            ranked.append((row, ((cursor is not None, cursor or 0), number, uri.encode(), at)))
    winners: dict[Any, tuple[Any, tuple[Any, ...]]] = {}
    for row, rank in ranked:
        key: Any = tuple(row[name] for name in rule.keys)
        if None in key:
            key = rank
        if key not in winners or winners[key][1] < rank:
            winners[key] = row, rank
    return sorted(row["v"] for row, _ in winners.values() if not (rule.deleted and row[rule.deleted]))


@pytest.mark.parametrize("kind", LANDINGS)
@settings(max_examples=25)
@given(rule=rules, steps=steps)
@example(rule=RULE, steps=[Load("a", 0, [_OLD]), Load("b", 1, [_GONE]), Merge(), Remove(["b"]), Merge()])
@example(rule=RULE, steps=[Load("a", 0, [_OLD]), Load("b", 1, [_GONE]), Merge(), Load("b", 2, [])])
def test_a_merge_shows_of_each_key_what_the_files_say(kind: str, rule: MergeRule, steps: Sequence[object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        landing = LANDINGS[kind](folder)
        files: Files = {}
        todo, count = list(steps), 0
        while todo:
            with merged_table(landing, rule) as (destination, table):
                while todo:
                    step = todo.pop(0)
                    if isinstance(step, Load):
                        data = []
                        for id_, of_kind, at, gone in step.rows:
                            count += 1
                            data.append({"id": id_, "kind": of_kind, "at": at, "gone": gone, "v": count})
                        file = version(step.uri, step.number)
                        table.widen(TYPES)
                        if step.is_aborted:
                            write(destination, table, file, data).abort()
                        else:
                            load_whole(destination, table, file, data)
                            files[step.uri] = step.number, data
                    elif isinstance(step, Remove):
                        table.flush()
                        table.remove(step.uris)
                        for uri in step.uris:
                            files.pop(uri, None)
                    elif isinstance(step, Merge):
                        table.flush()
                        table.merge()
                    else:
                        break
        with merged_table(landing, rule) as (_, table):
            table.merge()
        assert sorted(row["v"] for row in landing.rows(STREAM)) == expected(files, rule)
