"""source-azure-blob-storage with access tokens: Azurite over TLS, and an authority of our own that gives tokens."""

import base64
import json
import os
import pickle
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from source_azure_blob_storage.access import Access, NoIdentityError, Target, Tokens
from source_azure_blob_storage.config import AzureConfig
from source_azure_blob_storage.source import connector, store_of
from source_azure_blob_storage.store import open_container

from file_cdk import AccessError, ConfigError, TransientError
from file_cdk.core.config import parse_config
from file_cdk.testing.servers.azurite import Azurite
from file_cdk.testing.servers.process import Launch

pytest_plugins = ["file_cdk.testing.plugin"]

SECRET = "s3cret-of-the-application"
CONSENT = "s3cret-of-the-user"


class Authority(ThreadingHTTPServer):
    """Gives tokens for refresh tokens, each of which is good once."""

    daemon_threads = True
    good = CONSENT
    given = 0
    lasts_s = 3600
    refuses_with: int | None = None
    token_scheme = "https"


class _Handler(BaseHTTPRequestHandler):
    server: Authority

    def do_GET(self) -> None:
        authority = f"https://127.0.0.1:{self.server.server_port}/tenant/oauth2/v2.0"
        token_endpoint = f"{self.server.token_scheme}{authority.removeprefix('https')}/token"
        ends = {"authorization_endpoint": f"{authority}/authorize", "token_endpoint": token_endpoint}
        self._answer(200 if self.path == "/tenant/v2.0/.well-known/openid-configuration" else 404, ends)

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        ours = self.server
        fits = (form["refresh_token"], form["client_secret"]) == ([ours.good], [SECRET])
        if ours.refuses_with or not fits or self.path != "/tenant/oauth2/v2.0/token":
            said = {"error": "invalid_grant", "error_description": f"AADSTS70008: {form['refresh_token']} is no good"}
            self._answer(ours.refuses_with or 400, said)
            return
        ours.given += 1
        ours.good = f"{CONSENT}-{ours.given}"
        self._answer(200, {"access_token": _jwt(ours.given), "expires_in": ours.lasts_s, "refresh_token": ours.good})

    def _answer(self, status: int, said: dict[str, Any]) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _jwt(number: int) -> str:
    """As Azurite wants it: the claims are checked, the signature is not."""
    now = int(time.time())
    issuer = "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/"
    claims = {"aud": "https://storage.azure.com", "iss": issuer, "iat": now, "nbf": now - 60, "exp": now + 3600}
    parts = ({"alg": "RS256", "typ": "JWT"}, {**claims, "jti": str(number)})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "c2lnbmF0dXJl"])


class SecureAzurite(Azurite):
    """Takes access tokens, which Azurite does over TLS only."""

    def __init__(self, certificate: tuple[Path, Path]) -> None:
        super().__init__()
        self._certificate = certificate

    @property
    def endpoint(self) -> str:
        return super().endpoint.replace("http:", "https:")

    def _plan(self, folder: Path) -> Launch:
        plan = super()._plan(folder)
        certificate, key = map(str, self._certificate)
        command = [*plan.command, "--oauth", "basic", "--cert", certificate, "--key", key]
        return Launch(plan.name, command, plan.folder, lambda: _answers(self.endpoint, certificate), plan.env)


def _answers(url: str, certificate: str) -> bool:
    try:
        requests.get(url, timeout=1, verify=certificate)
    except requests.exceptions.RequestException:
        return False
    return True


@pytest.fixture(scope="module")
def secure_azurite(certificate: tuple[Path, Path]) -> Iterator[SecureAzurite]:
    with SecureAzurite(certificate) as server:
        yield server


@pytest.fixture
def authority(certificate: tuple[Path, Path]) -> Iterator[Authority]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with Authority(("127.0.0.1", 0), _Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _environment(
    authority: Authority, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in os.environ:
        if name.startswith(("AZURE_", "IDENTITY_", "MSI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", f"https://127.0.0.1:{authority.server_port}")


def config_of(server: Azurite, container: str, refresh_token: str = CONSENT) -> AzureConfig:
    credentials = {
        "auth_type": "oauth2",
        "tenant_id": "tenant",
        "client_id": "client",
        "client_secret": SECRET,
        "refresh_token": refresh_token,
    }
    return parse_config(
        AzureConfig,
        {
            "streams": [{"name": "t", "format": {"filetype": "csv"}}],
            "azure_blob_storage_account_name": server.account,
            "azure_blob_storage_container_name": container,
            "azure_blob_storage_endpoint": server.endpoint,
            "credentials": credentials,
        },
    )


@pytest.fixture
def container(secure_azurite: SecureAzurite, bucket_name: str) -> str:
    with secure_azurite.client() as client:
        made = client.create_container(bucket_name)
        made.upload_blob("a.csv", b"12345")
        made.upload_blob("d//b.csv", b"12345")
    return bucket_name


def test_a_refresh_token_opens_the_container(
    secure_azurite: SecureAzurite,
    container: str,
    authority: Authority,
) -> None:
    config = config_of(secure_azurite, container)
    assert connector.credential(config) == "OAuth consent of a user from the configuration"
    store = store_of(config)
    files = store.list_page("", None).files
    assert [file.uri for file in files] == ["a.csv", "d//b.csv"]
    assert [b"".join(store.get(file, 1, 4)) for file in files] == [b"234", b"234"]
    by_obstore = store._fast()
    assert by_obstore is not None
    assert b"".join(by_obstore.get(files[0], 1, 4)) == b"234"
    assert authority.given == 1


def test_a_token_that_runs_out_is_renewed_with_what_came_with_it(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.lasts_s = 3600
    tokens = Tokens(Access("refresh", "the configuration", SECRET, "tenant", "client", CONSENT))
    first = tokens.get_token()
    assert tokens.get_token() == first
    later = time.time() + 3540
    monkeypatch.setattr(time, "time", lambda: later)
    second = tokens.get_token()
    assert (authority.given, second[0] != first[0]) == (2, True)
    assert abs(second[1] - later - 3600) < 5


def test_a_consent_that_was_taken_back(secure_azurite: SecureAzurite, container: str) -> None:
    store = store_of(config_of(secure_azurite, container, "s3cret-taken-back"))
    with pytest.raises(AccessError, match=r"no access token .*\(AADSTS70008\)") as caught:
        store.list_page("", None)
    assert "s3cret" not in f"{caught.value!r}{vars(caught.value)}{caught.value.__cause__!r}"


@pytest.mark.parametrize("status", [429, 503])
def test_an_authority_that_is_busy_may_pass(authority: Authority, status: int) -> None:
    authority.refuses_with = status
    with pytest.raises(TransientError, match=str(status)):
        Tokens(Access("refresh", "the configuration", SECRET, "tenant", "client", CONSENT)).get_token()


def test_an_authority_whose_certificate_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(AccessError, match="certificate"):
        Tokens(Access("refresh", "the configuration", SECRET, "tenant", "client", CONSENT)).get_token()


def test_secrets_go_to_no_address_in_plain_http(authority: Authority) -> None:
    authority.token_scheme = "http"
    with pytest.raises(AccessError, match="gives no access token"):
        Tokens(Access("refresh", "the configuration", SECRET, "tenant", "client", CONSENT)).get_token()


def test_secrets_go_to_no_authority_over_plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "http://127.0.0.1:1")
    with pytest.raises(ConfigError, match="https"):
        Tokens(Access("refresh", "the configuration", SECRET, "tenant", "client", CONSENT)).get_token()


def test_a_tenant_that_cannot_be_one() -> None:
    with pytest.raises(ConfigError, match="service principal") as caught:
        Tokens(Access("client", "the configuration", SECRET, "no/tenant?", "client")).get_token()
    assert SECRET not in f"{caught.value!r}{vars(caught.value)}{caught.value.__cause__!r}"


def test_without_any_identity_it_is_read_anonymously(
    secure_azurite: SecureAzurite, bucket_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    monkeypatch.setenv("PATH", "/nowhere")  # no az
    with pytest.raises(AccessError, match="no access token for the Azure identity from AZURE_TOKEN_CREDENTIALS"):
        Tokens(Access("identity", "AZURE_TOKEN_CREDENTIALS")).get_token()
    access = Access("identity", "the az login", optional=True)
    with pytest.raises(NoIdentityError):
        Tokens(access).get_token()
    with secure_azurite.client() as client:
        client.create_container(bucket_name, public_access="container").upload_blob("a.csv", b"123")
    store = open_container(Target(secure_azurite.account, bucket_name, secure_azurite.endpoint, access))
    assert [file.uri for file in store.list_page("", None).files] == ["a.csv"]
    assert pickle.loads(pickle.dumps(store)).settings.access.kind == "anonymous"
