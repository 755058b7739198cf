"""How requests are authorized: as the configuration says, else as the environment has it, else not at all; and access tokens
from azure-identity, or msal for a refresh token, which are imported when first needed."""

import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from file_cdk import (
    CONNECT_TIMEOUT_S,
    READ_TIMEOUT_S,
    TRANSIENT_STATUSES,
    AccessError,
    ConfigError,
    FileCdkError,
    TransientError,
)
from source_azure_blob_storage.config import (
    DEFAULT_DOMAIN,
    AzureConfig,
    ClientCredentials,
    Connection,
    ConnectionString,
    Oauth2,
    SasToken,
    StorageAccountKey,
    connection_of,
    endpoint_of,
    is_account_key,
    plain_sas,
)

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

ACCOUNT_VARIABLES = ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT")
CONNECTION_VARIABLE = "AZURE_STORAGE_CONNECTION_STRING"
_ENDPOINT_VARIABLE = "AZURE_STORAGE_SERVICE_ENDPOINT"  # the name that the az command gave it
_KEY_VARIABLES = ("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY")
_SAS_VARIABLE = "AZURE_STORAGE_SAS_TOKEN"
_CHASSIS = Path("/sys/class/dmi/id/chassis_asset_tag")
_AZURE_CHASSIS = "7783-7084-3265-9085-8269-3286-77"


@dataclass(frozen=True, slots=True)
class Access:
    """How one process after the other authorizes requests to one account; pickles, and holds no client.

    kind: `key` and `sas` have what they need in `secret`; `client` (a service principal) and `refresh` (a user's consent)
    have tenant, client and secret, and the latter a refresh token; `identity` asks azure-identity; `anonymous` signs nothing.
    origin: where it comes from, in words, without secrets. optional: should there be none after all, nothing is signed.
    """

    kind: Literal["key", "sas", "client", "refresh", "identity", "anonymous"]
    origin: str = ""
    secret: str = field(default="", repr=False)
    tenant_id: str = field(default="", repr=False)
    client_id: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    optional: bool = False

    @property
    def has_tokens(self) -> bool:
        return self.kind in ("client", "refresh", "identity")


@dataclass(frozen=True, slots=True)
class Target:
    """A container. endpoint: the account's URL, without a trailing slash."""

    account: str
    container: str
    endpoint: str
    access: Access

    @property
    def origin(self) -> str:
        return f"az://{self.account}/{self.container}"


def target_of(config: AzureConfig) -> Target:
    """Looks at the environment, asks nobody. Raises ConfigError for what contradicts itself."""
    account, container = config.azure_blob_storage_account_name, config.azure_blob_storage_container_name
    configured = config.azure_blob_storage_endpoint
    access, connected = _configured(config, account)
    connection = ambient_connection() if access is None or not (configured or connected) else None
    # That of another account is of no use here, and its key is not to be tried.
    if connection is not None and connection.account == account:
        connected = connection.endpoint
        if access is None and (configured is None or endpoint_of(configured, account) == connected):
            access = _of_connection(connection, f"environment variable {CONNECTION_VARIABLE}")
    endpoint = endpoint_of(configured, account) if configured else connected or _ambient_endpoint(account)
    if access is None:
        access = _ambient(account, endpoint)
    if access.has_tokens and endpoint.lower().startswith("http:"):
        raise ConfigError(
            f"access tokens are not sent over plain http, as {endpoint} would have it",
            remedy="Write an https:// endpoint, or use an account key or a SAS token",
        )
    return Target(account, container, endpoint, access)


def describe(access: Access) -> str:
    """One line, redacted."""
    return "anonymous" if access.kind == "anonymous" else f"{_KINDS[access.kind]} from {access.origin}"


_KINDS = {
    "key": "account key",
    "sas": "SAS token",
    "client": "service principal",
    "refresh": "OAuth consent of a user",
    "identity": "Azure identity",
}


# From the configuration


def _configured(config: AzureConfig, account: str) -> tuple[Access | None, str | None]:
    """How, and the endpoint that goes with it, as far as the configuration says."""
    given, origin = config.credentials, "the configuration"
    match given:
        case StorageAccountKey():
            return Access("key", origin, given.azure_blob_storage_account_key), None
        case SasToken():
            return Access("sas", origin, given.sas_token), None
        case ClientCredentials():
            return Access("client", origin, given.app_client_secret, given.app_tenant_id, given.app_client_id), None
        case Oauth2():
            ids = given.tenant_id, given.client_id
            return Access("refresh", origin, given.client_secret, *ids, given.refresh_token), None
        case ConnectionString():
            connection = connection_of(given.connection_string)
            if connection.account not in (None, account):
                raise ConfigError(
                    f"the connection string is for account {connection.account!r}, not {account!r}",
                    remedy="Name the same account in azure_blob_storage_account_name",
                )
            return _of_connection(connection, "the connection string of the configuration"), connection.endpoint
        case None:
            return None, None


def _of_connection(connection: Connection, origin: str) -> Access:
    if connection.sas is not None:
        return Access("sas", origin, connection.sas)
    return Access("anonymous") if connection.key is None else Access("key", origin, connection.key)


# From the environment


def ambient_connection() -> Connection | None:
    """What AZURE_STORAGE_CONNECTION_STRING says. Raises ConfigError, which does not show it."""
    text = os.environ.get(CONNECTION_VARIABLE)
    if not text:
        return None
    try:
        return connection_of(text)
    except ConfigError as exc:
        raise ConfigError(f"environment variable {CONNECTION_VARIABLE} {exc.message}", remedy="Unset it") from None


def ambient_account() -> str | None:
    """The account that the environment names."""
    for name in ACCOUNT_VARIABLES:
        if account := os.environ.get(name):
            return account
    connection = ambient_connection()
    return None if connection is None else connection.account


def _ambient_endpoint(account: str) -> str:
    text = os.environ.get(_ENDPOINT_VARIABLE)
    if not text or not _is_ambient(account):
        return f"https://{account}.{DEFAULT_DOMAIN}"
    try:
        return endpoint_of(text, account)
    except ValueError as exc:
        raise ConfigError(f"environment variable {_ENDPOINT_VARIABLE} {exc}", remedy="Unset it") from None


def _is_ambient(account: str) -> bool:
    """Whether what the environment says of an account may be of this one."""
    named = [os.environ[name] for name in ACCOUNT_VARIABLES if os.environ.get(name)]
    return not named or account in named


def _ambient(account: str, endpoint: str) -> Access:
    if _is_ambient(account):
        for name in _KEY_VARIABLES:
            if key := os.environ.get(name, "").strip():
                if not is_account_key(key):
                    raise _unusable(name, "is no account key: those are base64 text")
                return Access("key", f"environment variable {name}", key)
        if text := os.environ.get(_SAS_VARIABLE):
            if (token := plain_sas(text)) is None:
                raise _unusable(_SAS_VARIABLE, "is no shared access signature: it lacks sig=")
            return Access("sas", f"environment variable {_SAS_VARIABLE}", token)
    if not endpoint.lower().startswith("http:"):
        for origin, is_there, is_hint in _IDENTITIES:
            if is_there():
                return Access("identity", origin, optional=is_hint)
    return Access("anonymous")


def _unusable(name: str, fault: str) -> ConfigError:
    return ConfigError(f"environment variable {name} {fault}", remedy="Unset it, or set it to one")


def _has(*names: str) -> bool:
    return all(os.environ.get(name) for name in names)


def _has_service_principal() -> bool:
    has_secret = _has("AZURE_CLIENT_SECRET") or _has("AZURE_CLIENT_CERTIFICATE_PATH")
    return has_secret and _has("AZURE_TENANT_ID", "AZURE_CLIENT_ID")


def _is_logged_in() -> bool:
    folder = Path(os.environ.get("AZURE_CONFIG_DIR") or Path.home() / ".azure")
    return any((folder / f"msal_token_cache.{ending}").is_file() for ending in ("json", "bin"))


def _is_azure_machine() -> bool:
    try:
        return _CHASSIS.read_text().strip() == _AZURE_CHASSIS
    except OSError:
        return False


# azure-identity would ask the metadata server of machines that have none, for seconds: so only when there is something to find.
# The last ones nobody asked for: what can be read without should not fail for them.
_IDENTITIES: tuple[tuple[str, Callable[[], bool], bool], ...] = (
    ("the environment (service principal)", _has_service_principal, False),
    ("workload identity", lambda: _has("AZURE_FEDERATED_TOKEN_FILE"), False),
    ("the managed identity", lambda: _has("IDENTITY_ENDPOINT") or _has("MSI_ENDPOINT"), False),
    ("AZURE_TOKEN_CREDENTIALS", lambda: _has("AZURE_TOKEN_CREDENTIALS"), False),
    ("the az login", _is_logged_in, True),
    ("the azd login", lambda: (Path.home() / ".azd" / "auth.json").is_file(), True),
    ("the managed identity of the machine", _is_azure_machine, True),
)


# Tokens


SCOPE = "https://storage.azure.com/.default"
_RENEW_BEFORE_S = 300
_AUTHORITY = "https://login.microsoftonline.com"
_AADSTS = re.compile(r"AADSTS[0-9]{4,9}")


class NoIdentityError(Exception):
    """Nothing that azure-identity knows has credentials here, and nobody said that there should be some."""


class Tokens:
    """The access tokens of one process, renewed before they expire. Thread-safe."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._credential: TokenCredential | None = None
        self._application: Any = None
        self._kept: AccessToken | None = None
        self._refresh_token = access.refresh_token

    def get_token(self, *_: str, **__: Any) -> "AccessToken":
        """One that is good for minutes, as the SDK asks for it: there is one scope. Raises AccessError, ConfigError,
        TransientError, NoIdentityError."""
        with self._lock:
            if self._kept is None or self._kept.expires_on - time.time() < _RENEW_BEFORE_S:
                self._kept = self._refreshed() if self._access.kind == "refresh" else self._identified()
            return self._kept

    def _identified(self) -> "AccessToken":
        try:
            import azure.identity  # noqa: F401
            from azure.core.exceptions import AzureError, ClientAuthenticationError
        except ImportError:
            raise sdk_missing() from None
        try:
            self._credential = self._credential or _credential(self._access)
            return self._credential.get_token(SCOPE)
        except ClientAuthenticationError as exc:
            if self._access.optional and exc.response is None:
                raise NoIdentityError from None
            # Not chained: the text quotes the answer of the server, and may quote what was sent to it.
            raise _not_given(self._access, _AADSTS.search(str(exc)), getattr(exc, "status_code", None)) from None
        except AzureError as exc:
            raise TransientError(f"no access token could be had ({type(exc).__name__})") from None
        except ValueError:
            raise ConfigError(
                f"the {describe(self._access)} cannot be used", remedy="Check the tenant's id and the authority"
            ) from None

    def _refreshed(self) -> "AccessToken":
        try:
            import msal  # type: ignore[import-untyped]
            import requests
            from azure.core.credentials import AccessToken
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
        return AccessToken(said["access_token"], int(time.time()) + int(said.get("expires_in", 0)))


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
    if status in TRANSIENT_STATUSES:
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
