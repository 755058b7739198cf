"""What airbyte-cdk's error handlers say of an answer, and how long they wait, against ours: over generated filters, handlers and
strategies, and answers of every status.

A run for which there is no answer at all is not among them: docs/differences.md tells how that differs.
"""

import json
import logging
import warnings
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the peer's own are not ours to mend
    from airbyte_cdk.sources.declarative.models import (  # type: ignore[import-not-found, unused-ignore]
        declarative_component_schema as models,
    )
    from airbyte_cdk.sources.declarative.parsers.model_to_component_factory import (  # type: ignore[import-not-found, unused-ignore]
        ModelToComponentFactory,
    )

from file_cdk.declarative import answers
from file_cdk.declarative.http import Response
from file_cdk.declarative.http.headers import Headers

pytestmark = pytest.mark.filterwarnings("ignore")  # the peer's own

logging.getLogger("airbyte").disabled = True  # it says a line for each template that fails

CONFIG = {"retries": 3, "wait": "4", "word": "limit", "header": "Retry-After"}
NOW_S = 1_700_000_000.0
URL = "https://api.example.com/v1/users?key=value"

statuses = st.sampled_from(
    [200, 201, 204, 304, 400, 401, 403, 404, 405, 408, 409, 418, 422, 429, 500, 501, 502, 503, 504, 599]
)
predicates = st.sampled_from(
    [
        "",
        "{{ 'code' in response }}",
        "{{ response.code == 7 }}",
        "{{ response['code'] }}",
        "{{ response.code.inner.more }}",
        "{{ response.get('message', '') == 'limit' }}",
        "{{ headers.get('X-Left') == '0' }}",
        "{{ headers['x-left'] | int < 1 }}",
        "{{ request_url == 'https://api.example.com/v1/users' }}",
        "{{ False }}",
        "{{ [] }}",
        "{{ response }}",
    ]
)
messages = st.sampled_from(
    ["", "plain", "{{ response.message }}", "{{ config['word'] }}: {{ headers.get('X-Left') }}", "{{ response.a }}"]
)
actions = st.sampled_from(["SUCCESS", "FAIL", "RETRY", "IGNORE", "RATE_LIMITED", "REFRESH_TOKEN_THEN_RETRY"])
filters = st.fixed_dictionaries(
    {"type": st.just("HttpResponseFilter"), "action": actions},
    optional={
        "failure_type": st.sampled_from(["system_error", "config_error", "transient_error"]),
        "error_message": messages,
        "error_message_contains": st.sampled_from(["limit", "no", ""]),
        "http_codes": st.lists(statuses, max_size=3, unique=True),
        "predicate": predicates,
    },
)
waits = st.sampled_from([0, 1.5, 5, "{{ config['wait'] }}"])
factors = st.sampled_from([1, 2.5, "{{ config['wait'] }}"])
names = st.sampled_from(["retry-after", "{{ config['header'] }}", "X-None"])
patterns = st.sampled_from(["[0-9]+", "[a-z]+"])
expressions = st.sampled_from(["{{ response.code }}", "{{ response.a.b }}"])
strategies = st.one_of(
    st.fixed_dictionaries({"type": st.just("ConstantBackoffStrategy"), "backoff_time_in_seconds": waits}),
    st.fixed_dictionaries({"type": st.just("ExponentialBackoffStrategy")}, optional={"factor": factors}),
    st.fixed_dictionaries(
        {"type": st.just("WaitTimeFromHeader"), "header": names},
        optional={"regex": patterns, "max_waiting_time_in_seconds": st.just(1000)},
    ),
    st.fixed_dictionaries({"type": st.just("WaitTimeFromResponse"), "wait_time_in_seconds": expressions}),
)
handlers = st.fixed_dictionaries(
    {"type": st.just("DefaultErrorHandler")},
    optional={
        "response_filters": st.lists(filters, max_size=3),
        "backoff_strategies": st.lists(strategies, max_size=3),
        "max_retries": st.sampled_from([0, 1, 9, "{{ config['retries'] }}"]),
    },
)
several = st.lists(handlers, min_size=1, max_size=3)
components = st.one_of(
    handlers, st.builds(lambda inner: {"type": "CompositeErrorHandler", "error_handlers": inner}, several)
)
bodies = st.sampled_from(
    [
        b"",
        b"{}",
        b"[]",
        b'"no"',
        b'{"code": 7}',
        b'{"code": "12", "message": "limit"}',
        b'{"error": {"message": "the limit"}}',
        b'{"errors": [{"detail": "no"}, {"msg": "limit"}, 3]}',
        b"plain limit",
        b"\xff\xfe",
        b'{"code": null, "messages": [], "reason": "no"}',
    ]
)
retries_after = st.sampled_from(["12", "30 s", "soon", "0"])
headers = st.fixed_dictionaries({}, optional={"X-Left": st.sampled_from(["0", "5"]), "Retry-After": retries_after})


def by_the_peer(component: dict[str, Any]) -> Any:
    kind = getattr(models, component["type"])
    return ModelToComponentFactory().create_component(kind, component, CONFIG)


def as_the_peer_has_it(status: int, body: bytes, fields: dict[str, str]) -> requests.Response:
    response = requests.Response()
    response.status_code, response._content, response.url = status, body, URL
    response.headers = CaseInsensitiveDict(fields)
    response.encoding = "utf-8"
    return response


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(components, statuses, bodies, headers, st.integers(1, 5))
def test_decisions(component: dict[str, Any], status: int, body: bytes, fields: dict[str, str], attempt: int) -> None:
    peer, ours = by_the_peer(json.loads(json.dumps(component))), answers.compiled(component, "stream 'users'")
    theirs, response = as_the_peer_has_it(status, body, fields), Response(status, Headers(fields.items()), body, URL)
    scope = {"config": CONFIG}
    expected, verdict = peer.interpret_response(theirs), ours.verdict(response, scope)
    event(expected.response_action.name)
    assert verdict.action == expected.response_action.name
    if verdict.action not in ("SUCCESS", "IGNORE"):
        assert verdict.failure_type == expected.failure_type.value
    assert ours.max_retries(scope) == peer.max_retries
    wait = next(
        (seconds for each in peer.backoff_strategies or () if (seconds := each.backoff_time(theirs, attempt))), None
    )
    assert ours.wait_s(response, attempt, scope, NOW_S) == wait


def test_statuses() -> None:
    peer, ours = by_the_peer({"type": "DefaultErrorHandler"}), answers.compiled(None, "")
    for status in range(100, 600):
        expected = peer.interpret_response(as_the_peer_has_it(status, b"{}", {}))
        verdict = ours.verdict(Response(status, Headers(), b"{}", URL), {"config": CONFIG})
        assert (status, verdict.action) == (status, expected.response_action.name)
        assert verdict.action == "SUCCESS" or verdict.failure_type == expected.failure_type.value


@pytest.mark.parametrize(
    "message", ["plain", "{{ response.message }}", "{{ config['word'] }}: {{ headers.get('X-Left') }}"]
)
def test_messages(message: str) -> None:
    each = {"type": "HttpResponseFilter", "http_codes": [400], "action": "FAIL", "error_message": message}
    component = {"type": "DefaultErrorHandler", "response_filters": [each]}
    body, fields = b'{"message": "no"}', {"X-Left": "5"}
    expected = by_the_peer(component).interpret_response(as_the_peer_has_it(400, body, fields))
    verdict = answers.compiled(component, "").verdict(
        Response(400, Headers(fields.items()), body, URL), {"config": CONFIG}
    )
    assert verdict.message == expected.error_message
