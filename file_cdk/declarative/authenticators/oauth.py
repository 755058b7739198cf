"""OAuth 2.0: access tokens for a refresh token, for client credentials, or for an assertion.

A refresh token that is good for one use is the only one there is: the one that follows it is written down before the access token
that came with it is used, and one thread does so.
"""

from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative import datetimes
from file_cdk.declarative.authenticators.jwt import Jwt
from file_cdk.declarative.authenticators.placing import own_scope, with_header
from file_cdk.declarative.authenticators.tokens import KeptToken, Token, TokenHandler, found
from file_cdk.declarative.components.authenticators import OAuthAuthenticator
from file_cdk.declarative.http.messages import Request, Scope
from file_cdk.declarative.http.ports import Session
from file_cdk.declarative.templates import Compiled, Template, compiled

_UNTOLD_S = 3600.0
"""How long a token lasts of which the API does not say, in seconds."""

_EARLY_S = 5.0
"""How long before its end a token is replaced at most, in seconds: it has to arrive in time."""

_LAST_S = 253_402_300_799.0
"""The last moment that has a date, in seconds since 1970: some APIs say of a token that it lasts longer."""

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class OAuth(msgspec.Struct, frozen=True):
    """identity: equal for authenticators that are written the same, which share their token."""

    identity: bytes
    component: OAuthAuthenticator
    endpoint: Template | None
    access_token: Template | None
    expiry: Template | None
    standard: tuple[tuple[Template, Template | None], ...]
    body: Compiled
    headers: Compiled
    access_token_name: Template
    expires_in_name: Template
    assertion: Jwt | None
    where: str

    def signed(self, request: Request, session: Session) -> Request:
        kept = self._shared(session)
        token = kept.current(session, lambda: self._got(session, kept))
        return with_header(request, "Authorization", f"Bearer {token}")

    def renewed(self, rejected: Request, session: Session) -> bool:
        if self.endpoint is None:
            return False
        kept = self._shared(session)
        refused = (rejected.header("Authorization") or "").removeprefix("Bearer ")
        kept.renewed(refused, lambda: self._got(session, kept))
        return True

    def _shared(self, session: Session) -> KeptToken:
        """Of all authenticators that ask for a token with the same words, whatever stream they are of."""
        return session.kept(
            ("oauth", self.identity), lambda: session.kept(self._words(session), lambda: self._kept(session))
        )

    def _words(self, session: Session) -> Hashable:
        if updater := self.component.refresh_token_updater:
            return "oauth", updater.refresh_token_config_path
        scope = own_scope(session, self.component.parameters)
        if self.endpoint is None:
            return "oauth", self.access_token and self.access_token.text(scope)
        fields = self._fields(session, scope, {}) if self.assertion is None else self.identity
        return "oauth", self.endpoint.text(scope), repr(fields), repr(self.headers.value(scope))

    def _kept(self, session: Session) -> KeptToken:
        """What the run begins with: the token of the configuration, if there is one."""
        scope = own_scope(session, self.component.parameters)
        if updater := self.component.refresh_token_updater:
            text = _at(session.config, updater.access_token_config_path)
            expiry = _at(session.config, updater.token_expiry_date_config_path)
        else:
            text = self.access_token.text(scope) if self.access_token else ""
            expiry = self.expiry.text(scope) if self.expiry else ""
        session.secrets.add(text)
        if self.endpoint is None:
            return KeptToken(Token(str(text), float("inf")))
        if not text or not expiry:
            return KeptToken()
        return KeptToken(Token(str(text), self._moment_s(expiry)))

    def _got(self, session: Session, kept: KeptToken) -> Token:
        before = kept.token
        own = own_scope(session, self.component.parameters)
        content = session.send(self._request(session), TokenHandler(), None, own, "").response.json()
        session.secrets.add(*(found(content, name) for name in ("refresh_token", "id_token")))
        following = self._following(session, content)
        try:
            text = self._text(session, content, own)
            until_s = self._until_s(content, own, before, session.now_s())
        except ConfigError:
            if following:  # the one before it is used up, and a run with another manifest or configuration needs this
                session.update_config(following)
            raise
        if updater := self.component.refresh_token_updater:
            ends_at = datetime.fromtimestamp(min(until_s, _LAST_S), UTC).isoformat()
            written = {updater.access_token_config_path: text, updater.token_expiry_date_config_path: ends_at}
            session.update_config({**written, **following})
        return Token(text, until_s)

    def _text(self, session: Session, content: Any, own: Scope) -> str:
        text = found(content, self.access_token_name.text(own))
        if not isinstance(text, str | int) or not text:
            raise ConfigError(f"{self.where}: the answer with the token has no {self.access_token_name.text(own)!r}")
        session.secrets.add(text)
        return str(text)

    def _following(self, session: Session, content: Any) -> dict[tuple[str, ...], Any]:
        """The refresh token that is to be written down, where there is another one."""
        if (updater := self.component.refresh_token_updater) is None:
            return {}
        token = found(content, updater.refresh_token_name)
        session.secrets.add(token)
        return {} if token is None else {updater.refresh_token_config_path: token}

    def _request(self, session: Session) -> Request:
        assert self.endpoint is not None
        scope = own_scope(session, self.component.parameters)
        url = self.endpoint.text(scope)
        if not url:
            raise ConfigError(f"{self.where}.token_refresh_endpoint comes to nothing")
        headers = {str(name): str(value) for name, value in self.headers.value(scope).items()}
        form = _form(self._fields(session, scope, headers)).encode()
        if self.component.send_refresh_request_as_query_params:
            joint = "&" if "?" in url else "?"
            return Request("POST", f"{url}{joint}{form.decode()}", tuple(headers.items()), b"", is_for_token=True)
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return Request("POST", url, tuple(headers.items()), form, is_for_token=True)

    def _fields(self, session: Session, scope: Scope, headers: Mapping[str, str]) -> dict[str, Any]:
        """Client credentials are either here or in the headers."""
        grant, *credentials, refresh = self.standard
        fields = _texts([grant], scope)
        if self.assertion is not None:
            return {**fields, "assertion": self.assertion.token(session)}
        if "Authorization" not in headers:
            fields |= _texts(credentials, scope)
        refreshing = self._refresh_token(session, scope, refresh)
        _, (_, client_secret) = credentials
        # A specification may not say that they are secret.
        session.secrets.add(*refreshing.values(), client_secret.text(scope) if client_secret else None)
        fields |= refreshing
        if self.component.scopes:
            fields["scopes"] = list(self.component.scopes)
        return fields | {name: value for name, value in self.body.value(scope).items() if name not in fields}

    def _refresh_token(self, session: Session, scope: Scope, named: tuple[Template, Template | None]) -> dict[str, Any]:
        if (updater := self.component.refresh_token_updater) is None:
            return _texts([named], scope)
        token = _at(session.config, updater.refresh_token_config_path)
        return {updater.refresh_token_name: token} if token else {}

    def _until_s(self, content: Any, own: Scope, before: Token | None, now_s: float) -> float:
        lasts = found(content, self.expires_in_name.text(own))
        if lasts is None:
            return before.until_s if before is not None and before.until_s > now_s else now_s + _UNTOLD_S
        if self.component.token_expiry_date_format:
            return self._moment_s(lasts)
        try:
            seconds = float(int(float(str(lasts))))
        except (ValueError, OverflowError):
            raise ConfigError(
                f"{self.where}: the answer with the token does not say in seconds how long it lasts",
                remedy="Say in token_expiry_date_format how it says when it ends",
            ) from None
        return now_s + seconds - min(_EARLY_S, seconds / 10)

    def _moment_s(self, written: Any) -> float:
        text, format = str(written), self.component.token_expiry_date_format
        try:
            if text.isdecimal():
                return float(text)
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except ValueError:
            pass
        try:
            return datetimes.parse(text, format or "%s").timestamp()
        except ValueError:
            raise ConfigError(f"{self.where}: when a token ends is not written as a moment") from None


def oauth(component: OAuthAuthenticator, where: str, identity: bytes, assertion: Jwt | None) -> OAuth:
    _check(component, where)

    def template(name: str) -> Template | None:
        text = getattr(component, name)
        return None if text is None else Template(str(text), f"{where}.{name}")

    def named(name: str) -> Template:
        return Template(getattr(component, name), f"{where}.{name}")

    grant = Template(_JWT_BEARER, where) if component.use_profile_assertion else named("grant_type")
    return OAuth(
        identity=identity,
        component=component,
        endpoint=template("token_refresh_endpoint"),
        access_token=template("access_token_value"),
        expiry=template("token_expiry_date"),
        standard=(
            (named("grant_type_name"), grant),
            (named("client_id_name"), template("client_id")),
            (named("client_secret_name"), template("client_secret")),
            (named("refresh_token_name"), template("refresh_token")),
        ),
        body=compiled(component.refresh_request_body or {}, f"{where}.refresh_request_body"),
        headers=compiled(
            component.refresh_request_headers or {}, f"{where}.refresh_request_headers", value_types=(str,)
        ),
        access_token_name=named("access_token_name"),
        expires_in_name=named("expires_in_name"),
        assertion=assertion if component.use_profile_assertion else None,
        where=where,
    )


def _check(component: OAuthAuthenticator, where: str) -> None:
    if component.use_profile_assertion:
        if component.profile_assertion is None:
            raise ConfigError(f"{where}: use_profile_assertion needs a profile_assertion")
    elif component.token_refresh_endpoint is None:
        if component.access_token_value is None:
            raise ConfigError(f"{where}: an OAuthAuthenticator has token_refresh_endpoint, or access_token_value")
    elif component.client_id is None or component.client_secret is None:
        raise ConfigError(f"{where}: an OAuthAuthenticator has client_id and client_secret")
    elif component.grant_type == "refresh_token" and not (component.refresh_token or component.refresh_token_updater):
        raise ConfigError(f"{where}: grant_type refresh_token needs a refresh_token")


def _texts(
    pairs: "list[tuple[Template, Template | None]] | tuple[tuple[Template, Template | None], ...]", scope: Scope
) -> dict[str, Any]:
    return {name.text(scope): value.text(scope) for name, value in pairs if value is not None}


def _form(fields: Mapping[str, Any]) -> str:
    pairs = []
    for name, value in fields.items():
        pairs += [(name, each) for each in (value if isinstance(value, list | tuple) else (value,)) if each is not None]
    return "&".join(f"{quote_plus(str(name))}={quote_plus(str(value))}" for name, value in pairs)


def _at(config: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """Empty text where there is nothing."""
    value: Any = config
    for name in path:
        value = value.get(name, "") if isinstance(value, Mapping) else ""
    return value
