"""What the client asks of others: of the error handler, of the authenticator, of what carries a request."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol, TypeVar

from file_cdk.declarative.http.messages import Answer, Outcome, Request, Scope, Verdict
from file_cdk.declarative.http.secrets import Secrets

_Kept = TypeVar("_Kept")


class WaitTooLongError(Exception):
    """An API asks for a wait that the manifest does not allow, in seconds."""

    def __init__(self, asked_s: float, maximum_s: float) -> None:
        super().__init__(asked_s, maximum_s)
        self.asked_s = asked_s
        self.maximum_s = maximum_s


class Handler(Protocol):
    """Says what to do after a request. Pure: the same for the same outcome."""

    def max_retries(self, scope: Scope) -> int: ...

    @property
    def max_time_s(self) -> float:
        """How long a request may be sent again, in seconds since it was first sent."""

    def verdict(self, outcome: Outcome, scope: Scope) -> Verdict: ...

    def wait_s(self, outcome: Outcome, attempt: int, scope: Scope, now_s: float) -> float | None:
        """How long to wait before the request is sent again, in seconds; None where no strategy says. attempt: how often it
        was sent, from 1. now_s: seconds since 1970. Raises WaitTooLongError."""


class Authenticator(Protocol):
    """Makes a request one that the API takes. What it has found out (tokens) is kept in the session, not in itself, so that
    authenticators pickle."""

    def signed(self, request: Request, session: "Session") -> Request: ...

    def renewed(self, rejected: Request, session: "Session") -> bool:
        """Gets new credentials in place of those that a request was refused with, once for any number of requests. False where
        it has none that could be renewed."""


class Session(Protocol):
    """What authenticators of a run share, whatever stream they work for; for any number of threads."""

    @property
    def config(self) -> Mapping[str, Any]:
        """As it is now: an API may have replaced a token in it."""

    @property
    def secrets(self) -> Secrets: ...

    def now_s(self) -> float:
        """Seconds since 1970."""

    def send(
        self, request: Request, handler: Handler, authenticator: Authenticator | None, scope: Scope, stream: str
    ) -> Answer:
        """As Client.send: for tokens."""

    def kept(self, key: Hashable, made: Callable[[], _Kept]) -> _Kept:
        """The one value of that key in this run, made when it is first asked for."""

    def update_config(self, changes: Mapping[tuple[str, ...], Any]) -> None:
        """Puts values into the config, by path, and returns once that is written down wherever the run was started from."""


class Transport(Protocol):
    def exchange(self, request: Request) -> Outcome:
        """Sends a request and takes its answer in whole, redirects followed; from any number of threads."""

    def close(self) -> None:
        """Ends the exchanges that are under way too."""


class Budget(Protocol):
    """How many requests an API takes in a time; for any number of threads."""

    def take(self, request: Request, now_s: float) -> float:
        """Counts the request and returns 0, or counts nothing and returns after how many seconds to try again."""

    def learn(self, request: Request, outcome: Outcome, now_s: float) -> None:
        """Takes over what an answer says of how many requests are left."""
