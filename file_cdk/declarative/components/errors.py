"""What is done after an answer, and how long is waited before a request is sent again."""

from typing import Annotated, Any, Literal

import msgspec

from file_cdk.core.errors import FailureType
from file_cdk.declarative.components.component import Component, names_of_types
from file_cdk.declarative.components.custom import CustomBackoffStrategy

FilterAction = Literal[
    "SUCCESS",
    "RETRY",
    "FAIL",
    "IGNORE",
    "RATE_LIMITED",
    "REFRESH_TOKEN_THEN_RETRY",
    "RESET_PAGINATION",
    "REDUCE_PAGE_SIZE",
    "SPLIT_REQUEST_WINDOW",
]

_ErrorHandler = Annotated[
    dict[str, Any], names_of_types("DefaultErrorHandler", "CompositeErrorHandler", "CustomErrorHandler")
]


class ConstantBackoffStrategy(Component, frozen=True):
    """jitter_range_in_seconds: up to twice as much is added."""

    backoff_time_in_seconds: float | str
    jitter_range_in_seconds: float | None = None


class ExponentialBackoffStrategy(Component, frozen=True):
    """factor · 2ⁿ seconds before the nth retry."""

    factor: float | str = 5
    jitter_range_in_seconds: float | None = None


class WaitTimeFromHeader(Component, frozen=True):
    """As many seconds as a header field says. max_waiting_time_in_seconds: to wait as long or longer ends the stream."""

    header: str
    regex: str | None = None
    max_waiting_time_in_seconds: float | str | None = None


class WaitUntilTimeFromHeader(Component, frozen=True):
    """Until the moment that a header field says, in seconds since 1970, and at least min_wait seconds."""

    header: str
    min_wait: float | str | None = None
    regex: str | None = None
    max_waiting_time_in_seconds: float | str | None = None


class WaitTimeFromResponse(Component, frozen=True):
    """As many seconds as a template makes of the answer."""

    wait_time_in_seconds: str
    max_waiting_time_in_seconds: float | str | None = None


BackoffStrategy = (
    ConstantBackoffStrategy
    | ExponentialBackoffStrategy
    | WaitTimeFromHeader
    | WaitUntilTimeFromHeader
    | WaitTimeFromResponse
    | CustomBackoffStrategy
)


class HttpResponseFilter(Component, frozen=True):
    """What to do with answers of these codes, or for which the predicate holds, or whose error has this text in it: one of them
    suffices."""

    action: FilterAction | None = None
    failure_type: FailureType | None = None
    error_message: str | None = None
    error_message_contains: str | None = None
    http_codes: tuple[int, ...] | None = None
    predicate: str | None = None


class DefaultErrorHandler(Component, frozen=True):
    """The first filter that fits decides; without one the status does. The first strategy that has a wait decides on that."""

    backoff_strategies: tuple[BackoffStrategy, ...] | None = None
    max_retries: int | str = 5
    response_filters: tuple[HttpResponseFilter, ...] | None = None


class CompositeErrorHandler(Component, frozen=True):
    error_handlers: Annotated[tuple[_ErrorHandler, ...], msgspec.Meta(min_length=1)]
