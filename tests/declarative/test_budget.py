"""Which requests a budget counts, and what it learns from answers."""

from typing import Any

import pytest
from api_server import ApiServer, always, response
from clients import Watched, client

from file_cdk.core.errors import ConfigError
from file_cdk.declarative import answers
from file_cdk.declarative.http import Request, Response
from file_cdk.declarative.http.budget import ApiBudget, budget
from file_cdk.declarative.http.headers import Headers

NOW = 1_700_000_000.0
GET = Request("GET", "https://api.example.com/v1/users/?page=1&x=2", (("X-Kind", "a"),))


def made(*policies: dict[str, Any], config: dict[str, Any] | None = None, **fields: Any) -> ApiBudget:
    found = budget({"type": "HTTPAPIBudget", "policies": list(policies), **fields}, config or {})
    assert found is not None
    return found


def fixed(limit: int = 2, period: str = "PT1M", *matchers: dict[str, Any]) -> dict[str, Any]:
    return {"type": "FixedWindowCallRatePolicy", "period": period, "call_limit": limit, "matchers": list(matchers)}


def moving(*rates: tuple[int | str, str], matchers: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    made_rates = [{"limit": limit, "interval": interval} for limit, interval in rates]
    return {"type": "MovingWindowCallRatePolicy", "rates": made_rates, "matchers": list(matchers)}


def answer(status: int = 200, **headers: str) -> Response:
    return Response(status, Headers((name.replace("_", "-"), value) for name, value in headers.items()), b"", "")


def test_a_fixed_window_begins_with_the_first_request() -> None:
    counted = made(fixed(2, "PT1M"))
    taken = [counted.take(GET, NOW + after) for after in (0, 30, 50, 59.5, 60, 61, 62, 200)]
    assert taken == [0, 0, 10, 0.5, 0, 0, 58, 0]


def test_numbers_that_are_none_say_nothing() -> None:
    counted = made(fixed(2, "PT1M"))
    assert counted.take(GET, NOW) == 0
    counted.learn(GET, answer(ratelimit_remaining="9" * 400, ratelimit_reset="9" * 400), NOW)
    assert [counted.take(GET, NOW), counted.take(GET, NOW)] == [0, 60]


def test_a_moving_window_keeps_all_its_rates() -> None:
    counted = made(moving((2, "PT1S"), ("{{ config.n }}", "PT1M")), config={"n": "3"})
    taken = [counted.take(GET, NOW + after) for after in (0, 0.5, 0.75, 1, 1.25, 60, 60.25)]
    assert taken == [0, 0, 0.25, 0, 58.75, 0, 0.25]


@pytest.mark.parametrize(
    ("matcher", "fits"),
    [
        ({}, True),
        ({"method": "get"}, True),
        ({"method": "POST"}, False),
        ({"url_base": "https://api.example.com/"}, True),
        ({"url_base": "https://api.example.com/v1"}, False),
        ({"url_path_pattern": "users$"}, True),
        ({"url_path_pattern": "^users"}, False),
        ({"params": {"page": 1}}, True),
        ({"params": {"page": 1, "y": 1}}, False),
        ({"headers": {"x-KIND": "a"}}, True),
        ({"headers": {"x-kind": "b"}}, False),
    ],
)
def test_matchers(matcher: dict[str, Any], fits: bool) -> None:
    counted = made(fixed(1, "PT1M", matcher))
    assert [counted.take(GET, NOW), counted.take(GET, NOW) > 0] == [0, fits]


def test_the_first_policy_that_fits_counts_and_requests_have_weights() -> None:
    first = {"type": "UnlimitedCallRatePolicy", "matchers": [{"params": {"page": "1"}}]}
    counted = made(
        first, moving((5, "PT1M"), matchers=({"method": "POST", "weight": "{{ config.w }}"}, {})), config={"w": 3}
    )
    assert [counted.take(GET, NOW) for _ in range(9)] == [0] * 9
    post, other = Request("POST", "https://a.example/"), Request("GET", "https://a.example/")
    assert [counted.take(each, NOW) for each in (post, other, other, other)] == [0, 0, 0, 60]


def test_answers_lower_what_is_left() -> None:
    counted = made(fixed(10, "PT1M"), ratelimit_remaining_header="Left", ratelimit_reset_header="Reset")
    counted.take(GET, NOW)
    counted.learn(GET, answer(left="1", reset=str(int(NOW) + 20)), NOW)
    assert [counted.take(GET, NOW) for _ in range(2)] == [0, 20]
    counted.learn(GET, answer(left="9", reset="7"), NOW)
    assert counted.take(GET, NOW) == 7
    counted.learn(GET, answer(left="many", reset=str(int(NOW + 5) * 1000)), NOW)
    assert counted.take(GET, NOW) == 5
    assert [counted.take(GET, NOW + 5) for _ in range(11)] == [0] * 10 + [60]


@pytest.mark.parametrize("policy", [fixed(5, "PT1M"), moving((5, "PT1M"), (100, "PT1H"))])
def test_too_many_requests_empty_the_window(policy: dict[str, Any]) -> None:
    counted = made(policy)
    counted.take(GET, NOW)
    counted.learn(GET, answer(429), NOW + 1)
    assert [counted.take(GET, NOW + after) for after in (1, 60)] == [59, 0]


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (fixed(0), "no request can ever be sent"),
        (fixed(2, "PT1M", {"weight": 3}), "no request can ever be sent"),
        (fixed(2, "PT1M", {"weight": 0}), "the weight of a request is at least 1"),
        (fixed(2, "a minute"), "period"),
        (fixed(2, "PT0S"), "no time that passes"),
        (moving(("{{ config.n }}", "PT1S")), "comes to no whole number"),
        (moving(), "no request can ever be sent"),
        (fixed(2, "PT1M", {"url_path_pattern": "("}), "no regular expression"),
    ],
)
def test_what_a_budget_cannot_be(policy: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        made(policy, config={"n": "many"})


def test_the_client_keeps_to_it() -> None:
    watched = Watched()
    policies = {"type": "HTTPAPIBudget", "policies": [fixed(2, "PT10S")]}
    with ApiServer(always(*response())) as server, client({}, watched, budget=policies) as sender:
        for _ in range(5):
            sender.send(Request("GET", server.url), answers.compiled(None, "x"), None, {}, "users")
    assert watched.clock.waits == [10, 10]
    assert [(pause.reason, pause.is_rate_limit) for pause in watched.pauses] == [
        ("the budget of requests is used up", True)
    ] * 2
