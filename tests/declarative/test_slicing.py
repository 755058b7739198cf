"""Routers and cursors from what a manifest says: values, paths, and what is refused in words."""

import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.components.cursors import DatetimeBasedCursor, IncrementingCountCursor
from file_cdk.declarative.components.slicing import PartitionRouter
from file_cdk.declarative.cursors.clamping import Clamp
from file_cdk.declarative.cursors.evaluating import cursor_of
from file_cdk.declarative.durations import Duration
from file_cdk.declarative.slicing.evaluating import routers_of
from file_cdk.declarative.slicing.partitions import key_of
from file_cdk.declarative.slicing.paths import steps_of, value_at
from file_cdk.declarative.slicing.stream import ListRouter, Parent, ParentRouter, SlicedStream

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
PARENT = SlicedStream("teams", None)  # type: ignore[arg-type]  # nothing is asked


def routers(component: Any, config: Any = None) -> Any:
    typed = msgspec.convert(component, PartitionRouter | tuple[PartitionRouter, ...])
    return routers_of(typed, config or {}, "stream 'users'", lambda raw: PARENT)


def cursor(**fields: Any) -> Any:
    written = {"cursor_field": "at", "datetime_format": "%Y-%m-%d", "start_datetime": "2024-01-01", **fields}
    component = msgspec.convert({"type": "DatetimeBasedCursor", **written}, DatetimeBasedCursor)
    config = {"start": "2024-02-03", "days": 3}
    return cursor_of(component, config, "stream 'users'", now=NOW, field=fields.get("chosen"))


def test_values_are_a_list_or_a_template_of_one() -> None:
    written = {
        "type": "ListPartitionRouter",
        "cursor_field": "{{ parameters['name'] }}",
        "$parameters": {"name": "region"},
    }
    assert routers({**written, "values": ["eu", "us"]}) == (ListRouter("region", ("eu", "us")),)
    from_config = {**written, "values": "{{ config['regions'] }}"}
    assert routers(from_config, {"regions": ["eu", 7]}) == (ListRouter("region", ("eu", 7)),)
    with pytest.raises(ConfigError, match=r"stream 'users': `values` of a ListPartitionRouter gives no list"):
        routers(from_config, {"regions": "eu"})


def test_parents() -> None:
    parent = {
        "type": "ParentStreamConfig",
        "stream": {},
        "parent_key": "/data/{{ config['key'] }}",
        "partition_field": "team",
    }
    written = {"type": "SubstreamPartitionRouter"}
    several = [{**parent, "incremental_dependency": True}, {**parent, "extra_fields": [["a", "{{ config['key'] }}"]]}]
    assert routers({**written, "parent_stream_configs": several}, {"key": "id"}) == (
        ParentRouter(
            (
                Parent(PARENT, ("data", "id"), "team", (), True),
                Parent(PARENT, ("data", "id"), "team", (("a", "id"),), False),
            )
        ),
    )
    with pytest.raises(ConfigError, match="`lazy_read_pointer` of a parent is not supported yet"):
        routers({**written, "parent_stream_configs": [{**parent, "lazy_read_pointer": ["items"]}]}, {"key": "id"})


@pytest.mark.parametrize(
    "component",
    [
        {"type": "GroupingPartitionRouter", "group_size": 2, "underlying_partition_router": {}},
        {"type": "UnionPartitionRouter", "partition_field": "a", "partition_routers": []},
        {"type": "CustomPartitionRouter", "class_name": "a.B"},
    ],
)
def test_routers_that_are_not_supported_are_named(component: Any) -> None:
    with pytest.raises(ConfigError, match=f"stream 'users': a partition router of type {component['type']}"):
        routers([{"type": "ListPartitionRouter", "cursor_field": "a", "values": ["b"]}, component])


@pytest.mark.parametrize(
    ("record", "path", "value"),
    [
        ({"a": {"b": 1}}, "a/b", 1),
        ({"a": [{"b": 1}, {"b": 2}]}, "a/1/b", 2),
        ({"a": [1, 2]}, "a/-1", 2),
        ({"a": {"b": {"c": 2}}}, "**/c", 2),
        ({"a": {"x1": 3}}, "a/x*", 3),
        ({"a": None}, "a/b", None),
        ({"a": 5}, "a/b", None),
        ({"a/b": 5}, "a/b", None),
        ({"a.b": 5}, "/a.b", 5),
        ({"A": 5}, "a", None),
        ({"a": 5}, "", {"a": 5}),
    ],
)
def test_paths_of_keys(record: Any, path: str, value: Any) -> None:
    """As dpath gives them."""
    assert value_at(record, steps_of(path)) == value


def test_a_pattern_that_finds_several_values_is_refused() -> None:
    with pytest.raises(ConfigError, match="the path 'a/\\*' leads to several values"):
        value_at({"a": [1, 2]}, steps_of("a/*"))


def test_partitions_are_told_apart_by_their_values_and_types() -> None:
    keys = [key_of({"a": value, "b": 1}) for value in (1, "1", 1.5, True, None)]
    assert len(set(keys)) == 5
    assert key_of({"b": {"d": 1, "c": 2}, "a": 1}) == key_of({"a": 1, "b": {"c": 2, "d": 1}})


def test_what_a_cursor_says() -> None:
    made = cursor(
        cursor_datetime_formats=["%s", "%Y-%m-%d"],
        start_datetime={"type": "MinMaxDatetime", "datetime": "{{ config['start'] }}", "max_datetime": "2024-01-31"},
        step="P{{ config['days'] }}M",
        cursor_granularity="P1D",
        lookback_window="P0D",
        partition_field_start="since",
    )
    assert pickle.loads(pickle.dumps(made)) == made
    assert (made.formats, made.start, made.end) == (("%s", "%Y-%m-%d"), datetime(2024, 1, 31, tzinfo=UTC), NOW)
    assert (made.step, made.granularity, made.lookback) == (Duration(months=3), timedelta(days=1), None)
    assert (made.start_field, made.end_field, made.text(NOW)) == ("since", "end_time", "2024-05-06")
    assert made.moment("86400") == datetime(1970, 1, 2, tzinfo=UTC)
    clamped = cursor(clamping={"target": "WEEK", "target_details": {"weekday": "SUNDAY"}}, end_datetime="2024-05-08")
    assert (clamped.clamp, clamped.end) == (Clamp("WEEK", 6), datetime(2024, 5, 4, tzinfo=UTC))


def test_a_catalog_may_choose_the_field_where_the_manifest_lets_it() -> None:
    assert cursor(chosen="made_at", allow_catalog_defined_cursor_field=True).field == "made_at"
    assert cursor(chosen="made_at").field == "at"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"step": "P1D"}, "stream 'users': `step` and `cursor_granularity` of a cursor need one another"),
        ({"step": "-P1D", "cursor_granularity": "P1D"}, "`step` of a cursor goes backwards"),
        ({"step": "1 day", "cursor_granularity": "P1D"}, "field 'step': no ISO 8601 duration"),
        ({"start_datetime": "{{ config['gone'] }}"}, "field 'start_datetime': no moment in the format '%Y-%m-%d'"),
        ({"end_datetime": "soon"}, "field 'end_datetime': no moment in the format '%Y-%m-%d'"),
        ({"clamping": {"target": "YEAR"}}, "field 'clamping.target': is to be DAY, WEEK or MONTH"),
        ({"clamping": {"target": "WEEK"}}, "WEEK needs a weekday, one of MONDAY"),
    ],
)
def test_cursors_that_cannot_be_are_refused(fields: Any, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        cursor(**fields)
    assert said in str(refused.value)


def test_a_cursor_that_counts_is_refused() -> None:
    with pytest.raises(ConfigError, match="IncrementingCountCursor"):
        cursor_of(IncrementingCountCursor(cursor_field="n"), {}, "stream 'users'", now=NOW)
