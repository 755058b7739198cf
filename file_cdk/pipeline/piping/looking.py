"""What a sync of a manifest would read: its streams and their slices, and why, without a request."""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from file_cdk.core.dataclass import dataclass
from file_cdk.core.ledger import KeptState, SliceLedger
from file_cdk.declarative.plan import SourcePlan, StreamPlan
from file_cdk.declarative.planning import plan_of
from file_cdk.declarative.slices import Slice
from file_cdk.declarative.slicing.partitions import merged, slice_key
from file_cdk.declarative.slicing.stream import ListRouter, ParentRouter, SlicedStream
from file_cdk.declarative.states.progress import StreamProgress
from file_cdk.declarative.states.progress_of import progress_of
from file_cdk.pipeline.apis.fingerprints import fingerprints
from file_cdk.pipeline.apis.manifest import Manifest
from file_cdk.pipeline.apis.progress import Attempt, BegunSlice
from file_cdk.pipeline.apis.run import manifest_facts
from file_cdk.pipeline.apis.tally import gone_on_with
from file_cdk.pipeline.piping.attempts import KeptAttempt, attempt_of
from file_cdk.pipeline.piping.states import stream_states

READ, GO_ON, SKIP = "read", "go on", "skip"


@dataclass(frozen=True, slots=True)
class LookedSlice:
    """slice: JSON of its partition and interval; None where these are known only when the streams above are read, whose names
    `parents` has, or where the stream cannot be read. decision: one of the above. page: that is asked for first, from 0."""

    stream: str
    slice: str | None
    decision: str
    why: str
    parents: Sequence[str] = ()
    page: int = 0


@dataclass(slots=True)
class _Look:
    plan: StreamPlan
    sliced: SlicedStream
    states: Sequence[KeptState]
    state: Any
    fingerprint: str
    ledger: SliceLedger | None

    def slices(self) -> Iterator[LookedSlice]:
        attempt = attempt_of(self.plan.name, self.states)
        if attempt is not None and attempt.goes_on(self.fingerprint, time.time()):
            yield from self._of_attempt(attempt)
            return
        cursor = self.sliced.cursor
        if cursor is None:
            why = "read as a whole each time"
        elif self.state is None:
            why = "no run ended a slice of it"
        else:
            why = "from where the last state ends"
        stored = None if self.state is None or cursor is None else self.plan.state(self.state)
        yield from self._all(self.sliced, progress_of(self.sliced, stored), {}, {}, why)

    def _of_attempt(self, attempt: KeptAttempt) -> Iterator[LookedSlice]:
        if attempt.ended:
            yield LookedSlice(self.plan.name, None, SKIP, "a run that did not come to its end read all of it")
            return
        found = self.ledger.slice_entries(self.plan.name) if self.ledger is not None else iter(())
        done = {each.slice: each.read_at.isoformat() for each in found if each.attempt == attempt.number}
        state = msgspec.json.decode(attempt.state)
        sliced, _ = gone_on_with(Attempt(cursor=attempt.cursor), self.sliced)
        progress = progress_of(sliced, None if state is None else self.plan.state(state))
        begun = {each.so_far.key: each for each in attempt.begun}
        yield from self._all(sliced, progress, done, begun, "not read by the run that did not come to its end")

    def _all(
        self,
        sliced: SlicedStream,
        progress: StreamProgress,
        done: Mapping[str, str],
        begun: Mapping[str, BegunSlice],
        why: str,
    ) -> Iterator[LookedSlice]:
        name = self.plan.name
        for key, each in begun.items():
            so_far = f"{each.so_far.pages} of its pages are there"
            yield LookedSlice(name, key, GO_ON, so_far, page=each.number)
        parents = _parents(sliced)
        if parents:
            for key, at in done.items():
                yield LookedSlice(name, key, SKIP, f"read at {at}", parents)
            yield LookedSlice(name, None, READ, why, parents)
            return
        for of in _slices(sliced, progress):
            key = slice_key(of).decode()
            if key in done:
                yield LookedSlice(name, key, SKIP, f"read at {done[key]}")
            elif key not in begun:
                yield LookedSlice(name, key, READ, why)


def look(
    manifest: Manifest, config: Mapping[str, Any], source: str, ledger: SliceLedger | None, only: Sequence[str] | None
) -> Iterator[LookedSlice]:
    """In the order of a sync, but that what is gone on with comes first. source: its name in the ledger. only: streams; None for
    all. Raises ConfigError, and DestinationError where the ledger cannot be read."""
    plan = plan_of(manifest.source, config, manifest_facts(manifest))
    fingerprint = fingerprints(manifest, plan)
    states = [] if ledger is None else ledger.states_kept(source)
    documented = stream_states(states)
    for stream in _chosen(plan, only):
        if stream.sliced is None:
            yield LookedSlice(stream.name, None, SKIP, str(stream.refused or "it cannot be read"))
            continue
        state = documented.get(stream.name)
        yield from _Look(stream, stream.sliced, states, state, fingerprint(stream.name), ledger).slices()


def _chosen(plan: SourcePlan, only: Sequence[str] | None) -> Sequence[StreamPlan]:
    return plan.streams if only is None else [plan.stream(name) for name in only]


def _parents(sliced: SlicedStream) -> list[str]:
    routers = (router for router in sliced.routers if isinstance(router, ParentRouter))
    return [parent.stream.name for router in routers for parent in router.parents]


def _slices(sliced: SlicedStream, progress: StreamProgress) -> Iterator[Slice]:
    """Of a stream without parents."""
    fields = [
        [Slice({router.field: value}) for value in router.values]
        for router in sliced.routers
        if isinstance(router, ListRouter)
    ]
    for each in itertools.product(*fields):
        partition = merged(each)
        for interval in progress.intervals(partition.partition):
            yield msgspec.structs.replace(partition, interval=interval)
