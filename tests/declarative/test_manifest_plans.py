"""Plans: what they hold, what they refuse and when, and that a plan which was pickled reads an API."""

import json
import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from manifests import DAILY, SCHEMA, children_of, counted, stream

from file_cdk.core.errors import ConfigError, InternalError
from file_cdk.declarative import language
from file_cdk.declarative.http.opening import opened
from file_cdk.declarative.pages import Token
from file_cdk.declarative.plan import SourcePlan
from file_cdk.declarative.planning import ManifestFacts, plan_of
from file_cdk.declarative.scheduling.events import PageReady
from file_cdk.declarative.scheduling.kept import KeptPages
from file_cdk.declarative.scheduling.reading import read
from file_cdk.declarative.slices import Slice
from file_cdk.testing.mirror.mirror import Mirror
from file_cdk.testing.mirror.options import MirrorOptions

Json = dict[str, Any]
UNTIL = datetime(2024, 3, 11, tzinfo=UTC)
CONFIG = {"start": "2024-03-01T00:00:00Z"}


def written(*streams: Json, **parts: Any) -> str:
    """JSON is YAML."""
    check = {"type": "CheckStream", "stream_names": [streams[0]["name"]] if streams else []}
    return json.dumps({"version": "1.0.0", "check": check, "streams": list(streams), **parts}, indent=1)


def planned(text: str, config: Json | None = None, **facts: Any) -> SourcePlan:
    source = language.source_of(language.resolved(text, "m.yaml"))
    return plan_of(source, CONFIG if config is None else config, ManifestFacts(text=text, now=UNTIL, **facts))


def test_what_a_stream_is() -> None:
    plan = planned(
        written(stream("users", "/users"), stream("events", "/events", cursor=DAILY, primary_key=[["id"], "kind"]))
    )
    users, events = plan.streams
    assert (users.name, users.primary_key, users.cursor_field) == ("users", ("id",), None)
    assert (events.name, events.primary_key, events.cursor_field) == ("events", ("id", "kind"), "created_at")
    assert users.described() == SCHEMA
    assert plan.checked == ("users",)
    assert plan.concurrency == 8
    assert plan.stream("events") is events


def test_a_pickled_plan_reads_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parents of two levels, pages and a cursor; the middle one is read once for itself and for the one below it."""
    teams = stream("teams", "/teams", paginator=counted("PageIncrement", 2, "page", "size"))
    users = stream("users", "/teams/{{ stream_partition.team }}/users", router=children_of(teams, "team"))
    events = stream(
        "events",
        "/users/{{ stream_partition.user }}/events",
        router=children_of(users, "user"),
        cursor=DAILY,
        paginator=counted("PageIncrement", 2, "page", "size"),
    )
    matcher = {"type": "HttpRequestRegexMatcher", "url_path_pattern": "/nothing"}
    policy = {"type": "UnlimitedCallRatePolicy", "matchers": [matcher]}
    text = written(teams, users, events, api_budget={"type": "HTTPAPIBudget", "policies": [policy]})
    plan = pickle.loads(pickle.dumps(planned(text)))
    mirror = Mirror(language.resolved(text, "m.yaml"), CONFIG, MirrorOptions(until=UNTIL, days=5))
    with mirror.serving() as serving:
        for name, value in serving.environment.items():
            monkeypatch.setenv(name, value)
        client, kept = opened(plan.config, plan.config_schema, budget=plan.budget), KeptPages()
        found = {
            name: [
                json.loads(record)
                for event in read(plan.stream(name).opened(client), kept=kept)
                if isinstance(event, PageReady)
                for record in event.page.records
            ]
            for name in ("events", "users", "teams")
        }
        client.close()
        kept.close()
    assert {name: sorted(each["id"] for each in records) for name, records in found.items()} == {
        name: sorted(each["id"] for each in mirror.kept(name)) for name in found
    }
    assert len(found["events"]) > len(found["users"]) > len(found["teams"]) > 0
    asked = [seen.asked.path for seen in mirror.seen]
    assert len([path for path in asked if path.endswith("/users")]) == len(found["teams"])


def test_a_plan_has_no_client() -> None:
    sliced = planned(written(stream("users", "/users"))).streams[0].sliced
    assert sliced is not None
    assert sliced.reader.first(Slice()) == Token(0)
    with pytest.raises(InternalError):
        sliced.reader.page(Slice(), Token(0))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"retriever": {"type": "AsyncRetriever"}},
            "AsyncRetriever, which reads the results of jobs, is not supported yet",
        ),
        ({"retriever": {"type": "CustomRetriever", "class_name": "a.B"}}, "CustomRetriever 'a.B' is Python code"),
        (
            {"transformations": [{"type": "CustomTransformation", "class_name": "a.T"}]},
            "CustomTransformation 'a.T' is Python",
        ),
        (
            {"incremental_sync": {"type": "IncrementingCountCursor", "cursor_field": "n"}},
            "IncrementingCountCursor, which counts,",
        ),
        (
            {"retriever": {"type": "SimpleRetreiver"}},
            "retriever.type: there is no component of the type 'SimpleRetreiver' (line ",
        ),
        ({"primary_key": [["a", "b"]]}, "a primary key of nested fields is not supported"),
    ],
)
def test_what_cannot_be_read_is_told_when_it_is_to_be(change: Json, told: str) -> None:
    text = written(stream("users", "/users"), stream("odd", "/odd", **change))
    plan = planned(text)
    assert plan.stream("users").refused is None
    odd = plan.stream("odd")
    assert odd.described() == SCHEMA
    with pytest.raises(ConfigError) as caught:
        odd.opened(None)  # type: ignore[arg-type] # it comes not so far
    assert told in str(caught.value)
    assert "stream 'odd'" in str(caught.value)


def test_the_line_of_what_is_refused() -> None:
    text = written(
        stream("odd", "/odd", router={"type": "UnionPartitionRouter", "partition_field": "a", "partition_routers": []})
    )
    error = planned(text).streams[0].refused
    line = next(number for number, each in enumerate(text.splitlines(), 1) if '"partition_router": {' in each)
    assert f"(line {line}, stream 'odd')" in str(error)


@pytest.mark.parametrize(
    ("level", "config", "concurrency"),
    [
        ({"default_concurrency": 3}, {}, 3),
        ({"default_concurrency": 30, "max_concurrency": 20}, {}, 20),
        ({"default_concurrency": "{{ config.get('workers', 5) }}", "max_concurrency": 20}, {}, 5),
        ({"default_concurrency": "{{ config.get('workers', 5) }}", "max_concurrency": 20}, {"workers": 9}, 9),
        ({"default_concurrency": "{{ config.workers }}"}, {"workers": 9}, "needs 'max_concurrency'"),
        ({"default_concurrency": "{{ config.workers }}", "max_concurrency": 2}, {"workers": "x"}, "no whole number"),
        ({"default_concurrency": 0}, {}, "no whole number of 1 or more"),
    ],
)
def test_concurrency(level: Json, config: Json, concurrency: int | str) -> None:
    text = written(stream("users", "/users"), concurrency_level={"type": "ConcurrencyLevel", **level})
    if isinstance(concurrency, int):
        assert planned(text, config).concurrency == concurrency
    else:
        with pytest.raises(ConfigError, match=concurrency):
            planned(text, config)


def test_a_configuration_that_the_spec_does_not_take() -> None:
    spec = {"type": "Spec", "connection_specification": {"type": "object", "required": ["key"]}}
    with pytest.raises(ConfigError, match="invalid configuration: key: is missing"):
        planned(written(stream("users", "/users"), spec=spec), {})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (written(), "there are no streams"),
        (written(stream("a", "/a"), api_budget={"type": "HTTPAPIBudget", "policies": [1]}), "api_budget"),
        (written(stream("a", "/a"), stream("a", "/b")), "several streams are called 'a'"),
        (written(stream("a", "/a"), check={"type": "CheckDynamicStream", "stream_count": 1}), "is not supported yet"),
    ],
)
def test_sources_that_cannot_be_run(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        planned(text)


def test_streams_under_a_condition() -> None:
    condition = {"type": "ConditionalStreams", "condition": "{{ config.more }}", "streams": [stream("b", "/b")]}
    text = written(stream("a", "/a"), condition, check={"type": "CheckStream", "stream_names": ["a"]})
    assert [each.name for each in planned(text, {"more": True}).streams] == ["a", "b"]
    assert [each.name for each in planned(text, {"more": False}).streams] == ["a"]


def test_schemas_in_files(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "a.json").write_text('{"type": "object", "properties": {"x": {"type": "string"}}}')
    (tmp_path.parent / "outside.json").write_text("{}")
    loaders: dict[str, Any] = {
        "a": {"type": "JsonFileSchemaLoader", "file_path": "./source_a/schemas/{{ parameters['name'] }}.json"},
        "b": {"type": "JsonFileSchemaLoader", "file_path": "./schemas/none.json"},
        "c": {"type": "JsonFileSchemaLoader", "file_path": "../outside.json"},
        "d": [
            {"type": "InlineSchemaLoader", "schema": {"properties": {"x": {"type": "number"}, "y": {}}}},
            {"type": "JsonFileSchemaLoader", "file_path": "schemas/a.json"},
        ],
        "e": None,
    }
    streams = [stream(name, f"/{name}", schema_loader=loader) for name, loader in loaders.items()]
    plan = planned(written(*streams), folder=tmp_path)
    assert plan.stream("a").described()["properties"] == {"x": {"type": "string"}}
    assert plan.stream("d").described()["properties"] == {"x": {"type": "number"}, "y": {}}
    assert plan.stream("e").described() == {}
    with pytest.raises(ConfigError, match=r"there is no schema file '\./schemas/none\.json' beside the manifest"):
        plan.stream("b").described()
    with pytest.raises(ConfigError, match=r"'\.\./outside\.json' is not below the manifest's folder"):
        plan.stream("c").described()


def test_states_of_older_versions() -> None:
    child = stream("users", "/users", router=children_of(stream("teams", "/teams"), "team"), cursor=DAILY)
    old = {"7": {"created_at": "2024-01-01T00:00:00Z"}}
    plain, migrating = (
        planned(written({**child, **more})).streams[0]
        for more in ({}, {"state_migrations": [{"type": "LegacyToPerPartitionStateMigration"}]})
    )
    assert plain.state(old) == old
    assert migrating.state(old) == {"states": [{"partition": {"team": "7"}, "cursor": old["7"]}]}


def test_what_a_check_reads() -> None:
    text = written(stream("a", "/a"), stream("b", "/b"))
    assert planned(text, {"__airbyte_check_stream_names": ["b"]}).checked == ("b",)
    assert planned(text, {"__airbyte_check_stream_names": []}).checked == ("a",)
    with pytest.raises(ConfigError, match="is no list of names"):
        planned(text, {"__airbyte_check_stream_names": "b"})
    with pytest.raises(ConfigError, match="Was 'users' meant"):
        planned(written(stream("users", "/a"))).stream("user")


def test_a_check_may_override_the_configuration() -> None:
    def checked(overrides: Json, config: Json, **requester: Any) -> SourcePlan:
        check = {"type": "CheckStream", "stream_names": ["a"], "config_overrides": overrides}
        return planned(written(stream("a", "/a", requester=requester), check=check), config, is_for_check=True)

    assert checked({"pages": 1}, {"pages": 5, "key": "x"}).config == {"pages": 1, "key": "x"}
    with pytest.raises(ConfigError, match="such keys are the platform's own"):
        checked({"__airbyte_check_stream_names": []}, {})
    kept = {"type": "OAuthAuthenticator", "refresh_token_updater": {}}
    with pytest.raises(ConfigError, match="cannot stand beside a refresh_token_updater"):
        checked({"pages": 1}, {}, authenticator=kept)
