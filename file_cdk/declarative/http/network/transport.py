"""Carries requests to their origins and the answers back: connections that are kept, redirects, and time-outs."""

import contextlib
import re
import socket
import threading
from functools import lru_cache
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from file_cdk.core.version import VERSION
from file_cdk.declarative.http.messages import Outcome, Request, Response, Unanswered
from file_cdk.declarative.http.network.bodies import ACCEPTED, received
from file_cdk.declarative.http.network.lines import Line, Lines, NoLineError, Origin, split
from file_cdk.declarative.http.network.wire import BrokenError, Fields, Wire, head_bytes
from file_cdk.declarative.http.origins import SecretInBodyError, is_same, without_secrets
from file_cdk.declarative.http.secrets import Secrets

CONNECT_TIMEOUT_S = 30.0
"""Maximum time for a connection to each address of a host, and for each answer while it is made, in seconds."""

READ_TIMEOUT_S = 300.0
"""Maximum time until the head of an answer is there, and then without a byte of its body, in seconds. Of a body at least 64 KiB
must come in each such time."""

MAX_REDIRECTS = 20
_MAX_IDLE = 64
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OF_A_BODY = frozenset({"content-type", "content-encoding", "content-length", "transfer-encoding"})
_OF_THE_CONNECTION = frozenset({"host", "content-length", "transfer-encoding", "connection"})
_NOT_IN_URLS = re.compile(r"[^!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]")
_DEFAULTS = (("User-Agent", f"file-cdk/{VERSION}"), ("Accept-Encoding", ACCEPTED), ("Accept", "*/*"))


class HttpTransport:
    """For any number of threads. secrets: what goes to the origin that a request names, and to no other."""

    def __init__(self, secrets: Secrets, lines: Lines | None = None) -> None:
        self._secrets = secrets
        self._lines = lines or Lines()
        self._lock = threading.Lock()
        self._idle: dict[Origin, list[tuple[Wire, Line]]] = {}
        self._busy: set[Wire] = set()
        self._is_closed = False

    def exchange(self, request: Request) -> Outcome:
        for _ in range(MAX_REDIRECTS + 1):
            outcome = self._once(request)
            target = _location(outcome)
            if not isinstance(outcome, Response) or target is None:
                return outcome
            outcome.discard()
            following = _redirected(request, outcome.status, target, self._secrets)
            if isinstance(following, Unanswered):
                return following
            request = following
        return Unanswered(request.url, f"more than {MAX_REDIRECTS} redirects, one after the other", is_lasting=True)

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            wires = [wire for wires in self._idle.values() for wire, _ in wires]
            self._idle.clear()
            for wire in self._busy:
                with contextlib.suppress(OSError):  # of the class: SSLSocket's own would pull TLS from under the reader
                    socket.socket.shutdown(wire.socket, socket.SHUT_RDWR)
        for wire in wires:
            wire.close()

    def _once(self, request: Request) -> Outcome:
        """Without redirects."""
        url = _NOT_IN_URLS.sub(lambda found: quote(found[0], safe=""), request.url)
        try:
            origin, target = split(url)
        except ValueError:
            return Unanswered(request.url, "the URL is none of HTTP", is_lasting=True)
        while True:
            try:
                wire, line = self._taken(origin, request)
            except NoLineError as exc:
                return Unanswered(request.url, exc.reason, exc.is_lasting, exc.remedy)
            is_fresh = not wire.has_answered
            try:
                return self._over(wire, line, origin, target, request)
            except ValueError as exc:
                return Unanswered(request.url, str(exc), is_lasting=True)
            except (BrokenError, OSError) as exc:
                # The server has closed a connection that was kept, which it may at any time: that says nothing of this request.
                if not is_fresh and not wire.has_heard and not isinstance(exc, TimeoutError):
                    continue
                return Unanswered(request.url, _reason(exc, request, wire))
            finally:
                self._release(origin, wire, line)

    def _over(self, wire: Wire, line: Line, origin: Origin, target: str, request: Request) -> Response:
        if line.is_forwarded:
            target = f"{origin.scheme}://{origin.authority}{target}"
        timeout_s = request.read_timeout_s or READ_TIMEOUT_S
        head = head_bytes(
            request.method, target, origin.authority, _fields(request.headers, line.headers), request.body
        )
        wire.send(head, request.body, timeout_s)
        answer = wire.head(request.method, timeout_s)
        body = received(wire.body(answer), answer.headers.get("Content-Encoding", ""))
        return Response(answer.status, answer.headers, body, request.url)

    def _taken(self, origin: Origin, request: Request) -> tuple[Wire, Line]:
        with self._lock:
            while not self._is_closed and (idle := self._idle.get(origin)):
                wire, line = idle.pop()
                if wire.is_silent:
                    self._busy.add(wire)
                    return wire, line
                wire.close()
        line = self._lines.connected(origin, request.connect_timeout_s or CONNECT_TIMEOUT_S)
        wire = Wire(line.socket)
        with self._lock:
            self._busy.add(wire)
            is_closed = self._is_closed
        if is_closed:
            self._release(origin, wire, line)
            raise NoLineError("the run is being ended")
        return wire, line

    def _release(self, origin: Origin, wire: Wire, line: Line) -> None:
        with self._lock:
            self._busy.discard(wire)
            idle = self._idle.setdefault(origin, [])
            if wire.is_usable and not self._is_closed and len(idle) < _MAX_IDLE:
                idle.append((wire, line))
                return
        wire.close()


@lru_cache(maxsize=64)
def _fields(headers: Fields, of_proxy: Fields) -> Fields:
    names = {name.lower() for name, _ in headers}
    own = tuple(field for field in headers if field[0].lower() not in _OF_THE_CONNECTION)
    return (*own, *(field for field in _DEFAULTS if field[0].lower() not in names), *of_proxy)


def _reason(exc: BrokenError | OSError, request: Request, wire: Wire) -> str:
    if isinstance(exc, BrokenError):
        return exc.reason
    if isinstance(exc, TimeoutError):
        timeout_s = request.read_timeout_s or READ_TIMEOUT_S
        return f"{'the answer did not come on' if wire.has_heard else 'there was no answer'} within {timeout_s:g} s"
    return "the connection broke off"


# Redirects, as browsers follow them (RFC 9110, section 15.4)


def _location(outcome: Outcome) -> str | None:
    if not isinstance(outcome, Response) or outcome.status not in _REDIRECTS:
        return None
    return outcome.headers.get("Location") or None


def _redirected(request: Request, status: int, location: str, secrets: Secrets) -> Request | Unanswered:
    """What is secret stays with the origin that the request was meant for; a step up to TLS leaves it that."""
    try:
        before, _ = split(request.url)
        url = urljoin(request.url, location)
        after, _ = split(url)
    except ValueError:
        return Unanswered(request.url, "a redirect to what is no URL of HTTP", is_lasting=True)
    # Without the user that it may name: who redirects does not choose the credentials.
    parts = urlsplit(url)
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
    method, body, headers = request.method, request.body, request.headers
    if (status in (302, 303) and method != "HEAD") or (status == 301 and method == "POST"):
        method, body = "GET", None
        headers = tuple(field for field in headers if field[0].lower() not in _OF_A_BODY)
    following = msgspec.structs.replace(request, method=method, url=url, headers=headers, body=body)
    if is_same(before, after):
        return following
    try:
        return without_secrets(following, secrets)
    except SecretInBodyError:
        reason = "a redirect to another origin, for a request whose body has a secret"
        return Unanswered(request.url, reason, is_lasting=True)
