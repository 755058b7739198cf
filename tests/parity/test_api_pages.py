"""Retrievers of manifests through airbyte-cdk and file_cdk, against the same API: the requests of each, byte for byte, and
the records that come of them.

The path of the records is always there: where it is missing the peer has an empty page, and ours an error (docs/differences.md).
"""

import itertools
import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the peer's own are not ours to mend
    from airbyte_cdk.sources.declarative.models import (  # type: ignore[import-not-found, unused-ignore]
        declarative_component_schema as models,
    )
    from airbyte_cdk.sources.declarative.parsers.model_to_component_factory import (  # type: ignore[import-not-found, unused-ignore]
        ModelToComponentFactory,
    )
    from airbyte_cdk.sources.types import StreamSlice  # type: ignore[import-not-found, unused-ignore]

from answering import Answered, Api, answering
from api_server import Asked

from file_cdk.declarative.components.requesters import SimpleRetriever
from file_cdk.declarative.components.transformations import AddFields, RemoveFields
from file_cdk.declarative.pages import Token
from file_cdk.declarative.retriever import About, Retriever, page_plan
from file_cdk.declarative.slices import Slice

pytestmark = pytest.mark.filterwarnings("ignore")  # the peer's own

Definition = dict[str, Any]

CONFIG = {
    "size": 2,
    "word": "two words",
    "none": None,
    "list": ["a", "b c"],
    "empty": "",
    "nested": {"a": {"b": 1}},
    "n": 12,
}
OF_CONNECTIONS = {"host", "user-agent", "accept", "accept-encoding", "connection", "content-length"}
DROPPED_BY_THE_PEER = (
    "12",
    "1.10",
    "[1, 2]",
    "['a', 'b c']",
    "0x10",
    "1_000",
    "True",
    "{{ config.list }}",
    "{{ config.nested.a.b }}",
    "{{ config.n }}",
    "{{ 1.50 }}",
    "{{ next_page_token['next_page_token'] if next_page_token else 'first' }}",
)
"""Texts for a body that read as lists or numbers: it sends no body then."""
SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": ["null", "string"]},
        "n": {"type": "number"},
        "flag": {"type": ["boolean", "null"]},
        "tags": {"type": ["array", "null"], "items": {"type": ["string"]}},
        "o": {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": ["string", "integer"]}}},
    },
}

texts = st.sampled_from(
    [
        "plain", "1.10", "12", "[1, 2]", "['a', 'b c']", "None", "true", "True", "ä ü", "a&b=c+d/e?f%20g", "{{ config.word }}",
        "{{ config['none'] }}", "{{ config.get('missing') }}", "{{ config.empty }}", "{{ config.list }}",
        "{{ config.nested.a.b }}",
        "{{ config.n }}", "{{ stream_slice.part }}", "{{ stream_partition['part'] }}-{{ stream_interval.start }}", "{{ 1.50 }}",
        "{{ next_page_token['next_page_token'] if next_page_token else 'first' }}", "", " padded ", "{'a': 1}", "0x10", "1_000",
        "{{ config.nested }}-x", "2024-01-01", "'quoted'", "a\nb",
    ]
)  # fmt: skip
names = st.sampled_from(["a", "b[]", "c d", "é", "{{ config.word }}", "12"])
header_texts = texts.filter(lambda text: text.isascii() and "\n" not in text and text.strip() == text)
mappings = st.dictionaries(names, texts.filter(lambda text: text != "{'a': 1}"), max_size=4)
bodies = st.recursive(
    texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=5
)


def option(name: str) -> st.SearchStrategy[Definition]:
    field = st.sampled_from(["request_parameter", "header", "body_data", "body_json"]).map(
        lambda place: {"type": "RequestOption", "inject_into": place, "field_name": name}
    )
    nested = st.just({"type": "RequestOption", "inject_into": "body_json", "field_path": ["page", name]})
    return st.one_of(field, field, nested)


sizes = st.sampled_from([2, "2", "{{ config.size }}", "{{ config['size'] }}"])


@st.composite
def paginators(draw: st.DrawFn) -> Definition | None:
    kind = draw(st.sampled_from(["none", "PageIncrement", "OffsetIncrement", "CursorPagination", "CursorPagination"]))
    if kind == "none":
        return draw(st.sampled_from([None, {"type": "NoPagination"}]))
    size = draw(st.none() | sizes)
    strategy: Definition = {"type": kind} | ({"page_size": size} if size is not None else {})
    token_option = draw(st.none() | option("token"))
    if kind == "CursorPagination":
        is_path = draw(st.booleans())
        strategy["cursor_value"] = draw(
            st.sampled_from(["{{ response.url }}", "{{ headers['link']['next']['url'] }}", "{{ headers.link.next.url }}"])
            if is_path
            else st.sampled_from(
                [
                    "{{ response.next }}", "{{ response['meta']['next'] }}", "{{ response.get('next', {}) }}",
                    "{{ headers['X-Next'] }}",
                    "{{ last_record['id'] }}", "{{ response.data[-1].id if response.data else '' }}",
                    "{{ response.next ~ '/é' if response.next }}",
                ]
            )
        )  # fmt: skip
        condition = draw(
            st.sampled_from(
                [
                    None,
                    "{{ not response.next }}",
                    "{{ last_page_size < 2 }}",
                    "{{ response.more is false }}",
                    "{{ last_page_size == 0 }}",
                ]
                + (["{{ last_page_size < page_size }}"] if size is not None else [])
            )
        )
        strategy |= {"stop_condition": condition} if condition else {}
        token_option = {"type": "RequestPath"} if is_path else token_option
    else:
        strategy["inject_on_first_request"] = draw(st.booleans())
        if kind == "PageIncrement":
            strategy["start_from_page"] = draw(st.sampled_from([0, 1, 5]))
    paginator: Definition = {"type": "DefaultPaginator", "pagination_strategy": strategy}
    if token_option:
        paginator["page_token_option"] = token_option
    if size is not None and draw(st.booleans()):
        paginator["page_size_option"] = draw(option("limit"))
    return paginator


@st.composite
def requesters(draw: st.DrawFn) -> Definition:
    requester: Definition = {"type": "HttpRequester", "use_cache": False}
    requester["http_method"] = draw(st.sampled_from(["GET", "POST"]))
    base = draw(st.sampled_from(["", "/", "/v1", "/v1/", "/v 1/ä"]))
    if draw(st.booleans()):
        requester["url"] = f"URL{base}" + draw(
            st.sampled_from(["", "?a=two+words&fixed=1", "/x?limit=2", "/{{ config.n }}"])
        )
    else:
        requester["url_base"] = f"URL{base}"
    if draw(st.booleans()):
        requester["path"] = draw(
            st.sampled_from(["items", "/items", "/items/", "a/{{ stream_slice.part }}", "{{ config.empty }}"])
        )
    requester["request_parameters"] = draw(mappings)
    requester["request_headers"] = draw(
        st.dictionaries(st.sampled_from(["X-A", "X-B", "Content-Type"]), header_texts, max_size=2)
    )
    body = draw(
        st.sampled_from(
            ["none", "none", "data", "text", "json", "RequestBodyJsonObject", "RequestBodyPlainText", "GraphQL"]
        )
    )
    if body == "data":
        requester["request_body_data"] = draw(mappings)
    elif body == "text":
        requester["request_body_data"] = draw(texts.filter(lambda text: text not in DROPPED_BY_THE_PEER))
    elif body == "json":
        requester["request_body_json"] = draw(st.dictionaries(names, bodies, max_size=3))
    elif body == "RequestBodyJsonObject":
        requester["request_body"] = {"type": body, "value": draw(st.dictionaries(names, bodies, max_size=3))}
    elif body == "RequestBodyPlainText":
        requester["request_body"] = {"type": body, "value": "a={{ config.n }} ä"}
    elif body == "GraphQL":
        value = {"query": "query {\n  items(first: {{ config.n }}) { id }\n}", "variables": {"a": "{{ config.word }}"}}
        requester["request_body"] = {"type": "RequestBodyGraphQL", "value": value}
    return requester


values = st.sampled_from(
    [
        None,
        True,
        0,
        1,
        2,
        -7,
        1.5,
        10.0,
        12345678901234567890,
        "",
        "a",
        "12",
        "yes",
        "1.5",
        "ä",
        [],
        ["a", 1],
        {},
        {"x": "5", "y": 2},
    ]
)
rows = st.fixed_dictionaries(
    {"id": st.integers(1, 9) | st.sampled_from(["a", "b/c"])},
    optional={"n": values, "flag": values, "tags": values, "o": values, "list": st.lists(values, max_size=3)},
)


@st.composite
def pages(draw: st.DrawFn) -> list[Sequence[Definition]]:
    full = draw(st.lists(st.lists(rows, min_size=2, max_size=2), max_size=3))
    found: list[Sequence[Definition]] = [*full, draw(st.lists(rows, max_size=3))]
    if draw(st.booleans()):
        return found
    # No two of an id, so that tokens made of it differ: to repeat one is an error of ours alone.
    numbers = itertools.count(1)
    return [[{**row, "id": next(numbers)} for row in page] for page in found]


conditions = st.sampled_from(
    [
        "{{ record.id == 1 }}",
        "{{ record['n'] }}",
        "{{ record.get('flag') is none }}",
        "{{ 'tags' in record }}",
        "{{ record.o.x }}",
    ]
)
added_values = st.sampled_from(
    [
        "{{ record.id }}", "{{ record['n'] }}", "{{ stream_partition.part }}", "constant", "{{ record.o.x }}", "12",
        "{{ record }}", "1.10",
        "{{ record.get('tags') }}", "{{ record.added }}", "{{ record['id'] ~ '-' ~ stream_slice['part'] }}",
        "{{ record.tags | length if record.tags is iterable }}",
    ]
)  # fmt: skip
added_paths = st.sampled_from([["added"], ["id"], ["deep", "er"], ["new", "0", "x"], ["new", "2"], ["deep", "other"]])
added_field = st.builds(
    lambda path, value, kind: (
        {"type": "AddedFieldDefinition", "path": path, "value": value} | ({"value_type": kind} if kind else {})
    ),
    added_paths,
    added_values,
    st.sampled_from([None, None, "string", "number", "integer", "boolean"]),
)
pointers = st.sampled_from(
    [
        ["id"],
        ["o", "x"],
        ["o"],
        ["list", "0"],
        ["list", "1"],
        ["missing", "x"],
        ["t*"],
        ["*", "x"],
        ["**", "x"],
        ["list", "*"],
        ["**"],
    ]
)
transformations = st.lists(
    st.one_of(
        st.builds(
            lambda fields, condition: (
                {"type": "AddFields", "fields": fields} | ({"condition": condition} if condition else {})
            ),
            st.lists(added_field, min_size=1, max_size=3),
            st.sampled_from([None, None, "{{ record.id == 1 }}", "{{ value }}"]),
        ),
        st.builds(
            lambda found, condition: (
                {"type": "RemoveFields", "field_pointers": found} | ({"condition": condition} if condition else {})
            ),
            st.lists(pointers, min_size=1, max_size=2),
            st.sampled_from([None, None, None, "{{ property|string == '' }}", "{{ property == 1 }}"]),
        ),
    ),
    max_size=3,
)


@st.composite
def selectors(draw: st.DrawFn) -> Definition:
    path = draw(
        st.sampled_from(
            [
                ["data"],
                ["data"],
                ["wrapped", "data"],
                ["{{ config.get('path', 'data') }}"],
                ["groups", "*", "rows", "*"],
                ["d?ta"],
            ]
        )
    )
    selector: Definition = {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": path}}
    if draw(st.booleans()):
        selector["record_filter"] = {"type": "RecordFilter", "condition": draw(conditions)}
    if draw(st.booleans()):
        selector["transform_before_filtering"] = draw(st.booleans())
    if draw(st.booleans()):
        selector["schema_normalization"] = "Default"
    return selector


def answers(contents: list[Sequence[Definition]], indent: int | None) -> Any:
    """The n-th request gets the n-th page, whatever it asks for; what comes after the last is empty and says so."""
    count = [0]

    def answer(asked: Asked) -> Answered:
        at = count[0]
        count[0] += 1
        found = contents[at] if at < len(contents) else []
        more = at + 1 < len(contents)
        url = f"/page/{at + 1}?token={at + 1}" if more else None
        body = {
            "data": found,
            "wrapped": {"data": found or None},
            "groups": [{"rows": found[:1]}, {"rows": found[1:]}],
            "next": f"t{at + 1}" if more else None,
            "meta": {"next": at + 1 if more else ""},
            "more": more,
            "url": url,
        }
        headers = (
            {"X-Next": f"h{at + 1}", "Link": f'<{url}>; rel="next", </page/0>; rel="first"'} if more else {"X-Next": ""}
        )
        return Answered(json.dumps(body, indent=indent).encode(), headers=headers)

    return answer


def with_url(definition: Any, url: str) -> Any:
    return json.loads(json.dumps(definition).replace('"URL', f'"{url}'))


def seen(api: Api) -> list[Any]:
    requests = []
    for asked in api.asked:
        headers = sorted(
            (name.lower(), value) for name, value in asked.headers.items() if name.lower() not in OF_CONNECTIONS
        )
        requests.append((asked.method, asked.target, headers, asked.body))
    return requests


def read_by_the_peer(definition: Definition, changes: list[Definition], api: Api, of: Slice) -> list[str] | None:
    """None where it fails."""
    factory = ModelToComponentFactory()
    made = [factory.create_component(getattr(models, each["type"]), each, CONFIG) for each in changes]
    retriever = factory.create_component(
        models.SimpleRetriever, with_url(definition, api.url), CONFIG, name="s", primary_key=None, transformations=made
    )
    of_peer = StreamSlice(partition=dict(of.partition), cursor_slice=dict(of.interval))
    return [json.dumps(dict(record)) for record in retriever.read_records(SCHEMA, of_peer)]


def read_by_us(definition: Definition, changes: list[Definition], api: Api, of: Slice) -> list[str]:
    kinds: Mapping[str, Any] = {"AddFields": AddFields, "RemoveFields": RemoveFields}
    transformations = [msgspec.convert(each, kinds[each["type"]]) for each in changes]
    about = About("s", CONFIG, transformations, SCHEMA)
    retriever = Retriever(page_plan(msgspec.convert(with_url(definition, api.url), SimpleRetriever), about), api.send)
    records: list[bytes] = []
    token: Token | None = retriever.first(of)
    while token is not None:
        page = retriever.page(of, token)
        assert page.found == len(page.records) + page.filtered + len(page.rejected)
        assert not page.rejected
        records += page.records
        token = page.following
    return [json.dumps(json.loads(record)) for record in records]


def compare(
    definition: Definition, changes: list[Definition], contents: list[Sequence[Definition]], indent: int | None = None
) -> None:
    of = Slice({"part": "p/1"}, {"start": "2024-01-01"})
    outcomes: list[Any] = []
    for read in (read_by_the_peer, read_by_us):
        with answering(answers(contents, indent)) as api:
            try:
                records = read(definition, changes, api, of)
            except Exception as exc:  # noqa: BLE001  # the peer raises whatever it meets
                outcomes.append((type(exc).__name__, str(exc), seen(api)))
            else:
                outcomes.append((records, seen(api)))
    peer, ours = outcomes
    if len(peer) == 3:
        event("the peer fails")
        assert len(ours) == 3, peer
        return
    assert ours == peer


checked = settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@given(paginators(), pages(), st.sampled_from([None, 1]))
@checked
def test_pages(paginator: Definition | None, contents: list[Sequence[Definition]], indent: int | None) -> None:
    tokens = [row["id"] for page in contents for row in page]
    assume(len(tokens) == len(set(tokens)) or "id" not in str(paginator))
    selector = {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": ["data"]}}
    requester = {"type": "HttpRequester", "url": "URL/items", "http_method": "POST", "use_cache": False}
    definition = {"type": "SimpleRetriever", "requester": requester, "record_selector": selector}
    compare(definition | ({"paginator": paginator} if paginator else {}), [], contents, indent)


@given(requesters(), paginators())
@checked
def test_requests(requester: Definition, paginator: Definition | None) -> None:
    selector = {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": ["data"]}}
    definition = {"type": "SimpleRetriever", "requester": requester, "record_selector": selector}
    compare(definition | ({"paginator": paginator} if paginator else {}), [], [[{"id": 1}, {"id": 2}], [{"id": 3}]])


@given(selectors(), transformations, pages(), st.sampled_from([None, 1]))
@checked
def test_records(
    selector: Definition, changes: list[Definition], contents: list[Sequence[Definition]], indent: int | None
) -> None:
    requester = {"type": "HttpRequester", "url": "URL/items", "http_method": "GET", "use_cache": False}
    compare({"type": "SimpleRetriever", "requester": requester, "record_selector": selector}, changes, contents, indent)
