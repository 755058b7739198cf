"""The one module that knows the SDK (botocore, which boto3 is made of): credentials, where a bucket is, listings, and whatever
the fast way cannot read.

A listing is the SDK's request, signed, sent and redirected by it, and only its body is parsed by us, which takes a tenth of the
CPU of botocore's parser. What handlers of botocore's events do to a request (moto answers it) holds for listings too.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from file_cdk import (
    AccessError,
    ConfigError,
    FileCdkError,
    FileChangedError,
    RemoteFile,
    TransientError,
    connection_fault,
)
from source_s3.access import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, S3Settings, Target
from source_s3.pages import ListedPage, NotAListingError, parse_page, plain_etag
from source_s3.refusals import NEXT_SYNC, Refusal

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
    from botocore.session import Session
    from urllib3.exceptions import HTTPError
except ImportError as exc:
    raise ConfigError("the AWS SDK (boto3) is not installed", remedy="Install it: pip install 'file-cdk[s3]'") from exc

PAGE_KEYS = 1000
_CONNECTIONS = 32
_PIECE_BYTES = 256 << 10
_BODY_FAULTS = (faults.BotoCoreError, HTTPError, OSError)
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


def make_session(settings: S3Settings) -> Session:
    """As the settings say, else as the SDK's chain finds. Raises ConfigError (no such profile)."""
    try:
        session = _source_session(settings)
        if settings.role_arn is None:
            return session
        source = session.get_credentials()
        if source is None:
            raise AccessError("role_arn is set, but there are no credentials to assume the role with")
        role = _role(session, source, settings.role_arn)
        assuming = Session(profile=settings.profile)
        assuming.get_component("credential_provider").providers.insert(0, _AssumedRole(role))
    except faults.BotoCoreError as exc:
        raise _fault(exc, settings.bucket) from None
    return assuming


def _source_session(settings: S3Settings) -> Session:
    session = Session(profile=settings.profile)
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
    if settings.access_key_id is not None:
        return f"access key {_masked(settings.access_key_id)} from the configuration"
    try:
        session = _source_session(settings)
        credentials = session.get_credentials()
    except faults.BotoCoreError as exc:
        raise _fault(exc, settings.bucket) from None
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


def _masked(key_id: str) -> str:
    return f"{key_id[:4]}…{key_id[-4:]}" if len(key_id) >= 16 else f"{key_id[:2]}…"


def _read_page(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Parses a listing before botocore does, and leaves it nothing to parse. Raises NotAListingError."""
    if response_dict["status_code"] == 200:
        customized_response_dict["Page"] = parse_page(response_dict["body"])
        response_dict["body"] = b""


def _name_start_twice(params: dict[str, Any], **_: Any) -> None:
    """A server of the first version of the API, which has no tokens, knows `marker` for `start-after`."""
    if after := _START_AFTER.search(params["url"]):
        params["url"] += f"&marker={after[1]}"


class Sdk:
    """boto3's side of one bucket, in one process; used by several threads.

    Raises from the beginning what its methods raise when credentials cannot be had.
    """

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._session = make_session(settings)
        try:
            self._credentials = self._session.get_credentials()
            self._client = self._make_client()
            self._target = self._find_target()
        except faults.ClientError as exc:
            raise self._refused(exc, None) from None
        except (faults.BotoCoreError, ValueError) as exc:
            raise _fault(exc, settings.bucket) from None

    @property
    def is_anonymous(self) -> bool:
        return self._credentials is None

    @property
    def target(self) -> Target:
        """Where the bucket is, for whoever signs requests himself. Its bucket is a plain one."""
        return self._target

    @property
    def answers_itself(self) -> bool:
        """Whether a handler of the SDK's event for sending answers requests in this process, as moto's mock does."""
        request = AWSRequest("GET", f"{self._target.bucket_url}/{_PROBE_KEY}").prepare()
        answers = self._client.meta.events.emit("before-send.s3.GetObject", request=request)
        return any(answer is not None for _, answer in answers)

    def frozen_credentials(self) -> tuple[str, str, str | None]:
        """(access key, secret, token), renewed when they are due."""
        if self._credentials is None:
            raise AccessError(f"there are no credentials for bucket {self._settings.bucket!r}")
        frozen = self._credentials.get_frozen_credentials()
        return frozen.access_key or "", frozen.secret_key or "", frozen.token

    def list_page(self, prefix: str, after: Mapping[str, str]) -> ListedPage:
        """after: ContinuationToken or StartAfter, as ListObjectsV2 has them."""
        with self._translated():
            page: ListedPage = self._client.list_objects_v2(
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
            body = answer["Body"]
            try:
                size, skip = _size_and_skip(answer, start, end, file)
                require_version(file, answer.get("ETag"), size)
                yield from _exactly(body.iter_chunks(_PIECE_BYTES), skip, end - start, file)
            finally:
                body.close()

    @contextmanager
    def _translated(self, uri: str | None = None) -> Iterator[None]:
        """Around a request and its body: errors of the SDK become ours."""
        try:
            yield
        except faults.ClientError as exc:
            raise self._refused(exc, uri) from None
        except NotAListingError as exc:
            message = f"bucket {self._settings.bucket!r}: {exc}"
            raise TransientError(message, remedy="Check that `endpoint` is that of an S3 service") from None
        except _BODY_FAULTS as exc:
            raise _fault(exc, self._settings.bucket, uri) from None

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
            # It would parse a page to see whether that is an error; `parse_page` refuses what is no listing.
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
        return Target(_regional(bucket_url, found), found, self._verify)

    @property
    def _verify(self) -> str | None:
        return self._settings.ca_bundle or self._session.get_config_variable("ca_bundle") or None

    def _refused(self, exc: faults.ClientError, uri: str | None) -> FileCdkError:
        meta = exc.response.get("ResponseMetadata", {})
        code = str(exc.response.get("Error", {}).get("Code", ""))
        status = int(meta.get("HTTPStatusCode", 0))
        operation = getattr(exc, "operation_name", "")
        if operation.startswith("AssumeRole") and code not in ("ExpiredToken",) and status == 403:
            return AccessError(
                f"the role {self._settings.role_arn!r} may not be assumed",
                remedy="Check role_arn, its trust policy, and the external id in AWS_ASSUME_ROLE_EXTERNAL_ID",
            )
        headers = meta.get("HTTPHeaders", {})
        return Refusal(
            self._settings.bucket,
            status,
            "" if code.isdigit() else code,
            uri,
            _seconds(headers.get("retry-after")),
            headers.get("x-amz-bucket-region"),
            self.is_anonymous,
        ).error()


def require_version(file: RemoteFile, etag: str | None, size_bytes: int | None) -> None:
    """Raises FileChangedError unless the answer is about the version that was listed: a server may ignore If-Match."""
    same_etag = file.etag is None or etag is None or plain_etag(etag) == file.etag
    if not same_etag or (size_bytes is not None and size_bytes != file.size_bytes):
        raise FileChangedError("has changed since it was listed", uri=file.uri, remedy=NEXT_SYNC)


def _regional(bucket_url: str, region: str) -> str:
    """The SDK still presigns for AWS' global host, which redirects, and knows nothing of newer regions."""
    return bucket_url if region == "us-east-1" else _GLOBAL_HOST.sub(rf"\1.{region}.amazonaws.com", bucket_url)


def _size_and_skip(answer: Mapping[str, Any], start: int, end: int, file: RemoteFile) -> tuple[int | None, int]:
    """Total size of the object, and how many bytes of the body come before those asked for."""
    content_range = answer.get("ContentRange")
    if content_range is None:
        return answer.get("ContentLength"), start
    span, _, total = content_range.removeprefix("bytes ").partition("/")
    size = int(total) if total.isdigit() else None
    if span != f"{start}-{end - 1}" and size == file.size_bytes:
        raise TransientError("the server sent another range than was asked for", uri=file.uri)
    return size, 0


def _exactly(pieces: Iterator[bytes], skip: int, wanted: int, file: RemoteFile) -> Iterator[bytes]:
    cut = skip > 0
    for whole in pieces:
        piece = whole[skip:] if skip else whole
        skip = max(skip - len(whole), 0)
        if len(piece) > wanted:
            if not cut and wanted == 0:
                raise TransientError("the server sent more than was asked for", uri=file.uri)
            piece = piece[:wanted]
        wanted -= len(piece)
        if piece:
            yield piece
        if wanted == 0 and cut:
            return
    if wanted:
        raise TransientError("the server sent less than was asked for", uri=file.uri)


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdigit() else None


def _fault(exc: Exception, bucket: str, uri: str | None = None) -> FileCdkError:
    """What went wrong before or instead of an answer. Messages of the SDK, which may hold a URL, are not repeated."""
    if isinstance(exc, faults.ProfileNotFound | faults.PartialCredentialsError | faults.ConfigParseError):
        return ConfigError(str(exc), remedy="Check `profile`, the AWS_… environment variables and ~/.aws")
    if isinstance(exc, faults.SSOError | faults.SSOTokenLoadError | faults.TokenRetrievalError):
        return AccessError("there is no valid single sign-on session", remedy="Run `aws sso login` for the profile")
    if isinstance(exc, faults.CredentialRetrievalError | faults.NoCredentialsError | faults.MetadataRetrievalError):
        return AccessError(f"credentials for bucket {bucket!r} could not be fetched ({type(exc).__name__})")
    if isinstance(exc, faults.SSLError) and "certificate" in str(exc).lower():
        return AccessError(
            f"the certificate of bucket {bucket!r}'s server is not trusted",
            remedy="Name the file with its certificate authority in `ca_bundle` or AWS_CA_BUNDLE",
        )
    if isinstance(exc, faults.SSLError) and "WRONG_VERSION_NUMBER" in str(exc):
        return ConfigError(
            f"the server of bucket {bucket!r} does not speak HTTPS",
            remedy="Write http:// before `endpoint` if it may be so",
        )
    transient = (faults.ConnectionError, faults.HTTPClientError, faults.IncompleteReadError, HTTPError, OSError)
    if isinstance(exc, transient):
        return TransientError(f"bucket {bucket!r}: {connection_fault(exc)}", uri=uri)
    return ConfigError(
        f"bucket {bucket!r} cannot be used as configured ({type(exc).__name__})",
        remedy="Check `bucket`, `endpoint`, `region_name` and `ca_bundle`",
    )
