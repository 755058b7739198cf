"""How a stream goes on from an earlier run: cursors, and older states made into those of today."""

from typing import Annotated, Any

import msgspec

from file_cdk.declarative.components.component import Component, names_of_types

_RequestOption = Annotated[dict[str, Any], names_of_types("RequestOption")]


class MinMaxDatetime(Component, frozen=True):
    """A moment, no earlier and no later than two others. datetime_format: the cursor's where it is empty."""

    datetime: str
    datetime_format: str = ""
    min_datetime: str = ""
    max_datetime: str = ""


class Clamping(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """target: DAY, WEEK or MONTH, or a template of it. target_details: `weekday` of WEEK, as MONDAY."""

    target: str
    target_details: dict[str, Any] = {}


class DatetimeBasedCursor(Component, frozen=True):
    """step, cursor_granularity, lookback_window: ISO 8601 durations. clamping: both ends of each interval fall on one of its
    boundaries. is_data_feed: pages come newest first, and paging ends at the first record that is too old.
    is_compare_strictly: no interval whose ends are the same."""

    cursor_field: str
    datetime_format: str
    start_datetime: MinMaxDatetime | str
    end_datetime: MinMaxDatetime | str | None = None
    cursor_datetime_formats: tuple[str, ...] = ()
    step: str | None = None
    cursor_granularity: str | None = None
    lookback_window: str | None = None
    start_time_option: _RequestOption | None = None
    end_time_option: _RequestOption | None = None
    partition_field_start: str | None = None
    partition_field_end: str | None = None
    clamping: Clamping | None = None
    is_data_feed: bool = False
    is_client_side_incremental: bool = False
    is_compare_strictly: bool = False
    global_substream_cursor: bool = False
    allow_catalog_defined_cursor_field: bool = False


class IncrementingCountCursor(Component, frozen=True):
    """Decoded, and refused when a stream that has one is planned."""

    cursor_field: str
    start_value: str | int | None = None
    start_value_option: _RequestOption | None = None
    allow_catalog_defined_cursor_field: bool = False


class LegacyToPerPartitionStateMigration(Component, frozen=True):
    """A state `{parent's key: {cursor field: value}}` becomes one per partition."""
