"""The budget of a manifest: which requests count, and what answers say of how many are left."""

import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative import durations
from file_cdk.declarative.components.budgets import (
    FixedWindowCallRatePolicy,
    HTTPAPIBudget,
    HttpRequestRegexMatcher,
    MovingWindowCallRatePolicy,
    UnlimitedCallRatePolicy,
)
from file_cdk.declarative.http.messages import Outcome, Request, Response, Scope
from file_cdk.declarative.http.windows import FixedWindow, MovingWindow, Unlimited, Window
from file_cdk.declarative.templates import Template

_MILLISECONDS_FROM = 1e11
_SINCE_1970_FROM = 1e8
"""A reset that is less is in seconds from now: some APIs say it so, as the draft of the header field does."""

_Policy = FixedWindowCallRatePolicy | MovingWindowCallRatePolicy | UnlimitedCallRatePolicy


class _Matcher(msgspec.Struct, frozen=True):
    """base: scheme and authority. weight: how many requests one of these counts as."""

    method: str | None
    base: str | None
    path: re.Pattern[str] | None
    params: frozenset[tuple[str, str]]
    headers: frozenset[tuple[str, str]]
    weight: int

    def fits(self, request: Request) -> bool:
        if self.method is not None and request.method != self.method:
            return False
        parts = urlsplit(request.url)
        if self.base is not None and f"{parts.scheme}://{parts.netloc}" != self.base:
            return False
        if self.path is not None and not self.path.search(parts.path.rstrip("/")):
            return False
        if self.params and not self.params <= set(dict(parse_qsl(parts.query)).items()):
            return False
        return self.headers <= {(name.lower(), value) for name, value in request.headers}


class _Counted(msgspec.Struct, frozen=True):
    """Requests that one of the matchers fits, or all where there is none."""

    matchers: tuple[_Matcher, ...]
    window: Window

    def weight(self, request: Request) -> int | None:
        if not self.matchers:
            return 1
        return next((matcher.weight for matcher in self.matchers if matcher.fits(request)), None)


class ApiBudget(msgspec.Struct, frozen=True):
    """Shared by all streams of a run. reset_header, left_header: of answers; used_up: statuses that say the same as 0 left."""

    policies: tuple[_Counted, ...]
    reset_header: str
    left_header: str
    used_up: frozenset[int]
    _lock: threading.Lock = msgspec.field(default_factory=threading.Lock)

    def take(self, request: Request, now_s: float) -> float:
        policy, weight = self._policy(request)
        if policy is None:
            return 0.0
        with self._lock:
            return policy.window.take(weight, now_s)

    def learn(self, request: Request, outcome: Outcome, now_s: float) -> None:
        policy, _ = self._policy(request)
        if policy is None or not isinstance(outcome, Response):
            return
        left = _number(outcome.headers.get(self.left_header))
        if left is None and outcome.status in self.used_up:
            left = 0
        reset_s = _number(outcome.headers.get(self.reset_header))
        with self._lock:
            policy.window.learn(
                None if left is None else max(0, int(left)),
                None if reset_s is None else _moment_s(reset_s, now_s),
                now_s,
            )

    def _policy(self, request: Request) -> tuple[_Counted | None, int]:
        for policy in self.policies:
            if (weight := policy.weight(request)) is not None:
                return policy, weight
        return None, 0


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(int(text))
    except (ValueError, OverflowError):
        return None


def _moment_s(reset: float, now_s: float) -> float:
    if reset >= _MILLISECONDS_FROM:
        return reset / 1000
    return reset if reset >= _SINCE_1970_FROM else now_s + reset


def budget(
    component: HTTPAPIBudget | Mapping[str, Any] | None, config: Mapping[str, Any], where: str = "api_budget"
) -> ApiBudget | None:
    """component: decoded, or as in the resolved manifest. Raises ConfigError for rates that no request could keep."""
    if component is None:
        return None
    try:
        decoded = msgspec.convert(component, HTTPAPIBudget)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"{where}: {exc}") from exc
    return ApiBudget(
        tuple(_counted(policy, config, f"{where}.policies[{n}]") for n, policy in enumerate(decoded.policies)),
        decoded.ratelimit_reset_header,
        decoded.ratelimit_remaining_header,
        frozenset(decoded.status_codes_for_ratelimit_hit),
    )


def _counted(policy: _Policy, config: Mapping[str, Any], where: str) -> _Counted:
    scope = {"config": config, "parameters": policy.parameters}
    matchers = tuple(_matcher(each, scope, where) for each in policy.matchers)
    match policy:
        case UnlimitedCallRatePolicy():
            return _Counted(matchers, Unlimited())
        case FixedWindowCallRatePolicy():
            limits = [policy.call_limit]
            window: Window = FixedWindow(policy.call_limit, _seconds(policy.period, f"{where}.period"))
        case MovingWindowCallRatePolicy():
            rates = [
                (
                    _whole(rate.limit, scope, f"{where}.rates[{n}].limit"),
                    _seconds(rate.interval, f"{where}.rates[{n}].interval"),
                )
                for n, rate in enumerate(policy.rates)
            ]
            limits = [limit for limit, _ in rates]
            window = MovingWindow(rates)
    if not limits or min(limits) < max((matcher.weight for matcher in matchers), default=1):
        raise ConfigError(f"{where}: no request can ever be sent, because one counts as more than there may be")
    return _Counted(matchers, window)


def _matcher(component: HttpRequestRegexMatcher, scope: Scope, where: str) -> _Matcher:
    try:
        pattern = re.compile(component.url_path_pattern) if component.url_path_pattern else None
    except re.error as exc:
        raise ConfigError(f"{where}: url_path_pattern is no regular expression: {exc}") from exc
    weight = 1 if component.weight is None else _whole(component.weight, scope, f"{where}.weight")
    if weight < 1:
        raise ConfigError(f"{where}: the weight of a request is at least 1")
    return _Matcher(
        method=component.method.upper() if component.method else None,
        base=component.url_base.rstrip("/") if component.url_base else None,
        path=pattern,
        params=frozenset((name, str(value)) for name, value in (component.params or {}).items()),
        headers=frozenset((name.lower(), str(value)) for name, value in (component.headers or {}).items()),
        weight=weight,
    )


def _whole(written: int | str, scope: Scope, where: str) -> int:
    text = Template(str(written), where).text(scope)
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{where}: {written!r} comes to no whole number") from None


def _seconds(text: str, where: str) -> float:
    beginning = datetime(2000, 1, 1, tzinfo=UTC)
    try:
        seconds = (beginning + durations.parse(text) - beginning).total_seconds()
    except ValueError as exc:
        raise ConfigError(f"{where}: {exc}") from exc
    if seconds <= 0:
        raise ConfigError(f"{where}: {text!r} is no time that passes")
    return seconds
