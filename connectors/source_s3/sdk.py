"""The one module that knows the SDK (botocore, which boto3 is made of): credentials, where a bucket is, listings, and whatever
the fast way cannot read.

A listing is the SDK's request, signed, sent and redirected by it, and only its body is parsed by us, which takes a tenth of the
CPU of botocore's parser. What handlers of botocore's events do to a request (moto answers it) holds for listings too.
"""

import contextlib
import gzip
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from typing import Any

from file_cdk import (
    CHANGED_SINCE_LISTED,
    CONNECT_TIMEOUT_S,
    READ_TIMEOUT_S,
    TRANSIENT_STATUSES,
    AccessError,
    ConfigError,
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
)
from source_s3.access import S3Settings, Target

try:
    import botocore.exceptions as faults
    from botocore import UNSIGNED
    from botocore.awsrequest import AWSRequest
    from botocore.config import Config
    from botocore.credentials import (
        AssumeRoleCredentialFetcher,
        CredentialProvider,
        Credentials,
        DeferredRefreshableCredentials,
    )
    from botocore.handlers import BUILTIN_HANDLERS
    from botocore.loaders import JSONFileLoader
    from botocore.session import Session
    from urllib3.exceptions import HTTPError
except ImportError as exc:
    raise ConfigError("the AWS SDK (boto3) is not installed", remedy="Install it: pip install 'file-cdk[s3]'") from exc

PAGE_KEYS = 1000
_CONNECTIONS = 32
_PIECE_BYTES = 256 << 10
_PROBE_KEY = "k"
_START_AFTER = re.compile(r"[?&]start-after=([^&]*)")
_GLOBAL_HOST = re.compile(r"^(https?://(?:[^/]+\.)?s3)\.amazonaws\.com(?=/|$)")


class _AssumedRole(CredentialProvider):
    """Answers before every other provider with credentials of a role, which renew themselves."""

    METHOD = "assume-role"
    CANONICAL_NAME = None

    def __init__(self, credentials: DeferredRefreshableCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> DeferredRefreshableCredentials:
        return self._credentials


def _make_session(settings: S3Settings) -> Session:
    """As the settings say, else as the SDK's chain finds."""
    session = _source_session(settings)
    if settings.role_arn is None:
        return session
    source = session.get_credentials()
    if source is None:
        raise AccessError("role_arn is set, but there are no credentials to assume the role with")
    role = _role(session, source, settings.role_arn)
    assuming = _open_session(settings)
    assuming.get_component("credential_provider").providers.insert(0, _AssumedRole(role))
    return assuming


class _AnyService:
    def __contains__(self, service: object) -> bool:
        return True


class ModelFiles(JSONFileLoader):
    """Models as plain dicts, where botocore would have an OrderedDict for each object. Half the time, and Python's collector
    does not go through dicts of texts and numbers."""

    def load_file(self, file_path: str) -> Any:
        for ending, opened in ((".json", open), (".json.gz", gzip.open)):
            with contextlib.suppress(FileNotFoundError), opened(f"{file_path}{ending}", "rb") as file:
                return json.loads(file.read())
        return None


def _open_session(settings: S3Settings) -> Session:
    """One that reads the models of a service faster, and does not look twice for those of all, 15 ms, to find that S3's is
    among them."""
    session = Session(profile=settings.profile)
    models = session.get_component("data_loader")
    models.file_loader = ModelFiles()
    models.list_available_services = lambda type_name: _AnyService()  # noqa: ARG005
    return session


def _source_session(settings: S3Settings) -> Session:
    session = _open_session(settings)
    if settings.access_key_id is not None and settings.secret_access_key is not None:
        session.set_credentials(settings.access_key_id, settings.secret_access_key)
    return session


def _role(session: Session, source: Credentials, role_arn: str) -> DeferredRefreshableCredentials:
    extra = {"RoleSessionName": "file-cdk"}
    if external_id := os.environ.get("AWS_ASSUME_ROLE_EXTERNAL_ID"):
        extra["ExternalId"] = external_id

    def client(service: str, **options: Any) -> Any:
        region = options.pop("region_name", None) or session.get_config_variable("region") or "us-east-1"
        return session.create_client(service, region_name=region, config=_config(), **options)

    # The fetcher gives frozen source credentials to the client that it makes, each time it renews.
    fetcher = AssumeRoleCredentialFetcher(client, source, role_arn, extra_args=extra)
    return DeferredRefreshableCredentials(method="assume-role", refresh_using=fetcher.fetch_credentials)


def _config(**options: Any) -> Config:
    return Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=_CONNECTIONS,
        tcp_keepalive=True,
        response_checksum_validation="when_required",  # a range has none
        **options,
    )


def describe(settings: S3Settings) -> str:
    """Which credentials they lead to, without a request where the SDK needs none."""
    how = _source(settings)
    return how if settings.role_arn is None else f"role {settings.role_arn} by {how}"


def _source(settings: S3Settings) -> str:
    if (key_id := settings.access_key_id) is not None:
        masked = f"{key_id[:4]}…{key_id[-4:]}" if len(key_id) >= 16 else f"{key_id[:2]}…"
        return f"access key {masked} from the configuration"
    with _request(settings).translated(_FAULTS):
        session = _source_session(settings)
        credentials = session.get_credentials()
    if credentials is None:
        return "anonymous"
    method = credentials.method
    profile = f"profile {session.profile or 'default'!r}"
    return {
        "env": "environment variables",
        "shared-credentials-file": profile,
        "config-file": profile,
        "assume-role": f"role of {profile}",
        "assume-role-with-web-identity": "web identity",
        "sso": f"single sign-on of {profile}",
        "login": f"sign-in of {profile}",
        "custom-process": f"credential process of {profile}",
        "container-role": "role of the container",
        "iam-role": "role of the instance",
    }.get(method, method)


def _read_page(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Takes a listing away before botocore parses it."""
    if response_dict["status_code"] == 200:
        customized_response_dict["Page"] = response_dict["body"]
        response_dict["body"] = b""


def _name_start_twice(params: dict[str, Any], **_: Any) -> None:
    """A server of the first version of the API, which has no tokens, knows `marker` for `start-after`."""
    if after := _START_AFTER.search(params["url"]):
        params["url"] += f"&marker={after[1]}"


class Sdk:
    """boto3's side of one bucket, in one process; used by several threads. Making it raises what its methods raise."""

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._credentials: Credentials | None = None
        with self._translated():
            self._session = _make_session(settings)
            self._credentials = self._session.get_credentials()
            self._client = self._make_client()

    @cached_property
    def target(self) -> Target:
        """Where the bucket is, for whoever signs requests himself, if it is a plain one. A listing does without."""
        with self._translated():
            return self._find_target()

    @property
    def is_anonymous(self) -> bool:
        return self._credentials is None

    @property
    def answers_itself(self) -> bool:
        """Whether a handler of the SDK's event for sending answers requests in this process, as moto's mock does."""
        request = AWSRequest("GET", f"{self.target.bucket_url}/{_PROBE_KEY}").prepare()
        answers = self._client.meta.events.emit("before-send.s3.GetObject", request=request)
        return any(answer is not None for _, answer in answers)

    def frozen_credentials(self) -> tuple[str, str, str | None]:
        """(access key, secret, token), renewed when they are due."""
        if self._credentials is None:
            raise AccessError(f"there are no credentials for bucket {self._settings.bucket!r}")
        frozen = self._credentials.get_frozen_credentials()
        return frozen.access_key or "", frozen.secret_key or "", frozen.token

    def list_page(self, prefix: str, after: Mapping[str, str]) -> bytes:
        """XML of one page. after: ContinuationToken or StartAfter, as ListObjectsV2 has them."""
        with self._translated():
            page: bytes = self._client.list_objects_v2(
                Bucket=self._settings.bucket, Prefix=prefix, MaxKeys=PAGE_KEYS, EncodingType="url", **after
            )["Page"]
            return page

    def get(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes]:
        """Bytes `[start, end)` of this version; the answer to a server that ignores ranges is cut."""
        pin = {"IfMatch": f'"{file.etag}"'} if file.etag and not file.etag.startswith("W/") else {}
        with self._translated(file.uri):
            answer = self._client.get_object(
                Bucket=self._settings.bucket, Key=file.uri, Range=f"bytes={start}-{end - 1}", **pin
            )
            meta, body = answer["ResponseMetadata"], answer["Body"]
            status, etag = meta["HTTPStatusCode"], plain_etag(answer.get("ETag"))
            try:
                ranged = RangeAnswer.checked(file, start, end, status, meta["HTTPHeaders"], etag)
                yield from ranged.body(body.iter_chunks(_PIECE_BYTES))
            finally:
                body.close()

    def _translated(self, uri: str | None = None) -> AbstractContextManager[None]:
        return _request(self._settings, uri, is_anonymous=self._credentials is None).translated(_FAULTS)

    def _make_client(self) -> Any:
        settings = self._settings
        style = {} if settings.addressing_style == "auto" else {"s3": {"addressing_style": settings.addressing_style}}
        signature = UNSIGNED if self._credentials is None else "s3v4"
        client: Any = self._session.create_client(
            "s3",
            endpoint_url=settings.endpoint,
            region_name=settings.region_name,
            verify=settings.ca_bundle,
            config=_config(signature_version=signature, **style),
        )
        events = client.meta.events
        events.register("before-call.s3.ListObjectsV2", _name_start_twice)
        for event, handler, *_ in BUILTIN_HANDLERS:
            # It would parse a page to see whether that is an error; whoever parses it refuses what is no listing.
            if event.startswith("before-parse.s3"):
                events.unregister(event, handler)
        events.register("before-parse.s3.ListObjectsV2", _read_page)
        return client

    def _find_target(self) -> Target:
        """What the SDK would ask for an object is, but for the key, where the bucket is."""
        bucket, client = self._settings.bucket, self._client
        if not self._settings.is_plain_bucket:
            return Target("", "")
        found = client.meta.region_name if client.meta.region_name != "aws-global" else "us-east-1"
        probe = client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": _PROBE_KEY})
        bucket_url = probe.partition("?")[0].removesuffix(f"/{_PROBE_KEY}")
        if found != "us-east-1":
            # The SDK still presigns for AWS' global host, which redirects, and knows nothing of newer regions.
            bucket_url = _GLOBAL_HOST.sub(rf"\1.{found}.amazonaws.com", bucket_url)
        ca_bundle = self._settings.ca_bundle or self._session.get_config_variable("ca_bundle") or None
        return Target(bucket_url, found, ca_bundle)


# Errors


_THROTTLED = (
    *("SlowDown", "RequestTimeout", "RequestTimeoutException", "InternalError", "ServiceUnavailable"),
    *("Throttling", "ThrottlingException", "RequestLimitExceeded", "BandwidthLimitExceeded"),
    *("RequestThrottled", "TooManyRequests", "OperationAborted"),
)
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired")
_WRONG_CREDENTIALS = (
    *("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidClientTokenId"),
    *("InvalidSecurity", "AuthFailure", "UnrecognizedClientException", "UnrecognizedClient"),
    *("InvalidSignatureException", "NotSignedUp"),
)
_WRONG_REGION = (
    *("PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed"),
    *("AuthorizationQueryParametersError", "IllegalLocationConstraintException"),
)

_FILE = {"file"}
_CHECK = "Check `bucket` and `endpoint`"
_RENEW = "Renew them (for example `aws sso login`)"
_NO_BUCKET = "there is no bucket {bucket}"
_ELSEWHERE = "bucket {bucket} is in another region"
_NOT_ACCEPTED = "bucket {bucket}: the credentials are not accepted ({answer})"
_OTHER_TIME = "bucket {bucket}: this machine's clock differs from the server's"
_KEYS = "Check aws_access_key_id and aws_secret_access_key, or the profile or environment they come from"
_LIST = "Give these credentials the permission s3:ListBucket on the bucket"
_NONE_FOUND = "No credentials were found, so the request was anonymous: configure some"
_RESTORE = "Restore it from its storage class first, or leave it out with a glob"
_ROLE = "Check role_arn, its trust policy, and the external id in AWS_ASSUME_ROLE_EXTERNAL_ID"
_NO_LIST = "bucket {bucket} may not be listed ({answer})"
_NO_READ = "may not be read ({answer})"
_GRANT = "Give these credentials the permission s3:GetObject for it"
_DECRYPT = "Give these credentials the permission kms:Decrypt for it"
# The server's own message, which may repeat what was signed, is never shown.
_REFUSALS: Refusals = (
    Refusal(TransientError, "the server of bucket {bucket} answered {answer}", None, TRANSIENT_STATUSES, _THROTTLED),
    Refusal(FileAccessError, "is archived", _RESTORE, (), {"InvalidObjectState"}, _FILE),
    Refusal(AccessError, "the credentials for bucket {bucket} have expired", _RENEW, (), _EXPIRED),
    Refusal(AccessError, _NOT_ACCEPTED, _KEYS, {401}, _WRONG_CREDENTIALS),
    Refusal(AccessError, _OTHER_TIME, "Set the clock", (), {"RequestTimeTooSkewed"}),
    Refusal(AccessError, _NO_BUCKET, _CHECK, (), {"NoSuchBucket"}),
    Refusal(AccessError, "bucket {bucket} is not a bucket's name", "Check `bucket`", (), {"InvalidBucketName"}),
    Refusal(AccessError, _ELSEWHERE, "Set region_name to {region}", {301, 307, 308}, _WRONG_REGION),
    Refusal(FileAccessError, "is gone since it was listed", None, {404}, (), _FILE),
    *CHANGED_SINCE_LISTED,
    Refusal(FileAccessError, _NO_READ, _DECRYPT, {403}, (), {"file", "encrypted"}),
    Refusal(FileAccessError, _NO_READ, _GRANT, {403}, (), _FILE),
    Refusal(FileAccessError, "the server refuses it ({answer})", traits=_FILE),
    Refusal(AccessError, _NO_BUCKET, _CHECK, {404}),
    Refusal(AccessError, _NO_LIST, _NONE_FOUND, {403}, (), {"anonymous"}),
    Refusal(AccessError, _NO_LIST, _LIST, {403}),
    Refusal(AccessError, "bucket {bucket} cannot be listed ({answer})", "Check `endpoint` and `bucket`"),
)


def _request(settings: S3Settings, uri: str | None = None, *, is_anonymous: bool = False) -> StoreRequest:
    facts = {"bucket": repr(settings.bucket), "role": repr(settings.role_arn)}
    return StoreRequest(uri, facts, frozenset({"anonymous"} if is_anonymous else ()))


def _refused(exc: faults.ClientError, request: StoreRequest) -> FileCdkError:
    meta = exc.response.get("ResponseMetadata", {})
    status, headers = int(meta.get("HTTPStatusCode", 0)), meta.get("HTTPHeaders", {})
    code = str(exc.response.get("Error", {}).get("Code", ""))
    operation = getattr(exc, "operation_name", "")
    if operation.startswith("AssumeRole") and code != "ExpiredToken" and status == 403:
        return AccessError(f"the role {request.facts['role']} may not be assumed", remedy=_ROLE)
    if code.startswith("KMS."):
        request = replace(request, traits=request.traits | {"encrypted"})
    found = headers.get("x-amz-bucket-region")
    return request.refused(_REFUSALS, status, code, headers, region=repr(found) if found else "its region")


def _tls_fault(exc: Exception, request: StoreRequest) -> FileCdkError:
    bucket = request.facts["bucket"]
    if "certificate" in str(exc).lower():
        remedy = "Name the file with its certificate authority in `ca_bundle` or AWS_CA_BUNDLE"
        return AccessError(f"the certificate of bucket {bucket}'s server is not trusted", remedy=remedy)
    if "WRONG_VERSION_NUMBER" in str(exc):
        remedy = "Write http:// before `endpoint` if it may be so"
        return ConfigError(f"the server of bucket {bucket} does not speak HTTPS", remedy=remedy)
    return request.fault(exc, _BROKEN)


_CHECK_PROFILE = "Check `profile`, the AWS_… environment variables and ~/.aws"
_CHECK_SETTINGS = "Check `bucket`, `endpoint`, `region_name` and `ca_bundle`"
_NO_SESSION = "there is no valid single sign-on session"
_NOT_FETCHED = "credentials for bucket {bucket} could not be fetched ({kind})"
_UNUSABLE = "bucket {bucket} cannot be used as configured ({kind})"
_MISCONFIGURED = (faults.ProfileNotFound, faults.PartialCredentialsError, faults.ConfigParseError)
_SIGN_ON = (faults.SSOError, faults.SSOTokenLoadError, faults.TokenRetrievalError)
_NO_CREDENTIALS = (faults.CredentialRetrievalError, faults.NoCredentialsError, faults.MetadataRetrievalError)
_BROKEN: Faults = (
    (
        (faults.ConnectionError, faults.HTTPClientError, faults.IncompleteReadError, HTTPError, OSError),
        Refusal(TransientError, "bucket {bucket}: {fault}"),
    ),
)
_FAULTS: Faults = (
    ((faults.ClientError,), _refused),
    (_MISCONFIGURED, lambda exc, _: ConfigError(str(exc), remedy=_CHECK_PROFILE)),
    (_SIGN_ON, Refusal(AccessError, _NO_SESSION, "Run `aws sso login` for the profile")),
    (_NO_CREDENTIALS, Refusal(AccessError, _NOT_FETCHED)),
    ((faults.SSLError,), _tls_fault),
    *_BROKEN,
    ((faults.BotoCoreError, ValueError), Refusal(ConfigError, _UNUSABLE, _CHECK_SETTINGS)),
)
