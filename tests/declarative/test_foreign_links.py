"""Links to a next page at another origin: they are followed, and take nothing secret along."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from answering import IgnoresFailures
from api_server import ApiServer, Asked, Parts, response
from clients import client

from file_cdk.core.errors import ConfigError
from file_cdk.declarative import answers, authenticators
from file_cdk.declarative.components.requesters import HttpRequester, SimpleRetriever
from file_cdk.declarative.http.errors import RequestRefusedError
from file_cdk.declarative.pages import Page, Token
from file_cdk.declarative.requesting.requester import requester
from file_cdk.declarative.retriever import About, Retriever, page_plan
from file_cdk.declarative.slices import Slice

CONFIG = {"secret_key": "key-4711"}
WRITTEN = {
    "request_headers": {"X-Key": "{{ config.secret_key }}", "X-Other": "o"},
    "request_parameters": {"key": "{{ config.secret_key }}", "lang": "en"},
}
LINKED = {
    "type": "DefaultPaginator",
    "pagination_strategy": {"type": "CursorPagination", "cursor_value": "{{ response.next }}"},
    "page_token_option": {"type": "RequestPath"},
}


def pages(base: str, handler: Any = None, **written: Any) -> list[Page]:
    component = {
        "type": "SimpleRetriever",
        "requester": {"type": "HttpRequester", "url_base": base, "path": "items"} | written,
        "record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": ["data"]}},
        "paginator": LINKED,
    }
    bearer = authenticators.compiled(
        {"type": "BearerAuthenticator", "api_token": "{{ config.secret_key }}"}, "authenticator", url_base=base
    )
    plan = page_plan(msgspec.convert(component, SimpleRetriever), About("things", CONFIG))
    with client(CONFIG) as sender:
        reader = Retriever(
            plan, lambda request, scope: sender.send(request, handler or IgnoresFailures(), bearer, scope, "things")
        )
        found = [reader.page(Slice(), Token(0))]
        while (token := found[-1].following) is not None:
            found.append(reader.page(Slice(), token))
    return found


def answer(link: str | None = None) -> Parts:
    return response(body=json.dumps({"data": [{"id": 1}], "next": link}).encode())


def test_another_origin_gets_no_credentials() -> None:
    with ApiServer(lambda asked: answer()) as other:
        link = f"{other.url}/items?page=2&sig=key-4711"
        with ApiServer(lambda asked: answer(link)) as own:
            assert len(pages(own.url, **WRITTEN)) == 2
    (first,), (second,) = own.asked, other.asked
    assert (first.headers["authorization"], first.headers["x-key"]) == ("Bearer key-4711", "key-4711")
    assert first.target == "/items?key=key-4711&lang=en"
    assert "authorization" not in second.headers
    assert "x-key" not in second.headers
    assert second.headers["x-other"] == "o"
    assert second.target == "/items?page=2&sig=key-4711&lang=en"  # what the API gave stays


def test_the_same_origin_gets_them() -> None:
    def answered(asked: Asked) -> Parts:
        return answer(f"http://127.0.0.1:{own.port}/more" if asked.target.startswith("/items") else None)

    with ApiServer(answered) as own:
        pages(own.url, **WRITTEN)
    assert [asked.headers.get("authorization") for asked in own.asked] == ["Bearer key-4711"] * 2
    assert own.asked[1].target == "/more?key=key-4711&lang=en"


def test_a_body_with_a_secret_does_not_go_there() -> None:
    with ApiServer(lambda asked: answer()) as other, ApiServer(lambda asked: answer(f"{other.url}/x")) as own:
        written = {"http_method": "POST", "request_body_json": {"key": "{{ config.secret_key }}"}}
        with pytest.raises(ConfigError, match="stream 'things', page 1: the next page is at another origin"):
            pages(own.url, **written)
    assert other.asked == []


def test_a_refusal_there_says_why() -> None:
    handler = answers.compiled({"type": "DefaultErrorHandler"}, "stream 'things'")
    with (
        ApiServer(lambda asked: response(401)) as other,
        ApiServer(lambda asked: answer(f"{other.url}/x")) as own,
        pytest.raises(RequestRefusedError, match="make it the url_base"),
    ):
        pages(own.url, handler)


@pytest.mark.parametrize(
    ("base", "path", "link", "url", "is_foreign"),
    [
        ("https://a.com/v1", "x", "y?p=2", "https://a.com/v1/y?p=2", False),
        ("https://a.com/v1", "x", "/y", "https://a.com/y", False),
        ("https://a.com/v1", "x", "https://A.com:443/y", "https://a.com:443/y", False),
        ("https://a.com/v1", "x", "http://a.com/y?p=2", "https://a.com/y?p=2", False),
        ("http://a.com", "x", "https://a.com/y", "https://a.com/y", False),
        ("https://a.com", "x", "http://a.com:8080/y", "http://a.com:8080/y", True),
        ("https://a.com", "x", "//b.com/y", "https://b.com/y", True),
        ("https://a.com", "x", "https://a.com.evil/y", "https://a.com.evil/y", True),
        ("https://a.com", "x", "https://a.com@evil/y", "https://a.com@evil/y", True),
        ("https://a.com", "https://b.com/x", "https://b.com/y", "https://b.com/y", False),
    ],
)
def test_which_links_are_foreign(base: str, path: str, link: str, url: str, is_foreign: bool) -> None:
    component = {"type": "HttpRequester", "url_base": base, "path": path}
    scope: Mapping[str, Any] = {"config": {}}
    request = requester(msgspec.convert(component, HttpRequester), "stream 's'").request(scope, path=link)
    assert (request.url, request.foreign_url) == (url, url if is_foreign else None)
