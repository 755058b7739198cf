"""A requester as a plan has it: the request of a page, from what templates come to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.components.requesters import (
    HttpRequester,
    QueryProperties,
    RequestBodyGraphQL,
    RequestBodyJsonObject,
)
from file_cdk.declarative.http import Request
from file_cdk.declarative.requesting.bodies import body
from file_cdk.declarative.requesting.parts import Content, Parts, Place, merged
from file_cdk.declarative.requesting.urls import joined, with_parameters
from file_cdk.declarative.templates import Compiled, Template, compiled

Scope = Mapping[str, Any]

_TEXTS = (str,)
_TEXTS_AND_LISTS = (str, list)


@dataclass(frozen=True, slots=True)
class Requester:
    """own_parameters: what the requester's templates see as `parameters`."""

    method: str
    url: Template | None
    url_base: Template | None
    path: Template | None
    parameters: Compiled
    headers: Compiled
    body_data: Compiled
    body_json: Compiled
    own_parameters: Mapping[str, Any]
    connect_timeout_s: float | None = None
    read_timeout_s: float | None = None

    def request(self, scope: Scope, *others: Parts, path: str | None = None) -> Request:
        """others: what paginator and slice add, in the order in which it is put in. path: the token of a page that is a URL or a
        path. Raises ConfigError where two sources give the same, or what there is makes no request."""
        scope = {**scope, "parameters": self.own_parameters}
        own = Parts(
            _content(self.parameters.value(scope)),
            _content(self.headers.value(scope)),
            _content(self.body_data.value(scope)),
            _content(self.body_json.value(scope)),
        )
        headers = _fields("header", own, others)
        content, media_type = body(_merged("body_data", own, others), _fields("body_json", own, others))
        fields = [(str(name), str(value)) for name, value in headers.items()]
        if media_type and all(name.lower() != "content-type" for name, _ in fields):
            fields.append(("Content-Type", media_type))
        url = with_parameters(self._url(scope, path), _parameters(own, others))
        return Request(
            self.method,
            url,
            tuple(fields),
            content,
            connect_timeout_s=self.connect_timeout_s,
            read_timeout_s=self.read_timeout_s,
        )

    def _url(self, scope: Scope, path: str | None) -> str:
        base = _text(self.url_base, scope) or _text(self.url, scope)
        return joined(base, path or _text(self.path, scope).lstrip("/"))


def requester(component: HttpRequester, where: str) -> Requester:
    """Raises ConfigError for what it does not know yet, or cannot be."""
    _refuse_property_lists(component, where)
    data, json_value = _bodies(component)
    if data and json_value:
        raise ConfigError(f"{where}: there are both request_body_data and request_body_json", remedy="Leave one out")
    return Requester(
        component.http_method,
        _template(component.url, f"{where}.url"),
        _template(component.url_base, f"{where}.url_base"),
        _template(component.path, f"{where}.path"),
        _compiled(component.request_parameters, f"{where}.request_parameters", _TEXTS, _TEXTS_AND_LISTS),
        _compiled(component.request_headers, f"{where}.request_headers"),
        _compiled(data, f"{where}.request_body_data", _TEXTS, _TEXTS_AND_LISTS),
        _compiled(json_value, f"{where}.request_body_json"),
        component.parameters,
        component.connect_timeout_in_seconds,
        component.read_timeout_in_seconds,
    )


def _refuse_property_lists(component: HttpRequester, where: str) -> None:
    given = component.request_parameters
    in_parameters = isinstance(given, dict) and any(isinstance(value, QueryProperties) for value in given.values())
    if in_parameters or component.query_properties or component.fetch_properties_from_endpoint:
        raise ConfigError(f"{where}: QueryProperties are not supported yet")


def _bodies(component: HttpRequester) -> tuple[Any, Any]:
    body = component.request_body
    if body is None:
        return component.request_body_data, component.request_body_json
    if isinstance(body, RequestBodyGraphQL):
        return component.request_body_data, {name: value for name, value in body.value.items() if value is not None}
    if isinstance(body, RequestBodyJsonObject):
        return component.request_body_data, body.value
    return body.value, component.request_body_json


def _template(text: str | None, where: str) -> Template | None:
    return Template(text, where) if text else None


def _compiled(
    content: Any, where: str, key_types: tuple[type, ...] | None = None, value_types: tuple[type, ...] | None = None
) -> Compiled:
    if isinstance(content, str):  # a whole that is a template may come to a mapping
        return compiled(content, where)
    return compiled(content or {}, where, key_types=key_types, value_types=value_types)


def _text(template: Template | None, scope: Scope) -> str:
    return "" if template is None else str(template.value(scope))


def _content(value: Any) -> Content:
    """What a whole came to: a mapping without None, or a text."""
    if isinstance(value, Mapping):
        return {name: each for name, each in value.items() if each is not None}
    return "" if value is None else str(value)


def _merged(place: Place, own: Parts, others: tuple[Parts, ...]) -> Content:
    added = merged(place, [parts.at(place) for parts in others])
    return merged(place, [own.at(place), added])


def _fields(place: Place, own: Parts, others: tuple[Parts, ...]) -> dict[str, Any]:
    content = _merged(place, own, others)
    if isinstance(content, str) and content:
        raise ConfigError(
            f"a request's {'header fields are' if place == 'header' else 'JSON body is'} a text, not a mapping"
        )
    return cast("dict[str, Any]", content or {})


def _parameters(own: Parts, others: tuple[Parts, ...]) -> dict[str, Any]:
    if isinstance(own.parameters, str):  # request_parameters that come to no mapping are none
        own = Parts()
    content = _fields("request_parameter", own, others)
    for name, value in content.items():
        if isinstance(value, dict):
            raise ConfigError(f"the request's parameter {name!r} is an object", remedy="Give it a text or a list")
    return content
