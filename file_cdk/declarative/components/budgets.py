"""How many requests an API takes, and in which time."""

from typing import Any

from file_cdk.declarative.components.component import Component


class HttpRequestRegexMatcher(Component, frozen=True):
    """Requests of a method, below an address, with a path in which the pattern is found, and with these parameters and headers.
    weight: how many requests one of them counts as."""

    method: str | None = None
    url_base: str | None = None
    url_path_pattern: str | None = None
    params: dict[str, Any] | None = None
    headers: dict[str, Any] | None = None
    weight: int | str | None = None


class Rate(Component, frozen=True):
    """interval: an ISO 8601 duration."""

    limit: int | str
    interval: str


class FixedWindowCallRatePolicy(Component, frozen=True):
    """call_limit requests from one reset to the next. period: an ISO 8601 duration."""

    period: str
    call_limit: int
    matchers: tuple[HttpRequestRegexMatcher, ...]


class MovingWindowCallRatePolicy(Component, frozen=True):
    """At most so many requests in any interval of that length."""

    rates: tuple[Rate, ...]
    matchers: tuple[HttpRequestRegexMatcher, ...]


class UnlimitedCallRatePolicy(Component, frozen=True):
    matchers: tuple[HttpRequestRegexMatcher, ...]


class HTTPAPIBudget(Component, frozen=True):
    """The first policy with a matcher that fits a request counts it; one without matchers fits all."""

    policies: tuple[FixedWindowCallRatePolicy | MovingWindowCallRatePolicy | UnlimitedCallRatePolicy, ...]
    ratelimit_reset_header: str = "ratelimit-reset"
    ratelimit_remaining_header: str = "ratelimit-remaining"
    status_codes_for_ratelimit_hit: tuple[int, ...] = (429,)
