"""Access tokens for the storage service, from azure-identity, or msal for a refresh token. Imported when first needed."""

import os
import re
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from file_cdk import AccessError, ConfigError, FileCdkError, TransientError
from source_azure_blob_storage.access import Access, describe

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

SCOPE = "https://storage.azure.com/.default"
CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 30
"""For this long nothing may come."""

_RENEW_BEFORE_S = 300
_AUTHORITY = "https://login.microsoftonline.com"
_AADSTS = re.compile(r"AADSTS[0-9]{4,9}")
_PASSING = frozenset({408, 429, 500, 502, 503, 504})

Token = tuple[str, int]
"""The token, and when it expires, in seconds since the epoch."""


class NoIdentityError(Exception):
    """Nothing that azure-identity knows has credentials here, and nobody said that there should be some."""


class Tokens:
    """Of one process; renewed when needed. Thread-safe."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._credential: TokenCredential | None = None
        self._application: Any = None
        self._kept: Token | None = None
        self._refresh_token = access.refresh_token

    def get(self) -> Token:
        """One that is good for minutes. Raises AccessError, ConfigError, TransientError, NoIdentityError."""
        with self._lock:
            if self._kept is None or self._kept[1] - time.time() < _RENEW_BEFORE_S:
                self._kept = self._refreshed() if self._access.kind == "refresh" else self._identified()
            return self._kept

    def get_token(self, *_: str, **__: Any) -> "AccessToken":
        """As the SDK asks for it; there is one scope."""
        from azure.core.credentials import AccessToken

        return AccessToken(*self.get())

    def _identified(self) -> Token:
        try:
            import azure.identity  # noqa: F401
            from azure.core.exceptions import AzureError, ClientAuthenticationError
        except ImportError:
            raise sdk_missing() from None
        try:
            if self._credential is None:
                self._credential = _credential(self._access)
            token = self._credential.get_token(SCOPE)
        except ClientAuthenticationError as exc:
            if self._access.optional and exc.response is None:
                raise NoIdentityError from None
            # Not chained: the text quotes the answer of the server, and may quote what was sent to it.
            raise _not_given(self._access, _AADSTS.search(str(exc)), _status_of(exc)) from None
        except AzureError as exc:
            raise TransientError(f"no access token could be had ({type(exc).__name__})") from None
        except ValueError:
            raise ConfigError(
                f"the {describe(self._access)} cannot be used", remedy="Check the tenant's id and the authority"
            ) from None
        return token.token, token.expires_on

    def _refreshed(self) -> Token:
        try:
            import msal  # type: ignore[import-untyped]
            import requests
        except ImportError:
            raise sdk_missing() from None
        access = self._access
        authority = (os.environ.get("AZURE_AUTHORITY_HOST") or _AUTHORITY).rstrip("/")
        authority = authority if "://" in authority else f"https://{authority}"
        if not authority.lower().startswith("https://"):
            raise ConfigError("AZURE_AUTHORITY_HOST must be an https:// address: secrets are sent to it")
        try:
            if self._application is None:
                self._application = msal.ConfidentialClientApplication(
                    access.client_id,
                    client_credential=access.secret,
                    authority=f"{authority}/{quote(access.tenant_id, safe='')}",
                    instance_discovery=False,
                    http_client=_session(access),
                )
            said = self._application.acquire_token_by_refresh_token(self._refresh_token, [SCOPE])
        except requests.exceptions.SSLError:
            raise AccessError(f"the certificate of {authority} is not accepted") from None
        except requests.exceptions.RequestException as exc:
            raise TransientError(f"no access token could be had ({type(exc).__name__})") from None
        except (ValueError, KeyError):  # of what an authority says about itself
            raise _not_given(access, None, None) from None
        if "access_token" not in said:
            raise _not_given(access, None, None)
        self._refresh_token = said.get("refresh_token") or self._refresh_token
        return said["access_token"], int(time.time()) + int(said.get("expires_in", 0))


def _session(access: Access) -> Any:
    """What msal asks the authority with. Refusals end here: msal would log what it cannot read, and put texts into errors."""
    import requests

    def refuse(answer: requests.Response, *_: Any, **__: Any) -> None:
        if answer.status_code != 200 or not answer.text.lstrip().startswith("{"):
            raise _not_given(access, _AADSTS.search(answer.text), answer.status_code)

    session = requests.Session()
    session.hooks["response"].append(refuse)
    session.request = partial(session.request, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S))  # type: ignore[method-assign]
    return session


def sdk_missing() -> ConfigError:
    return ConfigError("reading from Azure needs more packages", remedy="Run: pip install 'file-cdk[azure]'")


def _credential(access: Access) -> "TokenCredential":
    from azure.identity import ClientSecretCredential, DefaultAzureCredential

    options = {"connection_timeout": CONNECT_TIMEOUT_S, "read_timeout": READ_TIMEOUT_S}
    if access.kind == "client":
        return ClientSecretCredential(
            access.tenant_id, access.client_id, access.secret, retry_total=0, logging_enable=False, **options
        )
    return DefaultAzureCredential(logging_enable=False, **options)


def _not_given(access: Access, code: re.Match[str] | None, status: int | None) -> FileCdkError:
    if status in _PASSING:
        return TransientError(f"no access token could be had: the server answered {status}")
    return AccessError(
        f"Microsoft Entra gives no access token for the {describe(access)}{f' ({code[0]})' if code else ''}",
        remedy=_REMEDIES[access.kind],
    )


_REMEDIES = {
    "client": "Check tenant, client and secret: they may be wrong or expired",
    "refresh": "Check tenant, client and secret; the consent may have expired or been taken back: give it again",
    "identity": "Log in again (az login), or check the AZURE_… variables and the identity of this machine",
}


def _status_of(exc: Any) -> int | None:
    status = getattr(exc, "status_code", None)
    return status if isinstance(status, int) else None
