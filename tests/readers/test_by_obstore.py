"""Ranges by obstore: which keys it names, what it asks a server, and what it makes of the answer."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from file_cdk.readers.by_obstore import NotByObstoreError, ObstoreBucket, ObstoreEndpoint

# obstore runs in a process of its own: a process that has used it must not fork any more, and other tests do.
PROGRAM = """
import json, sys, threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from file_cdk.core.files import RemoteFile
from file_cdk.readers.by_obstore import ObstoreBucket, ObstoreEndpoint

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        asked.append([self.path, {name.lower(): value for name, value in self.headers.items()}])
        self.send_response(case["status"])
        for name, value in case["headers"].items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(case["body"].encode())
        self.close_connection = True

    def log_message(self, *args):
        pass

def outcome(bucket, file, start, end):
    try:
        return b"".join(bucket.get(file, start, end)).decode()
    except Exception as error:
        assert error.__suppress_context__ or error.__context__ is None
        return f"{type(error).__name__}: {error}"

with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    endpoint = ObstoreEndpoint(f"http://127.0.0.1:{server.server_port}", headers={"x-a": "b"})
    for case in json.load(sys.stdin):
        asked = []
        name = "base_url" if case["kind"] == "GCSStore" else "endpoint"
        config = {name: endpoint.url, "skip_signature": True}
        bucket = ObstoreBucket.open(case["kind"], "bucket", endpoint, config, provide=None, not_in_keys="|")
        file = RemoteFile(case["key"], 10, datetime.now(UTC), case["etag"])
        found = outcome(bucket, file, case["start"], case["end"])
        print(json.dumps([found.replace(str(server.server_port), "PORT"), asked]))
    server.shutdown()
"""
CHANGED = "FileChangedError: it was replaced since it was listed (file 'k'). The next sync takes the new version"
OTHER_WAY = "NotByObstoreError: "


def case(**changes: Any) -> dict[str, Any]:
    """An answer to who asks for bytes 2 to 5 of ten, as it should be but for the changes."""
    headers = {
        "content-length": "3",
        "content-range": "bytes 2-4/10",
        "etag": '"e"',
        "x-goog-generation": "7",
        "last-modified": "Mon, 02 Nov 2026 00:00:00 GMT",
    }
    headers |= changes.pop("headers", {})
    answer = {"status": 206, "body": "cde", "headers": {name: text for name, text in headers.items() if text}}
    return {"kind": "S3Store", "key": "k", "etag": "e", "start": 2, "end": 5, **answer, **changes}


def run(cases: list[dict[str, Any]]) -> list[tuple[str, list[Any]]]:
    """What `get` gave or raised, and the requests that it made, for each."""
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=60,
        env=environ,
    )
    assert done.returncode == 0, done.stderr
    return [(found, asked) for found, asked in map(json.loads, done.stdout.splitlines())]


def test_what_a_server_answers_is_bytes_or_a_plain_error() -> None:
    empty = {"content-length": "0", "content-range": ""}
    refusals = [case(status=status, body="", headers=empty) for status in (401, 403, 404, 409, 412, 416)]
    passing = [case(status=status, body="", headers=empty) for status in (408, 425, 429, 500, 502, 503, 504)]
    expected = [
        (case(), "cde"),
        (case(etag=None), "cde"),
        (case(etag="f"), CHANGED),
        (case(kind="GCSStore", etag="7"), "cde"),
        (case(kind="GCSStore", etag="8"), CHANGED),
        (case(kind="GCSStore", etag="8", headers={"x-goog-generation": ""}), "cde"),
        (case(etag='W/"e"', headers={"etag": 'W/"e"'}), "cde"),
        (case(etag='W/"e"', headers={"etag": 'W/"f"'}), CHANGED),
        (case(headers={"content-range": "bytes 2-4/11"}), CHANGED),
        (case(status=200, body="abcdefghij", headers={"content-length": "10", "content-range": ""}), OTHER_WAY),
        (case(body="cd"), "TransientError: the body broke off (GenericError) (file 'k')"),
        *((each, OTHER_WAY) for each in refusals),
        *((each, f"TransientError: the server answered {each['status']} (file 'k')") for each in passing),
    ]
    found = run([each for each, _ in expected])
    assert [text for text, _ in found] == [text for _, text in expected]


def test_the_listed_version_is_asked_for() -> None:
    cases = [
        case(),
        case(etag='W/"e"'),
        case(kind="GCSStore", etag="7"),
        case(kind="GCSStore", etag=None),
        case(key="a b/ü+%20?.csv"),
    ]
    asked = [requests[0] for _, requests in run(cases)]
    assert [(path, headers.get("if-match")) for path, headers in asked] == [
        ("/bucket/k", '"e"'),
        ("/bucket/k", None),
        ("/bucket/k?generation=7", None),
        ("/bucket/k", None),
        ("/bucket/a%20b/%C3%BC%2B%2520%3F.csv", '"e"'),
    ]
    assert {(headers["range"], headers["x-a"]) for _, headers in asked} == {("bytes=2-4", "b")}


def test_a_key_that_obstore_would_change_is_not_asked_for() -> None:
    assert run([case(key=key) for key in ("a//b", "/a", "a/", "../a", "a\nb", "a|b")]) == [(OTHER_WAY, [])] * 6


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("a/b c.csv", True), ("ü/😀%2F?#", True), (".a/..b/...", True), ("back\\slash", True),
        ("", False), ("/a", False), ("a/", False), ("a//b", False), ("./a", False), ("a/..", False), ("a\tb", False),
        ("a\x7fb", False),
    ],
)  # fmt: skip
def test_which_keys_it_names(key: str, named: bool) -> None:
    assert ObstoreBucket(None, "etag").can_name(key) is named
    assert not ObstoreBucket(None, "etag", "a\\").can_name("back\\slash")


def test_how_a_service_is_reached(tmp_path: Path) -> None:
    pem = tmp_path / "ca.pem"
    pem.write_bytes(b"pem")
    assert ObstoreEndpoint("HTTP://h").client_options() == {
        "allow_http": True, "connect_timeout": "10s", "read_timeout": "30s", "timeout": "7days",
    }  # fmt: skip
    secure = ObstoreEndpoint("https://h", str(pem), {"a": "b"}).client_options()
    assert (secure["allow_http"], secure["root_certificate"], secure["default_headers"]) == (False, b"pem", {"a": "b"})
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(NotByObstoreError):
            ObstoreEndpoint("https://h", str(path)).client_options()


def test_without_obstore_the_other_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(NotByObstoreError):
        ObstoreBucket.open("S3Store", "b", ObstoreEndpoint("https://h"), {}, provide=None)


def test_a_bucket_does_not_show_its_store() -> None:
    assert "s3cr3t" not in repr(ObstoreBucket("s3cr3t", "etag"))


def test_obstore_is_imported_when_a_bucket_is_opened() -> None:
    code = "import sys; from file_cdk import ObstoreBucket; print('obstore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
