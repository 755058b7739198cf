"""Credentials that stand in the configuration: an API key, a bearer token, a name and a password."""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.authenticators.placing import Place, own_scope, place, with_header
from file_cdk.declarative.components.authenticators import (
    ApiKeyAuthenticator,
    BasicHttpAuthenticator,
    BearerAuthenticator,
)
from file_cdk.declarative.components.paging import RequestOption
from file_cdk.declarative.http.messages import Request
from file_cdk.declarative.http.ports import Session
from file_cdk.declarative.templates import Template


class _Lasting:
    """Credentials for which nobody gives others."""

    __slots__ = ()

    def renewed(self, rejected: Request, session: Session) -> bool:  # noqa: ARG002 -- as the port has it
        return False


class ApiKey(_Lasting, msgspec.Struct, frozen=True):
    token: Template
    place: Place
    parameters: Mapping[str, Any]

    def signed(self, request: Request, session: Session) -> Request:
        token = self.token.text(own_scope(session, self.parameters))
        session.secrets.add(token)
        return self.place.put(request, token, session)


class Bearer(_Lasting, msgspec.Struct, frozen=True):
    token: Template
    parameters: Mapping[str, Any]

    def signed(self, request: Request, session: Session) -> Request:
        token = self.token.text(own_scope(session, self.parameters))
        session.secrets.add(token)
        return with_header(request, "Authorization", f"Bearer {token}")


class Basic(_Lasting, msgspec.Struct, frozen=True):
    username: Template
    password: Template
    parameters: Mapping[str, Any]

    def signed(self, request: Request, session: Session) -> Request:
        own = own_scope(session, self.parameters)
        password = self.password.text(own)
        both = base64.b64encode(f"{self.username.text(own)}:{password}".encode()).decode()
        session.secrets.add(password, both)
        return with_header(request, "Authorization", f"Basic {both}")


def api_key(component: ApiKeyAuthenticator, where: str) -> ApiKey:
    option = component.inject_into
    if (option is None) == (component.header is None):
        raise ConfigError(f"{where}: an ApiKeyAuthenticator has either inject_into or header", remedy="Use inject_into")
    if option is None:
        option = RequestOption(inject_into="header", field_name=component.header, parameters=component.parameters)
    token = Template(component.api_token or "", f"{where}.api_token")
    return ApiKey(token, place(option, f"{where}.inject_into"), component.parameters)


def bearer(component: BearerAuthenticator, where: str) -> Bearer:
    return Bearer(Template(component.api_token, f"{where}.api_token"), component.parameters)


def basic(component: BasicHttpAuthenticator, where: str) -> Basic:
    username, password = (
        Template(component.username, f"{where}.username"),
        Template(component.password, f"{where}.password"),
    )
    return Basic(username, password, component.parameters)
