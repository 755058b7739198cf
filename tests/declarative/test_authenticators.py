"""What requests look like that are signed, and what is asked for tokens: against a real server."""

import base64
import json
import pickle
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from api_server import ApiServer, Asked, Parts, always, in_turn, response
from clients import Watched, client
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from file_cdk.core.errors import ConfigError
from file_cdk.declarative import answers, authenticators
from file_cdk.declarative.http import Request
from file_cdk.declarative.http.errors import RequestRefusedError
from file_cdk.declarative.http.ports import Authenticator, Handler

PLAIN = answers.compiled(None, "stream 'users'")
AT_ANY_TIME: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
REFRESH = answers.compiled(
    {
        "type": "DefaultErrorHandler",
        "response_filters": [{"type": "HttpResponseFilter", "http_codes": [401], "action": "REFRESH_TOKEN_THEN_RETRY"}],
    },
    "stream 'users'",
)


def made(component: Mapping[str, Any] | None, **options: Any) -> Authenticator | None:
    found: Authenticator | None = pickle.loads(
        pickle.dumps(authenticators.compiled(component, "authenticator", **options))
    )
    return found


def signed(
    component: Mapping[str, Any],
    config: Mapping[str, Any] | None = None,
    path: str = "/",
    body: bytes | None = None,
    **options: Any,
) -> Asked:
    """The request as the server gets it."""
    with ApiServer(always(*response())) as server, client(config) as sender:
        request = Request("POST" if body is not None else "GET", f"{server.url}{path}", (("x-api-key", "old"),), body)
        sender.send(request, PLAIN, made(component, **options), {}, "users")
        return server.asked[-1]


def api_key(into: str, *path: str, **fields: Any) -> dict[str, Any]:
    named = {"field_name": path[0]} if len(path) == 1 else {"field_path": path}
    option = {"type": "RequestOption", "inject_into": into, **named}
    return {"type": "ApiKeyAuthenticator", "api_token": "{{ config['key'] }}", "inject_into": option, **fields}


def test_none() -> None:
    assert made(None) is None
    assert made({"type": "NoAuth"}) is None


def test_keys_go_where_they_are_to_go() -> None:
    config = {"key": "0123&é"}
    assert signed(api_key("header", "X-API-Key"), {"key": "0123"}).headers["x-api-key"] == "0123"
    assert signed({"type": "ApiKeyAuthenticator", "api_token": "1e5", "header": "K"}).headers["k"] == "1e5"
    assert signed(api_key("request_parameter", "key"), config, "/a?b=1").target == "/a?b=1&key=0123%26%C3%A9"
    assert signed(api_key("request_parameter", "key"), config, "/a?key=0123%26%C3%A9").target == "/a?key=0123%26%C3%A9"
    asked = signed(api_key("body_data", "key"), config, body=b"a=b")
    assert (asked.body, asked.headers["content-type"]) == (
        b"a=b&key=0123%26%C3%A9",
        "application/x-www-form-urlencoded",
    )
    asked = signed(api_key("body_json", "auth", "key"), config, body=b'{"auth": {"v": 1}}')
    assert (json.loads(asked.body), asked.headers["content-type"]) == (
        {"auth": {"v": 1, "key": "0123&é"}},
        "application/json",
    )
    with pytest.raises(ConfigError, match="no place of it"):
        signed(api_key("body_json", "auth", "key"), config, body=b"[1]")


def test_bearer_and_basic() -> None:
    bearer = {"type": "BearerAuthenticator", "api_token": "{{ config.key }}"}
    assert signed(bearer, {"key": "0x10"}).headers["authorization"] == "Bearer 0x10"
    basic = {
        "type": "BasicHttpAuthenticator",
        "username": "{{ config.me }}",
        "password": "{{ parameters.p }}",
        "$parameters": {"p": "ü"},
    }
    sent = signed(basic, {"me": "a"}).headers["authorization"]
    assert base64.b64decode(sent.removeprefix("Basic ")).decode() == "a:ü"


def test_what_authenticators_build_is_hidden_in_errors() -> None:
    basic = {"type": "BasicHttpAuthenticator", "username": "somebody", "password": "s3cret-word"}

    def echo(asked: Asked) -> Parts:
        return response(400, json.dumps({"message": f"{asked.headers['authorization']} s3cret-word"}).encode())

    with ApiServer(echo) as server, client() as sender, pytest.raises(Exception, match=r"Basic \*\*\*\* \*\*\*\*"):
        sender.send(Request("GET", server.url), PLAIN, made(basic), {})


def test_selected_by_the_configuration() -> None:
    choices = {"key": api_key("header", "K"), "none": {"type": "NoAuth"}}
    component = {
        "type": "SelectiveAuthenticator",
        "authenticator_selection_path": ["auth", "kind"],
        "authenticators": choices,
    }
    assert signed(component, {"auth": {"kind": "key"}, "key": "abc"}).headers["k"] == "abc"
    assert "k" not in signed(component, {"auth": {"kind": "none"}}).headers
    with pytest.raises(ConfigError, match=r"no 'auth.kind'"):
        signed(component, {"auth": {}})
    with pytest.raises(ConfigError, match="Set it to one of: key, none") as caught:
        signed(component, {"auth": {"kind": "s3cret"}})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("component", "message"),
    [
        ({"type": "CustomAuthenticator", "class_name": "a.B"}, "a.B is Python code"),
        ({"type": "ApiKeyAuthenticator", "api_token": "x"}, "either inject_into or header"),
        (
            {"type": "ApiKeyAuthenticator", "inject_into": {"type": "RequestOption", "inject_into": "header"}},
            "field_name or field_path",
        ),
        ({"type": "OAuthAuthenticator"}, "token_refresh_endpoint, or access_token_value"),
        (
            {"type": "OAuthAuthenticator", "token_refresh_endpoint": "x", "client_id": "a"},
            "client_id and client_secret",
        ),
        ({"type": "OAuthAuthenticator", "use_profile_assertion": True}, "needs a profile_assertion"),
        ({"type": "JwtAuthenticator", "secret_key": "a", "algorithm": "none"}, "none"),
        (
            {"type": "JwtAuthenticator", "secret_key": "a", "algorithm": "HS256", "additional_jwt_payload": {"exp": 1}},
            "exp cannot be set there",
        ),
    ],
)
def test_what_an_authenticator_cannot_be(component: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        authenticators.compiled(component, "authenticator")


# JWT


def test_tokens_signed_here() -> None:
    component = {
        "type": "JwtAuthenticator",
        "secret_key": "{{ config.key }}",
        "algorithm": "HS256",
        "token_duration": 60,
        "header_prefix": "JWT",
        "jwt_headers": {"kid": "k-{{ config.id }}"},
        "jwt_payload": {"iss": "{{ config.id }}", "aud": "them"},
        "additional_jwt_payload": {"scope": "read", "empty": ""},
        "additional_jwt_headers": {"x": "y"},
    }
    key = "0123456789abcdef0123456789abcdef"
    sent = signed(component, {"key": key, "id": "me"}).headers["authorization"]
    token = sent.removeprefix("JWT ")
    now = 1_700_000_000
    payload = jwt.decode(token, key, ["HS256"], options=AT_ANY_TIME, audience="them")
    assert payload == {"iss": "me", "aud": "them", "scope": "read", "iat": now, "exp": now + 60, "nbf": now}
    assert jwt.get_unverified_header(token) == {"kid": "k-me", "typ": "JWT", "x": "y", "alg": "HS256"}


def test_keys_with_a_passphrase_and_keys_that_are_none() -> None:
    key = rsa.generate_private_key(65537, 2048)
    encryption = serialization.BestAvailableEncryption(b"open sesame")
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption).decode()
    component = {
        "type": "JwtAuthenticator",
        "secret_key": "{{ json_loads(config['file'])['key'] }}",
        "algorithm": "RS256",
        "passphrase": "{{ config.phrase }}",
    }
    config = {"file": json.dumps({"key": text}), "phrase": "open sesame"}
    token = signed(component, config).headers["authorization"]
    assert jwt.get_unverified_header(token)["alg"] == "RS256"
    with pytest.raises(ConfigError, match="cannot be opened with its passphrase"):
        signed(component, {**config, "phrase": "s3cret"})
    with pytest.raises(ConfigError, match="can be signed by RS256") as caught:
        signed({**component, "passphrase": ""}, {**config, "file": '{"key": "s3cret"}'})
    assert "s3cret" not in str(caught.value)


# OAuth


def oauth(server: ApiServer, **fields: Any) -> dict[str, Any]:
    return {
        "type": "OAuthAuthenticator",
        "token_refresh_endpoint": f"{server.url}/token",
        "client_id": "{{ config.id }}",
        "client_secret": "{{ config.secret }}",
        "refresh_token": "{{ config.refresh }}",
        **fields,
    }


CONFIG = {"id": "me", "secret": "s3cret", "refresh": "r-1"}


def by_path(**answers_by_path: Any) -> Any:
    """token: answers in turn to /token; anything else is an answer of the API."""
    token = in_turn(*answers_by_path["token"])
    api = in_turn(*answers_by_path.get("api", [response()]))
    return lambda asked: token(asked) if asked.target.startswith("/token") else api(asked)


def token_answer(token: str, **fields: Any) -> list[bytes | float]:
    return response(body=json.dumps({"access_token": token, **fields}).encode())


def test_a_token_is_got_once_for_its_time() -> None:
    watched = Watched()
    tokens = [token_answer("t-1", expires_in="3600"), token_answer("t-2", expires_in=60)]
    with ApiServer(by_path(token=tokens)) as server, client(CONFIG, watched) as sender:
        authenticator = made(
            oauth(server, scopes=["a", "b"], refresh_request_body={"x": "{{ config.id }}", "client_id": "other"})
        )
        for _ in range(2):
            sender.send(Request("GET", f"{server.url}/users"), PLAIN, authenticator, {})
        watched.clock.at_s += 3597
        sender.send(
            Request("GET", f"{server.url}/users"),
            PLAIN,
            made(oauth(server, scopes=["a", "b"], refresh_request_body={"x": "me"})),
            {},
        )
        sent = [asked.headers.get("authorization") for asked in server.asked]
        form = parse_qs(server.asked[0].body.decode())
    assert sent == [None, "Bearer t-1", "Bearer t-1", None, "Bearer t-2"]
    assert form == {
        "grant_type": ["refresh_token"],
        "client_id": ["me"],
        "client_secret": ["s3cret"],
        "refresh_token": ["r-1"],
        "scopes": ["a", "b"],
        "x": ["me"],
    }


def test_many_threads_get_one_token() -> None:
    with ApiServer(by_path(token=[[0.05, *token_answer("t-1")]])) as server, client(CONFIG) as sender:

        def send(number: int) -> None:
            component = oauth(server, **{"$parameters": {"name": f"stream {number}"}})
            sender.send(Request("GET", server.url), PLAIN, made(component), {})

        threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [asked.target for asked in server.asked].count("/token") == 1
        assert len(server.asked) == 9


def test_credentials_in_the_headers_are_not_in_the_body() -> None:
    headers = {"Authorization": "Basic {{ (config.id ~ ':' ~ config.secret) | base64encode }}"}
    with ApiServer(by_path(token=[token_answer("t")])) as server, client(CONFIG) as sender:
        fields = {"grant_type": "client_credentials", "refresh_request_headers": headers, "refresh_token": None}
        sender.send(Request("GET", server.url), PLAIN, made(oauth(server, **fields)), {})
        assert server.asked[0].body == b"grant_type=client_credentials"
        assert server.asked[0].headers["authorization"] == "Basic bWU6czNjcmV0"


def test_what_is_asked_may_stand_in_the_url() -> None:
    with ApiServer(by_path(token=[token_answer("t")])) as server, client(CONFIG) as sender:
        sender.send(
            Request("GET", server.url), PLAIN, made(oauth(server, send_refresh_request_as_query_params=True)), {}
        )
        expected = "/token?grant_type=refresh_token&client_id=me&client_secret=s3cret&refresh_token=r-1"
        assert (server.asked[0].target, server.asked[0].body) == (expected, b"")


def test_an_assertion_in_place_of_a_refresh_token() -> None:
    key = "0123456789abcdef0123456789abcdef"
    assertion = {"type": "JwtAuthenticator", "secret_key": key, "algorithm": "HS256", "jwt_payload": {"sub": "me"}}
    fields = {"use_profile_assertion": True, "profile_assertion": assertion}
    with ApiServer(by_path(token=[token_answer("t")])) as server, client(CONFIG) as sender:
        sender.send(Request("GET", server.url), PLAIN, made(oauth(server, **fields)), {})
        form = parse_qs(server.asked[0].body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    assert jwt.decode(form["assertion"][0], key, ["HS256"], options=AT_ANY_TIME)["sub"] == "me"


@pytest.mark.parametrize(
    ("says", "format", "until_s"),
    [
        ({"expires_in": 100}, None, 95),
        ({"data": [{"expires_in": "20"}]}, None, 18),
        ({}, None, 3600),
        ({"expires_in": "2023-11-14T22:14:20Z"}, "%Y-%m-%dT%H:%M:%SZ", 60),
        ({"expires_in": "14/11/2023 22:14:20"}, "%d/%m/%Y %H:%M:%S", 60),
        ({"expires_in": 1700000060}, "%s", 60),
    ],
)
def test_how_long_a_token_lasts(says: dict[str, Any], format: str | None, until_s: int) -> None:
    watched = Watched()
    with ApiServer(by_path(token=[token_answer("t", **says)])) as server, client(CONFIG, watched) as sender:
        authenticator = made(oauth(server, token_expiry_date_format=format))
        for wait_s in (0, until_s - 1, 1):
            watched.clock.at_s += wait_s
            sender.send(Request("GET", server.url), PLAIN, authenticator, {})
        assert [asked.target for asked in server.asked] == ["/token", "/", "/", "/token", "/"]


def test_a_token_of_the_configuration_is_used_while_it_lasts() -> None:
    watched = Watched()
    fields = {"access_token_value": "{{ config.token }}", "token_expiry_date": "{{ config.until }}"}
    config = {**CONFIG, "token": "t-0", "until": "2023-11-14T22:14:20Z"}
    with ApiServer(by_path(token=[token_answer("t-1")])) as server, client(config, watched) as sender:
        authenticator = made(oauth(server, **fields))
        sender.send(Request("GET", server.url), PLAIN, authenticator, {})
        watched.clock.at_s += 61
        sender.send(Request("GET", server.url), PLAIN, authenticator, {})
        assert [asked.headers.get("authorization") for asked in server.asked] == ["Bearer t-0", None, "Bearer t-1"]
    only = {"type": "OAuthAuthenticator", "access_token_value": "{{ config.token }}"}
    assert signed(only, config).headers["authorization"] == "Bearer t-0"


UPDATER = {
    "refresh_token_config_path": ["auth", "refresh"],
    "access_token_config_path": ["auth", "token"],
    "token_expiry_date_config_path": ["auth", "until"],
}


def test_a_refresh_token_that_is_replaced_is_written_down_before_the_token_is_used() -> None:
    watched = Watched()
    config = {**CONFIG, "auth": {"refresh": "r-1", "kind": "oauth"}}
    tokens = [token_answer("t-1", refresh_token="r-2", expires_in=100), token_answer("t-2", expires_in=100)]
    used: list[int] = []
    with ApiServer(by_path(token=tokens)) as server:
        watched.configs = Writing(
            lambda: used.append(len([asked for asked in server.asked if asked.target == "/users"]))
        )
        with client(config, watched) as sender:
            for _ in range(3):
                component = oauth(server, refresh_token_updater=UPDATER, **{"$parameters": {"name": len(server.asked)}})
                sender.send(Request("GET", f"{server.url}/users"), PLAIN, made(component), {})
                watched.clock.at_s += 60
            forms = [parse_qs(asked.body.decode()) for asked in server.asked if asked.target == "/token"]
    assert used == [0, 2]
    assert [form["refresh_token"] for form in forms] == [["r-1"], ["r-2"]]
    until = "2023-11-14T22:14:55+00:00"
    assert watched.configs[0] == {**CONFIG, "auth": {"refresh": "r-2", "kind": "oauth", "token": "t-1", "until": until}}
    assert watched.configs[1]["auth"]["refresh"] == "r-2"
    assert watched.configs[1]["auth"]["token"] == "t-2"
    assert config["auth"] == {"refresh": "r-1", "kind": "oauth"}


@pytest.mark.parametrize(
    ("says", "until"),
    [
        ({"access_token": "t-1", "expires_in": "2030-01-01T00:00:00Z"}, None),
        ({"expires_in": 100}, None),
        ({"access_token": "t-1", "expires_in": 10**15}, "9999-12-31T23:59:59+00:00"),
    ],
)
def test_a_refresh_token_is_written_down_whatever_came_with_it(says: dict[str, Any], until: str | None) -> None:
    watched = Watched()
    answer = response(body=json.dumps({"refresh_token": "r-2", **says}).encode())
    with (
        ApiServer(by_path(token=[answer])) as server,
        client({**CONFIG, "auth": {"refresh": "r-1"}}, watched) as sender,
        nullcontext() if until else pytest.raises(ConfigError, match="the answer with the token"),
    ):
        authenticator = made(oauth(server, refresh_token_updater=UPDATER))
        sender.send(Request("GET", server.url), PLAIN, authenticator, {})
    auth = {"refresh": "r-2", **({"token": "t-1", "until": until} if until else {})}
    assert watched.configs == [{**CONFIG, "auth": auth}]


class Writing(list[Any]):
    def __init__(self, looks: Any) -> None:
        super().__init__()
        self._looks = looks

    def append(self, config: Any) -> None:
        self._looks()
        super().append(config)


def test_a_token_that_is_refused_is_replaced_once() -> None:
    api = [response(401), response(body=b"[]")]
    with (
        ApiServer(by_path(token=[token_answer("t-1"), token_answer("t-2")], api=api)) as server,
        client(CONFIG) as sender,
    ):
        assert sender.send(Request("GET", server.url), REFRESH, made(oauth(server)), {}).response.body == b"[]"
        sent = [asked.headers.get("authorization") for asked in server.asked]
    assert sent == [None, "Bearer t-1", None, "Bearer t-2"]
    with ApiServer(by_path(token=[token_answer("t")], api=[response(401)])) as server, client(CONFIG) as sender:
        with pytest.raises(RequestRefusedError, match="refused again with new credentials"):
            sender.send(Request("GET", server.url), REFRESH, made(oauth(server)), {})
        assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (
            [response(400, b'{"error": "invalid_grant: s3cret"}')],
            "invalid_grant: [*]{4}: the credentials of the configuration get no token",
        ),
        ([response(body=b"{}")], "the answer with the token has no 'access_token'"),
        ([token_answer("t", expires_in="soon")], "does not say in seconds how long it lasts"),
    ],
)
def test_tokens_that_cannot_be_had(tokens: list[Parts], message: str) -> None:
    with (
        ApiServer(by_path(token=tokens)) as server,
        client(CONFIG) as sender,
        pytest.raises(ConfigError, match=message),
    ):
        sender.send(Request("GET", server.url), PLAIN, made(oauth(server)), {}, "users")


def test_errors_of_a_token_that_may_pass_are_waited_out() -> None:
    watched = Watched()
    tokens = [response(500), response(429), token_answer("t-1")]
    with ApiServer(by_path(token=tokens)) as server, client(CONFIG, watched) as sender:
        sender.send(Request("GET", server.url), PLAIN, made(oauth(server)), {})
    assert watched.clock.waits == [1, 2]


def test_a_token_that_ends_while_a_request_waits_for_the_api() -> None:
    tokens, api = [token_answer("t-1", expires_in=1), token_answer("t-2")], [response(429), response()]
    with ApiServer(by_path(token=tokens, api=api)) as server, client(CONFIG) as sender:
        sender.send(Request("GET", server.url), PLAIN, made(oauth(server)), {})
        assert [asked.headers.get("authorization") for asked in server.asked] == [
            None,
            "Bearer t-1",
            None,
            "Bearer t-2",
        ]


# Sessions


class LoginOfATest:
    """A login_requester as whoever compiles requesters makes it."""

    handler: Handler = PLAIN
    authenticator: Authenticator | None = None

    def __init__(self, url: str) -> None:
        self.url = url

    def request(self, scope: Mapping[str, Any]) -> Request:
        return Request("POST", self.url, (), json.dumps({"user": scope["config"]["user"]}).encode())


def session(server: ApiServer, way: dict[str, Any], **fields: Any) -> Authenticator | None:
    component = {
        "type": "SessionTokenAuthenticator",
        "login_requester": {"type": "HttpRequester"},
        "session_token_path": ["data", "0", "id"],
        "request_authentication": way,
        **fields,
    }
    return made(component, login=lambda _component, _where: LoginOfATest(f"{server.url}/token"))


def test_a_session_lasts_or_each_request_has_its_own() -> None:
    tokens = [response(body=json.dumps({"data": [{"id": f"s-{n}"}]}).encode()) for n in range(1, 9)]
    watched = Watched()
    with ApiServer(by_path(token=tokens)) as server, client({"user": "me"}, watched) as sender:
        lasting = session(server, {"type": "Bearer"}, expiration_duration="PT1H")
        for wait_s in (0, 3599, 1):
            watched.clock.at_s += wait_s
            sender.send(Request("GET", server.url), PLAIN, lasting, {})
        option = {"type": "RequestOption", "inject_into": "header", "field_name": "X-Session"}
        single = session(server, {"type": "ApiKey", "inject_into": option, "api_token": "Token {{ session_token }}"})
        for _ in range(2):
            sender.send(Request("GET", server.url), PLAIN, single, {})
        calls = [asked for asked in server.asked if asked.target == "/"]
        assert server.asked[0].body == b'{"user": "me"}'
    assert [asked.headers.get("authorization") for asked in calls[:3]] == ["Bearer s-1", "Bearer s-1", "Bearer s-2"]
    assert [asked.headers["x-session"] for asked in calls[3:]] == ["Token s-3", "Token s-4"]


def test_a_session_that_is_refused_begins_anew() -> None:
    tokens = [response(body=json.dumps({"data": [{"id": f"s-{n}"}]}).encode()) for n in (1, 2)]
    with ApiServer(by_path(token=tokens, api=[response(401), response()])) as server, client({"user": "me"}) as sender:
        sender.send(
            Request("GET", server.url), REFRESH, session(server, {"type": "Bearer"}, expiration_duration="PT1H"), {}
        )
        assert server.asked[-1].headers["authorization"] == "Bearer s-2"
        wrong = session(server, {"type": "Bearer"}, session_token_path=["data", "0", "nothing"])
        with pytest.raises(ConfigError, match=r"no token at 'data.0.nothing'"):
            sender.send(Request("GET", server.url), PLAIN, wrong, {})


def test_a_session_that_is_refused_to_several_requests_begins_anew_once() -> None:
    tokens = [response(body=json.dumps({"data": [{"id": f"s-{n}"}]}).encode()) for n in (1, 2, 3)]
    with ApiServer(by_path(token=tokens)) as server, client({"user": "me"}) as sender:
        lasting = session(server, {"type": "Bearer"}, expiration_duration="PT1H")
        rejected = [lasting.signed(Request("GET", f"{server.url}/{n}"), sender) for n in (1, 2)]
        for each in rejected:
            assert lasting.renewed(each, sender)
        again = lasting.signed(Request("GET", server.url), sender)
        assert again.header("Authorization") == "Bearer s-2"
        assert lasting.renewed(again, sender)
        assert lasting.signed(again, sender).header("Authorization") == "Bearer s-3"


LEGACY = {
    "type": "LegacySessionTokenAuthenticator",
    "header": "X-Session",
    "login_url": "token",
    "session_token": "{{ config.token }}",
    "session_token_response_key": "id",
    "username": "{{ config.user }}",
    "password": "{{ config.secret }}",
    "validate_session_url": "valid",
}


@pytest.mark.parametrize(("status", "expected"), [(200, ["/valid", "/", "/"]), (401, ["/valid", "/token", "/", "/"])])
def test_an_older_session_is_used_while_it_is_taken(status: int, expected: list[str]) -> None:
    def answer(asked: Asked) -> Parts:
        return response(status if asked.target == "/valid" else 200, b'{"id": "s-1"}')

    config = {"token": "s-0", "user": "me", "secret": "word"}
    with ApiServer(answer) as server, client({**config, "base": f"{server.url}/"}) as sender:
        authenticator = made(LEGACY, url_base="{{ config.base }}")
        for _ in range(2):
            sender.send(Request("GET", server.url), PLAIN, authenticator, {})
        assert [asked.target for asked in server.asked] == expected
        assert server.asked[-1].headers["x-session"] == ("s-0" if status == 200 else "s-1")
