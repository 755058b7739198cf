"""Which credentials a configuration leads to. google-auth is imported when they are first used, not before."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from file_cdk import AccessError, ConfigError, FileCdkError, NotByObstoreError, TransientError
from source_gcs.config import DEFAULT_ENDPOINT

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
OAUTH_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address

_TOKEN_FAULTS = frozenset({"invalid_grant", "invalid_client", "unauthorized_client", "invalid_scope", "access_denied"})
_KEY_FILE = "GOOGLE_APPLICATION_CREDENTIALS"


@dataclass(frozen=True, slots=True)
class Access:
    """How to sign requests; pickles, and holds no client.

    kind: `service` and `client` have what they need in `secrets` (the fields of the key and of the OAuth client);
    `ambient` are application default credentials, or none where there are none; `anonymous` signs nothing.
    """

    kind: Literal["service", "client", "ambient", "anonymous"]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class GcsSettings:
    """endpoint: without a trailing slash."""

    bucket: str
    access: Access
    endpoint: str = DEFAULT_ENDPOINT

    @property
    def origin(self) -> str:
        return f"gs://{self.bucket}"


def google_credentials(access: Access) -> "Credentials | None":
    """google-auth's credentials; None for anonymous. May look at files, and ask the metadata server of the machine.

    Raises ConfigError for a key that cannot be used, AccessError when GOOGLE_APPLICATION_CREDENTIALS names none.
    """
    if access.kind == "anonymous":
        return None
    try:
        import google.auth  # noqa: F401 - whether it is there at all
    except ImportError:
        raise sdk_missing() from None
    if access.kind == "ambient":
        return _ambient()
    return _service_account(access.secrets) if access.kind == "service" else _oauth_client(access.secrets)


def token_of(credentials: "Credentials", url: str) -> str:
    """One that is good by now. Raises NotByObstoreError when there is none: the SDK says what is wrong."""
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request

    try:
        credentials.before_request(Request(), "GET", url, {})  # type: ignore[no-untyped-call]
    except GoogleAuthError:
        # Not chained: the text may quote what was sent for a token.
        raise NotByObstoreError from None
    return str(credentials.token)


def describe(access: Access) -> str:
    """One line, redacted. Looks for application default credentials where those would be used."""
    if access.kind == "service":
        return f"service account {access.secrets['client_email']} from the configuration"
    if access.kind == "client":
        return "OAuth client from the configuration"
    credentials = google_credentials(access)
    if credentials is None:
        return "anonymous"
    return f"{_what(credentials)} ({'environment variable ' + _KEY_FILE if os.environ.get(_KEY_FILE) else 'application default'})"


def _what(credentials: "Credentials") -> str:
    module = type(credentials).__module__
    if email := getattr(credentials, "service_account_email", None):
        name = "service account" if "service_account" in module else "service account of the machine"
        return name if email == "default" else f"{name} {email}"
    if module == "google.oauth2.credentials":
        return "user credentials of gcloud"
    return "workload identity"


def _service_account(key: Mapping[str, str]) -> "Credentials":
    from google.auth.exceptions import GoogleAuthError
    from google.oauth2 import service_account

    try:
        loaded: Credentials = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            key, scopes=[SCOPE]
        )
    except (ValueError, GoogleAuthError):
        # Not chained: the text of some of these shows what could not be parsed.
        raise ConfigError(
            f"the private key of service account {key['client_email']} cannot be used",
            remedy="Put the whole JSON key into credentials.service_account, as it was downloaded",
        ) from None
    return loaded


def _oauth_client(secrets: Mapping[str, str]) -> "Credentials":
    from google.oauth2 import credentials

    given = {name: secrets[name] for name in ("refresh_token", "client_id", "client_secret")}
    loaded: Credentials = credentials.Credentials(  # type: ignore[no-untyped-call]
        secrets["access_token"], token_uri=OAUTH_TOKEN_URI, **given
    )
    return loaded


def _ambient() -> "Credentials | None":
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

    try:
        found: Credentials = google.auth.default(scopes=[SCOPE])[0]
    except DefaultCredentialsError:
        if not os.environ.get(_KEY_FILE):
            return None
        # Whoever names a key does not want to be anonymous.
        raise AccessError(
            f"the file that {_KEY_FILE} names cannot be used as credentials",
            remedy="Let it name a readable file of credentials for Google Cloud, or unset it",
        ) from None
    except GoogleAuthError as exc:
        raise no_token(exc) from None
    return found


def no_token(exc: Exception) -> FileCdkError:
    """For a GoogleAuthError. Not to be chained to it: the text may quote what was sent for a token."""
    from google.auth.exceptions import TransportError

    if isinstance(exc, TransportError) or getattr(exc, "retryable", False):
        return TransientError("no access token could be had")
    code = str(exc.args[0]).partition(":")[0] if exc.args else ""
    shown = f": {code}" if code in _TOKEN_FAULTS else ""
    return AccessError(
        f"Google gives no access token for the credentials{shown}",
        remedy="They may have expired, or been revoked or deleted: authenticate again, or make a new key",
    )


def access_of_key(text: str) -> Access:
    """text: the JSON of a service account key, known to be an object."""
    return Access("service", {name: value for name, value in json.loads(text).items() if isinstance(value, str)})


def sdk_missing() -> ConfigError:
    return ConfigError("google-cloud-storage is not installed", remedy="Install it with: pip install 'file-cdk[gcs]'")
