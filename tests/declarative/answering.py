"""An API of a test that answers as a function says, and the way of a retriever to it: the client of a run."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import api_server
from api_server import Asked
from clients import client

from file_cdk.declarative.http import Answer, Client, Request, Response, Verdict
from file_cdk.declarative.http.messages import Outcome


@dataclass(frozen=True)
class Answered:
    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Api:
    """url: without a slash at its end. asked: in the order in which requests came."""

    client: Client
    url: str
    asked: list[Asked]

    def send(self, request: Request, scope: Mapping[str, Any]) -> Answer:
        return self.client.send(request, IgnoresFailures(), None, scope)


class IgnoresFailures:
    """An error handler for which nothing is an error."""

    max_time_s = 0.0

    def max_retries(self, scope: Mapping[str, Any]) -> int:
        return 0

    def verdict(self, outcome: Outcome, scope: Mapping[str, Any]) -> Verdict:
        return Verdict("SUCCESS" if isinstance(outcome, Response) and outcome.is_ok else "IGNORE")

    def wait_s(self, outcome: Outcome, attempt: int, scope: Mapping[str, Any], now_s: float) -> None:
        return None


@contextmanager
def answering(answer: Callable[[Asked], Answered]) -> Iterator[Api]:
    def parts(asked: Asked) -> api_server.Parts:
        answered = answer(asked)
        return api_server.response(answered.status, answered.body, answered.headers)

    with api_server.ApiServer(parts) as server, client() as opened:
        yield Api(opened, server.url, server.asked)


def parameters(asked: Asked) -> dict[str, list[str]]:
    return parse_qs(urlsplit(asked.target).query, keep_blank_values=True)


def number(asked: Asked, name: str) -> int:
    """A parameter that is a whole number; 0 where it is missing."""
    return int(parameters(asked).get(name, ["0"])[0])
