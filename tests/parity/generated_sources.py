"""Whole sources that are made up: a manifest, its configuration, an API with its records and its bad days, states to begin with.

Left out is what differs on purpose (docs/differences.md): answers that fail to the end, and partitions that come later.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from generated_requests import API, Json, authenticators, error_handlers, options, paginators, plain_authenticators
from hypothesis import strategies as st

from file_cdk.testing.mirror.cursor_texts import to_text
from file_cdk.testing.mirror.options import Faults, MirrorOptions

UNTIL = datetime(2024, 2, 1, tzinfo=UTC)
GROWN_AT = UNTIL + timedelta(hours=5, minutes=7)
CONFIG: Json = {
    "base": f"{API}/v2",
    "start": "2024-01-20T00:00:00Z",
    "end": "2024-02-10T00:00:00Z",
    "size": 3,
    "word": "two words",
    "key": "hush-1",
    "user": "user",
    "secret": "hush-2, as long as a key for signatures has to be",
    "kinds": ["short", "long one"],
    "auth": {"type": "token"},
}
_PATTERNS = {
    "%Y-%m-%dT%H:%M:%SZ": "PT1S",
    "%Y-%m-%d": "P1D",
    "%s": "PT1S",
    "%ms": "PT0.001S",
    "%Y-%m-%dT%H:%M:%S.%fZ": "PT0.000001S",
    "%Y-%m-%d %H:%M:%S": "PT1S",
    "%Y-%m-%dT%H:%M:%S.%f%z": "PT0.001S",
}


@dataclass(frozen=True)
class Source:
    """states: of streams, by name, that a first sync begins with. grown: records that come later, in each partition.
    ignores: what fails is passed over, and the pages of its slice end there."""

    manifest: Json
    options: MirrorOptions
    states: dict[str, Json]
    grown: int
    ignores: bool

    @property
    def text(self) -> str:
        return json.dumps(self.manifest, indent=1)


_scalars = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        -7,
        1.5,
        10.0,
        12345678901234567890,
        "",
        "a",
        "12",
        "1.50",
        "None",
        "[1]",
        "Zürich",
        "a/b c",
        "2024-01-22",
    ]
)
_values = st.one_of(
    _scalars,
    st.lists(_scalars, max_size=2),
    st.dictionaries(st.sampled_from(["x", "Y z", "é"]), _scalars, max_size=2),
)
_FIELDS: Json = {
    "size": {"type": "integer"},
    "flag": {"type": ["boolean", "null"]},
    "Label Text": {"type": ["string", "null"]},
    "nested": {
        "type": ["object", "null"],
        "properties": {
            "innerValue": {"type": ["integer", "null"]},
            "deep": {"type": "object", "properties": {"x": {"type": ["string", "null"]}}},
            "items": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "number"}}}},
        },
    },
    "value": {},
}

_added = st.sampled_from(
    [
        {"path": ["word"], "value": "{{ config['word'] }}"},
        {"path": ["constant"], "value": "1.10"},
        {"path": ["constant"], "value": "007"},
        {"path": ["size_again"], "value": "{{ record['size'] }}", "value_type": "string"},
        {"path": ["id_again"], "value": "{{ record.id }}"},
        {"path": ["double"], "value": "{{ record.size * 2 }}"},
        {"path": ["extra", "of", "flag"], "value": "{{ record.get('flag') }}"},
        {"path": ["more", "added"], "value": "{{ record['Label Text'] or 'none' }}"},
        {"path": ["copy"], "value": "{{ record['nested'] }}"},
        {"path": ["value"], "value": "{{ record.value }}"},
        {"path": ["label"], "value": "{{ record['Label Text'] | string | upper }}", "value_type": "string"},
        {"path": ["missing"], "value": "{{ record.nothing }}"},
        {"path": ["{{ config['word'] }}"], "value": "{{ record.get('nested', {}).get('innerValue') }}"},
    ]
)
_pointers = st.sampled_from(
    [["flag"], ["nested", "deep"], ["nested", "items", "*", "n"], ["nothing"], ["nested", "*"], ["Label Text"]]
)
_transformations = st.one_of(
    st.lists(_added, min_size=1, max_size=3).map(lambda fields: {"type": "AddFields", "fields": fields}),
    st.lists(_pointers, min_size=1, max_size=2).map(
        lambda pointers: {"type": "RemoveFields", "field_pointers": pointers}
    ),
)
_conditions = st.sampled_from(
    [
        "{{ record.size > 50000 }}",
        "{{ record['flag'] }}",
        "{{ record.get('flag') is not none }}",
        "{{ record['Label Text'] and record.size % 2 == 0 }}",
        "{{ record.nested and record.nested.get('innerValue', 0) }}",
        "{{ 'x' not in (record.nested or {}).get('deep', {}) }}",
        "{{ False }}",
        "{{ record.value }}",
    ]
)
paths = st.sampled_from([[], ["data"], ["data"], ["result", "items"], ["data", "*", "one"], ["*"], ["data", "*"]])


@st.composite
def cursors(draw: st.DrawFn, router: Json | list[Json] | None, parent: Json | None) -> Json:
    pattern = draw(st.sampled_from(sorted(_PATTERNS)))
    goes_with = "incremental_dependency" in json.dumps(router)
    if goes_with and parent is not None:
        pattern = parent["incremental_sync"][
            "datetime_format"
        ]  # the peer reads the parent's state by the child's format
    plain = "%Y-%m-%dT%H:%M:%SZ"
    cursor: Json = {"type": "DatetimeBasedCursor", "cursor_field": "updated_at", "datetime_format": pattern}
    start = {"type": "MinMaxDatetime", "datetime": "{{ config['start'] }}", "datetime_format": plain}
    if draw(st.booleans()):
        start["min_datetime"] = "2024-01-22T00:00:00Z"
    cursor["start_datetime"] = start
    if draw(st.booleans()):
        cursor["start_time_option"] = draw(options("since"))
        if draw(st.booleans()):
            cursor["end_time_option"] = draw(options("until"))
    elif draw(st.booleans()):
        cursor["is_client_side_incremental"] = True
    if draw(st.integers(0, 3)):
        cursor["end_datetime"] = {"type": "MinMaxDatetime", "datetime": "{{ config['end'] }}", "datetime_format": plain}
    # Slices have no records in common: partitions of children would be met twice.
    if "end_datetime" in cursor and "end_time_option" in cursor and draw(st.booleans()):
        cursor["step"] = draw(st.sampled_from(["P3D", "P1W", "P1M", "P5D"]))
        cursor["cursor_granularity"] = _PATTERNS[pattern]
    elif draw(st.booleans()):
        cursor["cursor_granularity"], cursor["step"] = _PATTERNS[pattern], "P10Y"
    if draw(st.booleans()):
        cursor["lookback_window"] = draw(st.sampled_from(["P1D", "PT36H", "P2W"]))
    if router is not None and not goes_with and draw(st.integers(0, 2)) == 0:
        cursor["global_substream_cursor"] = True
    return cursor


@st.composite
def _list_routers(draw: st.DrawFn) -> Json:
    values = draw(st.sampled_from([["a", "b c"], ["x"], "{{ config['kinds'] }}", ["1", "02", "é"]]))
    router: Json = {"type": "ListPartitionRouter", "values": values, "cursor_field": "kind"}
    if draw(st.booleans()):
        router["request_option"] = draw(options("kind", "request_parameter"))
    return router


@st.composite
def _substream_routers(draw: st.DrawFn, parent: Json, *, with_list: bool) -> Json:
    config: Json = {
        "type": "ParentStreamConfig",
        "parent_key": "id",
        "partition_field": draw(st.sampled_from(["owner", "id"])),
        "stream": {"$ref": f"#/definitions/{parent['name']}"},
    }
    if draw(st.booleans()):
        config["request_option"] = draw(options("owner", "request_parameter"))
    if draw(st.booleans()):
        config["extra_fields"] = draw(st.sampled_from([[["size"]], [["nested", "innerValue"], ["Label Text"]]]))
    if "incremental_sync" in parent and not with_list and draw(st.booleans()):
        config["incremental_dependency"] = True
    return {"type": "SubstreamPartitionRouter", "parent_stream_configs": [config]}


def _of_stream(authenticator: Json, name: str) -> Json:
    """The mirror has a door for each authenticator, which knows its own tokens alone."""
    if "token_refresh_endpoint" in authenticator:
        return {**authenticator, "token_refresh_endpoint": f"{authenticator['token_refresh_endpoint']}/{name}"}
    if "login_requester" in authenticator:
        return {**authenticator, "login_requester": {**authenticator["login_requester"], "path": f"login/{name}"}}
    return authenticator


_PARAMETERS: list[Json] = [{"fixed": "1"}, {"word": "{{ config['word'] }}", "none": ""}, {"sort[]": "a,b"}]
_HEADERS: list[Json] = [{"X-A": "1"}, {"Accept": "application/json"}]
_BODIES: list[Json] = [{"filter": {"word": "{{ config.word }}"}}, {"a": [1, "2"]}]
_IGNORING = {
    "type": "DefaultErrorHandler",
    "response_filters": [{"type": "HttpResponseFilter", "http_codes": [404], "action": "IGNORE"}],
}


def _faults(*, ignores: bool) -> st.SearchStrategy[Faults]:
    kinds = [("404",)] if ignores else [("500", "503", "429", "reset"), ("429",), ("502", "504")]
    return st.builds(
        Faults,
        rate=st.sampled_from([0.1, 0.4]),
        seed=st.integers(0, 99),
        kinds=st.sampled_from(kinds),
        in_a_row=st.just(1) if ignores else st.sampled_from([1, 2]),
    )


@st.composite
def _streams(draw: st.DrawFn, name: str, parent: Json | None, *, ignores: bool) -> Json:
    method = draw(st.sampled_from(["GET", "GET", "POST"]))
    routers: list[Json] = []
    if draw(st.integers(0, 2)) == 0:
        routers.append(draw(_list_routers()))
    if parent is not None:
        routers.append(draw(_substream_routers(parent, with_list=bool(routers))))
    segments = [name]
    for router in routers:
        if router["type"] == "ListPartitionRouter":
            field, option = "kind", router.get("request_option")
        else:
            [config] = router["parent_stream_configs"]
            field, option = config["partition_field"], config.get("request_option")
        if not option:
            segments.insert(0, draw(st.sampled_from(["{{ stream_partition.%s }}", "{{ stream_slice['%s'] }}"])) % field)
    requester: Json = {"type": "HttpRequester", "http_method": method}
    base = draw(st.sampled_from([API, f"{API}/v1/", "{{ config['base'] }}"]))
    path = "/".join(segments)
    if draw(st.booleans()):
        requester |= {"url_base": base, "path": draw(st.sampled_from(["", "/"])) + path}
    else:
        requester |= {"url": f"{base.rstrip('/')}/{path}"}
    requester["authenticator"] = _of_stream(draw(plain_authenticators if ignores else authenticators), name)
    if draw(st.booleans()):
        requester["request_parameters"] = draw(st.sampled_from(_PARAMETERS))
    if draw(st.booleans()):
        requester["request_headers"] = draw(st.sampled_from(_HEADERS))
    if method == "POST" and draw(st.booleans()):
        requester["request_body_json"] = draw(st.sampled_from(_BODIES))
    if ignores:
        requester["error_handler"] = _IGNORING
    elif draw(st.integers(0, 2)):
        requester["error_handler"] = draw(error_handlers)
    field_path = draw(paths)
    selector: Json = {
        "type": "RecordSelector",
        "extractor": {"type": "DpathExtractor", "field_path": field_path},
    }
    if draw(st.integers(0, 2)) == 0:
        selector["record_filter"] = {"type": "RecordFilter", "condition": draw(_conditions)}
    if draw(st.integers(0, 3)) == 0:
        selector["schema_normalization"] = "Default"
    retriever: Json = {"type": "SimpleRetriever", "requester": requester, "record_selector": selector}
    retriever["paginator"] = draw(paginators(method, field_path))
    if routers:
        retriever["partition_router"] = routers[0] if len(routers) == 1 else routers
    if draw(st.integers(0, 4)) == 0:
        retriever["ignore_stream_slicer_parameters_on_paginated_requests"] = False
    id_type = draw(st.sampled_from(["integer", "string"]))
    schema = {
        "type": "object",
        "$schema": "http://json-schema.org/draft-07/schema#",
        "properties": {"id": {"type": id_type}, "updated_at": {"type": ["string", "integer"]}, **_FIELDS},
    }
    stream: Json = {
        "type": "DeclarativeStream",
        "name": name,
        "primary_key": draw(st.sampled_from([["id"], "id", ["id", "size"], [["id"]]])),
        "retriever": retriever,
        "schema_loader": {"type": "InlineSchemaLoader", "schema": schema},
    }
    if draw(st.booleans()):
        stream["incremental_sync"] = draw(cursors(retriever.get("partition_router"), parent))
    if "last_page_size" in json.dumps(retriever["paginator"]):
        # The peer counts what its filter leaves, and ends too early.
        stream.get("incremental_sync", {}).pop("is_client_side_incremental", None)
    if draw(st.booleans()):
        stream["transformations"] = draw(st.lists(_transformations, min_size=1, max_size=2))
    return stream


@st.composite
def sources(draw: st.DrawFn) -> Source:
    streams: dict[str, Json] = {}
    ignores = draw(st.integers(0, 5)) == 0
    for name in ("teams", "people", "notes")[: draw(st.sampled_from([1, 2, 2, 3]))]:
        parents = [None, *streams.values(), *streams.values()]
        # A parent may be asked again, and be answered then.
        parent = draw(st.sampled_from(parents)) if streams and not ignores else None
        streams[name] = draw(_streams(name, parent, ignores=ignores))
    manifest = {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["teams"]},
        "definitions": streams,
        "streams": [{"$ref": f"#/definitions/{name}"} for name in streams],
        "spec": {
            "type": "Spec",
            "connection_specification": {
                "type": "object",
                "properties": {
                    "key": {"type": "string", "airbyte_secret": True},
                    "secret": {"type": "string", "airbyte_secret": True},
                },
            },
        },
    }
    if draw(st.booleans()):
        manifest["concurrency_level"] = {
            "type": "ConcurrencyLevel",
            "default_concurrency": draw(st.sampled_from([2, 5])),
        }
    options = MirrorOptions(
        records=draw(st.sampled_from([None, None, 0, 1, 2, 3, 5, 7])),
        parents=draw(st.sampled_from([1, 2, 3])),
        page_size=draw(st.sampled_from([2, 3])),
        days=draw(st.sampled_from([3, 10, 20])),
        until=UNTIL,
        faults=draw(st.just(Faults()) | _faults(ignores=ignores)),
        fields={name: {"value": tuple(draw(st.lists(_values, min_size=1, max_size=3)))} for name in streams},
    )
    states = {}
    for name, stream in streams.items():
        cursor = stream.get("incremental_sync")
        if cursor and "partition_router" not in stream["retriever"] and draw(st.booleans()):
            since = UNTIL - timedelta(days=draw(st.sampled_from([0, 2, 6, 30])), seconds=draw(st.sampled_from([0, 1])))
            states[name] = {"updated_at": to_text(since, cursor["datetime_format"])}
    return Source(manifest, options, states, draw(st.sampled_from([0, 1, 3])), ignores)
