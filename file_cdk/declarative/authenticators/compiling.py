"""Authenticators of a manifest, compiled."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.authenticators.fixed import api_key, basic, bearer
from file_cdk.declarative.authenticators.jwt import jwt
from file_cdk.declarative.authenticators.oauth import oauth
from file_cdk.declarative.authenticators.sessions import Login, legacy_session_token, session_token
from file_cdk.declarative.components.authenticators import (
    ApiKeyAuthenticator,
    BasicHttpAuthenticator,
    BearerAuthenticator,
    JwtAuthenticator,
    LegacySessionTokenAuthenticator,
    NoAuth,
    OAuthAuthenticator,
    SelectiveAuthenticator,
    SessionTokenAuthenticator,
)
from file_cdk.declarative.components.custom import CustomAuthenticator
from file_cdk.declarative.http.messages import Request
from file_cdk.declarative.http.ports import Authenticator, Session

_Component = (
    NoAuth
    | ApiKeyAuthenticator
    | BearerAuthenticator
    | BasicHttpAuthenticator
    | JwtAuthenticator
    | OAuthAuthenticator
    | SessionTokenAuthenticator
    | LegacySessionTokenAuthenticator
    | SelectiveAuthenticator
    | CustomAuthenticator
)


class Selective(msgspec.Struct, frozen=True):
    """One of several, by a value of the configuration."""

    path: tuple[str, ...]
    choices: Mapping[str, Authenticator | None]
    where: str

    def signed(self, request: Request, session: Session) -> Request:
        chosen = self._chosen(session)
        return request if chosen is None else chosen.signed(request, session)

    def renewed(self, rejected: Request, session: Session) -> bool:
        chosen = self._chosen(session)
        return chosen is not None and chosen.renewed(rejected, session)

    def _chosen(self, session: Session) -> Authenticator | None:
        value: Any = session.config
        for name in self.path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is None:
            raise ConfigError(
                f"the configuration has no {'.'.join(self.path)!r}, by which an authenticator is selected"
            )
        try:
            return self.choices[str(value)]
        except KeyError:
            names = ", ".join(self.choices)
            raise ConfigError(
                f"{'.'.join(self.path)!r} of the configuration selects no authenticator",
                remedy=f"Set it to one of: {names}",
            ) from None


def compiled(
    component: Mapping[str, Any] | None,
    where: str,
    *,
    url_base: str = "",
    login: Callable[[Mapping[str, Any], str], Login] | None = None,
) -> Authenticator | None:
    """component: as in the resolved manifest; None is the answer where requests need nothing. where: its place there.

    url_base: that of the requester, a template. login: makes the request of a `login_requester`.
    Raises ConfigError for what it cannot mean, and for Python code.
    """
    if component is None:
        return None
    try:
        decoded: _Component = msgspec.convert(component, _Component)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"{where}: {exc}") from exc
    identity = msgspec.json.encode(component, order="deterministic")
    match decoded:
        case NoAuth():
            return None
        case ApiKeyAuthenticator():
            return api_key(decoded, where)
        case BearerAuthenticator():
            return bearer(decoded, where)
        case BasicHttpAuthenticator():
            return basic(decoded, where)
        case JwtAuthenticator():
            return jwt(decoded, where, identity)
        case OAuthAuthenticator():
            assertion = decoded.profile_assertion
            return oauth(
                decoded, where, identity, jwt(assertion, f"{where}.profile_assertion", identity) if assertion else None
            )
        case SessionTokenAuthenticator():
            if login is None:
                raise ConfigError(f"{where}: a login cannot have a login of its own")
            requester = login(decoded.login_requester, f"{where}.login_requester")
            return session_token(decoded, where, identity, requester)
        case LegacySessionTokenAuthenticator():
            return legacy_session_token(decoded, where, identity, url_base)
        case SelectiveAuthenticator():
            choices = {
                name: compiled(each, f"{where}.authenticators.{name}", url_base=url_base, login=login)
                for name, each in decoded.authenticators.items()
            }
            return Selective(decoded.authenticator_selection_path, choices, where)
    raise ConfigError(f"{where}: {decoded.class_name} is Python code, which is not run")
