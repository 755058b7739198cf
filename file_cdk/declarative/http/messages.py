"""What is sent, what comes back, and what is made of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from file_cdk.core.errors import FailureType
from file_cdk.declarative.http.headers import Headers

Action = Literal["SUCCESS", "RETRY", "FAIL", "IGNORE", "RATE_LIMITED", "REFRESH_TOKEN_THEN_RETRY"]
"""What an error handler may say of an answer."""

_NO_JSON: Any = object()

Scope = Mapping[str, Any]
"""The names that templates see."""


class Request(msgspec.Struct, frozen=True):
    """url: whole, percent-encoded, with its query. headers: in the order they are sent, without those of the connection.

    connect_timeout_s, read_timeout_s: instead of those of the transport. is_for_token: the answer has a secret that whoever
    asks makes known. foreign_url: what an API gave for a URL, where that is of another origin than its own; None otherwise.
    Nothing secret goes there but what it gave.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    connect_timeout_s: float | None = None
    read_timeout_s: float | None = None
    is_for_token: bool = False
    foreign_url: str | None = None

    def header(self, name: str) -> str | None:
        """The last of that name, in any case."""
        wanted = name.lower()
        return next((value for each, value in reversed(self.headers) if each.lower() == wanted), None)


class Spilled(msgspec.Struct, frozen=True):
    """A body too large to hold, in a file of the run's folder, which whoever reads it removes."""

    path: Path
    size_bytes: int


class Response(msgspec.Struct, frozen=True):
    """An answer, whole. body: unpacked where the server compressed it on the way. url: after redirects."""

    status: int
    headers: Headers
    body: bytes | Spilled
    url: str
    _decoded: list[Any] = []

    @property
    def is_ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400

    def content(self) -> bytes:
        """The body, read whole."""
        return self.body if isinstance(self.body, bytes) else self.body.path.read_bytes()

    def discard(self) -> None:
        """Removes the file of a body that nobody will read."""
        if isinstance(self.body, Spilled):
            self.body.path.unlink(missing_ok=True)

    def json(self, otherwise: Any = None) -> Any:
        """The body as JSON, decoded once; `otherwise` where it is none. Not to be changed by who gets it."""
        if not self._decoded:
            self._decoded.append(_decoded(self.content()))
        return otherwise if self._decoded[0] is _NO_JSON else self._decoded[0]


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):  # of msgspec too
        pass
    try:
        return json.loads(body)  # which takes a mark of byte order, UTF-16, and numbers beyond those of JSON
    except (ValueError, RecursionError):
        return _NO_JSON


class Unanswered(msgspec.Struct, frozen=True):
    """A request that got no answer, or half of one. reason: in words, such as `the connection is refused`.

    is_lasting: whether to ask again is no use, as with a URL that is none or a certificate that is not trusted.
    """

    url: str
    reason: str
    is_lasting: bool = False
    remedy: str | None = None


Outcome = Response | Unanswered


class Verdict(msgspec.Struct, frozen=True):
    """What an error handler says of an outcome. message: its own words for a person, where the manifest has some."""

    action: Action
    failure_type: FailureType = "system_error"
    message: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """What a request came to. action IGNORE: the page has no records, and the slice ends with it; reason says why, in words."""

    response: Response
    action: Literal["SUCCESS", "IGNORE"]
    reason: str | None = None


def without_query(url: str) -> str:
    """The URL without what may be secret in it: user, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
