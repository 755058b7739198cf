"""What answers mean by filters, handlers and strategies."""

import pickle
from typing import Any

import pytest

from file_cdk.core.errors import ConfigError
from file_cdk.declarative import answers
from file_cdk.declarative.http import Response, Unanswered, Verdict
from file_cdk.declarative.http.headers import Headers

SCOPE: dict[str, Any] = {"config": {"word": "limit"}}


def answer(status: int = 200, body: bytes = b"{}", **headers: str) -> Response:
    fields = ((name.replace("_", "-"), value) for name, value in headers.items())
    return Response(status, Headers(fields), body, "http://api.example.com/v1/users?key=s3cret")


def handler(*filters: dict[str, Any], **fields: Any) -> answers.ErrorHandler:
    made = [{"type": "HttpResponseFilter", **each} for each in filters]
    component = {"type": "DefaultErrorHandler", "response_filters": made, **fields}
    found: answers.ErrorHandler = pickle.loads(pickle.dumps(answers.compiled(component, "stream 'users'")))
    return found


def verdict(response: Response, *filters: dict[str, Any]) -> Verdict:
    return handler(*filters).verdict(response, SCOPE)


@pytest.mark.parametrize(
    ("status", "action", "failure_type"),
    [
        (200, "SUCCESS", "system_error"),
        (304, "SUCCESS", "system_error"),
        (400, "FAIL", "system_error"),
        (401, "FAIL", "config_error"),
        (403, "FAIL", "config_error"),
        (404, "FAIL", "system_error"),
        (405, "FAIL", "system_error"),
        (408, "RETRY", "transient_error"),
        (418, "RETRY", "system_error"),
        (429, "RATE_LIMITED", "transient_error"),
        (500, "RETRY", "transient_error"),
        (501, "RETRY", "system_error"),
        (504, "RETRY", "transient_error"),
    ],
)
def test_statuses(status: int, action: str, failure_type: str) -> None:
    found = verdict(answer(status))
    assert (found.action, found.failure_type) == (action, failure_type)


def test_filters_fit_by_code_by_predicate_or_by_what_the_api_says() -> None:
    each = {"http_codes": [400], "predicate": "{{ response.code == 5 }}", "error_message_contains": "quota"}
    fits = {**each, "action": "IGNORE"}
    assert verdict(answer(400), fits).action == "IGNORE"
    assert verdict(answer(200, b'{"code": 5}'), fits).action == "IGNORE"
    assert verdict(answer(403, b'{"error": {"message": "your quota is used up"}}'), fits).action == "IGNORE"
    assert verdict(answer(403, b"your quota is used up"), fits).action == "IGNORE"
    assert verdict(answer(200, b"no JSON"), fits).action == "SUCCESS"
    assert verdict(answer(403, b'{"message": "no"}'), fits).action == "FAIL"


def test_predicates_see_headers_in_any_case_and_no_secrets_of_the_url() -> None:
    fits = {
        "predicate": "{{ headers['x-left'] == '0' and request_url == 'http://api.example.com/v1/users' }}",
        "action": "RETRY",
    }
    assert verdict(answer(X_Left="0"), fits).action == "RETRY"
    assert verdict(answer(X_Left="1"), fits).action == "SUCCESS"


def test_the_first_filter_that_fits_decides() -> None:
    first = {
        "http_codes": [403],
        "action": "RATE_LIMITED",
        "error_message": "at the {{ config.word }}: {{ response.message }}",
    }
    second = {"http_codes": [403], "action": "IGNORE"}
    found = verdict(answer(403, b'{"message": "slow down"}'), first, second)
    assert found == Verdict("RATE_LIMITED", "config_error", "at the limit: slow down")


def test_failure_types_are_those_of_the_filter_for_failures_alone() -> None:
    for action, expected in (("FAIL", "transient_error"), ("RETRY", "config_error")):
        fits = {"http_codes": [403], "action": action, "failure_type": "transient_error"}
        assert verdict(answer(403), fits).failure_type == expected
    assert verdict(answer(200), {"http_codes": [200], "action": "FAIL"}).failure_type == "system_error"


def test_a_message_that_cannot_be_made_hides_nothing() -> None:
    fits = {"http_codes": [403], "action": "FAIL", "error_message": "{{ response.a.b.c }}"}
    assert verdict(answer(403), fits).action == "FAIL"


def composite(*handlers: dict[str, Any]) -> answers.ErrorHandler:
    made = [{"type": "DefaultErrorHandler", **each} for each in handlers]
    return answers.compiled({"type": "CompositeErrorHandler", "error_handlers": made}, "stream 'users'")


def filter_of(code: int, action: str) -> dict[str, Any]:
    return {"response_filters": [{"type": "HttpResponseFilter", "http_codes": [code], "action": action}]}


def test_composite_handlers() -> None:
    made = composite(filter_of(403, "FAIL"), filter_of(403, "IGNORE"), filter_of(403, "RATE_LIMITED"))
    assert made.verdict(answer(403), SCOPE).action == "IGNORE"
    made = composite(filter_of(400, "RATE_LIMITED"), filter_of(403, "IGNORE"))
    assert made.verdict(answer(400), SCOPE).action == "FAIL"
    assert made.verdict(answer(200), SCOPE).action == "SUCCESS"
    assert made.verdict(Unanswered("", "the connection broke off"), SCOPE) == Verdict("RETRY", "transient_error")
    assert made.verdict(Unanswered("", "no URL", is_lasting=True), SCOPE) == Verdict("FAIL", "config_error")


def test_the_strategies_of_a_composite_handler_are_one_list() -> None:
    constant = {"type": "ConstantBackoffStrategy", "backoff_time_in_seconds": 3}
    header = {"type": "WaitTimeFromHeader", "header": "{{ parameters.named }}", "$parameters": {"named": "X-Wait"}}
    made = composite(
        {"backoff_strategies": [header], "max_retries": 2}, {"backoff_strategies": [constant], "max_retries": 9}
    )
    assert made.max_retries(SCOPE) == 2
    assert made.wait_s(answer(500, X_Wait="12.5"), 1, SCOPE, 0) == 12.5
    assert made.wait_s(answer(500), 1, SCOPE, 0) == 3
    assert made.wait_s(Unanswered("", "broke off"), 1, SCOPE, 0) == 3


@pytest.mark.parametrize(
    ("strategy", "response", "expected"),
    [
        ({"type": "WaitTimeFromHeader", "header": "W", "regex": "[0-9.]+"}, answer(W="12.5 seconds"), 12.5),
        ({"type": "WaitTimeFromHeader", "header": "W", "regex": "[0-9]+"}, answer(W="in 12"), None),
        ({"type": "WaitTimeFromHeader", "header": "W"}, answer(W="nan"), None),
        ({"type": "WaitTimeFromHeader", "header": "W"}, answer(W="0"), None),
        ({"type": "WaitUntilTimeFromHeader", "header": "W"}, answer(W="1060"), 60),
        ({"type": "WaitUntilTimeFromHeader", "header": "W"}, answer(W="900"), None),
        ({"type": "WaitUntilTimeFromHeader", "header": "W", "min_wait": 5}, answer(W="900"), 5),
        ({"type": "WaitUntilTimeFromHeader", "header": "W", "min_wait": 5}, answer(), 5),
        (
            {"type": "WaitTimeFromResponse", "wait_time_in_seconds": "{{ response.wait }}"},
            answer(body=b'{"wait": "4"}'),
            4,
        ),
        ({"type": "WaitTimeFromResponse", "wait_time_in_seconds": "{{ response.wait }}"}, answer(), None),
        (
            {"type": "WaitTimeFromResponse", "wait_time_in_seconds": "{{ response.wait + 1 }}"},
            answer(body=b'{"wait": "a"}'),
            None,
        ),
        ({"type": "ExponentialBackoffStrategy", "factor": 0.5}, answer(), 2),
    ],
)
def test_strategies(strategy: dict[str, Any], response: Response, expected: float | None) -> None:
    assert handler(backoff_strategies=[strategy]).wait_s(response, 2, SCOPE, 1000) == expected


def test_jitter_of_a_strategy_is_added() -> None:
    strategy = {"type": "ConstantBackoffStrategy", "backoff_time_in_seconds": 3, "jitter_range_in_seconds": 1}
    made = handler(backoff_strategies=[strategy])
    waits = {made.wait_s(answer(500), 1, SCOPE, 0) for _ in range(50)}
    assert len(waits) > 40
    assert all(wait is not None and 3 <= wait <= 5 for wait in waits)


@pytest.mark.parametrize(
    ("component", "message"),
    [
        ({"type": "CustomErrorHandler", "class_name": "a.B"}, "a.B is Python code, which is not run"),
        (
            {
                "type": "DefaultErrorHandler",
                "backoff_strategies": [{"type": "CustomBackoffStrategy", "class_name": "a.B"}],
            },
            "a.B is Python",
        ),
        (
            {
                "type": "DefaultErrorHandler",
                "response_filters": [{"type": "HttpResponseFilter", "action": "RESET_PAGINATION"}],
            },
            "not supported",
        ),
        (
            {"type": "DefaultErrorHandler", "response_filters": [{"type": "HttpResponseFilter", "action": "STOP"}]},
            "STOP",
        ),
        ({"type": "CompositeErrorHandler", "error_handlers": []}, "error_handlers"),
    ],
)
def test_what_a_handler_cannot_be(component: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        answers.compiled(component, "stream 'users', error_handler")
    assert "stream 'users', error_handler" in str(caught.value)
