"""The one module that knows the SDK (azure-storage-blob): a container's client, whose pipeline signs and sends every request.

Requests are made of URLs, not by the client's methods: those would resolve `.` and `..` in names, and make objects of a listing
in many times the time that its bytes take.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from file_cdk import (
    CHANGED_SINCE_LISTED,
    CONNECT_TIMEOUT_S,
    READ_TIMEOUT_S,
    TRANSIENT_STATUSES,
    AccessError,
    Faults,
    FileAccessError,
    FileCdkError,
    RangeAnswer,
    Refusal,
    Refusals,
    RemoteFile,
    StoreRequest,
    TransientError,
    plain_etag,
    requests_faults,
)
from source_azure_blob_storage.access import Target, Tokens, sdk_missing

try:
    import requests
    from azure.core.credentials import AzureSasCredential
    from azure.core.exceptions import AzureError
    from azure.core.pipeline.transport import RequestsTransport
    from azure.core.rest import HttpRequest
    from azure.storage.blob import ContainerClient
except ImportError:
    raise sdk_missing() from None

if TYPE_CHECKING:
    from azure.core.rest import HttpResponse

_VERSION = "2021-12-02"
"""Of the service's interface: the oldest that lists names XML cannot hold, and says which entries are directories."""

_CONNECTIONS = 32
_PIECE_BYTES = 256 << 10


class Sdk:
    """One container as one process sees it; making it does no request. Thread-safe: its client shares connections and nothing
    else that changes. tokens: None where none are needed."""

    def __init__(self, target: Target, tokens: Tokens | None) -> None:
        self._target = target
        transport = RequestsTransport(
            session=_ExactSession(),
            connection_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            connection_data_block_size=_PIECE_BYTES,
        )
        credential: Any = tokens
        if target.access.kind == "sas":
            credential = AzureSasCredential(target.access.secret)
        elif target.access.kind == "key":
            credential = {"account_name": target.account, "account_key": target.access.secret}
        # Whoever reads tries again; a redirect would carry the signature elsewhere.
        self._client = ContainerClient(
            target.endpoint, target.container, credential, transport=transport, retry_total=0, permit_redirects=False
        )

    def list_blobs(self, prefix: str, marker: str | None, page_size: int) -> bytes:
        """XML of one page. Raises AccessError, TransientError."""
        # Metadata tell the folders that some programs put.
        query = {"restype": "container", "comp": "list", "include": "metadata", "maxresults": str(page_size)}
        if prefix:
            query["prefix"] = prefix
        if marker is not None:
            query["marker"] = marker
        with asked(self._target).translated(_FAULTS), self._get("", query, {}) as answer:
            if answer.status_code != 200:
                raise refused(self._target, answer.status_code, answer.headers)
            return b"".join(answer.iter_raw())

    def get(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes]:
        """Bytes `[start, end)` of the listed version, as they are stored."""
        headers = {"x-ms-range": f"bytes={start}-{end - 1}"}
        if file.etag:
            headers["if-match"] = f'"{file.etag}"'
        path = "/" + quote(file.uri, safe="/~")
        with asked(self._target, file.uri).translated(_FAULTS), self._get(path, {}, headers) as answer:
            status: int = answer.status_code
            said: Mapping[str, str] = answer.headers
            if status not in (200, 206):
                if status == 412:
                    status, said = self._why_not_this_version(path)
                raise refused(self._target, status, said, file.uri)
            ranged = RangeAnswer.checked(file, start, end, status, said, plain_etag(said.get("etag")))
            yield from ranged.body(answer.iter_raw())

    def _why_not_this_version(self, path: str) -> tuple[int, Mapping[str, str]]:
        """412 also means that no version is there: asked without a condition, the service says so."""
        with self._get(path, {"comp": "metadata"}, {}) as answer:
            return (412 if answer.status_code == 200 else answer.status_code), answer.headers

    def _get(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> "AbstractContextManager[HttpResponse]":
        asked_for = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        url = f"{self._target.endpoint}/{quote(self._target.container)}{path}"
        # A blob that was stored compressed comes as it is stored.
        sent = {**headers, "x-ms-version": _VERSION, "accept-encoding": "identity"}
        request = HttpRequest("GET", f"{url}?{asked_for}" if asked_for else url, headers=sent)
        answer: HttpResponse = self._client._pipeline.run(request, stream=True).http_response
        return answer


class _ExactSession(requests.Session):
    """Sends the URL that was signed, where requests would resolve `.` and `..` in it, and signs nothing from a .netrc."""

    def __init__(self) -> None:
        super().__init__()
        adapter = requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=_CONNECTIONS, max_retries=0)
        for scheme in ("https://", "http://"):
            self.mount(scheme, adapter)

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        request.auth = lambda unsigned: unsigned
        prepared = super().prepare_request(request)
        prepared.url = str(request.url)
        return prepared


# Errors. Codes: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes


def asked(target: Target, uri: str | None = None) -> StoreRequest:
    access = target.access
    reader = "Make a SAS token with the permissions r (read) and l (list)"
    facts = {
        "account": repr(target.account),
        "container": repr(target.container),
        "what": f"{'listing' if uri is None else 'reading from'} {target.origin}",
        "access": f"{_REFUSED.get(access.kind)} from {access.origin}",
        "grant": reader if access.kind == "sas" else "Grant them the role Storage Blob Data Reader",
        "check": f"{_CHECK.get(access.kind)}the account's firewall lets this machine in",
    }
    return StoreRequest(uri, facts, frozenset({access.kind}))


def refused(target: Target, status: int, headers: Mapping[str, str], uri: str | None = None) -> FileCdkError:
    return asked(target, uri).refused(_REFUSALS, status, headers.get("x-ms-error-code"), headers)


_REFUSED = {
    "key": "account key",
    "sas": "SAS token",
    "client": "access token of the service principal",
    "refresh": "access token of the user",
    "identity": "access token",
}
_CHECK = {
    "key": "Check the account's name and key, the clock of this machine, and whether ",
    "sas": "It may have expired, be for another container, or lack the permissions r and l; or check whether ",
    "client": "Grant the application the role Storage Blob Data Reader, and check whether ",
    "refresh": "Grant the user the role Storage Blob Data Reader, and check whether ",
    "identity": "Grant it the role Storage Blob Data Reader, and check whether ",
}
_PASSING = {"AccountBeingCreated", "ContainerBeingDeleted", "ServerBusy", "OperationTimedOut"}
_NO_CONTAINER = "there is no container {container} in account {account}, or it is not public"
_ABSENT = {"ContainerNotFound"}
_CHECK_NAMES = "Check its name and the account's"
_WRITERS_KEY, _NO_KEYS = {"BlobUsesCustomerSpecifiedEncryption"}, {"KeyBasedAuthenticationNotPermitted"}
_ARCHIVED = {"BlobArchived", "BlobBeingRehydrated"}
_ONE_BLOB = {"AuthorizationPermissionMismatch", "UnauthorizedBlobOverwrite", "BlobAccessTierNotSupported"}
"""Refusals that are about a blob, not about whoever asks: others may do."""
_NOT_GRANTED = {"AuthorizationPermissionMismatch", "InsufficientAccountPermissions"}
_FILE, _ANONYMOUS, _REFUSING = {"file"}, {"anonymous"}, {401, 403, 409}
_REFUSALS: Refusals = (
    Refusal(TransientError, "{what}: the server answered {answer}", None, TRANSIENT_STATUSES, _PASSING),
    *CHANGED_SINCE_LISTED,
    Refusal(AccessError, "container {container} is gone from account {account}", None, (), _ABSENT, _FILE),
    Refusal(FileAccessError, "it is gone since it was listed", None, {404}, (), _FILE),
    Refusal(
        FileAccessError, "it is in the archive tier", "Rehydrate it to a tier that is online", (), _ARCHIVED, _FILE
    ),
    Refusal(FileAccessError, "the credentials may not read it", "{grant}", (), _ONE_BLOB, _FILE),
    Refusal(FileAccessError, "it is encrypted with a key that only its writer has", None, (), _WRITERS_KEY, _FILE),
    Refusal(AccessError, _NO_CONTAINER, f"{_CHECK_NAMES}, or give credentials for it", {404}, _ABSENT, _ANONYMOUS),
    Refusal(AccessError, _NO_CONTAINER, _CHECK_NAMES, {404}, _ABSENT),
    Refusal(AccessError, "{what}: the credentials may not do that ({answer})", "{grant}", (), _NOT_GRANTED),
    Refusal(AccessError, "{what}: the account takes no keys ({answer})", "Use client_credentials", (), _NO_KEYS),
    Refusal(AccessError, "{what}: it is not public ({answer})", "Give credentials for it", _REFUSING, (), _ANONYMOUS),
    Refusal(AccessError, "{what}: the request is not accepted ({answer})", "Check the endpoint", {400}, (), _ANONYMOUS),
    Refusal(AccessError, "{what}: the {access} is not accepted ({answer})", "{check}", {400, 401, 403}),
    Refusal(AccessError, "{what}: the server answered {answer}"),
)
_BROKEN: Faults = (
    *requests_faults(),
    ((Exception,), Refusal(AccessError, "{what}: the request cannot be made ({kind})")),
)
# What requests raised is inside; without, the request could not be made.
_FAULTS: Faults = (
    ((AzureError,), lambda exc, request: request.fault(getattr(exc, "inner_exception", None) or exc, _BROKEN)),
    *requests_faults(),
)
