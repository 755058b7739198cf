"""What both S3 servers share: buckets and objects through boto3, and signed requests for bulk uploads."""

import datetime
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from file_cdk.testing.servers.bulk import PutRequest, put_all
from file_cdk.testing.servers.process import ChildServer, missing


class S3Server(ChildServer):
    """An S3 server on a loopback port, used in path style, with one pair of keys."""

    def __init__(self, access_key: str, secret_key: str) -> None:
        super().__init__()
        self.access_key = access_key
        self.secret_key = secret_key
        self.region = "us-east-1"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> Any:
        """A fresh boto3 client. Make one per process and per thread of a test, as always with boto3."""
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise missing("boto3", "pip install boto3") from error
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def create_bucket(self, name: str) -> None:
        self.client().create_bucket(Bucket=name)

    def put(self, bucket: str, key: str, data: bytes) -> None:
        self.client().put_object(Bucket=bucket, Key=key, Body=data)

    def delete(self, bucket: str, key: str) -> None:
        self.client().delete_object(Bucket=bucket, Key=key)

    def keys(self, bucket: str) -> list[str]:
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def put_many(self, bucket: str, objects: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> None:
        put_all(self.port, objects, lambda key, data: self._signed_put(bucket, key, data))

    def _signed_put(self, bucket: str, key: str, data: bytes) -> PutRequest:
        """Signature version 4 as the S3 API reference describes it, for one PUT with three headers."""
        now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
        target = f"/{bucket}/{quote(key, safe='/~')}"
        payload = hashlib.sha256(data).hexdigest()
        signed = {"host": f"127.0.0.1:{self.port}", "x-amz-content-sha256": payload, "x-amz-date": now}
        names = ";".join(signed)
        canonical = "\n".join(["PUT", target, "", *(f"{k}:{v}" for k, v in signed.items()), "", names, payload])
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        secret = b"AWS4" + self.secret_key.encode()
        for part in scope.split("/"):
            secret = hmac.digest(secret, part.encode(), "sha256")
        signature = hmac.digest(secret, text.encode(), "sha256").hex()
        authorization = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return PutRequest(key, "PUT", target, {**signed, "authorization": authorization}, data)
