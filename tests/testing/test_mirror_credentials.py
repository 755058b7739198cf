"""What the mirror lets in, for each authenticator."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import urllib3
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from manifests import manifest, option, stream

from file_cdk.testing.mirror.asked import Asked, asked
from file_cdk.testing.mirror.mirror import Mirror

Json = dict[str, Any]

CONFIG: Json = {
    "token": "t",
    "user": "u",
    "password": "p:q",
    "id": "client",
    "secret": "hush",
    "refresh": "once",
    "how": {"kind": "key"},
}
BEARER: Json = {"type": "BearerAuthenticator", "api_token": "{{ config['token'] }}"}
BASIC: Json = {
    "type": "BasicHttpAuthenticator",
    "username": "{{ config['user'] }}",
    "password": "{{ config['password'] }}",
}
KEY: Json = {"type": "ApiKeyAuthenticator", "api_token": "{{ config['token'] }}", "inject_into": option("key")}
KEY_HEADER: Json = {"type": "ApiKeyAuthenticator", "api_token": "{{ config['token'] }}", "header": "X-Key"}
BASIC_TEXT = "Basic " + base64.b64encode(b"u:p:q").decode()


def guarded(authenticator: Json, **config: Any) -> Mirror:
    read = stream("s", "things", requester={"authenticator": authenticator})
    return Mirror(manifest(read), {**CONFIG, **config})


def a_request(
    target: str = "/v1/things",
    method: str = "GET",
    host: str = "api.example.org",
    body: Json | None = None,
    **headers: str,
) -> Asked:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return asked(method, ("https", host), target, sent, b"" if body is None else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("authenticator", "right", "wrong"),
    [
        ({"type": "NoAuth"}, a_request(), None),
        (BEARER, a_request(authorization="Bearer t"), a_request(authorization="Bearer x")),
        (BASIC, a_request(authorization=BASIC_TEXT), a_request()),
        (KEY, a_request("/v1/things?key=t"), a_request("/v1/things?key=x")),
        (KEY_HEADER, a_request(x_key="t"), a_request(authorization="t")),
        (
            {
                "type": "SelectiveAuthenticator",
                "authenticator_selection_path": ["how", "kind"],
                "authenticators": {"key": KEY, "basic": BASIC},
            },
            a_request("/v1/things?key=t"),
            a_request(authorization=BASIC_TEXT),
        ),
    ],
)
def test_what_the_configuration_has(authenticator: Json, right: Asked, wrong: Asked | None) -> None:
    mirror = guarded(authenticator)
    assert mirror.answer(right).status == 200
    if wrong is not None:
        refused = mirror.answer(wrong)
        assert refused.status == 401
        assert b"not as expected" in refused.body


def oauth(**more: Any) -> Json:
    return {
        "type": "OAuthAuthenticator",
        "token_refresh_endpoint": "https://login.example.org/token",
        "client_id": "{{ config['id'] }}",
        "client_secret": "{{ config['secret'] }}",
        "refresh_token": "{{ config['refresh'] }}",
        **more,
    }


def log_in(mirror: Mirror, **changed: str) -> tuple[int, Json]:
    sent = {"grant_type": "refresh_token", "client_id": "client", "client_secret": "hush", "refresh_token": "once"}
    answer = mirror.answer(a_request("/token", "POST", "login.example.org", {**sent, **changed}))
    return answer.status, json.loads(answer.body)


def test_oauth() -> None:
    mirror = guarded(oauth(access_token_name="the_token"))
    assert log_in(mirror, client_secret="x")[0] == 401
    status, body = log_in(mirror)
    assert (status, body["expires_in"]) == (200, 3600)
    assert mirror.answer(a_request(authorization=f"Bearer {body['the_token']}")).status == 200
    assert mirror.answer(a_request(authorization="Bearer mirror-access-9")).status == 401


def test_oauth_whose_refresh_tokens_are_for_one_use() -> None:
    updater = {"refresh_token_name": "next"}
    mirror = guarded(oauth(refresh_token_updater=updater, token_expiry_date_format="%Y-%m-%d"))
    _, body = log_in(mirror)
    assert body["expires_in"] == (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%d")
    assert log_in(mirror)[0] == 400
    assert log_in(mirror, refresh_token=body["next"])[0] == 200
    mirror.forget()
    assert log_in(mirror)[0] == 200


@pytest.mark.parametrize(
    ("how", "headers"),
    [
        ({"type": "Bearer"}, {"authorization": "Bearer {}"}),
        ({"type": "ApiKey", "inject_into": option("X-Session", "header")}, {"x_session": "{}"}),
        (
            {
                "type": "ApiKey",
                "inject_into": option("Authorization", "header"),
                "api_token": "Token {{ session_token }}",
            },
            {"authorization": "Token {}"},
        ),
    ],
)
def test_session_tokens(how: Json, headers: dict[str, str]) -> None:
    login = {
        "type": "HttpRequester",
        "url_base": "https://login.example.org",
        "path": "session",
        "http_method": "POST",
        "authenticator": BASIC,
        "request_body_json": {"scope": "{{ config['id'] }}"},
    }
    mirror = guarded(
        {
            "type": "SessionTokenAuthenticator",
            "login_requester": login,
            "session_token_path": ["data", "id"],
            "request_authentication": how,
        }
    )

    def logged_in(scope: str, **sent: str) -> int:
        return mirror.answer(a_request("/session", "POST", "login.example.org", {"scope": scope}, **sent)).status

    assert logged_in("client") == 401
    assert logged_in("other", authorization=BASIC_TEXT) == 401
    entered = mirror.answer(
        a_request("/session", "POST", "login.example.org", {"scope": "client"}, authorization=BASIC_TEXT)
    )
    token = json.loads(entered.body)["data"]["id"]

    def status(token: str) -> int:
        sent: Json = {name: value.format(token) for name, value in headers.items()}
        return mirror.answer(a_request(**sent)).status

    assert status(token) == 200
    assert status("x") == 401


@pytest.fixture
def key_pair() -> tuple[str, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode(), key


def test_signed_tokens(key_pair: tuple[str, ec.EllipticCurvePrivateKey]) -> None:
    private, key = key_pair
    mirror = guarded(
        {
            "type": "JwtAuthenticator",
            "algorithm": "ES256",
            "secret_key": "{{ config['private'] }}",
            "header_prefix": "Bearer",
            "jwt_payload": {"iss": "{{ config['id'] }}"},
        },
        private=private,
    )

    def status(issuer: str, signing: ec.EllipticCurvePrivateKey) -> int:
        return mirror.answer(a_request(authorization="Bearer " + jwt.encode({"iss": issuer}, signing, "ES256"))).status

    assert status("client", key) == 200
    assert status("other", key) == 401
    assert status("client", ec.generate_private_key(ec.SECP256R1())) == 401


def test_every_name_has_a_certificate_of_the_authority() -> None:
    with guarded({"type": "NoAuth"}).serving() as serving:
        trusting = urllib3.ProxyManager(serving.proxy_url, ca_certs=str(serving.authority), retries=False)
        assert trusting.request("GET", "https://api.example.org/v1/things").status == 200
        assert trusting.request("GET", "https://other.example.net/").status == 404
        with pytest.raises(urllib3.exceptions.SSLError):
            urllib3.ProxyManager(serving.proxy_url, retries=False).request("GET", "https://api.example.org/v1/things")
        trusting.clear()
