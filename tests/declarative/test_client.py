"""Requests that are sent again, given up, or answered: against a real server, with a clock that waits make go on."""

import pickle
import threading
from typing import Any

import pytest
from api_server import ApiServer, Parts, always, in_turn, response
from clients import Watched, client

from file_cdk.core.errors import ConfigError, TransientError
from file_cdk.declarative import answers
from file_cdk.declarative.http import Request
from file_cdk.declarative.http.clock import SystemClock
from file_cdk.declarative.http.errors import (
    RequestFailedError,
    RequestRefusedError,
    RequestUnansweredError,
    RunStoppedError,
)

BROKEN = (b"HTTP/1.1 200 OK\r\nConte", b"")
HEADER = {"type": "WaitTimeFromHeader", "header": "Retry-After"}
UNTIL = {"type": "WaitUntilTimeFromHeader", "header": "X-Reset"}
CONSTANT = {"type": "ConstantBackoffStrategy", "backoff_time_in_seconds": "{{ config['wait'] }}"}
DOUBLED = {"type": "ExponentialBackoffStrategy"}
SCOPE: dict[str, Any] = {"config": {"retries": 1, "wait": "7"}}


def handler(**fields: Any) -> answers.ErrorHandler:
    return answers.compiled({"type": "DefaultErrorHandler", **fields}, "stream 'users'")


def error_of(answer: Parts, watched: Watched | None = None, path: str = "/", **fields: Any) -> RequestFailedError:
    with ApiServer(always(*answer)) as server, client({"secret": "s3cret-key"}, watched) as sender:
        request = Request("GET", f"{server.url}{path}", (("X-Key", "s3cret-key"),))
        with pytest.raises(RequestFailedError) as caught:
            sender.send(request, handler(**fields), None, SCOPE, "users")
    return caught.value


def test_a_request_is_sent_again_until_it_is_answered() -> None:
    watched = Watched()
    with (
        ApiServer(in_turn(response(500), BROKEN, response(503), response(body=b"[7]"))) as server,
        client({}, watched) as sender,
    ):
        answer = sender.send(Request("GET", server.url), handler(), None, SCOPE, "users")
    assert (answer.response.body, answer.action, answer.reason) == (b"[7]", "SUCCESS", None)
    assert watched.clock.waits == [1, 2, 4]
    assert [(pause.reason, pause.is_rate_limit, pause.stream) for pause in watched.pauses] == [
        ("status 500", False, "users"),
        ("the connection broke off", False, "users"),
        ("status 503", False, "users"),
    ]


def test_a_wait_beyond_all_time_is_one() -> None:
    stopped = threading.Event()
    threading.Timer(0.01, stopped.set).start()
    SystemClock().wait(1e300, stopped)
    assert stopped.is_set()


def test_what_an_api_says_may_be_nested_to_any_depth() -> None:
    assert "answers 400" in str(error_of(response(400, b"[" * 900 + b"]" * 900)))
    assert "answers 400: no" in str(error_of(response(400, b'{"errors": [[{"message": "no"}]]}')))


def test_it_is_given_up_after_five_retries() -> None:
    watched = Watched()
    error = error_of(response(503, b'{"error": {"message": "down\\n for now"}}'), watched)
    assert watched.clock.waits == [1, 2, 4, 8, 16]
    assert isinstance(error, RequestUnansweredError)
    assert isinstance(error, TransientError)
    assert error.status == 503
    assert error.message == "the API answers 503: down for now: given up after it was sent 6 times"


@pytest.mark.parametrize(
    ("status", "fields", "waits"),
    [
        (429, {}, [1, 2, 4, 8, 16]),
        (429, {"max_retries": 0}, []),
        (500, {"max_retries": "{{ config['retries'] }}"}, [1]),
        (500, {"max_retries": 12}, [1, 2, 4, 8, 16, 32, 64, 128, 256, 89]),
        (500, {"backoff_strategies": [DOUBLED]}, [11, 21, 41, 81, 161]),
        (500, {"backoff_strategies": [DOUBLED], "max_retries": 9}, [11, 21, 41, 81, 161, 321]),
        (500, {"backoff_strategies": [CONSTANT]}, [8] * 5),
        (500, {"backoff_strategies": [HEADER, CONSTANT]}, [31] * 5),
        (500, {"backoff_strategies": [{**HEADER, "header": "X-None"}]}, [1, 2, 4, 8, 16]),
        (500, {"backoff_strategies": [UNTIL]}, [91, 1, 2, 4, 8, 16]),
    ],
)
def test_waits_are_those_of_the_peer(status: int, fields: dict[str, Any], waits: list[float]) -> None:
    watched = Watched()
    error_of(response(status, headers={"Retry-After": "30", "X-Reset": "1700000090"}), watched, **fields)
    assert watched.clock.waits == waits
    assert {pause.is_rate_limit for pause in watched.pauses} <= {status == 429}


def test_a_wait_that_is_too_long_ends_it() -> None:
    strategy = {"type": "WaitTimeFromHeader", "header": "retry-after", "max_waiting_time_in_seconds": 60}
    watched = Watched()
    error = error_of(response(429, headers={"Retry-After": "60"}), watched, backoff_strategies=[strategy])
    assert isinstance(error, RequestUnansweredError)
    assert "it asks for a wait of 60 s, and may have less than 60 s" in str(error)
    assert watched.clock.waits == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, RequestFailedError), (401, RequestRefusedError), (403, RequestRefusedError), (404, RequestFailedError)],
)
def test_errors_say_which_request_and_why(status: int, kind: type[RequestFailedError]) -> None:
    error = error_of(
        response(status, b'{"errors": [{"detail": "bad s3cret-key"}, {"msg": "no"}]}'),
        path="/a/s3cret-key?key=s3cret-key",
    )
    assert type(error) is kind
    assert isinstance(error, ConfigError) == (kind is RequestRefusedError)
    assert str(error).startswith(f"the API answers {status}: bad ****, no")
    assert (error.stream, error.method, error.status) == ("users", "GET", status)
    assert error.url.endswith("/a/****")
    assert "stream 'users', GET http://127.0.0.1" in str(error)
    assert "s3cret" not in str(error) + repr(error.__dict__)
    assert pickle.loads(pickle.dumps(error)).status == status


def test_what_an_api_says_is_cut_short() -> None:
    assert "x" * 499 + "…" in str(error_of(response(400, b'"' + b"x" * 2000 + b'"')))
    assert "<html" not in str(error_of(response(400, b"<html>a page</html>")))


def test_a_url_that_is_none_is_an_error_of_the_configuration() -> None:
    with client() as sender, pytest.raises(RequestRefusedError, match="the URL is none of HTTP"):
        sender.send(Request("GET", "api.example.com/users"), handler(), None, SCOPE)


def test_what_is_ignored_is_told() -> None:
    ignore = {"type": "HttpResponseFilter", "http_codes": [404], "action": "IGNORE"}
    with ApiServer(always(*response(404))) as server, client() as sender:
        answer = sender.send(Request("GET", server.url), handler(response_filters=[ignore]), None, SCOPE)
    assert (answer.action, answer.reason) == ("IGNORE", "status 404 is ignored: there is no such address")


def test_a_run_that_is_ended_waits_no_longer() -> None:
    watched = Watched()
    watched.pauses = Stopping(watched)
    with ApiServer(always(*response(503))) as server, client({}, watched) as sender:
        with pytest.raises(RunStoppedError):
            sender.send(Request("GET", server.url), handler(), None, SCOPE)
        with pytest.raises(RunStoppedError):
            sender.send(Request("GET", server.url), handler(), None, SCOPE)
        assert len(server.asked) == 1


class Stopping(list[Any]):
    def __init__(self, watched: Watched) -> None:
        super().__init__()
        self._watched = watched

    def append(self, _: object) -> None:
        self._watched.stopped.set()
