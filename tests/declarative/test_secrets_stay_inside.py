"""No secret of a configuration, and no token got with one, is in any byte that comes out, whatever goes wrong.

Each way to send credentials asks an API that fails in each way, and says what it was asked with."""

import base64
import html
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, unquote

import pytest
import yaml
from api_server import ApiServer, Asked, Parts, response

from file_cdk import run_manifest

CONFIG = {
    "key": 'K3y/with+odd&chars="x"',
    "password": "p%ss w=rd",
    "client_secret": "cl13nt-s3cret",
    "nested": {"bearer": "b3arer.t0ken~1"},
    "number": 4711998877,
}
GIVEN = {"access": "g1ven/access+1", "session": "g1ven=session&1"}
AUTHENTICATORS: dict[str, dict[str, Any]] = {
    "parameter": {
        "type": "ApiKeyAuthenticator",
        "api_token": "{{ config['key'] }}",
        "inject_into": {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "api_key"},
    },
    "header": {"type": "ApiKeyAuthenticator", "api_token": "{{ config['number'] }}", "header": "X-Key"},
    "basic": {"type": "BasicHttpAuthenticator", "username": "me", "password": "{{ config['password'] }}"},
    "bearer": {"type": "BearerAuthenticator", "api_token": "{{ config['nested']['bearer'] }}"},
    "oauth": {
        "type": "OAuthAuthenticator",
        "grant_type": "client_credentials",
        "token_refresh_endpoint": "{{ config['url'] }}/token",
        "client_id": "me",
        "client_secret": "{{ config['client_secret'] }}",
    },
    "session": {
        "type": "SessionTokenAuthenticator",
        "login_requester": {
            "type": "HttpRequester",
            "url": "{{ config['url'] }}/login",
            "http_method": "POST",
            "request_body_json": {"password": "{{ config['password'] }}"},
        },
        "session_token_path": ["session"],
        "request_authentication": {
            "type": "ApiKey",
            "inject_into": {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "session"},
        },
    },
}
FAULTS = ["refused", "unauthorized", "failing", "no_json", "elsewhere", "redirected", "cut", "added", "written"]

ADDED = {"type": "AddFields", "fields": [{"path": ["x"], "value": "{{ record.id + config['key'] }}"}]}


def manifest() -> str:
    streams = [
        {
            "type": "DeclarativeStream",
            "name": f"{name}_{fault}",
            "retriever": {
                "type": "SimpleRetriever",
                "requester": {
                    "type": "HttpRequester",
                    "url_base": "{{ config['url'] }}",
                    "path": f"/{fault}" + ("/{{ config['key'] | urlencode }}" if fault == "written" else ""),
                    "authenticator": authenticator,
                    "error_handler": {"type": "DefaultErrorHandler", "max_retries": 0},
                },
                "record_selector": {
                    "type": "RecordSelector",
                    "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
                },
            },
            **({"transformations": [ADDED]} if fault == "added" else {}),
            "schema_loader": {"type": "InlineSchemaLoader", "schema": {"type": "object"}},
        }
        for name, authenticator in AUTHENTICATORS.items()
        for fault in FAULTS
    ]
    secret = {"airbyte_secret": True}
    properties = {
        name: {"type": ["string", "integer"], **secret} for name in ("key", "password", "client_secret", "number")
    }
    return yaml.safe_dump(
        {
            "version": "6.0.0",
            "type": "DeclarativeSource",
            "check": {"type": "CheckStream", "stream_names": [streams[0]["name"]]},
            "streams": streams,
            "spec": {
                "type": "Spec",
                "connection_specification": {
                    "type": "object",
                    "properties": {**properties, "nested": {"type": "object", "properties": {"bearer": secret}}},
                },
            },
        }
    )


def answer(asked: Asked) -> Parts:
    if asked.target == "/token":
        return response(body=json.dumps({"access_token": GIVEN["access"], "expires_in": 3600}).encode())
    if asked.target == "/login":
        return response(body=json.dumps({"session": GIVEN["session"]}).encode())
    said = f"{asked.target} {unquote(asked.target)} {dict(asked.headers)} {asked.body.decode()}"
    told = json.dumps({"message": said, "error": {"detail": said}}).encode()
    match asked.target.split("/")[1].partition("?")[0]:
        case "refused":
            return response(400, told)
        case "unauthorized":
            return response(401, told)
        case "failing":
            return response(500, told)
        case "no_json":
            return response(200, b"<html>" + said.encode())
        case "elsewhere":
            return response(200, json.dumps({said: said}).encode())
        case "redirected":
            return response(
                302, told, {"Location": f"{asked.target}&again=1" if "?" in asked.target else f"{asked.target}?1"}
            )
        case "cut":
            return [f"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{said}"[:600].encode(), b""]
        case "added":
            return response(200, b'{"data": [{"id": 1}]}')
        case _:
            return response(422, told)


def forms(secret: str) -> Iterator[str]:
    """In which a secret may be said."""
    encoded = base64.b64encode(secret.encode()).decode()
    yield from (secret, json.dumps(secret)[1:-1], quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1])
    yield from (html.escape(secret), encoded, quote(encoded, safe=""))


def leaks(outputs: Iterable[tuple[str, bytes]]) -> list[str]:
    secrets = [*map(str, (*CONFIG.values(), *GIVEN.values())), "me:" + CONFIG["password"], CONFIG["nested"]["bearer"]]  # type: ignore[operator, index]
    wanted = {form.encode() for secret in secrets for form in forms(secret)}
    return [f"{place}: {found[0]!r}" for place, data in outputs if (found := [form for form in wanted if form in data])]


def files_of(*folders: Path) -> Iterator[tuple[str, bytes]]:
    for folder in folders:
        for path in folder.rglob("*"):
            yield str(path), b"" if path.is_dir() else path.read_bytes()


@pytest.fixture
def given(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Files that have secrets in them are in a folder of their own."""
    (tmp_path / "given").mkdir()
    with ApiServer(answer) as server:
        catalog = {"streams": [
            {"stream": {"name": f"{name}_{fault}", "json_schema": {}}, "sync_mode": "full_refresh"}
            for name in AUTHENTICATORS for fault in FAULTS
        ]}  # fmt: skip
        paths = {name: tmp_path / "given" / name for name in ("people.yaml", "config.json", "catalog.json")}
        for path, text in zip(
            paths.values(), (manifest(), json.dumps({**CONFIG, "url": server.url}), json.dumps(catalog)), strict=True
        ):
            path.write_text(text)
        yield paths


def test_of_a_read(given: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    files = ["--config", str(given["config.json"])]
    more = ["--catalog", str(given["catalog.json"]), "--record", str(tmp_path / "tape")]
    outputs = []
    for verb, options in (("check", []), ("discover", []), ("read", more)):
        with pytest.raises(SystemExit) as ended:
            run_manifest(given["people.yaml"], [verb, *files, *options, "--debug"])
        printed = capfd.readouterr()
        outputs += [(f"{verb}, stdout", printed.out.encode()), (f"{verb}, stderr", printed.err.encode())]
    assert ended.value.code == 1
    errors = [json.loads(line) for line in outputs[-2][1].splitlines()]
    failed = {
        message["trace"]["error"]["stream_descriptor"]["name"]
        for message in errors
        if message.get("trace", {}).get("type") == "ERROR"
    }
    assert failed == {f"{name}_{fault}" for name in AUTHENTICATORS for fault in FAULTS}
    assert len(list((tmp_path / "tape").iterdir())) > len(AUTHENTICATORS)
    found = leaks([*outputs, *files_of(tmp_path / "tape")])
    assert found == [], found


def test_of_a_sync(given: dict[str, Path], tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("lake", "tmp")]
    for place in places:
        place.mkdir()
    command = [sys.executable, "-c", "import sys; from file_cdk.cli import main; sys.exit(main())", "sync"]
    arguments = [str(given["people.yaml"]), "--config", str(given["config.json"]), "--to", str(places[0] / "x.sqlite")]
    done = subprocess.run(
        [*command, *arguments],
        capture_output=True,
        env={**os.environ, "TMPDIR": str(places[1])},
        timeout=120,
        check=False,
    )
    assert done.returncode in (2, 5), done.stderr  # what a person can mend, or not
    assert leaks([("stdout", done.stdout), ("stderr", done.stderr), *files_of(*places)]) == []
    assert list(places[1].iterdir()) == []
