"""Cursors of manifests through airbyte-cdk and ours: the same intervals from the same state, the same records let through, and
the same state after each slice that ends, in whatever order they do."""

import copy
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the peer's own are not ours to mend
    from airbyte_cdk.sources.declarative.models.declarative_component_schema import (  # type: ignore[import-not-found, unused-ignore]
        DatetimeBasedCursor as PeerCursor,
    )
    from airbyte_cdk.sources.declarative.parsers.model_to_component_factory import (  # type: ignore[import-not-found, unused-ignore]
        ModelToComponentFactory,
    )
    from airbyte_cdk.sources.message import NoopMessageRepository  # type: ignore[import-not-found, unused-ignore]
    from airbyte_cdk.sources.streams.concurrent.state_converters import (  # type: ignore[import-not-found, unused-ignore]
        datetime_stream_state_converter as peer_converter,
    )
    from airbyte_cdk.sources.types import Record, StreamSlice  # type: ignore[import-not-found, unused-ignore]

from file_cdk.declarative.components.cursors import DatetimeBasedCursor
from file_cdk.declarative.cursors.cursor import DatetimeCursor
from file_cdk.declarative.cursors.evaluating import cursor_of
from file_cdk.declarative.slices import Slice
from file_cdk.declarative.states.plain import PlainProgress

pytestmark = pytest.mark.filterwarnings("ignore")  # the peer's own

NOW = datetime(2024, 6, 12, 13, 14, 15, 678901, tzinfo=UTC)
MOST_SLICES = 40

FORMATS = ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d", "%s", "%Y-%m-%dT%H:%M:%S.%fZ", "%ms", "at:%Y-%m-%d %H:%M:%S", "%Y-%m"]
STEPS = [
    ("P1D", "PT1S"),
    ("P1M", "P1D"),
    ("P30D", "PT0.000001S"),
    ("PT12H", "PT1H"),
    ("PT36H", "P1D"),
    ("P1Y", "P1D"),
    ("P1W", "P1W"),
]

moments = st.timedeltas(timedelta(days=-170), timedelta(days=21)).map(lambda ago: NOW + ago)
days = st.one_of(moments.map(lambda each: each.replace(hour=0, minute=0, second=0, microsecond=0)), moments)


def text(moment: datetime, format: str) -> str:
    if format == "%s":
        return str(int(moment.timestamp()))
    if format == "%ms":
        return str(int(moment.timestamp()) * 1000)
    return moment.strftime(format)


@dataclass(frozen=True)
class World:
    component: Mapping[str, Any]
    state: Mapping[str, Any]

    @property
    def format(self) -> str:
        return str(self.component["datetime_format"])


@st.composite
def worlds(draw: st.DrawFn) -> World:
    format = draw(st.sampled_from(FORMATS))
    component: dict[str, Any] = {
        "type": "DatetimeBasedCursor",
        "cursor_field": "at",
        "datetime_format": format,
        "start_datetime": text(draw(days), format),
    }
    if draw(st.booleans()):
        component["start_datetime"] = {
            "type": "MinMaxDatetime",
            "datetime": "{{ config['start'] }}",
            "datetime_format": "%Y-%m-%d",
            "min_datetime": draw(st.sampled_from(["", "2024-01-01"])),
            "max_datetime": draw(st.sampled_from(["", "2024-05-05"])),
        }
    if draw(st.booleans()):
        component["end_datetime"] = text(draw(days), format)
    if draw(st.integers(0, 3)):
        component["step"], component["cursor_granularity"] = draw(st.sampled_from(STEPS))
    if draw(st.booleans()):
        component["lookback_window"] = draw(st.sampled_from(["P1D", "P1M", "PT1H", "{{ config['back'] }}"]))
    if draw(st.integers(0, 2)) == 0:
        target = draw(st.sampled_from(["DAY", "WEEK", "MONTH"]))
        component["clamping"] = {
            "target": target,
            "target_details": {"weekday": draw(st.sampled_from(["MONDAY", "SUNDAY"]))},
        }
    component["is_compare_strictly"] = draw(st.booleans())
    return World(component, draw(states(format)))


@st.composite
def states(draw: st.DrawFn, format: str) -> Mapping[str, Any]:
    match draw(st.integers(0, 4)):
        case 0:
            return {}
        case 1:
            ends = sorted(draw(st.lists(days, min_size=4, max_size=4)))
            slices = [
                {"start": text(start, format), "end": text(end, format)}
                | ({"most_recent_cursor_value": text(end, format)} if draw(st.booleans()) else {})
                for start, end in ((ends[0], ends[1]), (ends[2], ends[3]))
            ]
            return {"state_type": "date-range", "slices": slices}
        case 2:
            return {"at": text(draw(days), format), "beside": 1}
        case _:
            return {"at": text(draw(days), format)}


CONFIG = {"start": "2024-02-03", "back": "P2D"}


def peer_of(world: World, state: Mapping[str, Any]) -> Any:
    return ModelToComponentFactory().create_concurrent_cursor_from_datetime_based_cursor(
        model_type=PeerCursor,
        component_definition=copy.deepcopy(dict(world.component)),
        stream_name="things",
        stream_namespace=None,
        stream_state=copy.deepcopy(dict(state)),
        config=CONFIG,
        message_repository=NoopMessageRepository(),
    )


def cursor_of_ours(world: World) -> DatetimeCursor:
    return cursor_of(msgspec.convert(world.component, DatetimeBasedCursor), CONFIG, "stream 'things'", now=NOW)


@dataclass(frozen=True)
class Closed:
    slice: Any

    def to_slice(self) -> Any:
        return self.slice


@given(worlds(), st.randoms(use_true_random=False))
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_intervals_and_states_are_the_same(world: World, random: Any) -> None:
    with patch.object(peer_converter, "ab_datetime_now", lambda: NOW):
        state = world.state
        for _ in range(2):
            peer, cursor = peer_of(world, state), cursor_of_ours(world)
            ours = PlainProgress(cursor, copy.deepcopy(state))
            theirs = [dict(each.cursor_slice) for each in islice(peer.stream_slices(), MOST_SLICES)]
            assert list(islice(ours.intervals({}), MOST_SLICES)) == theirs
            ages = ours.ages({})
            assert ages is not None
            for hours in (-2000, -30, 0, 30, 500):
                value = text(NOW + timedelta(hours=hours), world.format)
                assert ages.holds(value) == peer.should_be_synced(Record({"at": value}, "things"))
            random.shuffle(theirs)
            for interval in theirs[: random.randrange(len(theirs) + 1)]:
                highest = None
                if random.random() < 0.7:
                    value = text(NOW - timedelta(hours=random.randrange(4000)), world.format)
                    highest = ours._cursor.moment(value)
                    peer.observe(Record({"at": value}, "things", StreamSlice(partition={}, cursor_slice=interval)))
                peer.close_partition(Closed(StreamSlice(partition={}, cursor_slice=interval)))
                ours.slice_ended(Slice({}, interval), highest)
                assert ours.value() == peer.state
            state = ours.value()
