"""Runs on tape: requests and what they came to in files, one each, and runs from such files without a network.

A body that is too large to hold has a file of its own beside that. Secrets are replaced before anything is written. An answer
that has a token in it is written once whoever asked for it has said which part is the token: before the next request of the same
thread, or at the end.
"""

import base64
import json
import os
import re
import threading
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from file_cdk.core.errors import ConfigError, FileCdkError, SystemLimitError
from file_cdk.declarative.http.headers import Headers
from file_cdk.declarative.http.holding import held, pieces_of
from file_cdk.declarative.http.messages import Outcome, Request, Response, Spilled, Unanswered, without_query
from file_cdk.declarative.http.ports import Transport
from file_cdk.declarative.http.secrets import HIDDEN, Secrets

_CREDENTIALS = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization"})
_SEPARATORS = ((",", ":"), (", ", ": "))
_MAX_NAME = 60
_Key = tuple[str, str, bytes]


class NotOnTapeError(FileCdkError):
    """A run from a tape asks for what was not recorded."""


class Recorder:
    """A transport that writes down what another one does. folder: new, or empty."""

    def __init__(self, transport: Transport, folder: Path, secrets: Secrets) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            is_empty = not any(folder.iterdir())
        except OSError as exc:
            raise ConfigError(f"nothing can be recorded in {str(folder)!r}: {exc.strerror}") from exc
        if not is_empty:
            raise ConfigError(f"{str(folder)!r} is not empty", remedy="Name a new folder to record into")
        self._transport = transport
        self._folder = folder
        self._secrets = secrets
        self._lock = threading.Lock()
        self._number = 0
        self._waiting: dict[int, list[tuple[int, Request, Outcome]]] = defaultdict(list)

    def exchange(self, request: Request) -> Outcome:
        self._write_waiting(threading.get_ident())
        outcome = self._transport.exchange(request)
        with self._lock:
            self._number += 1
            number = self._number
            if request.is_for_token:
                self._waiting[threading.get_ident()].append((number, request, outcome))
                return outcome
        self._write(number, request, outcome)
        return outcome

    def close(self) -> None:
        self._transport.close()
        for thread in list(self._waiting):
            self._write_waiting(thread)

    def _write_waiting(self, thread: int) -> None:
        with self._lock:
            waiting = self._waiting.pop(thread, [])
        for each in waiting:
            self._write(*each)

    def _write(self, number: int, request: Request, outcome: Outcome) -> None:
        """Raises SystemLimitError where there is no room, or the folder cannot be written to."""
        try:
            self._written(number, request, outcome)
        except OSError as exc:
            raise SystemLimitError(
                f"nothing more can be recorded in {str(self._folder)!r}: {exc.strerror}",
                remedy="Make room there, or record into another folder",
            ) from exc

    def _written(self, number: int, request: Request, outcome: Outcome) -> None:
        words = re.sub(r"[^A-Za-z0-9]+", "-", self._secrets.hidden(urlsplit(request.url).path)).strip("-")[:_MAX_NAME]
        name = f"{number:06d}-{request.method}{'-' if words else ''}{words}"
        hidden = self._secrets.hidden
        asked = {
            "method": request.method,
            "url": hidden(request.url),
            "headers": self._headers(request.headers),
            **({} if request.body is None else {"body": self._body(request.body)}),
        }
        if isinstance(outcome, Response):
            came = {
                "status": outcome.status,
                "url": hidden(outcome.url),
                "headers": self._headers(tuple(outcome.headers.items())),
                "body": self._answered(outcome.body, f"{name}.body"),
            }
        else:
            came = {"unanswered": hidden(outcome.reason), "is_lasting": outcome.is_lasting}
        text = json.dumps({"request": asked, "answer": came}, indent=1, ensure_ascii=False)
        self._new_file(f"{name}.json", (text.encode("utf-8", "surrogatepass"), b"\n"))

    def _new_file(self, name: str, pieces: Iterable[bytes]) -> None:
        """All of it, or none."""
        path = self._folder / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.writelines(pieces)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def _answered(self, body: bytes | Spilled, name: str) -> dict[str, Any]:
        if isinstance(body, bytes):
            return self._body(body)
        self._new_file(name, self._secrets.hidden_pieces(pieces_of(body)))
        return {"file": name}

    def _headers(self, fields: tuple[tuple[str, str], ...]) -> list[list[str]]:
        return [
            [name, HIDDEN if name.lower() in _CREDENTIALS else self._secrets.hidden(value)] for name, value in fields
        ]

    def _body(self, body: bytes) -> dict[str, Any]:
        return _written(self._secrets.hidden_bytes(body))


def _written(body: bytes) -> dict[str, Any]:
    """For a person to read, and so that exactly these bytes come back."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {"text": text}
    for separators in _SEPARATORS:
        for is_ascii in (False, True):
            if json.dumps(value, separators=separators, ensure_ascii=is_ascii) == text:
                return {"json": value, "separators": separators, "is_ascii": is_ascii}
    return {"text": text}


def _read(written: Mapping[str, Any]) -> bytes:
    if "json" in written:
        separators = tuple(written["separators"])
        return json.dumps(written["json"], separators=separators, ensure_ascii=written["is_ascii"]).encode()
    return base64.b64decode(written["base64"]) if "base64" in written else str(written["text"]).encode()


class _Track(msgspec.Struct):
    """All recordings of one request, in their order; those that were played are gone from left."""

    recorded: int = 0
    left: deque[Path] = msgspec.field(default_factory=deque)


class Player:
    """A transport that gives what a Recorder wrote: to the nth request with a method, a URL and a body, what came to the nth."""

    def __init__(self, folder: Path, secrets: Secrets) -> None:
        self._folder = folder
        self._secrets = secrets
        self._lock = threading.Lock()
        self._tracks: dict[_Key, _Track] = defaultdict(_Track)
        paths = sorted(folder.glob("*.json"))
        if not paths:
            raise ConfigError(f"there is no recording in {str(folder)!r}")
        for path in paths:
            track = self._tracks[_asked(path)]
            track.recorded += 1
            track.left.append(path)

    def exchange(self, request: Request) -> Outcome:
        key = (request.method, self._secrets.hidden(request.url), self._secrets.hidden_bytes(request.body or b""))
        with self._lock:
            track = self._tracks.get(key)
            path = track.left.popleft() if track and track.left else None
        if path is None:
            raise NotOnTapeError(
                f"{request.method} {self._secrets.hidden(without_query(request.url))} is not on the tape in"
                f" {str(self._folder)!r}: {self._missing(key, track)}",
                remedy="Record it anew, or run with the configuration and state that it was recorded with",
            )
        came = _loaded(path)["answer"]
        if "unanswered" in came:
            return Unanswered(request.url, came["unanswered"], came["is_lasting"])
        headers = Headers((name, value) for name, value in came["headers"])
        return Response(came["status"], headers, self._body(came["body"]), came["url"])

    def _body(self, written: Mapping[str, Any]) -> bytes | Spilled:
        if "file" not in written:
            return _read(written)
        path = self._folder / Path(str(written["file"])).name
        try:
            size_bytes = path.stat().st_size
            # A copy: whoever reads it removes it.
            return held(pieces_of(Spilled(path, size_bytes)))
        except OSError as exc:
            raise _no_recording(path, exc) from exc

    def close(self) -> None:
        pass

    def _missing(self, key: _Key, track: _Track | None) -> str:
        """Why, as far as it can be told without values."""
        if track is not None:
            return f"it was recorded {track.recorded} times, and is asked for once more"
        method, url, _ = key
        near = [other for other in self._tracks if other[0] == method and without_query(other[1]) == without_query(url)]
        if not near:
            return "no request for this address was recorded"
        names = min((_differing(url, other) for _, other, _ in near), key=len)
        if names:
            return f"what was recorded for this address has other values of: {', '.join(sorted(names))}"
        return "what was recorded for this address has another body"


def _differing(url: str, other: str) -> set[str]:
    """Names of parameters that one has and the other has not, or not with these values."""
    ours, theirs = (set(parse_qsl(urlsplit(each).query, keep_blank_values=True)) for each in (url, other))
    return {name for name, _ in ours ^ theirs}


def _asked(path: Path) -> _Key:
    asked = _loaded(path)["request"]
    try:
        return asked["method"], asked["url"], _read(asked["body"]) if "body" in asked else b""
    except (KeyError, TypeError, ValueError) as exc:
        raise _no_recording(path, exc) from exc


def _loaded(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_bytes())
        return {name: loaded[name] for name in ("request", "answer")}
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise _no_recording(path, exc) from exc


def _no_recording(path: Path, error: Exception) -> ConfigError:
    return ConfigError(f"the recording {str(path)!r} cannot be read ({type(error).__name__})")
