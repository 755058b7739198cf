"""Blobs by obstore: a fraction of the CPU time for each small blob."""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore

from file_cdk import RemoteFile, TransientError
from source_azure_blob_storage.access import Target
from source_azure_blob_storage.listing import plain_etag
from source_azure_blob_storage.refusals import changed
from source_azure_blob_storage.tokens import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, Tokens

_SMALL_BYTES = 1 << 20
_PIECE_BYTES = 256 << 10
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_STATUS = re.compile(r"status code: (\d{3})")
_TRANSIENT_STATUS = frozenset({"408", "429", "500", "502", "503", "504"})
_NETWORK = re.compile(
    r"error sending request|timed out|error decoding response|request or response body error|HTTP error"
)
_CERTIFICATE = re.compile(r"certificate|UnknownIssuer", re.IGNORECASE)
_CERTIFICATE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class NotByObstoreError(Exception):
    """The other way is to be taken: it can do it, or knows what is wrong."""


def can_name(key: str) -> bool:
    """Whether obstore asks for exactly this key: it takes paths, not names."""
    return not _CONTROL.search(key) and all(part not in ("", ".", "..") for part in key.split("/"))


def open_store(target: Target, tokens: Tokens | None) -> AzureStore:
    """Everything is given explicitly, since obstore would take what is missing from AZURE_… variables, and credentials as a
    function, so that others from there do not go before them. Raises NotByObstoreError."""
    access = target.access

    def provide() -> Any:
        if access.kind == "key":
            return {"access_key": access.secret, "expires_at": None}
        if access.kind == "sas":
            return {"sas_token": access.secret, "expires_at": None}
        assert tokens is not None
        token, expires_on = tokens.get()
        return {"token": token, "expires_at": datetime.fromtimestamp(expires_on, UTC)}

    options: dict[str, Any] = {
        "allow_http": target.endpoint.lower().startswith("http:"),
        "connect_timeout": f"{CONNECT_TIMEOUT_S}s",
        "read_timeout": f"{READ_TIMEOUT_S}s",
        "timeout": "7days",  # of a whole request: a big range over a slow line takes as long as it takes
    }
    if (certificates := _certificates()) is not None:
        options["root_certificate"] = certificates
    config: dict[str, Any] = {
        "account_name": target.account,
        "endpoint": target.endpoint,
        "use_emulator": False,
        "use_fabric_endpoint": False,
        "skip_signature": access.kind == "anonymous",
    }
    provider = {} if access.kind == "anonymous" else {"credential_provider": provide}
    try:
        return AzureStore(
            target.container,
            config=config,  # type: ignore[arg-type]
            client_options=options,  # type: ignore[arg-type]
            retry_config={"max_retries": 0},
            **provider,  # type: ignore[arg-type]
        )
    except (BaseError, ValueError) as exc:
        raise NotByObstoreError from exc


def _certificates() -> bytes | None:
    """Those that listings trust, where the environment names some: obstore does not know of these variables."""
    path = next(filter(None, map(os.environ.get, _CERTIFICATE_VARIABLES)), None)
    try:
        return None if path is None else Path(path).read_bytes()
    except OSError as exc:
        raise NotByObstoreError from exc


def get(store: AzureStore, file: RemoteFile, start: int, end: int) -> Iterator[memoryview]:
    """Bytes `[start, end)`. Raises NotByObstoreError, before the first piece only, FileChangedError, TransientError."""
    options: dict[str, Any] = {"range": (start, end)}
    if file.etag:
        options["if_match"] = f'"{file.etag}"'
    try:
        result = obstore.get(store, file.uri, options=options)  # type: ignore[arg-type]
    except (BaseError, OSError, ValueError) as exc:
        raise _translated(exc, file) from None
    etag = result.meta.get("e_tag")
    if result.meta["size"] != file.size_bytes or (file.etag and etag and plain_etag(etag) != file.etag):
        raise changed(file)
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
        # Not chained: the text shows the URL, and a signature in it.
        raise TransientError(f"the body broke off ({type(exc).__name__})", uri=file.uri) from None
    if wanted:
        raise TransientError("the server sent less than was asked for", uri=file.uri)


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
