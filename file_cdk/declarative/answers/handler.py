"""Error handlers of a manifest, compiled: frozen, picklable, and the same for the same answer."""

from collections.abc import Mapping
from typing import Any

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.answers.filters import ResponseFilter, response_filter
from file_cdk.declarative.answers.statuses import by_status
from file_cdk.declarative.answers.waits import Occasion, Wait, wait
from file_cdk.declarative.components.custom import CustomErrorHandler
from file_cdk.declarative.components.errors import CompositeErrorHandler, DefaultErrorHandler
from file_cdk.declarative.http.messages import Outcome, Response, Scope, Verdict
from file_cdk.declarative.templates import Template

MAX_TIME_S = 600.0
"""How long a request is sent again at most, in seconds, unless the API asks for longer waits."""

_DECIDED = frozenset({"SUCCESS", "RETRY", "IGNORE"})
_Component = DefaultErrorHandler | CompositeErrorHandler | CustomErrorHandler


class ErrorHandler(msgspec.Struct, frozen=True):
    """Filters of one handler, or of several one after the other; the waits of all of them are one list."""

    filters: tuple[tuple[ResponseFilter, ...], ...]
    waits: tuple[Wait, ...]
    retries: Template
    parameters: Mapping[str, Any]
    max_time_s: float = MAX_TIME_S
    fixed_retries: int | None = None
    """What `retries` comes to, where it is a number and no template."""

    def max_retries(self, scope: Scope) -> int:
        if self.fixed_retries is not None:
            return self.fixed_retries
        text = self.retries.text({**scope, "parameters": self.parameters})
        try:
            return int(text)
        except ValueError:
            raise ConfigError(f"{self.retries.where}: {self.retries.expression!r} comes to no whole number") from None

    def verdict(self, outcome: Outcome, scope: Scope) -> Verdict:
        """That of the first handler which lets the run go on with the answer or with the request; else that of the last."""
        verdict = by_status(outcome)
        if not isinstance(outcome, Response):
            return verdict
        usual = verdict
        for filters in self.filters:
            found = (each.verdict(outcome, scope) for each in filters)
            verdict = next((each for each in found if each is not None), usual) if filters else usual
            if verdict.action in _DECIDED:
                break
        return verdict

    def wait_s(self, outcome: Outcome, attempt: int, scope: Scope, now_s: float) -> float | None:
        """That of the first strategy that has one. Raises WaitTooLongError."""
        found = (each.seconds(Occasion(outcome, attempt, scope, now_s)) for each in self.waits)
        return next((seconds for seconds in found if seconds), None)


def compiled(component: Mapping[str, Any] | None, where: str) -> ErrorHandler:
    """component: as in the resolved manifest; None for the handler that a requester without one has. where: its place there.
    Raises ConfigError for what it cannot mean, and for Python code."""
    leaves = list(_leaves(component or {"type": "DefaultErrorHandler"}, where))
    first, place = leaves[0]
    return ErrorHandler(
        filters=tuple(_filters(each, at) for each, at in leaves),
        waits=tuple(
            wait(strategy, f"{at}.backoff_strategies[{n}]")
            for each, at in leaves
            for n, strategy in enumerate(each.backoff_strategies or ())
        ),
        retries=Template(str(first.max_retries), f"{place}.max_retries"),
        parameters=first.parameters,
        fixed_retries=first.max_retries if isinstance(first.max_retries, int) else None,
    )


def _leaves(component: Mapping[str, Any], where: str) -> "list[tuple[DefaultErrorHandler, str]]":
    """The handlers of a composite one, to any depth, in their order."""
    try:
        handler = msgspec.convert(component, _Component)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"{where}: {exc}") from exc
    match handler:
        case DefaultErrorHandler():
            return [(handler, where)]
        case CompositeErrorHandler(error_handlers=inner):
            places = (f"{where}.error_handlers[{n}]" for n in range(len(inner)))
            return [leaf for each, place in zip(inner, places, strict=True) for leaf in _leaves(each, place)]
    raise ConfigError(f"{where}: {handler.class_name} is Python code, which is not run")


def _filters(handler: DefaultErrorHandler, where: str) -> tuple[ResponseFilter, ...]:
    found = (
        response_filter(each, f"{where}.response_filters[{n}]") for n, each in enumerate(handler.response_filters or ())
    )
    return tuple(each for each in found if each is not None)
