"""What the service says no with, as errors that say what to do. Codes:
https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes"""

import re

from file_cdk import AccessError, FileAccessError, FileCdkError, FileChangedError, RemoteFile, TransientError
from source_azure_blob_storage.access import Target

NEXT_SYNC = "The next sync takes the new version"

_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_PASSING_CODES = frozenset({"AccountBeingCreated", "ContainerBeingDeleted", "ServerBusy", "OperationTimedOut"})
_CODE = re.compile(r"[A-Za-z]{1,60}")
_ONE_BLOB = frozenset({"AuthorizationPermissionMismatch", "UnauthorizedBlobOverwrite", "BlobAccessTierNotSupported"})
"""Refusals that are about a blob, not about whoever asks: others may do."""


def listing_refused(status: int, code: str, retry_after: str, target: Target) -> FileCdkError:
    """code: of the header x-ms-error-code, empty if there is none."""
    what = f"listing {name_of(target)}"
    if passing := _passing(status, code, retry_after, what, None):
        return passing
    if status == 404 or code == "ContainerNotFound":
        return AccessError(
            f"there is no container {target.container!r} in account {target.account!r}, or it is not public",
            remedy="Check its name and the account's" + _or_credentials(target),
        )
    return _refused(status, code, target, what)


def blob_refused(status: int, code: str, retry_after: str, target: Target, file: RemoteFile) -> FileCdkError:
    if passing := _passing(status, code, retry_after, f"reading from {name_of(target)}", file.uri):
        return passing
    if status == 412:
        return changed(file)
    if status == 416:
        return FileChangedError("it is shorter than it was when listed", uri=file.uri, remedy=NEXT_SYNC)
    if status == 404 and code == "ContainerNotFound":
        return AccessError(f"container {target.container!r} is gone from account {target.account!r}")
    if status == 404:
        return FileAccessError("it is gone since it was listed", uri=file.uri)
    if code in ("BlobArchived", "BlobBeingRehydrated"):
        return FileAccessError(
            "it is in the archive tier", uri=file.uri, remedy="Rehydrate it to a tier that is online"
        )
    if status == 403 and code in _ONE_BLOB:
        return FileAccessError("the credentials may not read it", uri=file.uri, remedy=_grant(target))
    if code == "BlobUsesCustomerSpecifiedEncryption":
        return FileAccessError("it is encrypted with a key that only its writer has", uri=file.uri)
    return _refused(status, code, target, f"reading from {name_of(target)}")


def changed(file: RemoteFile) -> FileChangedError:
    return FileChangedError("it was replaced since it was listed", uri=file.uri, remedy=NEXT_SYNC)


def name_of(target: Target) -> str:
    return f"az://{target.account}/{target.container}"


def known_code(text: str | None) -> str:
    """The service's word for the fault, if it is but one word."""
    return text if text and _CODE.fullmatch(text) else ""


def _passing(status: int, code: str, retry_after: str, what: str, uri: str | None) -> TransientError | None:
    if status not in _PASSING and code not in _PASSING_CODES:
        return None
    after_s = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
    return TransientError(f"{what}: the server answered {_answer(status, code)}", uri=uri, retry_after_s=after_s)


def _refused(status: int, code: str, target: Target, what: str) -> AccessError:
    access, answer = target.access, _answer(status, code)
    if code in ("AuthorizationPermissionMismatch", "InsufficientAccountPermissions"):
        return AccessError(f"{what}: the credentials may not do that ({answer})", remedy=_grant(target))
    if code == "KeyBasedAuthenticationNotPermitted":
        return AccessError(f"{what}: the account takes no keys ({answer})", remedy="Use client_credentials")
    if status in (401, 403, 409) and access.kind == "anonymous":
        return AccessError(f"{what}: it is not public ({answer})", remedy="Give credentials for it")
    if status in (400, 401, 403):
        return AccessError(f"{what}: the {_REFUSED[access.kind]} from {access.origin} is not accepted ({answer})"
                           if access.kind != "anonymous" else f"{what}: the request is not accepted ({answer})",
                           remedy=_CHECK[access.kind])  # fmt: skip
    return AccessError(f"{what}: the server answered {answer}")


_REFUSED = {
    "key": "account key",
    "sas": "SAS token",
    "client": "access token of the service principal",
    "refresh": "access token of the user",
    "identity": "access token",
}
_FIREWALL = "the account's firewall lets this machine in"
_CHECK = {
    "key": f"Check the account's name and key, the clock of this machine, and whether {_FIREWALL}",
    "sas": f"It may have expired, be for another container, or lack the permissions r and l; or check whether {_FIREWALL}",
    "client": f"Grant the application the role Storage Blob Data Reader, and check whether {_FIREWALL}",
    "refresh": f"Grant the user the role Storage Blob Data Reader, and check whether {_FIREWALL}",
    "identity": f"Grant it the role Storage Blob Data Reader, and check whether {_FIREWALL}",
    "anonymous": "Check the endpoint",
}


def _grant(target: Target) -> str:
    if target.access.kind == "sas":
        return "Make a SAS token with the permissions r (read) and l (list)"
    return "Grant them the role Storage Blob Data Reader"


def _or_credentials(target: Target) -> str:
    return ", or give credentials for it" if target.access.kind == "anonymous" else ""


def _answer(status: int, code: str) -> str:
    return f"{status} {code}".rstrip()
