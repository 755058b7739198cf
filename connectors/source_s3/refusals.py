"""What an S3 server's refusal means to the person who reads it: one error for each."""

from dataclasses import dataclass

from file_cdk import AccessError, FileAccessError, FileCdkError, FileChangedError, TransientError

_THROTTLED = frozenset(
    {
        "SlowDown",
        "RequestTimeout",
        "RequestTimeoutException",
        "InternalError",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "RequestThrottled",
        "TooManyRequests",
        "OperationAborted",
    }
)
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_WRONG_CREDENTIALS = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidToken",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "AuthFailure",
        "UnrecognizedClientException",
        "UnrecognizedClient",
        "InvalidSignatureException",
        "NotSignedUp",
    }
)
_WRONG_REGION = frozenset(
    {
        "PermanentRedirect",
        "TemporaryRedirect",
        "Redirect",
        "AuthorizationHeaderMalformed",
        "AuthorizationQueryParametersError",
        "IllegalLocationConstraintException",
    }
)

NEXT_SYNC = "The next sync takes the new version"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer other than 2xx. code: the XML body's, or "". uri: the object asked for; None for a listing."""

    bucket: str
    status: int
    code: str
    uri: str | None = None
    retry_after_s: float | None = None
    region: str | None = None
    anonymous: bool = False

    def error(self) -> FileCdkError:
        """Never shows the server's own message, which may repeat what was signed."""
        if self.status in _TRANSIENT_STATUS or self.code in _THROTTLED:
            message = f"the server of {self._bucket} answered {self._answer}"
            return TransientError(message, uri=self.uri, retry_after_s=self.retry_after_s)
        if self.code == "InvalidObjectState" and self.uri is not None:
            remedy = "Restore it from its storage class first, or leave it out with a glob"
            return FileAccessError("is archived", uri=self.uri, remedy=remedy)
        return self._about_credentials() or self._about_the_bucket() or self._about_the_object() or self._other()

    @property
    def _bucket(self) -> str:
        return f"bucket {self.bucket!r}"

    @property
    def _answer(self) -> str:
        return f"{self.status} {self.code}".strip()

    def _about_credentials(self) -> FileCdkError | None:
        if self.code in _EXPIRED:
            return AccessError(
                f"the credentials for {self._bucket} have expired", remedy="Renew them (for example `aws sso login`)"
            )
        if self.code in _WRONG_CREDENTIALS or self.status == 401:
            return AccessError(
                f"{self._bucket}: the credentials are not accepted ({self._answer})",
                remedy="Check aws_access_key_id and aws_secret_access_key, or the profile or environment they come from",
            )
        if self.code == "RequestTimeTooSkewed":
            return AccessError(
                f"{self._bucket}: this machine's clock differs from the server's", remedy="Set the clock"
            )
        return None

    def _about_the_bucket(self) -> FileCdkError | None:
        if self.code == "NoSuchBucket" or (self.status == 404 and self.uri is None):
            return AccessError(f"there is no {self._bucket}", remedy="Check `bucket` and `endpoint`")
        if self.code == "InvalidBucketName":
            return AccessError(f"{self._bucket} is not a bucket's name", remedy="Check `bucket`")
        if self.code in _WRONG_REGION or self.status in (301, 307, 308):
            remedy = f"Set region_name to {self.region!r}" if self.region else "Set region_name to its region"
            return AccessError(f"{self._bucket} is in another region", remedy=remedy)
        if self.status == 403 and self.uri is None:
            remedy = "Give these credentials the permission s3:ListBucket on the bucket"
            if self.anonymous:
                remedy = "No credentials were found, so the request was anonymous: configure some"
            return AccessError(f"{self._bucket} may not be listed ({self._answer})", remedy=remedy)
        return None

    def _about_the_object(self) -> FileCdkError | None:
        if self.uri is None:
            return None
        if self.status == 404:
            return FileAccessError("is gone since it was listed", uri=self.uri)
        if self.status in (412, 416):
            return FileChangedError("has changed since it was listed", uri=self.uri, remedy=NEXT_SYNC)
        if self.status == 403:
            kms = self.code.startswith("KMS.")
            remedy = f"Give these credentials the permission {'kms:Decrypt' if kms else 's3:GetObject'} for it"
            return FileAccessError(f"may not be read ({self._answer})", uri=self.uri, remedy=remedy)
        return None

    def _other(self) -> FileCdkError:
        if self.uri is not None:
            return FileAccessError(f"the server refuses it ({self._answer})", uri=self.uri)
        return AccessError(f"{self._bucket} cannot be listed ({self._answer})", remedy="Check `endpoint` and `bucket`")
