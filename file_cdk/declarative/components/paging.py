"""How the next page is asked for, and where a value goes in a request."""

from typing import Literal

from file_cdk.declarative.components.component import Component
from file_cdk.declarative.components.custom import CustomPaginationStrategy


class RequestOption(Component, frozen=True):
    """Where a value goes. field_path: for `body_json` alone, in place of field_name."""

    inject_into: Literal["request_parameter", "header", "body_data", "body_json"]
    field_name: str | None = None
    field_path: tuple[str, ...] | None = None


class RequestPath(Component, frozen=True):
    """The token of a page is its URL, or the path of it."""


class PageIncrement(Component, frozen=True):
    page_size: int | str | None = None
    start_from_page: int = 0
    inject_on_first_request: bool = False


class OffsetIncrement(Component, frozen=True):
    page_size: int | str | None = None
    inject_on_first_request: bool = False


class CursorPagination(Component, frozen=True):
    """cursor_value, stop_condition: templates that see the answer."""

    cursor_value: str
    page_size: int | str | None = None
    stop_condition: str | None = None


class DefaultPaginator(Component, frozen=True):
    pagination_strategy: PageIncrement | OffsetIncrement | CursorPagination | CustomPaginationStrategy
    page_size_option: RequestOption | None = None
    page_token_option: RequestOption | RequestPath | None = None


class NoPagination(Component, frozen=True):
    """One page a slice."""


class PaginationResetLimits(Component, frozen=True):
    number_of_records: int | None = None


class PaginationReset(Component, frozen=True):
    """Decoded, and refused when a stream that has one is planned; as are those below."""

    action: Literal["SPLIT_USING_CURSOR", "RESET"]
    limits: PaginationResetLimits | None = None


class PageSizeReduction(Component, frozen=True):
    reduction_factor: float = 2
    minimum_page_size: int = 1
    max_attempts: int = 5
    backoff_seconds: float = 0.5
    retries_at_minimum_page_size: int = 0
    failure_message: str | None = None
    reset_policy: Literal["NEVER", "AFTER_SUCCESSFUL_PAGE"] = "NEVER"


class RequestWindowSplitting(Component, frozen=True):
    failure_message: str | None = None
    min_split_window: str | None = None
