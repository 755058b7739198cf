"""Bodies of requests as bytes."""

import json
from collections.abc import Mapping
from typing import Any

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.requesting.urls import encoded

Body = tuple[bytes | None, str | None]


def body(data: Mapping[str, Any] | str, json_value: Mapping[str, Any]) -> Body:
    """The bytes, and their media type where they have one; (None, None) without a body. Raises ConfigError for two bodies."""
    if data and json_value:
        raise ConfigError("a request has both a form (or a text) and a JSON body", remedy="Leave one of them out")
    if json_value:
        return _json_text(json_value).encode(), "application/json"
    if not data:
        return None, None
    if isinstance(data, str):
        return data.encode(), None
    return encoded(data).encode(), "application/x-www-form-urlencoded"


def _json_text(value: Mapping[str, Any]) -> str:
    """As `json.dumps` has it, ASCII, with blanks: an API may sign or cache by the very bytes."""
    try:
        return json.dumps(value, allow_nan=False)
    except (ValueError, TypeError):
        raise ConfigError("the request's body has a value that JSON has not, such as NaN or a set") from None
