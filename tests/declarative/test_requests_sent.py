"""Requests put together: what goes where, and what cannot go together."""

from typing import Any

import msgspec
import pytest

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.components.paging import RequestOption
from file_cdk.declarative.components.requesters import HttpRequester
from file_cdk.declarative.http import Request
from file_cdk.declarative.requesting.parts import Parts, injection
from file_cdk.declarative.requesting.requester import requester
from file_cdk.declarative.requesting.urls import joined, with_parameters

CONFIG = {"key": "k 1", "none": None, "list": ["a", "b"], "object": {"x": 1}}


def sent(*others: Parts, token: str | None = None, **written: Any) -> Request:
    component = msgspec.convert({"type": "HttpRequester", "url": "https://api.example/v1"} | written, HttpRequester)
    scope = {"config": CONFIG, "stream_slice": {"id": 7}, "next_page_token": None}
    return requester(component, "stream 's'").request(scope, *others, path=token)


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://a.b/v1", "", "https://a.b/v1"),
        ("https://a.b/v1/", "", "https://a.b/v1/"),
        ("https://a.b/v1", "x", "https://a.b/v1/x"),
        ("https://a.b/v1/", "x/", "https://a.b/v1/x/"),
        ("https://a.b/v1", "/x", "https://a.b/x"),
        ("https://a.b/v1", "?page=2", "https://a.b/v1/?page=2"),
        ("https://a.b/v1", "https://c.d/x", "https://c.d/x"),
    ],
)
def test_urls_are_joined(base: str, path: str, url: str) -> None:
    assert joined(base, path) == url


def test_a_path_begins_below_its_base_with_a_slash_or_without() -> None:
    assert (
        sent(url=None, url_base="https://api.example/v1", path="/items/{{ stream_slice.id }}").url
        == "https://api.example/v1/items/7"
    )


def test_what_looks_at_the_configuration_alone_is_kept_with_it() -> None:
    """As the configuration of a run may be another one later, and slices are."""
    written = {
        "type": "HttpRequester",
        "url": "https://{{ config.host }}.example/",
        "path": "{{ stream_slice.id }}",
        "request_parameters": {"key": "{{ config['key'] }}"},
        "request_headers": {"X-Id": "{{ stream_slice.id }}", "X-Key": "{{ config['key'] }}"},
    }
    made = requester(msgspec.convert(written, HttpRequester), "stream 's'")
    configs = [{"host": "a", "key": 1}, {"host": "b", "key": 2}]
    for number in (0, 0, 1, 1, 0):
        for slice_id in (7, 8):
            request = made.request({"config": configs[number], "stream_slice": {"id": slice_id}}, {})
            assert request.url == f"https://{'ab'[number]}.example/{slice_id}?key={number + 1}"
            assert request.headers == (("X-Id", str(slice_id)), ("X-Key", str(number + 1)))


def test_the_token_that_is_a_url_takes_the_place_of_the_path() -> None:
    assert sent(token="https://api.example/v1/next?token=2").url == "https://api.example/v1/next?token=2"


def test_parameters_keep_their_order_and_their_spelling() -> None:
    parameters = {
        "b": "1.10",
        "a": "{{ config.key }}",
        "l": "{{ config.list }}",
        "n": "{{ config.none }}",
        "e": "{{ config['x'] }}",
    }
    assert sent(request_parameters=parameters).url == "https://api.example/v1?b=1.10&a=k+1&l=a&l=b&n=None"


def test_a_parameter_that_the_url_has_with_the_same_value_is_not_repeated() -> None:
    assert with_parameters("https://a.b/?x=1+2&y=3", {"x": "1 2", "y": 4}) == "https://a.b/?x=1+2&y=3&y=4"


def test_header_values_are_literals_that_become_text() -> None:
    assert sent(request_headers={"X-A": "1.10", "X-B": "{{ config.key }}", "X-C": "{{ config.none }}"}).headers == (
        ("X-A", "1.1"),
        ("X-B", "k 1"),
    )


def test_bodies() -> None:
    as_json = sent(
        http_method="POST", request_body_json={"a": "{{ config.list }}", "b": {"c": "1", "d": "{{ config.none }}"}}
    )
    assert as_json.body == b'{"a": ["a", "b"], "b": {"c": 1}}'
    assert as_json.headers == (("Content-Type", "application/json"),)
    form = sent(request_body_data={"a": "{{ config.list }}", "b": "\u00e4 &"}, request_headers={"content-type": "x/y"})
    assert (form.body, form.headers) == (b"a=a&a=b&b=%C3%A4+%26", (("content-type", "x/y"),))
    text = sent(request_body={"type": "RequestBodyPlainText", "value": "key={{ config.key }}"})
    assert (text.body, text.headers) == (b"key=k 1", ())
    query = {
        "type": "RequestBodyGraphQL",
        "value": {"query": "{ items { id } }", "variables": {"id": "{{ stream_slice.id }}"}},
    }
    assert sent(request_body=query).body == b'{"query": "{ items { id } }", "variables": {"id": 7}}'


def injected(value: Any, **option: Any) -> Parts:
    parts: Parts = {}
    injection(msgspec.convert({"type": "RequestOption"} | option, RequestOption), CONFIG, "here").put(value, parts)
    return parts


def test_options_of_paginator_and_slice_are_put_in() -> None:
    request = sent(
        injected(2, inject_into="request_parameter", field_name="{{ config.list[0] }}"),
        injected("h", inject_into="header", field_name="X-H"),
        injected(5, inject_into="body_json", field_path=["page", "size"]),
        injected(6, inject_into="body_json", field_path=["page", "number"]),
        request_body_json={"page": {"size": 5}, "b": 1},
    )
    assert request.url == "https://api.example/v1?a=2"
    assert request.headers == (("X-H", "h"), ("Content-Type", "application/json"))
    assert request.body == b'{"page": {"size": 5, "number": 6}, "b": 1}'


PARAMETER = {"inject_into": "request_parameter", "field_name": "a"}
HEADER = {"inject_into": "header", "field_name": "a"}
FORM = {"inject_into": "body_data", "field_name": "a"}
JSON = {"inject_into": "body_json", "field_name": "a"}
NESTED = {"inject_into": "body_json", "field_path": ["a", "b"]}


@pytest.mark.parametrize(
    ("written", "option", "message"),
    [
        ({"request_parameters": {"a": "1"}}, PARAMETER, "the request's parameter 'a' is given twice"),
        ({"request_headers": {"a": "1"}}, HEADER, "the header field 'a' is given twice"),
        ({"request_body_json": {"a": {"b": 2}}}, NESTED, "the member of the request's body 'a.b' is given twice"),
        ({"request_body_data": "text"}, FORM, "a request has a text for its body, and fields beside it"),
        ({"request_body_data": {"a": "1"}}, JSON, "a request has both a form (or a text) and a JSON body"),
    ],
)
def test_what_does_not_go_together(written: dict[str, Any], option: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sent(injected(1, **option), **written)
    assert caught.value.message == message


def test_a_json_body_may_have_the_same_from_two_sources() -> None:
    assert sent(injected(1, inject_into="body_json", field_name="a"), request_body_json={"a": "1"}).body == b'{"a": 1}'


@pytest.mark.parametrize(
    "written",
    [
        {"request_parameters": {"a": "{{ config.object }}", "b": {"type": "QueryProperties", "property_list": ["x"]}}},
        {"request_body_json": {"a": "1"}, "request_body_data": "x"},
        {"url": "ftp://a.b"},
        {"url": "{{ config.none }}"},
        {"request_headers": "text"},
        {"request_headers": {"X-A": "a\nX-B: b"}},
        {"request_headers": {"X-A": " a"}},
        {"request_parameters": {"a": "\ud800"}},
        {"request_body_data": "\ud800"},
    ],
)
def test_what_makes_no_request(written: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        sent(**written)


@pytest.mark.parametrize(
    "option",
    [
        {"inject_into": "header"},
        {"inject_into": "header", "field_name": "a", "field_path": ["b"]},
        {"inject_into": "header", "field_path": ["b"]},
        {"inject_into": "body_json", "field_path": []},
    ],
)
def test_options_that_name_no_place(option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        injected(1, **option)
