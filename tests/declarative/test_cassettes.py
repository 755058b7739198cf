"""Runs on tape: what is written, that nothing in it is secret, and that it comes back the same."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from api_server import ApiServer, Asked, Parts, response
from clients import client

from file_cdk.core.errors import ConfigError, SystemLimitError
from file_cdk.declarative import answers, authenticators
from file_cdk.declarative.http import Answer, Request, Spilled, holding
from file_cdk.declarative.http.cassettes import NotOnTapeError
from file_cdk.declarative.http.errors import RequestUnansweredError

PLAIN = answers.compiled({"type": "DefaultErrorHandler", "max_retries": 1}, "stream 'users'")
CONFIG = {"secret_id": "client-4711", "secret_word": "pass/word&more", "secret_refresh": "refresh-1"}
BODIES = [
    b'{"data":[{"id":1,"n":1.50}],"data":2}',
    b'{"data": [{"id": 1, "name": "\\u00e9"}]}',
    '[{"name":"é"}]'.encode(),
    b"id,name\n1,a\n",
    b"\x1f\x8b\x00\xff",
    b"",
    b"1e400",
]


def oauth(server: ApiServer) -> Any:
    component = {
        "type": "OAuthAuthenticator",
        "token_refresh_endpoint": f"{server.url}/token",
        "client_id": "{{ config.secret_id }}",
        "client_secret": "{{ config.secret_word }}",
        "refresh_token": "{{ config.secret_refresh }}",
    }
    return authenticators.compiled(component, "authenticator")


def api(asked: Asked) -> Parts:
    if asked.target == "/token":
        return response(body=b'{"access_token": "token-0815", "expires_in": 3600}')
    if asked.target == "/broken":
        return [b"HTTP/1.1 200 OK\r\n", b""]
    echo = f"{asked.target} {asked.headers.get('authorization')} pass/word&more".encode()
    number = int(asked.target.rpartition("=")[2].partition("&")[0]) if "page=" in asked.target else None
    body = echo if number is None else BODIES[number]
    return response(body=body, headers={"Set-Cookie": "session=unheard-of", "X-Page": "é"})


def run(server: ApiServer, config: dict[str, Any], **options: Any) -> list[Answer]:
    with client(config, **options) as sender:
        requests = [Request("GET", f"{server.url}/users?page={n}") for n in range(len(BODIES))]
        requests += [Request("GET", f"{server.url}/users?key=pass%2Fword%26more")] * 2
        requests += [Request("POST", f"{server.url}/search", (), b'{"key": "client-4711"}')]
        return [sender.send(request, PLAIN, oauth(server), {}, "users") for request in requests]


def test_a_run_comes_back_from_tape(tmp_path: Path) -> None:
    tape = tmp_path / "tape"
    with ApiServer(api) as server:
        live = run(server, CONFIG, record=tape)
        asked = len(server.asked)
        played = run(server, CONFIG, replay=tape)
        assert len(server.asked) == asked
    assert [answer.response.body for answer in played[: len(BODIES)]] == BODIES
    assert [answer.response.status for answer in played] == [answer.response.status for answer in live]
    assert played[0].response.headers["x-page"] == "é"
    assert played[-1].response.content() == b"/search Bearer **** ****"


def test_a_large_answer_has_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "MAX_HELD_BYTES", 1 << 16)
    tape, body = tmp_path / "tape", b"x" * 100_000 + b"pass/word&more" + b"y" * 100_000
    with ApiServer(lambda asked: response(body=body)) as server:
        for way in ("record", "replay"):
            with client(CONFIG, None, **{way: tape}) as sender:
                answer = sender.send(Request("GET", f"{server.url}/export"), PLAIN, None, {}).response
                assert isinstance(answer.body, Spilled)
                read = answer.content()
                answer.discard()
    assert read == body.replace(b"pass/word&more", b"****")
    assert sorted(path.name for path in tape.iterdir()) == ["000001-GET-export.body", "000001-GET-export.json"]
    assert (tape / "000001-GET-export.json").stat().st_size < 1000
    (tape / "000001-GET-export.body").unlink()
    with client(CONFIG, replay=tape) as sender, pytest.raises(ConfigError, match="cannot be read"):
        sender.send(Request("GET", f"{server.url}/export"), PLAIN, None, {})


def test_a_tape_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    tape = tmp_path / "tape"
    with ApiServer(api) as server, client(CONFIG, record=tape) as sender:
        tape.rmdir()
        with pytest.raises(
            SystemLimitError, match=r"nothing more can be recorded in '.*tape': No such file.*Make room"
        ):
            sender.send(Request("GET", f"{server.url}/users?page=0"), PLAIN, None, {})


def test_no_secret_is_on_tape(tmp_path: Path) -> None:
    tape = tmp_path / "tape"
    with ApiServer(api) as server:
        run(server, CONFIG, record=tape)
    files = sorted(tape.iterdir())
    text = "".join(path.name + path.read_text() for path in files)
    for secret in ("client-4711", "pass/word", "pass%2Fword", "refresh-1", "token-0815", "unheard-of"):
        assert secret not in text
    assert [path.name for path in files][:3] == [
        "000001-POST-token.json",
        "000002-GET-users.json",
        "000003-GET-users.json",
    ]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    second = json.loads(files[2].read_text())["answer"]["body"]
    assert second["json"] == {"data": [{"id": 1, "name": "é"}]}
    assert json.loads(files[4].read_text())["answer"]["body"] == {"text": "id,name\n1,a\n"}


def test_what_a_token_costs_is_not_on_tape_whatever_the_specification_says(tmp_path: Path) -> None:
    config = {"id": "me", "word": "unmarked-word", "refresh": "unmarked-refresh"}
    component = {
        "type": "OAuthAuthenticator",
        "token_refresh_endpoint": "URL/token",
        "client_id": "{{ config.id }}",
        "client_secret": "{{ config.word }}",
        "refresh_token": "{{ config.refresh }}",
    }
    said = b'{"access_token": "token-0815", "refresh_token": "following-0815", "id_token": "identity-0815"}'
    with ApiServer(lambda asked: response(body=said if asked.target == "/token" else b"[]")) as server:
        component["token_refresh_endpoint"] = f"{server.url}/token"
        with client(config, record=tmp_path / "tape") as sender:
            authenticator = authenticators.compiled(component, "authenticator")
            sender.send(Request("GET", server.url), PLAIN, authenticator, {})
    text = "".join(path.read_text() for path in (tmp_path / "tape").iterdir())
    assert re.findall("unmarked-[a-z]+|[a-z]+-0815", text) == []


def test_a_tape_plays_with_other_secrets(tmp_path: Path) -> None:
    tape = tmp_path / "tape"
    with ApiServer(api) as server:
        with client(CONFIG, record=tape) as sender:
            sender.send(Request("GET", f"{server.url}/users?key={CONFIG['secret_id']}"), PLAIN, oauth(server), {})
        other = {name: f"another-{name}" for name in CONFIG}
        with client(other, replay=tape) as sender:
            answer = sender.send(
                Request("GET", f"{server.url}/users?key={other['secret_id']}"), PLAIN, oauth(server), {}
            )
    assert answer.response.status == 200


def test_what_broke_off_breaks_off_again(tmp_path: Path) -> None:
    tape = tmp_path / "tape"
    with ApiServer(api) as server:
        both: list[dict[str, Any]] = [{"record": tape}, {"replay": tape}]
        for options in both:
            with (
                client({}, **options) as sender,
                pytest.raises(RequestUnansweredError, match="the connection broke off"),
            ):
                sender.send(Request("GET", f"{server.url}/broken"), PLAIN, None, {})
    assert len(list(tape.iterdir())) == 2


def test_requests_that_are_not_on_tape_say_what_is(tmp_path: Path) -> None:
    tape = tmp_path / "tape"
    url = "http://api.example.com"

    def send(sender: Any, method: str, path: str, body: bytes | None = None) -> None:
        sender.send(Request(method, f"{url}{path}", (), body), PLAIN, None, {})

    with ApiServer(api) as server:
        url = server.url
        with client({}, record=tape) as sender:
            send(sender, "GET", "/users?since=2024&size=5")
            send(sender, "POST", "/users", b"a")
    with client({}, replay=tape) as sender:
        send(sender, "GET", "/users?since=2024&size=5")
        for method, path, body, expected in [
            ("GET", "/users?since=2024&size=5", None, "it was recorded 1 times, and is asked for once more"),
            ("GET", "/users?since=2025&size=5", None, "has other values of: since"),
            ("POST", "/users", b"b", "has another body"),
            ("GET", "/accounts", None, "no request for this address was recorded"),
        ]:
            with pytest.raises(NotOnTapeError, match=expected) as caught:
                send(sender, method, path, body)
            assert "2025" not in str(caught.value)


def test_folders_of_tapes(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"record": tmp_path / "full"}, "is not empty"),
        ({"record": tmp_path / "full" / "file" / "x"}, "nothing can be recorded"),
        ({"replay": tmp_path / "none"}, "there is no recording"),
        ({"record": tmp_path, "replay": tmp_path}, "not both"),
    ]
    for options, message in wrong:
        with pytest.raises(ConfigError, match=message), client({}, **options):
            pass
    for text in ("no JSON", "[]", "{}", '{"request": {}, "answer": {}}', '{"request": [], "answer": {}}'):
        (tmp_path / "full" / "1.json").write_text(text)
        with pytest.raises(ConfigError, match="cannot be read"), client({}, replay=tmp_path / "full"):
            pass
