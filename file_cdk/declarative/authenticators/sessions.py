"""Tokens of a session, which a login gives."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative import durations
from file_cdk.declarative.authenticators.placing import Place, own_scope, place, with_header
from file_cdk.declarative.authenticators.tokens import KeptToken, Token, TokenHandler
from file_cdk.declarative.components.authenticators import (
    LegacySessionTokenAuthenticator,
    SessionTokenAuthenticator,
    SessionTokenRequestApiKeyAuthenticator,
)
from file_cdk.declarative.components.paging import RequestOption
from file_cdk.declarative.http.messages import Outcome, Request, Response, Scope, Verdict
from file_cdk.declarative.http.ports import Authenticator, Handler, Session
from file_cdk.declarative.templates import Template

_UNAUTHORIZED = 401


class Login(Protocol):
    """The request of a `login_requester`; whoever compiles requesters makes it. Picklable."""

    @property
    def handler(self) -> Handler: ...

    @property
    def authenticator(self) -> Authenticator | None: ...

    def request(self, scope: Scope) -> Request: ...


class SessionToken(msgspec.Struct, frozen=True):
    """lasts_s: in seconds; None: each request has a login of its own."""

    identity: bytes
    login: Login
    path: tuple[str, ...]
    lasts_s: float | None
    token: Template
    place: Place
    parameters: Mapping[str, Any]
    where: str

    def signed(self, request: Request, session: Session) -> Request:
        if self.lasts_s is None:
            text = self._got(session).text
        else:
            text = self._kept(session).current(session, lambda: self._got(session))
        value = self._value(text, session)
        session.secrets.add(value)
        return self.place.put(request, value, session)

    def renewed(self, rejected: Request, session: Session) -> bool:
        if self.lasts_s is None:
            return False
        kept = self._kept(session)
        token = kept.token
        # One that is not the token in use any more: another thread has renewed it.
        if token is None or self.place.has(rejected, self._value(token.text, session), session):
            kept.renewed(token.text if token else None, lambda: self._got(session))
        return True

    def _value(self, text: str, session: Session) -> str:
        return self.token.text(own_scope(session, self.parameters, session_token=text))

    def _kept(self, session: Session) -> KeptToken:
        return session.kept(("session", self.identity), KeptToken)

    def _got(self, session: Session) -> Token:
        request = msgspec.structs.replace(self.login.request(own_scope(session, self.parameters)), is_for_token=True)
        answer = session.send(
            request, self.login.handler, self.login.authenticator, own_scope(session, self.parameters), ""
        )
        value = answer.response.json()
        for name in self.path:
            value = _member(value, name)
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise ConfigError(f"{self.where}: the answer to the login has no token at {'.'.join(self.path)!r}")
        session.secrets.add(value)
        return Token(str(value), session.now_s() + (self.lasts_s or 0.0))


def _member(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name)
    if isinstance(value, list) and name.isdecimal() and int(name) < len(value):
        return value[int(name)]
    return None


def session_token(component: SessionTokenAuthenticator, where: str, identity: bytes, login: Login) -> SessionToken:
    way = component.request_authentication
    if isinstance(way, SessionTokenRequestApiKeyAuthenticator):
        option, text = way.inject_into, way.api_token
    else:
        option, text = RequestOption(inject_into="header", field_name="Authorization"), "Bearer {{ session_token }}"
    return SessionToken(
        identity=identity,
        login=login,
        path=component.session_token_path,
        lasts_s=_seconds(component.expiration_duration, where) if component.expiration_duration else None,
        token=Template(text, f"{where}.request_authentication.api_token"),
        place=place(option, f"{where}.request_authentication.inject_into"),
        parameters=component.parameters,
        where=where,
    )


def _seconds(text: str, where: str) -> float:
    try:
        duration = durations.parse(text)
    except ValueError as exc:
        raise ConfigError(f"{where}.expiration_duration: {exc}") from exc
    beginning = datetime(2000, 1, 1, tzinfo=UTC)  # months are taken for those of any year
    return (beginning + duration - beginning).total_seconds()


class LegacySessionToken(msgspec.Struct, frozen=True):
    """The token of the configuration while the API takes it, else that of a login; asked once in a run."""

    identity: bytes
    header: Template
    session_token: Template
    username: Template
    password: Template
    login_url: Template
    validate_url: Template
    response_key: Template
    parameters: Mapping[str, Any]
    where: str

    def signed(self, request: Request, session: Session) -> Request:
        own = own_scope(session, self.parameters)
        text = self._kept(session).current(session, lambda: self._got(session, own, asks_first=True))
        return with_header(request, self.header.text(own), text)

    def renewed(self, rejected: Request, session: Session) -> bool:
        own = own_scope(session, self.parameters)
        refused = rejected.header(self.header.text(own))
        self._kept(session).renewed(refused, lambda: self._got(session, own, asks_first=False))
        return True

    def _kept(self, session: Session) -> KeptToken:
        return session.kept(("legacy session", self.identity), KeptToken)

    def _got(self, session: Session, own: Scope, *, asks_first: bool) -> Token:
        token = self.session_token.text(own)
        session.secrets.add(token)
        if token and asks_first and self._is_taken(session, own, token):
            return Token(token, float("inf"))
        username, password = self.username.text(own), self.password.text(own)
        if not (username and password):
            raise ConfigError(
                f"{self.where}: the API does not take the session token",
                remedy="Give another one, or username and password",
            )
        session.secrets.add(password)
        body = json.dumps({"username": username, "password": password}).encode()
        headers = (("Content-Type", "application/json"),)
        request = Request("POST", self.login_url.text(own), headers, body, is_for_token=True)
        content = session.send(request, TokenHandler(), None, own, "").response.json()
        value = _member(content, self.response_key.text(own))
        if value is None:
            raise ConfigError(f"{self.where}: the answer to the login has no {self.response_key.text(own)!r}")
        session.secrets.add(value)
        return Token(str(value), float("inf"))

    def _is_taken(self, session: Session, own: Scope, token: str) -> bool:
        request = with_header(
            Request("GET", self.validate_url.text(own), is_for_token=True), self.header.text(own), token
        )
        answer = session.send(request, _ValidationHandler(), None, own, "")
        return answer.response.status != _UNAUTHORIZED


class _ValidationHandler(TokenHandler, frozen=True):
    def verdict(self, outcome: Outcome, scope: Scope) -> Verdict:
        if isinstance(outcome, Response) and outcome.status == _UNAUTHORIZED:
            return Verdict("IGNORE")
        return TokenHandler.verdict(self, outcome, scope)


def legacy_session_token(
    component: LegacySessionTokenAuthenticator, where: str, identity: bytes, url_base: str
) -> LegacySessionToken:
    def template(name: str, before: str = "") -> Template:
        return Template(before + (getattr(component, name) or ""), f"{where}.{name}")

    return LegacySessionToken(
        identity=identity,
        header=template("header"),
        session_token=template("session_token"),
        username=template("username"),
        password=template("password"),
        login_url=template("login_url", url_base),
        validate_url=template("validate_session_url", url_base),
        response_key=template("session_token_response_key"),
        parameters=component.parameters,
        where=where,
    )
