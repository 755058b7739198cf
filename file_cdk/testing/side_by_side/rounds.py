"""Sync after sync of several programs against one mirror, each with its own state, and more records between."""

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

from file_cdk.testing.mirror.mirror import Mirror
from file_cdk.testing.side_by_side.comparison import Side
from file_cdk.testing.side_by_side.program import Json, Program, configured

_SECOND = 1.1  # instants in states may be of whole seconds


class NoCatalogError(Exception):
    """A program discovers nothing: what it said instead."""


@dataclass(frozen=True, slots=True)
class Given:
    """What every program gets. manifest: its text, as a person wrote it."""

    manifest: str
    config: Json


def rounds(
    given: Given,
    mirror: Mirror,
    programs: Sequence[Program],
    *,
    count: int = 2,
    sync_mode: str = "incremental",
    new_partitions: bool = True,
) -> Generator[list[Side], None, None]:
    """A side for each program in each round. All see the same records in a round; before the next the mirror grows, parents
    only with `new_partitions`.

    Raises NoCatalogError.
    """
    with mirror.serving() as serving:
        catalogs = [_catalog(program, given, serving.environment) for program in programs]
        states: list[list[Json]] = [[] for _ in programs]
        for number in range(count):
            if number:
                time.sleep(_SECOND)
                mirror.grow(parents=new_partitions)
            sides = []
            for place, program in enumerate(programs):
                mirror.forget()
                chosen = configured(catalogs[place], mirror.streams, sync_mode)
                outcome = program.read(given.manifest, given.config, chosen, serving.environment, states[place])
                states[place] = outcome.state
                sides.append(Side(replace(outcome, catalog=catalogs[place]), list(mirror.seen)))
            yield sides


def complaints(side: Side, streams: Sequence[str]) -> list[str]:
    """What is wrong with a side alone: answers that refuse, streams that are not complete, errors."""
    refused = [
        f"{one.asked.method} {one.asked.url}: {one.answer.status}" for one in side.seen if one.answer.status >= 400
    ]
    statuses = side.outcome.statuses
    incomplete = [f"{name}: {statuses.get(name)}" for name in streams if statuses.get(name) != "COMPLETE"]
    return [*refused, *incomplete, *side.outcome.errors]


def _catalog(program: Program, given: Given, environment: Mapping[str, str]) -> Json:
    found = program.discover(given.manifest, given.config, environment)
    if found.catalog is None:
        raise NoCatalogError("; ".join(found.errors) or found.rest)
    return found.catalog
