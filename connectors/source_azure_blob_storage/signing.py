"""Shared Key authorization, as the reference of the Blob service describes it:
https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key"""

import base64
import hmac
from collections.abc import Mapping

_STANDARD = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


def shared_key(account: str, key: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """The Authorization header of a GET. path: as it is sent; query: not encoded; headers: named in lower case."""
    standard = [headers.get(name, "") for name in _STANDARD]
    own = [f"{name}:{value}" for name, value in sorted(headers.items()) if name.startswith("x-ms-")]
    asked = [f"{name}:{value}" for name, value in sorted(query.items())]
    text = "\n".join(["GET", *standard, *own, f"/{account}{path}", *asked])
    signature = hmac.digest(base64.b64decode(key), text.encode(), "sha256")
    return f"SharedKey {account}:{base64.b64encode(signature).decode()}"
