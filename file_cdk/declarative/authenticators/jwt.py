"""JSON Web Tokens that are signed here."""

import base64
import json
from collections.abc import Mapping
from threading import Lock
from typing import Any

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.authenticators.fixed import _Lasting
from file_cdk.declarative.authenticators.placing import Place, own_scope, place
from file_cdk.declarative.components.authenticators import JwtAuthenticator, JwtHeaders, JwtPayload
from file_cdk.declarative.components.paging import RequestOption
from file_cdk.declarative.http.messages import Request, Scope
from file_cdk.declarative.http.ports import Session
from file_cdk.declarative.templates import Compiled, Template, compiled

_USED_S = 60
"""How long a token is used at most before another is signed, in seconds: to sign takes up to 1 ms of CPU."""


class _Signed(msgspec.Struct):
    lock: Lock = msgspec.field(default_factory=Lock)
    token: str = ""
    until_s: float = 0.0


class Jwt(_Lasting, msgspec.Struct, frozen=True):
    """identity: equal for authenticators that are written the same, which share their token."""

    identity: bytes
    algorithm: str
    duration_s: int
    secret_key: Template
    is_encoded: bool
    passphrase: Template | None
    prefix: Template | None
    headers: Compiled
    payload: Compiled
    place: Place
    parameters: Mapping[str, Any]

    def signed(self, request: Request, session: Session) -> Request:
        kept = session.kept(("jwt", self.identity), _Signed)
        with kept.lock:
            if session.now_s() >= kept.until_s:
                kept.token = self.token(session)
                kept.until_s = session.now_s() + min(_USED_S, self.duration_s / 2)
            token = kept.token
        return self.place.put(request, token, session)

    def token(self, session: Session) -> str:
        """A new one, after its prefix. Raises ConfigError where the key is none."""
        scope = own_scope(session, self.parameters, json_loads=json.loads)
        now_s = int(session.now_s())
        payload = {**self.payload.value(scope), "iat": now_s, "exp": now_s + self.duration_s, "nbf": now_s}
        token = _encoded(payload, self._key(scope), self.algorithm, self.headers.value(scope))
        session.secrets.add(token)
        prefix = self.prefix.text(scope) if self.prefix else ""
        return f"{prefix} {token}" if prefix else token

    def _key(self, scope: Scope) -> Any:
        key = self.secret_key.text(scope)
        if self.passphrase and (passphrase := self.passphrase.text(scope)):
            return _opened(key, passphrase)
        return base64.b64encode(key.encode()).decode() if self.is_encoded else key


def jwt(component: JwtAuthenticator, where: str, identity: bytes) -> Jwt:
    def template(name: str) -> Template | None:
        text = getattr(component, name)
        return Template(text, f"{where}.{name}") if text else None

    headers, payload = component.jwt_headers or JwtHeaders(), component.jwt_payload or JwtPayload()
    own_headers = {"kid": headers.kid, "typ": headers.typ, "cty": headers.cty}
    own_payload = {"iss": payload.iss, "sub": payload.sub, "aud": payload.aud}
    reserved = (
        ("additional_jwt_headers", {*own_headers, "alg"}),
        ("additional_jwt_payload", {*own_payload, "iat", "exp", "nbf"}),
    )
    for name, names in reserved:
        if taken := names & set(getattr(component, name) or ()):
            raise ConfigError(f"{where}.{name}: {', '.join(sorted(taken))} cannot be set there")
    option = component.request_option or RequestOption(inject_into="header", field_name="Authorization")
    return Jwt(
        identity=identity,
        algorithm=component.algorithm,
        duration_s=component.token_duration,
        secret_key=Template(component.secret_key, f"{where}.secret_key"),
        is_encoded=component.base64_encode_secret_key,
        passphrase=template("passphrase"),
        prefix=template("header_prefix"),
        headers=compiled({**(component.additional_jwt_headers or {}), **_given(own_headers)}, f"{where}.jwt_headers"),
        payload=compiled({**(component.additional_jwt_payload or {}), **_given(own_payload)}, f"{where}.jwt_payload"),
        place=place(option, f"{where}.request_option"),
        parameters=component.parameters,
    )


def _given(fields: Mapping[str, str | None]) -> dict[str, str]:
    return {name: text for name, text in fields.items() if text}


def _encoded(payload: dict[str, Any], key: Any, algorithm: str, headers: dict[str, Any]) -> str:
    try:
        import jwt as pyjwt  # which few manifests need
    except ImportError:
        raise ConfigError(
            "PyJWT is not installed", remedy="Install it with: pip install 'file-cdk[manifests]'"
        ) from None
    try:
        return pyjwt.encode(payload, key, algorithm=algorithm, headers=headers)
    except (pyjwt.PyJWTError, ValueError, TypeError, NotImplementedError) as exc:
        raise ConfigError(
            f"no JWT can be signed by {algorithm} with the key of the configuration ({type(exc).__name__})",
            remedy="Check that it is whole, with its line breaks, and of that kind",
        ) from None  # what was raised may show the key


def _opened(key: str, passphrase: str) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(key.encode(), password=passphrase.encode())
    except (ValueError, TypeError) as exc:
        raise ConfigError(f"the key of a JWT cannot be opened with its passphrase ({type(exc).__name__})") from None
