"""Pages read from a server on this machine: requests, records, tokens, and errors that say where they come from."""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from answering import Answered, Api, answering, number, parameters
from api_server import Asked

from file_cdk.core.errors import AnswerError, ConfigError
from file_cdk.declarative.components.cursors import DatetimeBasedCursor
from file_cdk.declarative.components.requesters import SimpleRetriever
from file_cdk.declarative.http import Answer, Request, Response, Spilled
from file_cdk.declarative.http.headers import Headers
from file_cdk.declarative.pages import Page, Token
from file_cdk.declarative.retriever import About, Retriever, page_plan
from file_cdk.declarative.slices import Slice

PARAMETER = {"type": "RequestOption", "inject_into": "request_parameter"}
CURSOR = {
    "type": "DatetimeBasedCursor",
    "cursor_field": "at",
    "datetime_format": "%Y",
    "start_datetime": "2020",
    "start_time_option": PARAMETER | {"field_name": "since"},
    "end_time_option": PARAMETER | {"field_name": "until"},
}
NUMBERED = {
    "type": "DefaultPaginator",
    "pagination_strategy": {"type": "PageIncrement", "page_size": 2},
    "page_token_option": PARAMETER | {"field_name": "page"},
}
ROUTERS = [
    {
        "type": "ListPartitionRouter",
        "cursor_field": "kind",
        "values": ["a"],
        "request_option": PARAMETER | {"field_name": "k"},
    },
    {
        "type": "SubstreamPartitionRouter",
        "parent_stream_configs": [
            {
                "type": "ParentStreamConfig",
                "stream": {},
                "parent_key": "id",
                "partition_field": "owner",
                "request_option": PARAMETER | {"field_name": "o"},
            }
        ],
    },
]


def retriever(api: Api, *, cursor: bool = False, path: str = "/items", **written: Any) -> Retriever:
    component = {
        "type": "SimpleRetriever",
        "requester": {"type": "HttpRequester", "url": api.url + path},
        "record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": ["data"]}},
    } | written
    about = About(
        "things", {"key": "k"}, incremental_sync=msgspec.convert(CURSOR, DatetimeBasedCursor) if cursor else None
    )
    plan = page_plan(msgspec.convert(component, SimpleRetriever), about)
    return Retriever(pickle.loads(pickle.dumps(plan)), api.send)


def pages(reader: Retriever, of: Slice) -> list[Page]:
    token: Token | None = reader.first(of)
    found = []
    while token is not None:
        found.append(reader.page(of, token))
        token = found[-1].following
    return found


def numbered(asked: Asked) -> Answered:
    page = number(asked, "page")
    rows = [{"id": page * 2 + n, "at": f"202{n}"} for n in range(2 if page < 2 else 1)]
    return Answered(json.dumps({"data": rows}).encode())


def test_pages_of_a_slice() -> None:
    of = Slice({"kind": "a", "owner": "o/1"}, {"start_time": "2020", "end_time": "2021"}, {"name": "n"})
    with answering(numbered) as api:
        found = pages(
            retriever(
                api,
                cursor=True,
                path="/{{ stream_partition.owner }}/{{ name }}",
                paginator=NUMBERED,
                partition_router=ROUTERS,
            ),
            of,
        )
    assert [page.found for page in found] == [2, 2, 1]
    assert found[0].records == [b'{"id": 0, "at": "2020"}', b'{"id": 1, "at": "2021"}']
    assert [page.cursor_values for page in found] == [["2020", "2021"], ["2020", "2021"], ["2020"]]
    assert [asked.target for asked in api.asked] == [
        "/o/1/n?o=o%2F1&k=a&since=2020&until=2021",
        "/o/1/n?page=1&o=o%2F1&k=a&since=2020&until=2021",
        "/o/1/n?page=2&o=o%2F1&k=a&since=2020&until=2021",
    ]  # fmt: skip


def test_what_slices_put_in_may_go_with_the_first_request_alone() -> None:
    of = Slice({"kind": "a"}, {"start_time": "2020", "end_time": "2021"})
    with answering(numbered) as api:
        pages(
            retriever(
                api,
                cursor=True,
                paginator=NUMBERED,
                partition_router=ROUTERS[0],
                ignore_stream_slicer_parameters_on_paginated_requests=True,
            ),
            of,
        )
    assert [asked.target for asked in api.asked] == [
        "/items?k=a&since=2020&until=2021",
        "/items?page=1",
        "/items?page=2",
    ]


def linked(asked: Asked) -> Answered:
    page = number(asked, "p")
    headers = {"Link": f'</items?p={page + 1}>; rel="next"'} if page < 2 else {}
    return Answered(json.dumps({"data": {"id": page}}, indent=2).encode(), headers=headers)


def test_pages_by_links() -> None:
    strategy = {
        "type": "CursorPagination",
        "cursor_value": "{{ headers.link.next.url }}",
        "stop_condition": "{{ not headers.link.next }}",
    }
    paginator = {
        "type": "DefaultPaginator",
        "pagination_strategy": strategy,
        "page_token_option": {"type": "RequestPath"},
    }
    with answering(linked) as api:
        found = pages(retriever(api, paginator=paginator), Slice())
    assert [page.records for page in found] == [[b'{"id":0}'], [b'{"id":1}'], [b'{"id":2}']]
    assert [asked.target for asked in api.asked] == ["/items", "/items?p=1", "/items?p=2"]


BY_NEXT = {
    "type": "DefaultPaginator",
    "pagination_strategy": {"type": "CursorPagination", "cursor_value": "{{ response.next }}"},
    "page_token_option": PARAMETER | {"field_name": "after"},
}


@pytest.mark.parametrize(
    "looks",
    [
        "{{ response.next }}",
        "{{ response['data'][0]['next'] }}",
        "{{ response.items() | list and response.next }}",
        "{{ last_record.next }}",
    ],
)
def test_templates_see_what_they_look_at(looks: str) -> None:
    def answer(asked: Asked) -> Answered:
        following = number(asked, "after") + 1
        token = following if following < 3 else ""
        return Answered(json.dumps({"data": [{"id": following, "next": token}], "next": token}).encode())

    paginator = BY_NEXT | {"pagination_strategy": {"type": "CursorPagination", "cursor_value": looks}}
    with answering(answer) as api:
        assert len(pages(retriever(api, paginator=paginator), Slice())) == 3


@pytest.mark.parametrize("fault", [b'"\xff"', b"NaN", b'"\\ud800"', b"1E400"])
@pytest.mark.parametrize("looks", ["{{ response.next }}", "{{ response.items() | list and response.next }}"])
def test_a_faulty_record_does_not_hide_the_next_page(looks: str, fault: bytes) -> None:
    def answer(asked: Asked) -> Answered:
        following = b'"t"' if "after" not in parameters(asked) else b"null"
        return Answered(b'{"data":[{"a":%s},{"a":1}],"also":%s,"next":%s}' % (fault, fault, following))

    paginator = BY_NEXT | {"pagination_strategy": {"type": "CursorPagination", "cursor_value": looks}}
    with answering(answer) as api:
        found = pages(retriever(api, paginator=paginator), Slice())
    assert [page.found for page in found] == [2, 2]


def test_a_token_that_repeats_is_an_error_that_says_where() -> None:
    with answering(lambda asked: Answered(b'{"data":[{"secret":"s3cr3t"}],"next":"again"}')) as api:
        reader = retriever(api, paginator=BY_NEXT)
        of = Slice({"owner": "private"})
        second = reader.page(of, reader.first(of)).following
        assert second is not None
        with pytest.raises(AnswerError) as caught:
            reader.page(of, second)
    assert caught.value.message == (
        "stream 'things', slice by owner, page 1: the token of the next page was there before, up to page 1"
    )


def test_a_missing_path_is_an_error_unless_the_answer_is_ignored() -> None:
    with (
        answering(lambda asked: Answered(b'{"error":"s3cr3t"}')) as api,
        pytest.raises(
            AnswerError, match="stream 'things', page 0: the answer has no 'data': outermost it has members 'error'"
        ),
    ):
        pages(retriever(api), Slice())
    with answering(lambda asked: Answered(b'{"error":"s3cr3t"}', status=404)) as api:
        assert pages(retriever(api), Slice()) == [Page((), (), 0, 0, (), None, "status 404 is ignored")]


@pytest.mark.parametrize(
    ("body", "page"),
    [
        (b'{"error":"s3cr3t"}', Page((), (), 0, 0, (), None, "said to be ignored")),
        (b'{"data":[{"a":1}]}', Page([b'{"a":1}'], (), 1, 0, (), None)),
    ],
)
def test_an_answer_that_is_ignored_all_the_same_may_have_records(body: bytes, page: Page) -> None:
    def send(request: Request, scope: Mapping[str, Any]) -> Answer:
        return Answer(Response(200, Headers(), body, request.url), "IGNORE", "said to be ignored")

    with answering(numbered) as api:
        assert pages(Retriever(retriever(api).plan, send), Slice()) == [page]


def test_answers_without_content_have_no_records() -> None:
    with answering(lambda asked: Answered(status=204)) as api:
        assert [page.found for page in pages(retriever(api, paginator=BY_NEXT), Slice())] == [0]


def test_a_body_on_disk_is_read_and_removed(tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b'{"data":[{"a":1}]}')

    def send(request: Request, scope: Mapping[str, Any]) -> Answer:
        return Answer(Response(200, Headers(), Spilled(body, body.stat().st_size), request.url), "SUCCESS")

    with answering(numbered) as api:
        reader = Retriever(retriever(api).plan, send)
        assert [page.records for page in pages(reader, Slice())] == [[b'{"a":1}']]
    assert not body.exists()


def test_requests_that_cannot_be_say_of_which_stream() -> None:
    requester = {"type": "HttpRequester", "url": "{{ config.missing }}"}
    with (
        answering(numbered) as api,
        pytest.raises(ConfigError, match="stream 'things', page 0: the request's URL is none"),
    ):
        pages(retriever(api, requester=requester), Slice())


@pytest.mark.parametrize(
    "written",
    [
        {"pagination_reset": {"type": "PaginationReset", "action": "RESET"}},
        {"page_size_reduction": {"type": "PageSizeReduction"}},
        {"requester": {"type": "CustomRequester", "class_name": "a.B"}},
        {"decoder": {"type": "XmlDecoder"}},
        {
            "record_selector": {
                "type": "RecordSelector",
                "extractor": {"type": "CustomRecordExtractor", "class_name": "a.B"},
            }
        },
        {"record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": ["**"]}}},
    ],
)
def test_what_is_not_supported_yet_is_told_when_the_plan_is_made(written: dict[str, Any]) -> None:
    with answering(numbered) as api, pytest.raises(ConfigError, match="stream 'things'"):
        retriever(api, **written)


def test_decoders_of_json_are_none_of_these() -> None:
    with answering(numbered) as api:
        assert pages(retriever(api, decoder={"type": "JsonDecoder"}), Slice())
