"""Blobs by obstore: a fraction of the CPU time for each small blob."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from file_cdk import ObstoreBucket, ObstoreEndpoint
from source_azure_blob_storage.access import Access, Target
from source_azure_blob_storage.tokens import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, Tokens

_CERTIFICATE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Those that listings trust: obstore does not know of these."""


def open_container(target: Target, tokens: Tokens | None) -> ObstoreBucket:
    """Everything is given explicitly, since obstore would take what is missing from AZURE_… variables, and credentials as a
    function, so that others from there do not go before them. Raises NotByObstoreError."""
    access = target.access
    certificates = next(filter(None, map(os.environ.get, _CERTIFICATE_VARIABLES)), None)
    endpoint = ObstoreEndpoint(target.endpoint, CONNECT_TIMEOUT_S, READ_TIMEOUT_S, certificates)
    config = {
        "account_name": target.account,
        "endpoint": target.endpoint,
        "use_emulator": False,
        "use_fabric_endpoint": False,
        "skip_signature": access.kind == "anonymous",
    }
    provide = None if access.kind == "anonymous" else _provider(access, tokens)
    # The service takes a backslash for a slash.
    return ObstoreBucket.open("AzureStore", target.container, endpoint, config, provide=provide, not_in_keys="\\")


def _provider(access: Access, tokens: Tokens | None) -> Callable[[], Any]:
    def provide() -> Any:
        if access.kind == "key":
            return {"access_key": access.secret, "expires_at": None}
        if access.kind == "sas":
            return {"sas_token": access.secret, "expires_at": None}
        assert tokens is not None
        token, expires_on = tokens.get()
        return {"token": token, "expires_at": datetime.fromtimestamp(expires_on, UTC)}

    return provide
