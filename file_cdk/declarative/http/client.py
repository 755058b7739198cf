"""Sends requests until they are answered, or the error handler gives them up."""

import threading
from collections.abc import Callable, Hashable, Mapping
from contextlib import nullcontext
from typing import Any, TypeVar

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.http.clock import Clock, SystemClock
from file_cdk.declarative.http.errors import RequestFailedError, RunStoppedError, request_error
from file_cdk.declarative.http.lanes import Lanes, Place
from file_cdk.declarative.http.messages import (
    Answer,
    Outcome,
    Request,
    Response,
    Scope,
    Verdict,
    without_query,
)
from file_cdk.declarative.http.origins import SecretInBodyError, for_foreign_url
from file_cdk.declarative.http.ports import Authenticator, Budget, Handler, Transport, WaitTooLongError
from file_cdk.declarative.http.retries import Retries
from file_cdk.declarative.http.said import said_by
from file_cdk.declarative.http.secrets import Secrets

_Kept = TypeVar("_Kept")

_FOREIGN = "The API's link to the next page goes to another origin, which gets no credentials: if it is to, make it the url_base"
_REFUSED = (401, 403)

_PAUSE_TOLD_S = 1.0
"""Minimum wait for a budget that is told of, in seconds: shorter ones are how a budget works."""


class Pause(msgspec.Struct, frozen=True):
    """A wait before a request is sent, for the API's sake. is_rate_limit: because there were too many."""

    stream: str
    seconds: float
    reason: str
    is_rate_limit: bool


def _untold(_: Any) -> None:
    """For a run that nobody watches."""


def _random() -> float:
    import random  # with hashlib it takes 4 ms, and few runs send a request again

    return random.random()  # noqa: S311 -- no secret


class Surroundings(msgspec.Struct, frozen=True):
    """What a client has to do with the world around. stopped: set when the run is to end; waits end then, and so do exchanges.

    on_pause: called, by any thread, before a wait. on_config: called with the whole configuration when an API has replaced
    something in it, by one thread at a time; what was replaced is not used before it returns.
    """

    stopped: threading.Event = msgspec.field(default_factory=threading.Event)
    on_pause: Callable[[Pause], None] = _untold
    on_config: Callable[[Mapping[str, Any]], None] = _untold
    clock: Clock = msgspec.field(default_factory=SystemClock)
    jitter: Callable[[], float] = _random


class Client:
    """Shared by the threads and streams of a run. budgets: each is asked before every request."""

    def __init__(
        self,
        transport: Transport,
        config: Mapping[str, Any],
        secrets: Secrets,
        budget: Budget | None = None,
        around: Surroundings | None = None,
    ) -> None:
        self.secrets = secrets
        self._transport = transport
        self._budget = budget
        self._around = around or Surroundings()
        self._lanes = Lanes(self._around.clock, self._around.stopped)
        self._config = config
        self._kept: dict[Hashable, Any] = {}
        self._lock = threading.RLock()  # what is kept may be made of what is kept
        self._config_lock = threading.Lock()

    def close(self) -> None:
        """Ends what is under way, in other threads too, and closes all connections."""
        self._around.stopped.set()
        self._transport.close()

    def send(
        self,
        request: Request,
        handler: Handler,
        authenticator: Authenticator | None,
        scope: Scope,
        stream: str = "",
    ) -> Answer:
        """The answer that the handler calls a success, or ignores. Raises RequestFailedError or one of its kinds where the
        handler says FAIL, or retries are at an end; RunStoppedError; ConfigError where the request cannot be signed.

        scope: what templates of handler and authenticator see, without `response` and `headers`.
        """
        place = Place()
        if request.foreign_url is not None:
            authenticator = None
            try:
                request = for_foreign_url(request, request.foreign_url, self.secrets)
            except SecretInBodyError:
                raise ConfigError(
                    "the next page is at another origin, and the request's body has a secret, which does not go there",
                    remedy=_FOREIGN,
                ) from None
        try:
            return self._answered(request, handler, authenticator, scope, stream, place)
        finally:
            self._lanes.left(place)

    def _answered(
        self,
        request: Request,
        handler: Handler,
        authenticator: Authenticator | None,
        scope: Scope,
        stream: str,
        place: Place,
    ) -> Answer:
        retries = Retries(handler.max_retries(scope), handler.max_time_s, self._around.clock.elapsed_s())
        has_renewed = False
        while True:
            signed = request if authenticator is None else self._signed(request, authenticator, stream)
            outcome = self._exchange(signed, stream, place)
            verdict = handler.verdict(outcome, scope)
            if verdict.action in ("SUCCESS", "IGNORE"):
                self._lanes.succeeded(signed.url)
            match verdict.action:
                case "SUCCESS" if isinstance(outcome, Response):
                    return Answer(outcome, "SUCCESS")
                case "IGNORE" if isinstance(outcome, Response):
                    reason = (
                        f"status {outcome.status} is ignored{': ' if verdict.message else ''}{verdict.message or ''}"
                    )
                    return Answer(outcome, "IGNORE", self.secrets.hidden(reason))
                case "RETRY" | "RATE_LIMITED":
                    pass
                case "REFRESH_TOKEN_THEN_RETRY":
                    if has_renewed:
                        verdict = msgspec.structs.replace(verdict, failure_type="config_error")
                        raise self._error(signed, outcome, verdict, stream, "refused again with new credentials")
                    has_renewed = authenticator is not None and authenticator.renewed(signed, self)
                case _:
                    raise self._error(signed, outcome, verdict, stream)
            self._wait_to_retry(retries, signed, outcome, verdict, handler, scope, stream, place)

    def _signed(self, request: Request, authenticator: Authenticator, stream: str) -> Request:
        try:
            return authenticator.signed(request, self)
        except RequestFailedError as exc:  # of a request for a token
            exc.stream = exc.stream or stream
            raise

    def _exchange(self, request: Request, stream: str, place: Place) -> Outcome:
        """Sends it once, when the budget lets it, and the API."""
        clock, budget = self._around.clock, self._budget
        while budget is not None and (seconds := budget.take(request, clock.now_s())) > 0:
            pause = Pause(stream, seconds, "the budget of requests is used up", is_rate_limit=True)
            self._pause(pause, is_told=seconds >= _PAUSE_TOLD_S)
        # Whoever waits for a token may be the one that others wait for.
        with nullcontext() if request.is_for_token else self._lanes.taken(request.url, place):
            self._go_on()
            outcome = self._transport.exchange(request)
        if budget is not None:
            budget.learn(request, outcome, clock.now_s())
        return outcome

    def _wait_to_retry(
        self,
        retries: Retries,
        request: Request,
        outcome: Outcome,
        verdict: Verdict,
        handler: Handler,
        scope: Scope,
        stream: str,
        place: Place,
    ) -> None:
        try:
            asked_s = handler.wait_s(outcome, retries.attempt, scope, self.now_s())
        except WaitTooLongError as exc:
            why = f"it asks for a wait of {exc.asked_s:g} s, and may have less than {exc.maximum_s:g} s"
            verdict = msgspec.structs.replace(verdict, failure_type="transient_error")
            raise self._error(request, outcome, verdict, stream, why) from None
        elapsed_s, is_rate_limit = self._around.clock.elapsed_s(), verdict.action == "RATE_LIMITED"
        seconds = retries.next_wait_s(asked_s, elapsed_s, self._around.jitter, is_rate_limit=is_rate_limit)
        if seconds is None:
            times = f"{retries.attempt} times" if retries.attempt > 1 else "once"
            raise self._error(request, outcome, verdict, stream, f"given up after it was sent {times}")
        reason = f"status {outcome.status}" if isinstance(outcome, Response) else outcome.reason
        _discard(outcome)
        if is_rate_limit and not request.is_for_token:
            self._lanes.refused(request.url, seconds, place)
        self._pause(Pause(stream, seconds, reason, is_rate_limit))

    def _pause(self, pause: Pause, *, is_told: bool = True) -> None:
        self._go_on()
        if is_told:
            self._around.on_pause(pause)
        self._around.clock.wait(pause.seconds, self._around.stopped)
        self._go_on()

    def _go_on(self) -> None:
        if self._around.stopped.is_set():
            raise RunStoppedError("the run is being ended")

    def _error(
        self, request: Request, outcome: Outcome, verdict: Verdict, stream: str, why: str | None = None
    ) -> Exception:
        status = None
        if isinstance(outcome, Response):
            status = outcome.status
            parts = [f"the API answers {status}", said_by(outcome), verdict.message, why]
            remedy = _FOREIGN if request.foreign_url is not None and status in _REFUSED else None
        else:
            remedy = outcome.remedy
            parts = [outcome.reason, verdict.message, why]
        _discard(outcome)
        return request_error(verdict.failure_type)(
            self.secrets.hidden(": ".join(dict.fromkeys(filter(None, parts)))),
            stream=stream,
            method=request.method,
            url=self.secrets.hidden(without_query(request.url)),
            status=status,
            remedy=remedy,
        )

    # What authenticators use

    @property
    def config(self) -> Mapping[str, Any]:
        return self._config

    def now_s(self) -> float:
        return self._around.clock.now_s()

    def kept(self, key: Hashable, made: Callable[[], _Kept]) -> _Kept:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made()
            kept: _Kept = self._kept[key]
            return kept

    def update_config(self, changes: Mapping[tuple[str, ...], Any]) -> None:
        with self._config_lock:
            config = dict(self._config)
            for path, value in changes.items():
                _put(config, path, value)
            self._around.on_config(config)
            self._config = config


def _discard(outcome: Outcome) -> None:
    if isinstance(outcome, Response):
        outcome.discard()


def _put(config: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Changes copies of what stands on the way: others may be reading."""
    for name in path[:-1]:
        inner = config.get(name, {})
        if not isinstance(inner, Mapping):
            raise ConfigError(f"{name!r} of the configuration has no members, and a token is to be put there")
        config[name] = dict(inner)
        config = config[name]
    config[path[-1]] = value
