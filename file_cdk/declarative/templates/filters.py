"""The filters that templates have beside Jinja2's own."""

import base64
import hashlib
import hmac as hmacs
import json
from collections.abc import Callable, Mapping
from typing import Any

from file_cdk.declarative.templates import patterns
from file_cdk.declarative.templates.faults import FaultError

_HASHES = (
    "md5",
    "sha1",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "blake2b",
    "blake2s",
    "sha3_224",
    "sha3_256",
    "sha3_384",
    "sha3_512",
)


def hash(value: Any, hash_type: str = "md5", salt: str | None = None) -> str:
    """Hexadecimal, of the text of the value and then the salt."""
    if hash_type not in _HASHES:
        raise FaultError(f"the algorithms of `hash` are {', '.join(_HASHES)}")
    hashed = hashlib.new(hash_type, str(value).encode(), usedforsecurity=False)
    if salt:
        hashed.update(str(salt).encode())
    return hashed.hexdigest()


def base64encode(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def base64decode(value: str) -> str:
    return base64.b64decode(value.encode()).decode()


def base64binascii_decode(value: str) -> str:
    """Encodes, whatever its name says, texts of ASCII: what manifests that use it rely on."""
    return base64.standard_b64encode(value.encode("ascii")).decode("ascii")


def string(value: Any) -> str:
    """A text as it is; anything else as JSON in quotes, so that its text is not read as a value."""
    return value if isinstance(value, str) else f'"""{json.dumps(value)}"""'


def regex_search(value: str, regex: str) -> str:
    """The first group of the first match; an empty text where there is none."""
    return patterns.first_group(regex, value)


def regex_replace(value: str, regex: str, replacement: str) -> str:
    return patterns.replaced(regex, replacement, value)


def hmac(value: Any, key: str, hash_type: str = "sha256") -> str:
    """Hexadecimal; by SHA-256 alone."""
    if hash_type != "sha256":
        raise FaultError("the algorithm of `hmac` is sha256")
    return hmacs.new(str(key).encode(), str(value).encode(), hashlib.sha256).hexdigest()


FILTERS: Mapping[str, Callable[..., Any]] = {
    filter.__name__: filter
    for filter in (hash, base64encode, base64decode, base64binascii_decode, string, regex_search, regex_replace, hmac)
}
