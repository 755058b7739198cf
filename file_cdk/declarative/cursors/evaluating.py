"""A cursor from its component: templates evaluated, dates and durations read, and refused in words where they are none."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from file_cdk.core.errors import ConfigError
from file_cdk.declarative import datetimes, durations
from file_cdk.declarative.components.cursors import (
    Clamping,
    DatetimeBasedCursor,
    IncrementingCountCursor,
    MinMaxDatetime,
)
from file_cdk.declarative.cursors.clamping import WEEKDAYS, Clamp
from file_cdk.declarative.cursors.cursor import DatetimeCursor, Length
from file_cdk.declarative.templates import Template

_FORMAT = "%Y-%m-%dT%H:%M:%S.%f%z"
"""Of a moment whose own format, and its cursor's, are empty."""
_CLAMPED_BY = {"DAY": timedelta(seconds=1), "WEEK": timedelta(days=1), "MONTH": timedelta(days=1)}
"""Between the last moment read and the boundary after it, without a granularity."""


def cursor_of(
    component: DatetimeBasedCursor | IncrementingCountCursor,
    config: Mapping[str, Any],
    where: str,
    *,
    now: datetime,
    field: str | None = None,
) -> DatetimeCursor:
    """where: the stream, for errors. now: the end where none is configured; the same all through a run. field: the catalog's
    choice of a cursor field, which counts where the component allows it. Raises ConfigError."""
    if not isinstance(component, DatetimeBasedCursor):
        raise ConfigError(
            f"{where}: a cursor that counts (IncrementingCountCursor) is not supported yet",
            remedy="Read the stream without incremental_sync, or with another program",
        )
    texts = _Texts({"config": config, "parameters": component.parameters}, where)
    if bool(component.step) != bool(component.cursor_granularity):
        raise ConfigError(f"{where}: `step` and `cursor_granularity` of a cursor need one another")
    granularity = texts.duration("cursor_granularity", component.cursor_granularity)
    step = texts.duration("step", component.step)
    if isinstance(step, timedelta) and step < timedelta():
        raise ConfigError(f"{where}: `step` of a cursor goes backwards")
    end = now
    if component.end_datetime:
        end = _moment(component.end_datetime, component.datetime_format, texts, "end_datetime")
    clamp = _clamp(component.clamping, texts)
    if clamp is not None:
        end = clamp.down(end) - (granularity or _CLAMPED_BY[clamp.unit])
    return DatetimeCursor(
        field=field
        if field and component.allow_catalog_defined_cursor_field
        else texts.text("cursor_field", component.cursor_field),
        format=component.datetime_format,
        formats=tuple(dict.fromkeys((*component.cursor_datetime_formats, component.datetime_format))),
        start=_moment(component.start_datetime, component.datetime_format, texts, "start_datetime"),
        end=end,
        step=step,
        granularity=granularity,
        lookback=texts.duration("lookback_window", component.lookback_window),
        start_field=texts.text("partition_field_start", component.partition_field_start or "start_time"),
        end_field=texts.text("partition_field_end", component.partition_field_end or "end_time"),
        clamp=clamp,
        is_strict=component.is_compare_strictly,
        is_data_feed=component.is_data_feed,
        is_client_side=component.is_client_side_incremental,
        is_global=component.global_substream_cursor,
    )


class _Texts:
    """Fields of a component, evaluated."""

    def __init__(self, scope: Mapping[str, Any], where: str) -> None:
        self._scope = scope
        self._where = where

    def text(self, field: str, text: str) -> str:
        value = Template(text, self._place(field)).value_or_none(self._scope)
        return "" if value is None else str(value)

    def duration(self, field: str, text: str | None) -> Length | None:
        if not text or not (text := self.text(field, text)):
            return None
        return self.read(field, text, durations.parse) or None

    def read(self, field: str, text: str, parse: Callable[[str], Any]) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise ConfigError(f"{self._place(field)}: {error}") from None

    def refused(self, field: str, why: str) -> ConfigError:
        return ConfigError(f"{self._place(field)}: {why}")

    def _place(self, field: str) -> str:
        return f"{self._where}, cursor, field {field!r}"


def _moment(written: MinMaxDatetime | str, format: str, texts: _Texts, field: str) -> datetime:
    if isinstance(written, str):
        return _parsed(texts.text(field, written), format, texts, field)
    format = written.datetime_format or format or _FORMAT
    moment = _parsed(texts.text(field, written.datetime), format, texts, field)
    if lowest := written.min_datetime and texts.text(field, written.min_datetime):
        moment = max(moment, _parsed(lowest, format, texts, field))
    if highest := written.max_datetime and texts.text(field, written.max_datetime):
        moment = min(moment, _parsed(highest, format, texts, field))
    return moment


def _parsed(text: str, format: str, texts: _Texts, field: str) -> datetime:
    moment: datetime = texts.read(field, text, lambda each: datetimes.parse(each, format))
    return moment


def _clamp(clamping: Clamping | None, texts: _Texts) -> Clamp | None:
    if clamping is None:
        return None
    match texts.text("clamping.target", clamping.target):
        case "DAY":
            return Clamp("DAY")
        case "MONTH":
            return Clamp("MONTH")
        case "WEEK":
            weekday = clamping.target_details.get("weekday")
            if weekday not in WEEKDAYS:
                raise texts.refused("clamping.target_details", f"WEEK needs a weekday, one of {', '.join(WEEKDAYS)}")
            return Clamp("WEEK", WEEKDAYS.index(weekday))
        case _:
            raise texts.refused("clamping.target", "is to be DAY, WEEK or MONTH")
