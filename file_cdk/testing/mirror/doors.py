"""Where a manifest's authenticators get tokens: OAuth endpoints and log-ins. They remember what they gave."""

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit

from file_cdk.testing.mirror.asked import Asked
from file_cdk.testing.mirror.cursor_texts import to_text
from file_cdk.testing.mirror.made_up import put
from file_cdk.testing.mirror.shapes import Scope, Shape, plain_path, shape
from file_cdk.testing.mirror.templates import rendered, text

_LIFE_S = 3600

Check = Callable[[Asked], str | None]
"""What is wrong with a request's credentials, in words; None where nothing is."""


class Door(Protocol):
    def is_for(self, asked: Asked) -> bool: ...

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """Status and body."""


@dataclass(slots=True)
class Given:
    """Tokens that a door gave, and that it takes back for new ones."""

    kind: str
    access: set[str] = field(default_factory=set)
    refresh: set[str] = field(default_factory=set)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def new(self) -> str:
        with self._lock:
            token = f"{self.kind}-{next(self._numbers)}"
            self.access.add(token)
            return token

    def exchanged(self, refresh: str) -> str | None:
        """A new token for a refresh token that is good for one use; None where it was used."""
        with self._lock:
            if refresh not in self.refresh:
                return None
            self.refresh.remove(refresh)
            token = f"mirror-refresh-{next(self._numbers)}"
            self.refresh.add(token)
            return token


@dataclass(frozen=True, slots=True)
class OAuthDoor:
    """single_use: a refresh token is good for one exchange, and the answer brings the next."""

    component: Mapping[str, Any]
    scope: Scope
    given: Given
    single_use: bool

    def is_for(self, asked: Asked) -> bool:
        split = urlsplit(text(self.component.get("token_refresh_endpoint"), self.scope))
        return (split.netloc.lower(), plain_path(split.path)) == (asked.host, plain_path(asked.path))

    def answer(self, asked: Asked) -> tuple[int, Any]:
        sent = {**asked.query, **asked.leaves}
        wrong = self._wrong(sent, asked.headers)
        if wrong:
            return 401, {"error": "invalid_client", "error_description": wrong}
        body: dict[str, Any] = {}
        put(body, (self._name("access_token_name", "access_token"),), self.given.new())
        put(body, (self._name("expires_in_name", "expires_in"),), self._expiry())
        if self.single_use:
            following = self.given.exchanged(sent.get(self._name("refresh_token_name", "refresh_token"), ""))
            if following is None:
                return 400, {"error": "invalid_grant", "error_description": "this refresh token was used before"}
            updater = self.component["refresh_token_updater"]
            body[text(updater.get("refresh_token_name") or "refresh_token", self.scope)] = following
        return 200, body

    def _wrong(self, sent: Mapping[str, str], headers: Mapping[str, str]) -> str | None:
        """Headers that the manifest sends instead of the client's name and secret are checked in their place."""
        extra = rendered(self.component.get("refresh_request_headers") or {}, self.scope)
        if any(headers.get(name.lower()) != str(value) for name, value in extra.items()):
            return f"the headers {', '.join(extra)} are not as expected"
        for part in ("client_id", "client_secret", "refresh_token"):
            value = text(self.component.get(part), self.scope)
            name = self._name(f"{part}_name", part)
            if not value or (part == "refresh_token" and self.single_use):
                continue
            if "Authorization" in extra and name not in sent:
                continue
            if sent.get(name) != value:
                return f"{name} is not as expected"
        return None

    def _name(self, field_name: str, otherwise: str) -> str:
        return text(self.component.get(field_name) or otherwise, self.scope)

    def _expiry(self) -> Any:
        pattern = self.component.get("token_expiry_date_format")
        if not pattern:
            return _LIFE_S
        return to_text(datetime.now(UTC) + timedelta(seconds=_LIFE_S), pattern)


@dataclass(frozen=True, slots=True)
class LoginDoor:
    """The login_requester of a session token."""

    shape: Shape
    check: Check
    path: tuple[str, ...]
    given: Given

    def is_for(self, asked: Asked) -> bool:
        return (
            asked.method == self.shape.method
            and asked.host == self.shape.host
            and self.shape.paths.holes(plain_path(asked.path)) is not None
        )

    def answer(self, asked: Asked) -> tuple[int, Any]:
        wrong = self.check(asked) or ", ".join(self.shape.compared(asked)[1])
        if wrong:
            return 401, {"error": f"not as expected: {wrong}"}
        body: dict[str, Any] = {}
        put(body, self.path, self.given.new())
        return 200, body


def login_door(component: Mapping[str, Any], scope: Scope, check: Check, given: Given) -> LoginDoor:
    requester = component["login_requester"]
    path = tuple(text(key, scope) for key in component["session_token_path"])
    return LoginDoor(shape(requester, [scope], {}), check, path, given)
