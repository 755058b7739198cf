"""Manifests, configurations, records, states and bad days of an API, all made up, through airbyte-cdk's own runner and ours:
equal catalogs, records, final states, statuses, requests; and the same again from those states on, when the API has more.

`FILE_CDK_GENERATED_MANIFESTS` is how many, 25 by default.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from generated_requests import Json
from generated_sources import CONFIG, GROWN_AT, Source, sources
from hypothesis import HealthCheck, event, given, note, settings
from warm_sides import OURS, WarmPeer

from file_cdk.declarative.language import resolved
from file_cdk.testing.mirror.certificates import Authority
from file_cdk.testing.mirror.mirror import Mirror, Serving
from file_cdk.testing.mirror.network import Proxy
from file_cdk.testing.side_by_side.comparison import Allowed, Side, compare, report
from file_cdk.testing.side_by_side.program import Outcome, Program, configured

EXAMPLES = int(os.environ.get("FILE_CDK_GENERATED_MANIFESTS", "25"))


@dataclass
class Bench:
    """mirror: which answers, now."""

    environment: dict[str, str]
    peer: Program
    mirror: Mirror | None = None


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with Proxy(lambda asked: made.mirror.answer(asked), authority) as proxy:  # type: ignore[union-attr]
        environment = Serving(proxy.url, authority.file).environment
        with WarmPeer(environment) as peer:
            made = Bench(environment, peer)
            yield made


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(source=sources())
def test_both_runners_do_the_same(bench: Bench, source: Source) -> None:
    note(f"{source.text}\n{source.options}\n{source.states} {source.grown}")
    mirror = bench.mirror = Mirror(resolved(source.text, "manifest.yaml"), CONFIG, source.options)
    assert mirror.reasons == {}
    programs = [bench.peer, OURS]
    catalogs = [_catalog(program, source, bench) for program in programs]
    allowed = Allowed(repeated=mirror.parents)
    states = [_states(source.states)] * 2
    for number in range(2):
        if number:
            mirror.grow(source.grown, parents=False, at=GROWN_AT)
        sides = []
        for place, program in enumerate(programs):
            mirror.forget()
            chosen = configured(catalogs[place], mirror.streams, "incremental")
            outcome = program.read(source.text, CONFIG, chosen, bench.environment, states[place])
            sides.append(Side(replace(outcome, catalog=catalogs[place]), list(mirror.seen)))
        theirs, own = sides
        note(f"sync {number}: {[side.outcome.rest[-1500:] for side in sides]}")
        # Behind a page that is ignored, others may have been asked for ahead.
        found = [each for each in compare(theirs, own, allowed) if not (source.ignores and each.kind == "requests")]
        assert not found, report(found)
        assert own.outcome.code == 0, own.outcome.errors
        states = [_as_long(side.outcome.state) for side in sides]
        event(f"records: {min(sum(map(len, own.outcome.records.values())), 20)}")


def _as_long(state: Any) -> Any:
    """As if every run had taken the same number of seconds: the next one goes back by it."""
    if isinstance(state, dict):
        return {key: 1 if key == "lookback_window" else _as_long(value) for key, value in state.items()}
    return [_as_long(each) for each in state] if isinstance(state, list) else state


def _catalog(program: Program, source: Source, bench: Bench) -> Json:
    found = program.discover(source.text, CONFIG, bench.environment)
    assert found.catalog is not None, found.rest
    return found.catalog


def _states(states: dict[str, Json]) -> Sequence[Json]:
    return Outcome(0, GROWN_AT, GROWN_AT, states=states).state
