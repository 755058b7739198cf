"""How long connections to stores may take, whom they trust, and why one failed, from what a vendor's library raised: its own
words may show a URL, and a signature in it."""

import os
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 30
"""Maximum time without a byte, in seconds; a request of which nothing comes for so long has failed."""

_MAX_DEPTH = 10


def requests_certificates() -> str | None:
    """The file of authorities that SDKs which stand on requests trust, by the environment: obstore does not know of these."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or None


def connection_fault(exc: BaseException) -> str:
    """Such as `the connection to minio.internal:9000 failed: it was refused`, without the address where it is not told."""
    chain = list(_chain(exc))
    address = next(filter(None, map(_address, chain)), "")
    reason = next(filter(None, map(_reason, reversed(chain))), type(exc).__name__)
    return f"the connection{' to ' if address else ''}{address} failed: {reason}"


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised for, from the outside in; libraries put that in more than one place."""
    waiting, seen = [exc], set[int]()
    while waiting and len(seen) < _MAX_DEPTH:
        error = waiting.pop(0)
        if id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        kwargs = getattr(error, "kwargs", None)
        inner = [error.__cause__, error.__context__, getattr(error, "reason", None), *error.args]
        inner.append(kwargs.get("error") if isinstance(kwargs, dict) else None)
        waiting += [each for each in inner if isinstance(each, BaseException)]


def _reason(error: BaseException) -> str | None:
    from http.client import HTTPException  # what raised the error has loaded it

    match error:
        case socket.gaierror():
            return "its host name is not known"
        case ConnectionRefusedError():
            return "it was refused"
        case TimeoutError():
            return "nothing came in time"
        case ConnectionError() | HTTPException():
            return "it broke off"
        case OSError() if error.errno is not None and error.strerror:
            return error.strerror
    return "nothing came in time" if "Timeout" in type(error).__name__ else None


def _address(error: BaseException) -> str | None:
    """Host and port, as urllib3 (`conn` or `pool`) and botocore (`endpoint_url`) tell them."""
    told = vars(error)
    line = told.get("conn") or told.get("pool")
    host, port = getattr(line, "host", None), getattr(line, "port", None)
    kwargs = getattr(error, "kwargs", None)
    if isinstance(kwargs, dict) and isinstance(url := kwargs.get("endpoint_url"), str):
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            return None
    if not isinstance(host, str):
        return None
    return host if port is None else f"{host}:{port}"
