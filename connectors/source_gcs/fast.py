"""Objects by obstore: a fraction of the session's CPU time for each small object."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from file_cdk import NotByObstoreError, ObstoreBucket, ObstoreEndpoint
from source_gcs.sdk import CONNECT_TIMEOUT_S, READ_TIMEOUT_S

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

_ASK_AFTER = timedelta(minutes=4, seconds=30)
"""obstore asks again four minutes before this has passed, and so every half a minute: google-auth knows when it is time for
another token, also when the session has had to get one because the server did not take the last."""

_CERTIFICATE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Those that listings trust: obstore does not know of these."""


def open_bucket(name: str, url: str, credentials: "Credentials | None") -> ObstoreBucket:
    """Everything is given explicitly, since obstore would take what is missing from GOOGLE_… variables; and a function for
    credentials always, also where none are to be sent, since it would look for some, at the metadata server of the machine
    in the end. Raises NotByObstoreError."""
    # Whoever accepts gzip gets an object that was stored with `Content-Encoding: gzip` as it is stored, by ranges.
    headers = {"Accept-Encoding": "gzip"}
    if project := getattr(credentials, "quota_project_id", None):
        headers["x-goog-user-project"] = project
    certificates = next(filter(None, map(os.environ.get, _CERTIFICATE_VARIABLES)), None)
    endpoint = ObstoreEndpoint(url, CONNECT_TIMEOUT_S, READ_TIMEOUT_S, certificates, headers)
    config = {"base_url": url, "skip_signature": credentials is None}
    provide = _nobody if credentials is None else _provider(credentials, url)
    return ObstoreBucket.open("GCSStore", name, endpoint, config, provide=provide)


def _nobody() -> Any:
    return {"token": "", "expires_at": None}


def _provider(credentials: "Credentials", url: str) -> Callable[[], Any]:
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request

    ask = Request()

    def provide() -> Any:
        headers: dict[str, str] = {}
        try:
            credentials.before_request(ask, "GET", url, headers)  # type: ignore[no-untyped-call]
        except GoogleAuthError:
            # The session says what is wrong. Not chained: the text may quote what was sent for a token.
            raise NotByObstoreError from None
        return {"token": headers["authorization"].removeprefix("Bearer "), "expires_at": datetime.now(UTC) + _ASK_AFTER}

    return provide
