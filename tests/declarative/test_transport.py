"""What goes over the network, byte by byte, against a server that sends exactly what a test says."""

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from api_server import ApiServer, Asked, Parts, always, in_turn, response

from file_cdk.core.errors import ConfigError, SystemLimitError
from file_cdk.declarative.http import holding
from file_cdk.declarative.http.messages import Outcome, Request, Response, Spilled, Unanswered
from file_cdk.declarative.http.network import bodies
from file_cdk.declarative.http.network.transport import MAX_REDIRECTS, HttpTransport
from file_cdk.declarative.http.network.wire import BrokenError
from file_cdk.declarative.http.secrets import Secrets
from file_cdk.testing.mirror.certificates import Authority


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "SSL_CERT_FILE",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def got(url: str, *requests: Request, secrets: Secrets | None = None) -> Outcome:
    """What the last of the requests comes to, over one transport; a plain one for the URL by default."""
    transport = HttpTransport(secrets or Secrets())
    try:
        return [transport.exchange(request) for request in requests or (Request("GET", url),)][-1]
    finally:
        transport.close()


def answered(outcome: Outcome) -> Response:
    assert isinstance(outcome, Response), outcome
    return outcome


def unanswered(outcome: Outcome) -> str:
    assert isinstance(outcome, Unanswered), outcome
    return outcome.reason


def test_a_request_goes_out_as_it_is() -> None:
    request = Request("POST", "", (("X-Ä", "ü"), ("Accept", "text/csv"), ("host", "elsewhere")), b"body")
    with ApiServer(always(*response())) as server:
        request = Request(
            "POST",
            f"{server.url}/a/b%20c d?x=1&y=ü#end",
            (("X-One", "ü"), ("Accept", "text/csv"), ("host", "elsewhere")),
            b"body",
        )
        outcome = answered(got(server.url, request))
    asked = server.asked[0]
    assert (asked.method, asked.target, asked.body) == ("POST", "/a/b%20c%20d?x=1&y=%C3%BC", b"body")
    assert asked.headers["host"] == f"127.0.0.1:{server.port}"
    assert asked.headers["accept"] == "text/csv"
    assert asked.headers["x-one"] == "ü"
    assert asked.headers["content-length"] == "4"
    assert outcome.url == request.url


def test_connections_are_kept() -> None:
    with ApiServer(always(*response())) as server:
        got("", *(Request("GET", f"{server.url}/{n}") for n in range(3)))
    assert [asked.connection for asked in server.asked] == [0, 0, 0]


@pytest.mark.parametrize(
    "parts",
    [
        [*response(headers={"Connection": "close"}), b""],
        [b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", b""],
        [b"HTTP/1.1 200 OK\r\n\r\n{}", b""],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"],
    ],
    ids=["close", "HTTP/1.0", "no length", "more than announced"],
)
def test_connections_that_cannot_be_kept_are_not(parts: Parts) -> None:
    with ApiServer(always(*parts)) as server:
        outcome = answered(got("", *(Request("GET", f"{server.url}/{n}") for n in range(2))))
    assert (outcome.body, [asked.connection for asked in server.asked]) == (b"{}", [0, 1])


def test_a_kept_connection_that_the_server_closed_costs_nothing() -> None:
    with ApiServer(in_turn([*response(), b""], response(body=b"[]"))) as server:
        assert answered(got("", Request("GET", server.url), Request("POST", server.url, body=b"x"))).body == b"[]"


@pytest.mark.parametrize(
    ("parts", "body"),
    [
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nT: x\r\n\r\n"],
            b"abcd",
        ),
        ([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n", *response(body=b"[1]")], b"[1]"),
        ([b"HTTP/1.1 200\r\nContent-Length: 2, 2\r\n\r\nok"], b"ok"),
        ([b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"], b"ok"),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], b""),
        ([b"HTTP/1.1 200 OK\r\nConte", 0.01, b"nt-Length: 2\r\n\r", 0.01, b"\no", 0.01, b"k"], b"ok"),
    ],
    ids=["chunks", "interim answers", "a length twice", "bare line feeds", "no content", "pieces"],
)
def test_answers_are_read_in_all_their_forms(parts: Parts, body: bytes) -> None:
    with ApiServer(always(*parts)) as server:
        outcome = answered(got("", *[Request("GET", server.url)] * 2))
    assert (outcome.body, [asked.connection for asked in server.asked]) == (body, [0, 0])


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([b""], "the connection was closed without an answer"),
        ([b"HTTP/1.1 200 OK\r\nContent-Le", b""], "the connection broke off"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", b""], "the answer broke off"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", b""], "the answer broke off"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"], "the answer comes in chunks without a size"),
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n"],
            "chunks of another size than they say",
        ),
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
            "in a form that is not read: 'gzip, chunked'",
        ),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nab"], "the answer has no length, or several"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nab"], "the answer has no length, or several"),
        ([b"220 mail.example.com ESMTP\r\n"], "what answers does not speak HTTP/1.1"),
        ([b"HTTP/1.1 101 Switching\r\n\r\n"], "the server wants another protocol"),
        ([b"HTTP/1.1 200 OK\r\n", *[b"X: " + b"y" * 8000 + b"\r\n"] * 40], "larger than 256 KiB"),
        ([b"HTTP/1.1 200 OK\r\nno field\r\n\r\n"], "a line that is no field"),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(parts: Parts, reason: str) -> None:
    with ApiServer(always(*parts)) as server:
        outcome = got(server.url)
        assert reason in unanswered(outcome)
        assert isinstance(outcome, Unanswered)
        assert not outcome.is_lasting


@pytest.mark.parametrize(
    "parts",
    [
        [30.0],
        [b"HTTP/1.1 200 OK\r\n", *[b"X-A: b\r\n", 0.05] * 40],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", *[b"x", 0.05] * 40],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n", 0.05] * 40],
    ],
    ids=["silence", "a head that trickles", "a body that trickles", "chunks that trickle"],
)
def test_a_server_that_hangs_ends_in_time(parts: Parts) -> None:
    with ApiServer(always(*[min(part, 1.5) if isinstance(part, float) else part for part in parts])) as server:
        began = time.monotonic()
        reason = unanswered(got("", Request("GET", server.url, read_timeout_s=0.2)))
        assert time.monotonic() - began < 1.2
    assert reason in ("there was no answer within 0.2 s", "the answer did not come on within 0.2 s")


def test_closing_ends_what_is_under_way() -> None:
    with ApiServer(always(3.0)) as server:
        transport = HttpTransport(Secrets())
        outcomes: list[Outcome] = []
        reader = threading.Thread(target=lambda: outcomes.append(transport.exchange(Request("GET", server.url))))
        reader.start()
        while not server.asked:
            time.sleep(0.01)
        transport.close()
        reader.join(2)
        assert len(outcomes) == 1
        assert "closed" in unanswered(outcomes[0])
        assert unanswered(transport.exchange(Request("GET", server.url))) == "the run is being ended"


def test_hosts_that_cannot_be_reached_are_told_apart() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    assert unanswered(got(f"http://127.0.0.1:{port}/")) == "the host refuses the connection"
    assert unanswered(got("http://no-such-host.invalid/")) == "the name of the host cannot be resolved"


@pytest.mark.parametrize("url", ["ftp://a/b", "nothing", "http://", "http://a:b/", "https://" + "a" * 70 + ".com:1/"])
def test_what_is_no_url_is_never_asked_again(url: str) -> None:
    outcome = got(url)
    assert isinstance(outcome, Unanswered)
    assert outcome.is_lasting


def test_a_header_with_a_line_break_is_not_sent() -> None:
    with ApiServer(always(*response())) as server:
        outcome = got("", Request("GET", server.url, (("X", "a\r\nHost: evil"),)))
        assert unanswered(outcome) == "a header that cannot be sent: 'X'"
    assert server.asked == []


# Bodies


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"x" * 100_000, mtime=0)),
        ("GZIP", gzip.compress(b"x" * 50_000, mtime=0) + gzip.compress(b"x" * 50_000, mtime=0)),
        ("deflate", zlib.compress(b"x" * 100_000)),
        ("deflate", zlib.compress(b"x" * 100_000)[2:-4]),
        ("gzip, gzip", gzip.compress(gzip.compress(b"x" * 100_000, mtime=0), mtime=0)),
        ("identity", b"x" * 100_000),
    ],
)
def test_packed_bodies_are_unpacked(encoding: str, packed: bytes) -> None:
    with ApiServer(always(*response(body=packed, headers={"Content-Encoding": encoding}))) as server:
        assert answered(got(server.url)).body == b"x" * 100_000
    assert server.asked[0].headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("wbits", [31, 15, -15])
def test_what_is_held_back_when_all_was_put_in_comes_out(wbits: int) -> None:
    whole = bytes((1 << 20) + 5)
    packing = zlib.compressobj(wbits=wbits)
    packed = packing.compress(whole) + packing.flush()
    assert bodies.received([packed], "gzip" if wbits == 31 else "deflate") == whole


@pytest.mark.parametrize("size", [1, 2, 3])
def test_members_may_begin_anywhere_in_what_arrives(size: int) -> None:
    packed = gzip.compress(b"first") + gzip.compress(b"second") + b"\0\0"
    assert bodies.received([packed[at : at + size] for at in range(0, len(packed), size)], "gzip") == b"firstsecond"


def test_brotli_is_unpacked_where_it_comes() -> None:
    import cramjam

    packed = bytes(cramjam.brotli.compress(b"x" * 100_000))
    with ApiServer(always(*response(body=packed, headers={"Content-Encoding": "br"}))) as server:
        assert answered(got(server.url)).body == b"x" * 100_000


@pytest.mark.parametrize(
    ("encoding", "body", "reason"),
    [
        ("gzip", gzip.compress(b"x" * 1000, mtime=0)[:-9], "its end is missing"),
        ("gzip", b"no gzip at all, in no way", "damaged"),
        ("br", b"no brotli", "damaged"),
        (", ".join(["gzip"] * 3000), b"", "packed 3000 times"),
        ("zip", b"", "in a way that is not read: 'zip'"),
    ],
)
def test_damaged_bodies_are_not_taken_for_whole(encoding: str, body: bytes, reason: str) -> None:
    with ApiServer(always(*response(body=body, headers={"Content-Encoding": encoding}))) as server:
        assert reason in unanswered(got(server.url))


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_what_unpacks_to_too_much_is_refused(coding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import cramjam

    monkeypatch.setattr(bodies, "MAX_BYTES", 1 << 21)
    monkeypatch.setattr(bodies, "_BROTLI_BYTES", (1 << 20, 1 << 21), raising=False)
    packers: dict[str, Callable[[bytes], Any]] = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "br": cramjam.brotli.compress,
    }
    packed = packers[coding]
    whole = bodies.received([bytes(packed(bytes(1 << 21)))], coding)
    assert isinstance(whole, bytes)
    assert len(whole) == 1 << 21
    with pytest.raises((SystemLimitError, BrokenError), match=r"more than|larger than"):
        bodies.received([bytes(packed(bytes((1 << 21) + 1)))], coding)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_large_bodies_go_to_a_file(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "MAX_HELD_BYTES", 1 << 20)
    whole = b"0123456789abcdef" * (3 << 16)
    body = gzip.compress(whole) if encoding == "gzip" else whole
    with ApiServer(always(*response(body=body, headers={"Content-Encoding": encoding}))) as server:
        outcome = answered(got("", *[Request("GET", server.url)] * 2))
    assert isinstance(outcome.body, Spilled)
    assert (outcome.body.size_bytes, outcome.content() == whole) == (len(whole), True)
    assert [asked.connection for asked in server.asked] == [0, 0]
    outcome.discard()
    assert not outcome.body.path.exists()


# Redirects


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [
        (301, "GET", "GET", b""),
        (301, "POST", "GET", b""),
        (302, "POST", "GET", b""),
        (303, "PUT", "GET", b""),
        (307, "POST", "POST", b"body"),
        (308, "POST", "POST", b"body"),
    ],
)
def test_redirects_within_an_origin(status: int, method: str, then: str, body: bytes) -> None:
    with ApiServer(in_turn(response(status, headers={"Location": "/b?c=1"}), response(body=b"[]"))) as server:
        headers = (("Authorization", "Bearer s3cret"), ("Content-Type", "text/plain"))
        sent = b"body" if method != "GET" else None
        outcome = answered(got("", Request(method, f"{server.url}/a", headers, sent)))
    second = server.asked[1]
    assert (second.method, second.target, second.body) == (then, "/b?c=1", body)
    assert second.headers["authorization"] == "Bearer s3cret"
    assert ("content-type" in second.headers) == (body != b"" or method == "GET")
    assert outcome.url == f"{server.url}/b?c=1"


def test_secrets_stay_with_their_origin() -> None:
    secrets = Secrets(["key-123456"])
    with ApiServer(always(*response(body=b"[]"))) as other:
        away = response(307, headers={"Location": f"{other.url.replace('//', '//user:pass@')}/x"})
        with ApiServer(always(*away)) as server:
            headers = (("Authorization", "Basic x"), ("Cookie", "a=b"), ("X-Api-Key", "key-123456"), ("X-Page", "5"))
            answered(got("", Request("GET", server.url, headers), secrets=secrets))
            body = Request("POST", server.url, (), b'{"key": "key-123456"}')
            assert "whose body has a secret" in unanswered(got("", body, secrets=secrets))
    assert len(other.asked) == 1
    assert {"authorization", "cookie", "x-api-key"} & set(other.asked[0].headers) == set()
    assert other.asked[0].headers["x-page"] == "5"


def test_redirects_that_lead_nowhere() -> None:
    with ApiServer(always(*response(302, headers={"Location": "/again"}))) as server:
        assert "redirects, one after the other" in unanswered(got(server.url))
        assert len(server.asked) == MAX_REDIRECTS + 1
    with ApiServer(always(*response(302, headers={"Location": "file:///etc/passwd"}))) as server:
        assert unanswered(got(server.url)) == "a redirect to what is no URL of HTTP"
    with ApiServer(always(*response(302))) as server:
        assert answered(got(server.url)).status == 302


# TLS and proxies


def test_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    with ApiServer(always(*response(body=b"[]")), authority.context("127.0.0.1")) as server:
        outcome = got(server.url)
        assert "is not trusted" in unanswered(outcome)
        assert isinstance(outcome, Unanswered)
        assert outcome.is_lasting
        for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            with monkeypatch.context() as within:
                within.setenv(variable, str(authority.file))
                assert answered(got("", *[Request("GET", server.url)] * 2)).body == b"[]"
        assert "is not trusted" in unanswered(got(server.url.replace("127.0.0.1", "localhost")))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
        with pytest.raises(ConfigError, match="trusted authorities"):
            got(server.url)


def test_a_proxy_gets_whole_urls_and_its_own_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    with ApiServer(always(*response(body=b"[]"))) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:pass%20word@127.0.0.1:{proxy.port}")
        assert answered(got("http://api.example.com/a?b=1")).body == b"[]"
        monkeypatch.setenv("NO_PROXY", "10.0.0.0/8,127.0.0.0/8")
        assert answered(got(proxy.url)).body == b"[]"
    assert [asked.target for asked in proxy.asked] == ["http://api.example.com/a?b=1", "/"]
    assert proxy.asked[0].headers["proxy-authorization"] == "Basic bWU6cGFzcyB3b3Jk"
    assert proxy.asked[0].headers["host"] == "api.example.com"


def test_a_proxy_that_makes_no_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(asked: Asked) -> Parts:
        return response(407 if "example.com" in asked.target else 502)

    with ApiServer(refuse) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        outcome = got("https://api.example.com/")
        assert isinstance(outcome, Unanswered)
        assert (outcome.reason, outcome.is_lasting) == ("the proxy wants credentials", True)
        assert unanswered(got("https://other.org/")) == "the proxy makes no connection to the host"
    assert [asked.target for asked in proxy.asked] == ["api.example.com:443", "other.org:443"]
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    with pytest.raises(ConfigError, match="HTTPS_PROXY names no proxy of HTTP"):
        got("https://api.example.com/")
