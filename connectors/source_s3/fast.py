"""Objects by obstore: a seventh of the SDK's CPU for each small object."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from file_cdk import ObstoreBucket, ObstoreEndpoint
from source_s3.settings import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, Target

Keys = tuple[str, str, str | None]
"""Access key, secret, token."""

_RENEW_AFTER = timedelta(minutes=10)
"""obstore asks again five minutes before this has passed; the SDK's credentials are good for ten at the least."""


def open_bucket(name: str, target: Target, keys: Callable[[], Keys] | None, *, renewed: bool) -> ObstoreBucket:
    """keys: None for anonymous requests. renewed: they change during a long sync.

    Everything is given explicitly, since obstore would take what is missing from AWS_… variables, and keys as a function,
    so that a session token from there does not join them. Raises NotByObstoreError.
    """
    endpoint = ObstoreEndpoint(target.bucket_url, CONNECT_TIMEOUT_S, READ_TIMEOUT_S, target.ca_bundle)
    virtual = target.virtual(name)
    config = {
        "endpoint": target.bucket_url if virtual else target.bucket_url.removesuffix(f"/{name}"),
        "region": target.region,
        "virtual_hosted_style_request": virtual,
        "skip_signature": keys is None,
    }
    return ObstoreBucket.open(
        "S3Store", name, endpoint, config, provide=None if keys is None else _provider(keys, renewed)
    )


def _provider(keys: Callable[[], Keys], renewed: bool) -> Callable[[], Any]:
    def provide() -> Any:
        access_key, secret, token = keys()
        expires_at = datetime.now(UTC) + _RENEW_AFTER if renewed else None
        return {"access_key_id": access_key, "secret_access_key": secret, "token": token, "expires_at": expires_at}

    return provide
