"""Filters of a manifest: which answers they fit, and what is to be done then."""

from collections.abc import Mapping
from typing import Any

import msgspec

from file_cdk.core.errors import ConfigError, FailureType, TemplateError
from file_cdk.declarative.answers.statuses import filtered
from file_cdk.declarative.components.errors import HttpResponseFilter
from file_cdk.declarative.http.messages import Action, Response, Scope, Verdict, without_query
from file_cdk.declarative.http.said import error_text
from file_cdk.declarative.templates import Condition, Template

_LATER = frozenset({"RESET_PAGINATION", "REDUCE_PAGE_SIZE", "SPLIT_REQUEST_WINDOW"})


class ResponseFilter(msgspec.Struct, frozen=True):
    action: Action
    failure_type: FailureType | None
    codes: frozenset[int]
    predicate: Condition | None
    contains: str | None
    message: Template | None
    parameters: Mapping[str, Any]

    def verdict(self, response: Response, scope: Scope) -> Verdict | None:
        """None where the filter does not fit."""
        if not self._fits(response, scope):
            return None
        return filtered(response.status, self.action, self.failure_type, self._text(response, scope))

    def _fits(self, response: Response, scope: Scope) -> bool:
        if response.status in self.codes:
            return True
        if self.predicate is not None and self.predicate.holds(seen(response, scope, self.parameters)):
            return True
        return bool(self.contains and self.contains in (error_text(response) or ""))

    def _text(self, response: Response, scope: Scope) -> str | None:
        if self.message is None:
            return None
        try:
            return self.message.text(seen(response, scope, self.parameters))
        except TemplateError:
            return None  # the error that it was to describe counts for more


def response_filter(component: HttpResponseFilter, where: str) -> ResponseFilter | None:
    """None for one without an action, which says nothing of any answer."""
    action = component.action
    if action is None:
        return None
    if action in _LATER:
        raise ConfigError(f"{where}: the action {action} is not supported")
    return ResponseFilter(
        action=action,  # type: ignore[arg-type] # those of _LATER are gone
        failure_type=component.failure_type,
        codes=frozenset(component.http_codes or ()),
        predicate=Condition(component.predicate, f"{where}.predicate") if component.predicate else None,
        contains=component.error_message_contains,
        message=Template(component.error_message, f"{where}.error_message") if component.error_message else None,
        parameters=component.parameters,
    )


def seen(response: Response, scope: Scope, parameters: Mapping[str, Any]) -> Scope:
    """What templates of an error handler see: `response` is an empty mapping where the body is no JSON."""
    return {
        **scope,
        "parameters": parameters,
        "response": response.json({}),
        "headers": response.headers,
        "request_url": without_query(response.url),
    }
