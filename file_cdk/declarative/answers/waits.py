"""Back-off strategies: how long to wait before a request is sent again, in seconds; None leaves it to the next strategy."""

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

import msgspec

from file_cdk.core.errors import ConfigError, TemplateError
from file_cdk.declarative.answers.filters import seen
from file_cdk.declarative.components.custom import CustomBackoffStrategy
from file_cdk.declarative.components.errors import (
    BackoffStrategy,
    ConstantBackoffStrategy,
    ExponentialBackoffStrategy,
    WaitTimeFromHeader,
    WaitTimeFromResponse,
    WaitUntilTimeFromHeader,
)
from file_cdk.declarative.http.messages import Outcome, Response, Scope
from file_cdk.declarative.http.ports import WaitTooLongError
from file_cdk.declarative.templates import Template

_MAX_EXPONENT = 60


class Occasion(msgspec.Struct, frozen=True):
    """A request that is to be sent again. attempt: how often it was, from 1. now_s: seconds since 1970."""

    outcome: Outcome
    attempt: int
    scope: Scope
    now_s: float


class Wait(Protocol):
    def seconds(self, at: Occasion) -> float | None:
        """Raises WaitTooLongError."""


class _Number(msgspec.Struct, frozen=True):
    """A number of the manifest, or a template that comes to one."""

    template: Template
    parameters: Mapping[str, Any]

    def value(self, scope: Scope) -> float:
        text = self.template.text({**scope, "parameters": self.parameters})
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ConfigError(f"{self.template.where}: {self.template.expression!r} comes to no number")
        return number


class _Growing(msgspec.Struct, frozen=True):
    """base · factorⁿ, and up to twice the jitter more."""

    base: _Number
    factor: int
    jitter_s: float

    def seconds(self, at: Occasion) -> float | None:
        grown = self.base.value(at.scope) * float(self.factor) ** min(at.attempt, _MAX_EXPONENT)
        import random  # few runs send a request again

        return grown + 2 * self.jitter_s * random.random()  # noqa: S311 -- no secret


class _Maximum(msgspec.Struct, frozen=True):
    number: _Number | None

    def held(self, seconds: float, scope: Scope) -> float:
        maximum = None if self.number is None else self.number.value(scope)
        if maximum is not None and seconds >= maximum:
            raise WaitTooLongError(seconds, maximum)
        return seconds


class _HeaderNumber(msgspec.Struct, frozen=True):
    header: Template
    pattern: Template | None
    parameters: Mapping[str, Any]

    def value(self, outcome: Outcome, scope: Scope) -> float | None:
        """None for 0 too, which asks for no wait."""
        scope = {**scope, "parameters": self.parameters}
        text = outcome.headers.get(self.header.text(scope), "") if isinstance(outcome, Response) else ""
        if self.pattern is not None and (found := _pattern(self.pattern.text(scope), self.pattern.where).match(text)):
            text = found[0]
        return _number(text)


class _FromHeader(msgspec.Struct, frozen=True):
    number: _HeaderNumber
    maximum: _Maximum

    def seconds(self, at: Occasion) -> float | None:
        seconds = self.number.value(at.outcome, at.scope)
        return self.maximum.held(seconds, at.scope) if seconds else None


class _UntilHeader(msgspec.Struct, frozen=True):
    number: _HeaderNumber
    least: _Number | None
    maximum: _Maximum

    def seconds(self, at: Occasion) -> float | None:
        least = self.least.value(at.scope) if self.least else 0.0
        until_s = self.number.value(at.outcome, at.scope)
        seconds = max(until_s - at.now_s, least) if until_s else least
        return self.maximum.held(seconds, at.scope) if seconds > 0 else None


class _FromBody(msgspec.Struct, frozen=True):
    template: Template
    maximum: _Maximum
    parameters: Mapping[str, Any]

    def seconds(self, at: Occasion) -> float | None:
        if isinstance(at.outcome, Response):
            scope = seen(at.outcome, at.scope, self.parameters)
        else:
            scope = {**at.scope, "parameters": self.parameters, "response": {}, "headers": {}}
        try:
            seconds = _number(self.template.text(scope))
        except TemplateError:  # the answer has another shape than the one that the template was written for
            return None
        return self.maximum.held(seconds, scope) if seconds and seconds > 0 else None


def wait(strategy: BackoffStrategy, where: str) -> Wait:
    def number(field: str) -> _Number | None:
        value = getattr(strategy, field)
        return None if value is None else _Number(Template(str(value), f"{where}.{field}"), strategy.parameters)

    def required(field: str) -> _Number:
        found = number(field)
        assert found is not None
        return found

    match strategy:
        case ConstantBackoffStrategy():
            return _Growing(required("backoff_time_in_seconds"), 1, strategy.jitter_range_in_seconds or 0.0)
        case ExponentialBackoffStrategy():
            return _Growing(required("factor"), 2, strategy.jitter_range_in_seconds or 0.0)
        case WaitTimeFromHeader():
            return _FromHeader(_header(strategy, where), _Maximum(number("max_waiting_time_in_seconds")))
        case WaitUntilTimeFromHeader():
            maximum = _Maximum(number("max_waiting_time_in_seconds"))
            return _UntilHeader(_header(strategy, where), number("min_wait"), maximum)
        case WaitTimeFromResponse():
            template = Template(strategy.wait_time_in_seconds, f"{where}.wait_time_in_seconds")
            return _FromBody(template, _Maximum(number("max_waiting_time_in_seconds")), strategy.parameters)
        case CustomBackoffStrategy():
            raise ConfigError(f"{where}: {strategy.class_name} is Python code, which is not run")


def _header(strategy: WaitTimeFromHeader | WaitUntilTimeFromHeader, where: str) -> _HeaderNumber:
    pattern = Template(strategy.regex, f"{where}.regex") if strategy.regex else None
    return _HeaderNumber(Template(strategy.header, f"{where}.header"), pattern, strategy.parameters)


@lru_cache(maxsize=64)
def _pattern(text: str, where: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as exc:
        raise ConfigError(f"{where}: {text!r} is no regular expression: {exc}") from exc


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
