"""A requester as a plan has it: the request of a page, from what templates come to."""

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

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
from file_cdk.declarative.requesting.urls import followed, joined, with_parameters
from file_cdk.declarative.templates import Compiled, Template, compiled

Scope = Mapping[str, Any]

_HEADER_VALUE = re.compile(r"(?:\S[^\r\n]*)?")
_TEXTS = (str,)
_TEXTS_AND_LISTS = (str, list)


class Requester(msgspec.Struct, frozen=True):
    """contents: what the requester itself puts in. own_parameters: what its templates see as `parameters`."""

    method: str
    url: Template | None
    url_base: Template | None
    path: Template | None
    contents: tuple[tuple[Place, Compiled], ...]
    own_parameters: Mapping[str, Any]
    connect_timeout_s: float | None = None
    read_timeout_s: float | None = None
    _kept: list[tuple[Any, dict[str, Any]]] = []
    """The configuration, and what templates came to that look at it alone: the same for each page."""

    def request(self, scope: Scope, *others: Parts, path: str | None = None) -> Request:
        """others: what paginator and slice add, in the order in which it is put in. path: the token of a page that is a URL or a
        path. Raises ConfigError where two sources give the same, or what there is makes no request."""
        try:
            return self._request(scope, others, path)
        except UnicodeEncodeError:
            raise ConfigError("a request would have half of a surrogate pair in it, which is no text") from None

    def _request(self, scope: Scope, others: tuple[Parts, ...], path: str | None) -> Request:
        scope = {**scope, "parameters": self.own_parameters}
        kept = self._kept_of(scope.get("config"))
        own: Parts = {place: self._content(place, written, scope, kept) for place, written in self.contents}
        given = set(own).union(*others)
        fields = _header_fields(_fields("header", own, others)) if "header" in given else []
        content, media_type = None, None
        if "body_data" in given or "body_json" in given:
            content, media_type = body(_merged("body_data", own, others), _fields("body_json", own, others))
        if media_type and all(name.lower() != "content-type" for name, _ in fields):
            fields.append(("Content-Type", media_type))
        url, is_foreign = self._url(scope, kept, path)
        return Request(
            self.method,
            with_parameters(url, _parameters(own, others)),
            tuple(fields),
            content,
            connect_timeout_s=self.connect_timeout_s,
            read_timeout_s=self.read_timeout_s,
            foreign_url=with_parameters(url, {}) if is_foreign else None,
        )

    def _kept_of(self, config: Any) -> dict[str, Any]:
        last = self._kept[0] if self._kept else None
        if last is None or last[0] is not config:
            last = (config, {})
            self._kept[:] = [last]
        return last[1]

    def _content(self, place: Place, written: Compiled, scope: Scope, kept: dict[str, Any]) -> Content:
        content: Content | None = kept.get(place)
        if content is None:
            content = _content(written, scope)
            if written.is_of_configuration:
                kept[place] = content
        return content

    def _text(self, name: Literal["url", "url_base", "path"], scope: Scope, kept: dict[str, Any]) -> str:
        text: str | None = kept.get(name)
        if text is None:
            template: Template | None = getattr(self, name)
            text = "" if template is None else str(template.value(scope))
            if template is None or template.is_of_configuration:
                kept[name] = text
        return text

    def _url(self, scope: Scope, kept: dict[str, Any], link: str | None) -> tuple[str, bool]:
        """And whether it is of another origin than that of a first page. link: of the API, to the page."""
        base = self._text("url_base", scope, kept) or self._text("url", scope, kept)
        if link:
            url, is_foreign = followed(base, link)
            if not is_foreign:
                return url, False
        own = joined(base, self._text("path", scope, kept).lstrip("/"))
        return followed(own, link) if link else (own, False)


def requester(component: HttpRequester, where: str) -> Requester:
    """Raises ConfigError for what it does not know yet, or cannot be."""
    _refuse_property_lists(component, where)
    data, json_value = _bodies(component)
    if data and json_value:
        raise ConfigError(f"{where}: there are both request_body_data and request_body_json", remedy="Leave one out")
    contents: list[tuple[Place, Any, str]] = [
        ("request_parameter", component.request_parameters, "request_parameters"),
        ("header", component.request_headers, "request_headers"),
        ("body_data", data, "request_body_data"),
        ("body_json", json_value, "request_body_json"),
    ]
    return Requester(
        component.http_method,
        _template(component.url, f"{where}.url"),
        _template(component.url_base, f"{where}.url_base"),
        _template(component.path, f"{where}.path"),
        tuple((place, _compiled(place, written, f"{where}.{field}")) for place, written, field in contents if written),
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


def _compiled(place: Place, content: Any, where: str) -> Compiled:
    if isinstance(content, str) or place in ("header", "body_json"):  # a text may come to a mapping
        return compiled(content, where)
    return compiled(content, where, key_types=_TEXTS, value_types=_TEXTS_AND_LISTS)


def _content(written: Compiled, scope: Scope) -> Content:
    """What it comes to: a mapping without None, or a text; one that reads as a list or a number stays as it is rendered."""
    value = written.value(scope)
    if isinstance(value, Mapping):
        return {name: each for name, each in value.items() if each is not None}
    if isinstance(value, str) or value is None:
        return value or ""
    return written.content.text(scope) if isinstance(written.content, Template) else str(value)


def _merged(place: Place, own: Parts, others: tuple[Parts, ...]) -> Content:
    first = own.get(place) or {}
    full = [content for parts in others if (content := parts.get(place))]
    if not full:
        return first
    added = full[0] if len(full) == 1 else merged(place, others)
    return merged(place, (own, {place: added})) if first else added


def _fields(place: Place, own: Parts, others: tuple[Parts, ...]) -> dict[str, Any]:
    content = _merged(place, own, others)
    if isinstance(content, str):
        what = "header fields are" if place == "header" else "JSON body is"
        raise ConfigError(f"a request's {what} a text, not a mapping")
    return content


def _header_fields(headers: Mapping[str, Any]) -> list[tuple[str, str]]:
    fields = [(str(name), str(value)) for name, value in headers.items()]
    for name, value in fields:
        if not _HEADER_VALUE.fullmatch(value) or not _HEADER_VALUE.fullmatch(name):
            raise ConfigError(f"the header field {name!r} begins with a blank, or goes over several lines")
    return fields


def _parameters(own: Parts, others: tuple[Parts, ...]) -> dict[str, Any]:
    if isinstance(own.get("request_parameter"), str):  # those that come to no mapping are none
        own = {}
    content = _fields("request_parameter", own, others)
    for name, value in content.items():
        if isinstance(value, dict):
            raise ConfigError(f"the request's parameter {name!r} is an object", remedy="Give it a text or a list")
    return content
