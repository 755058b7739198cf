"""What of a slice goes into its requests: ends of the interval, values of the partition."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.components.component import Component
from file_cdk.declarative.components.cursors import DatetimeBasedCursor
from file_cdk.declarative.components.paging import RequestOption
from file_cdk.declarative.components.slicing import ListPartitionRouter, SubstreamPartitionRouter
from file_cdk.declarative.language.registry import decoded
from file_cdk.declarative.requesting.parts import Injection, Parts, injection, together
from file_cdk.declarative.slices import Slice
from file_cdk.declarative.templates import Template


class SliceOption(msgspec.Struct, frozen=True):
    """key: of the partition or of the interval."""

    injection: Injection
    key: str


class SliceOptions(msgspec.Struct, frozen=True):
    """routers: of each partition router. cursor: of the interval's ends."""

    routers: tuple[tuple[SliceOption, ...], ...] = ()
    cursor: tuple[SliceOption, ...] = ()

    def parts(self, of: Slice) -> Parts:
        """Where two put a value in the same place, that of the first router and that of the cursor counts."""
        parts: Parts = {}
        for options in reversed(self.routers):
            parts = together(parts, _parts(options, of.partition, is_empty_sent=False))
        if self.cursor and of.interval:
            parts = together(parts, _parts(self.cursor, of.interval, is_empty_sent=True))
        return parts


def _parts(options: tuple[SliceOption, ...], values: Mapping[str, Any], *, is_empty_sent: bool) -> Parts:
    parts: Parts = {}
    for option in options:
        value = values.get(option.key)
        if value or is_empty_sent:
            option.injection.put(value, parts)
    return parts


def slice_options(
    routers: Iterable[Component], cursor: DatetimeBasedCursor | None, config: Mapping[str, Any], where: str
) -> SliceOptions:
    """routers: of other kinds than lists and parents put nothing into requests. Raises ConfigError."""
    ends = () if cursor is None else _of_cursor(cursor, config, f"{where}.incremental_sync")
    return SliceOptions(
        tuple(_of_router(router, config, f"{where}.partition_router[{n}]") for n, router in enumerate(routers)), ends
    )


def _of_router(router: Component, config: Mapping[str, Any], where: str) -> tuple[SliceOption, ...]:
    if isinstance(router, ListPartitionRouter):
        return _options([(router.request_option, router.cursor_field)], router.parameters, config, where)
    if isinstance(router, SubstreamPartitionRouter):
        return tuple(
            option
            for parent in router.parent_stream_configs
            for option in _options([(parent.request_option, parent.partition_field)], parent.parameters, config, where)
        )
    return ()


def _of_cursor(cursor: DatetimeBasedCursor, config: Mapping[str, Any], where: str) -> tuple[SliceOption, ...]:
    options = _options(
        [
            (cursor.start_time_option, cursor.partition_field_start or "start_time"),
            (cursor.end_time_option, cursor.partition_field_end or "end_time"),
        ],
        cursor.parameters,
        config,
        where,
    )
    if len(options) == 2 and options[0].injection.clashes_with(options[1].injection):
        raise ConfigError(f"{where}: start_time_option and end_time_option put their values in the same place")
    return options


def _options(
    written: Iterable[tuple[dict[str, Any] | None, str]],
    parameters: Mapping[str, Any],
    config: Mapping[str, Any],
    where: str,
) -> tuple[SliceOption, ...]:
    """written: options, and the templates of the keys whose values they send."""
    scope = {"config": config, "parameters": parameters}
    return tuple(
        SliceOption(injection(decoded(option, RequestOption), config, where), str(Template(key, where).value(scope)))
        for option, key in written
        if option is not None
    )
