"""What credentials the requests of a stream must carry, read off its authenticator."""

import base64
from collections.abc import Mapping
from typing import Any

from file_cdk.testing.mirror.asked import Asked
from file_cdk.testing.mirror.doors import Check, Door, Given, OAuthDoor, login_door
from file_cdk.testing.mirror.made_up import taken
from file_cdk.testing.mirror.shapes import Scope
from file_cdk.testing.mirror.templates import text

Component = Mapping[str, Any]


class NoGuardError(Exception):
    """An authenticator that the mirror has no other side for."""


class Guards:
    """One for each authenticator of a manifest, however often it stands there. doors: where tokens are got."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._checks: dict[str, Check] = {}
        self.doors: list[Door] = []

    def check(self, authenticator: Component | None) -> Check:
        """Raises NoGuardError, TemplateFailedError."""
        written = repr(authenticator)
        if written not in self._checks:
            self._checks[written] = self._made(authenticator or {})
        return self._checks[written]

    def _made(self, component: Component) -> Check:
        scope = {**self._scope, "parameters": component.get("$parameters", {})}
        match component.get("type"):
            case None | "NoAuth":
                return lambda _asked: None
            case "BearerAuthenticator":
                return _header("Authorization", f"Bearer {text(component.get('api_token'), scope)}")
            case "BasicHttpAuthenticator":
                user, password = (text(component.get(part), scope) for part in ("username", "password"))
                return _header("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
            case "ApiKeyAuthenticator":
                return _at(_option(component), text(component.get("api_token"), scope))
            case "SelectiveAuthenticator":
                chosen = taken(scope["config"], component["authenticator_selection_path"])
                return self.check(component["authenticators"][chosen])
            case "OAuthAuthenticator":
                return self._oauth(component, scope)
            case "SessionTokenAuthenticator":
                return self._session(component, scope)
            case "JwtAuthenticator":
                return _jwt(component, scope)
            case other:
                raise NoGuardError(f"nothing is known of the other side of a {other}")

    def _oauth(self, component: Component, scope: Scope) -> Check:
        updater = component.get("refresh_token_updater")
        single_use = bool(updater)
        given = Given("mirror-access", refresh={text(component.get("refresh_token"), scope)})
        if updater:  # which reads and writes the configuration
            path = updater.get("refresh_token_config_path") or ["credentials", "refresh_token"]
            given.refresh = {str(taken(scope["config"], path) or "")} - {""} or given.refresh
        self.doors.append(OAuthDoor(component, scope, given, single_use))
        return lambda asked: (
            None
            if asked.headers.get("authorization", "").removeprefix("Bearer ") in given.access
            else "the access token"
        )

    def _session(self, component: Component, scope: Scope) -> Check:
        given = Given("mirror-session")
        requester = component["login_requester"]
        self.doors.append(login_door(component, scope, self.check(requester.get("authenticator")), given))
        how = component["request_authentication"]
        if how["type"] == "Bearer":
            return lambda asked: (
                None
                if asked.headers.get("authorization", "").removeprefix("Bearer ") in given.access
                else "the session token"
            )
        option = how["inject_into"]
        template = how.get("api_token") or "{{ session_token }}"

        def check(asked: Asked) -> str | None:
            sent = asked.option(option)
            good = {text(template, {**scope, "session_token": token}) for token in tuple(given.access)}
            return None if sent in good else f"the session token ({option.get('field_name')})"

        return check


def _option(component: Component) -> Component:
    return component.get("inject_into") or {
        "inject_into": "header",
        "field_name": component.get("header") or "Authorization",
    }


def _header(name: str, value: str) -> Check:
    return _at({"inject_into": "header", "field_name": name}, value)


def _at(option: Component, value: str) -> Check:
    return lambda asked: (
        None if asked.option(option) == value else f"{option['inject_into']} {option.get('field_name')}"
    )


def _jwt(component: Component, scope: Scope) -> Check:
    """The signature is checked, and what the manifest says of issuer, subject and audience."""
    import jwt  # of the extra `manifests`
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    secret = text(component.get("secret_key"), scope)
    if component.get("base64_encode_secret_key"):
        secret = base64.b64encode(secret.encode()).decode()
    algorithm = str(component["algorithm"])
    key: Any = secret
    if not algorithm.startswith("HS"):
        key = load_pem_private_key(secret.encode(), None).public_key()
    option = component.get("request_option") or {"inject_into": "header", "field_name": "Authorization"}
    prefix = text(component.get("header_prefix"), scope)
    claims = {
        name: text(value, scope)
        for name, value in (component.get("jwt_payload") or {}).items()
        if name in ("iss", "sub", "aud") and value
    }

    def check(asked: Asked) -> str | None:
        sent = (asked.option(option) or "").removeprefix(prefix).strip()
        try:
            read = jwt.decode(sent, key, [algorithm], options={"verify_aud": False})
        except jwt.InvalidTokenError as exc:
            return f"the token ({exc})"
        wrong = [name for name, value in claims.items() if str(read.get(name)) != value]
        return f"the token's {', '.join(wrong)}" if wrong else None

    return check
