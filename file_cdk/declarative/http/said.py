"""What an API says of an error, out of the body of its answer."""

from typing import Any

from file_cdk.declarative.http.messages import Response, Spilled

_NAMES = (
    "message",
    "messages",
    "error",
    "errors",
    "failures",
    "failure",
    "detail",
    "err",
    "error_message",
    "msg",
    "reason",
    "status_message",
)
"""Members that APIs put it under; the first that is there and not empty counts."""

_MAX_CHARACTERS = 500
_MAX_DEPTH = 20
_NO_JSON: Any = object()


def error_text(response: Response) -> str | None:
    """All of it, which filters of a manifest look into; the body where that is no JSON. None where it says nothing."""
    if isinstance(response.body, Spilled):
        return None
    found = response.json(_NO_JSON)
    if found is not _NO_JSON:
        return _text(found)
    try:
        return response.body.decode()
    except UnicodeDecodeError:
        return None


def said_by(response: Response) -> str | None:
    """The same on one line, for a person, in at most 500 characters. A page of HTML says nothing."""
    text = error_text(response)
    if text is None or text.lstrip().startswith("<"):
        return None
    line = " ".join(text.split())
    return line if len(line) <= _MAX_CHARACTERS else line[: _MAX_CHARACTERS - 1] + "…"


def _text(value: Any, depth: int = 0) -> str | None:
    match value:
        case str():
            return value
        case list() if depth < _MAX_DEPTH:
            return ", ".join(text for each in value if (text := _text(each, depth + 1)) is not None)
        case dict() if depth < _MAX_DEPTH:
            return _text(next((value[name] for name in _NAMES if value.get(name)), None), depth + 1)
    return None
