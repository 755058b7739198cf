"""Puts a credential into a request that is otherwise ready to be sent."""

import json
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qsl, quote_plus, urlsplit

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.components.paging import RequestOption
from file_cdk.declarative.http.messages import Request, Scope
from file_cdk.declarative.http.ports import Session
from file_cdk.declarative.templates import Template


def with_header(request: Request, name: str, value: str) -> Request:
    """In place of any header of that name."""
    if not name:
        return request
    lower = name.lower()
    others = (field for field in request.headers if field[0].lower() != lower)
    return msgspec.structs.replace(request, headers=(*others, (name, value)))


def with_parameter(request: Request, name: str, value: str) -> Request:
    """Once: an API may have put it into the URL of a page itself."""
    parts = urlsplit(request.url)
    if (name, value) in parse_qsl(parts.query, keep_blank_values=True):
        return request
    query = f"{parts.query}{'&' if parts.query else ''}{quote_plus(name)}={quote_plus(value)}"
    return msgspec.structs.replace(request, url=parts._replace(query=query).geturl())


def with_form_field(request: Request, name: str, value: str) -> Request:
    field = f"{quote_plus(name)}={quote_plus(value)}".encode()
    body = b"&".join(filter(None, (request.body, field)))
    return _with_body(request, body, "application/x-www-form-urlencoded")


def with_member(request: Request, path: tuple[str, ...], value: str) -> Request:
    """Raises ConfigError where the body is no JSON object, or something else stands in the way."""
    try:
        content = json.loads(request.body) if request.body else {}
        within = content
        for name in path[:-1]:
            within = within.setdefault(name, {})
        within[path[-1]] = value
    except (ValueError, AttributeError, TypeError):
        raise ConfigError(
            f"a credential is to be put into the body at {'.'.join(path)!r}, which is no place of it"
        ) from None
    return _with_body(request, json.dumps(content).encode(), "application/json")


def _with_body(request: Request, body: bytes, content_type: str) -> Request:
    headers = request.headers
    if request.header("Content-Type") is None:
        headers = (*headers, ("Content-Type", content_type))
    return msgspec.structs.replace(request, body=body, headers=headers)


class Place(msgspec.Struct, frozen=True):
    """Where a RequestOption puts a value. path: of one name, but in a JSON body."""

    into: Literal["request_parameter", "header", "body_data", "body_json"]
    path: tuple[Template, ...]
    parameters: Mapping[str, Any]

    def put(self, request: Request, value: str, session: Session) -> Request:
        scope = own_scope(session, self.parameters)
        names = tuple(each.text(scope) for each in self.path)
        match self.into:
            case "header":
                return with_header(request, names[0], value)
            case "request_parameter":
                return with_parameter(request, names[0], value)
            case "body_data":
                return with_form_field(request, names[0], value)
            case "body_json":
                return with_member(request, names, value)

    def has(self, request: Request, value: str, session: Session) -> bool:
        """Whether `put` put this value into the request."""
        scope = own_scope(session, self.parameters)
        names = tuple(each.text(scope) for each in self.path)
        match self.into:
            case "header":
                return request.header(names[0]) == value
            case "request_parameter":
                return (names[0], value) in parse_qsl(urlsplit(request.url).query, keep_blank_values=True)
            case "body_data":
                return (names[0], value) in parse_qsl((request.body or b"").decode(), keep_blank_values=True)
            case "body_json":
                content = json.loads(request.body or b"{}")
                for name in names:
                    content = content.get(name) if isinstance(content, dict) else None
                return bool(content == value)


def place(option: RequestOption, where: str) -> Place:
    names = option.field_path if option.field_name is None else (option.field_name,)
    if not names or (option.field_name is not None and option.field_path is not None):
        raise ConfigError(f"{where}: a RequestOption has either field_name or field_path")
    if len(names) > 1 and option.inject_into != "body_json":
        raise ConfigError(f"{where}: field_path is for body_json alone", remedy="Use field_name")
    return Place(option.inject_into, tuple(Template(name, where) for name in names), option.parameters)


def own_scope(session: Session, parameters: Mapping[str, Any], **more: Any) -> Scope:
    """What templates of an authenticator see. The configuration is that of this moment: tokens in it may have been replaced."""
    return {"config": session.config, "parameters": parameters, **more}
