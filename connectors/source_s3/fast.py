"""Objects by obstore: a seventh of the SDK's CPU for each small object."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError, PreconditionError
from obstore.store import S3Store as Store

from file_cdk import FileChangedError, RemoteFile, TransientError
from source_s3.pages import plain_etag
from source_s3.refusals import NEXT_SYNC
from source_s3.settings import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, Target

Keys = tuple[str, str, str | None]
"""Access key, secret, token."""

_SMALL_BYTES = 1 << 20
_PIECE_BYTES = 256 << 10
_RENEW_AFTER = timedelta(minutes=10)
"""obstore asks again five minutes before this has passed; the SDK's credentials are good for ten at the least."""

_STATUS = re.compile(r"status code: (\d{3})")
_TRANSIENT_STATUS = frozenset({"408", "425", "429", "500", "502", "503", "504"})
_NETWORK = re.compile(
    r"error sending request|timed out|error decoding response|request or response body error|HTTP error"
)
_CERTIFICATE = re.compile(r"certificate|UnknownIssuer", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class NotByObstoreError(Exception):
    """The SDK is to be asked: it can do it, or knows what is wrong."""


def can_name(key: str) -> bool:
    """Whether obstore asks for exactly this key: it takes paths, not names."""
    return not _CONTROL.search(key) and all(part not in ("", ".", "..") for part in key.split("/"))


def open_store(bucket: str, target: Target, keys: Callable[[], Keys] | None, *, renewed: bool) -> Store:
    """keys: None for anonymous requests. renewed: they change during a long sync.

    Everything is given explicitly, since obstore would take what is missing from AWS_… variables, and keys as a function,
    so that a session token from there does not join them. Raises NotByObstoreError.
    """
    options: dict[str, Any] = {
        "allow_http": target.bucket_url.startswith("http://"),
        "connect_timeout": f"{CONNECT_TIMEOUT_S}s",
        "read_timeout": f"{READ_TIMEOUT_S}s",
        "timeout": "7days",  # of a whole request: a big range over a slow line takes as long as it takes
    }
    if target.ca_bundle is not None:
        try:
            options["root_certificate"] = Path(target.ca_bundle).read_bytes()
        except OSError as exc:
            raise NotByObstoreError from exc
    virtual = target.virtual(bucket)
    config: dict[str, Any] = {
        "endpoint": target.bucket_url if virtual else target.bucket_url.removesuffix(f"/{bucket}"),
        "region": target.region,
        "virtual_hosted_style_request": virtual,
        "skip_signature": keys is None,
    }

    def provide() -> Any:
        access_key, secret, token = keys() if keys is not None else ("", "", None)
        expires_at = datetime.now(UTC) + _RENEW_AFTER if renewed else None
        return {"access_key_id": access_key, "secret_access_key": secret, "token": token, "expires_at": expires_at}

    provider = {} if keys is None else {"credential_provider": provide}
    try:
        return Store(bucket, config=config, client_options=options, retry_config={"max_retries": 0}, **provider)  # type: ignore[arg-type]
    except (BaseError, ValueError) as exc:
        raise NotByObstoreError from exc


def get(store: Store, file: RemoteFile, start: int, end: int) -> Iterator[memoryview]:
    """Bytes `[start, end)`. Raises NotByObstoreError, before the first piece only, FileChangedError, TransientError."""
    options: dict[str, Any] = {"range": (start, end)}
    if file.etag and not file.etag.startswith("W/"):
        options["if_match"] = f'"{file.etag}"'
    try:
        result = obstore.get(store, file.uri, options=options)  # type: ignore[arg-type]
    except PreconditionError:
        raise _changed(file) from None
    except (BaseError, OSError, ValueError) as exc:
        raise _translated(exc, file) from None
    meta = result.meta
    etag = meta.get("e_tag")
    if meta["size"] != file.size_bytes or (file.etag and etag and plain_etag(etag) != file.etag):
        raise _changed(file)
    if tuple(result.range) != (start, end):
        raise TransientError("the server sent another range than was asked for", uri=file.uri)
    yield from _pieces(result, end - start, file)


def _pieces(result: Any, wanted: int, file: RemoteFile) -> Iterator[memoryview]:
    try:
        for piece in [result.bytes()] if wanted <= _SMALL_BYTES else result.stream(_PIECE_BYTES):
            view = memoryview(piece)
            wanted -= len(view)
            if wanted < 0:
                raise TransientError("the server sent more than was asked for", uri=file.uri)
            yield view
    except (BaseError, OSError) as exc:
        raise TransientError(f"the body broke off ({type(exc).__name__})", uri=file.uri) from None
    if wanted:
        raise TransientError("the server sent less than was asked for", uri=file.uri)


def _changed(file: RemoteFile) -> FileChangedError:
    return FileChangedError("has changed since it was listed", uri=file.uri, remedy=NEXT_SYNC)


def _translated(exc: Exception, file: RemoteFile) -> Exception:
    text = str(exc).partition("Debug source")[0]
    status = _STATUS.search(text)
    if status is not None:
        if status[1] in _TRANSIENT_STATUS:
            return TransientError(f"the server answered {status[1]}", uri=file.uri)
        return NotByObstoreError()
    if _NETWORK.search(text) and not _CERTIFICATE.search(str(exc)):
        return TransientError("the connection failed", uri=file.uri)
    return NotByObstoreError()
