"""Which bucket, reached how, as whom: what travels to worker processes."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

AddressingStyle = Literal["auto", "path", "virtual"]

_PLAIN_BUCKET = re.compile(r"[A-Za-z0-9._-]+")
_DIRECTORY_BUCKET = "--x-s3"
_ASK_THE_SDK = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
)


@dataclass(frozen=True, slots=True)
class S3Settings:
    """endpoint: a URL with its scheme, without a slash at the end; None for AWS. Keys: both, or neither for the SDK's chain."""

    bucket: str
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    role_arn: str | None = None
    endpoint: str | None = None
    region_name: str | None = None
    profile: str | None = None
    addressing_style: AddressingStyle = "auto"
    ca_bundle: str | None = None

    @property
    def origin(self) -> str:
        return f"s3://{self.bucket}"

    @property
    def is_plain_bucket(self) -> bool:
        """Whether it is reached as every S3 server's are: no ARN of an access point, no directory bucket."""
        return _PLAIN_BUCKET.fullmatch(self.bucket) is not None and not self.bucket.endswith(_DIRECTORY_BUCKET)


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests for one bucket go. bucket_url has no slash at the end. ca_bundle: path of a PEM file."""

    bucket_url: str
    region: str
    ca_bundle: str | None = None

    def virtual(self, bucket: str) -> bool:
        """Whether the bucket is named by the host and not by the path."""
        return not self.bucket_url.endswith(f"/{bucket}")


def known_target(settings: S3Settings, environ: Mapping[str, str] = os.environ) -> Target | None:
    """The target as far as it is plain from the configuration; None when only the SDK can tell.

    So a worker whose keys are in the configuration does not load the SDK, which takes 0.2 s.
    """
    has_keys = settings.access_key_id is not None and settings.secret_access_key is not None
    if not has_keys or settings.role_arn or settings.profile or not settings.is_plain_bucket:
        return None
    if settings.endpoint is None or settings.addressing_style == "virtual" or "amazonaws.com" in settings.endpoint:
        return None
    if any(environ.get(name) for name in _ASK_THE_SDK) or _has_aws_config(environ):
        return None
    region = settings.region_name or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    ca_bundle = settings.ca_bundle or environ.get("AWS_CA_BUNDLE")
    return Target(f"{settings.endpoint}/{settings.bucket}", region, ca_bundle)


def _has_aws_config(environ: Mapping[str, str]) -> bool:
    path = environ.get("AWS_CONFIG_FILE") or "~/.aws/config"
    return os.path.exists(os.path.expanduser(path))  # noqa: PTH110, PTH111 - pathlib fails without a home folder
