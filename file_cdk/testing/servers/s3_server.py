"""What both S3 servers share: buckets and objects through boto3, and signed requests for bulk uploads."""

from collections.abc import Iterable, Mapping
from functools import cache
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

    def client(self) -> Any:
        """A fresh boto3 client. Make one per process and per thread of a test, as always with boto3."""
        return _client(self.endpoint, self.access_key, self.secret_key, self.region)

    def _own_client(self) -> Any:
        """Of this process, for what this object is asked: to make one takes longer than most requests."""
        return _kept_client(self.endpoint, self.access_key, self.secret_key, self.region)

    def create_bucket(self, name: str) -> None:
        self._own_client().create_bucket(Bucket=name)

    def put(self, bucket: str, key: str, data: bytes) -> None:
        self._own_client().put_object(Bucket=bucket, Key=key, Body=data)

    def delete(self, bucket: str, key: str) -> None:
        self._own_client().delete_object(Bucket=bucket, Key=key)

    def keys(self, bucket: str) -> list[str]:
        pages = self._own_client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def put_many(self, bucket: str, objects: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> None:
        put_all(self.port, objects, lambda key, data: self._signed_put(bucket, key, data))

    def _signed_put(self, bucket: str, key: str, data: bytes) -> PutRequest:
        """Signed by botocore: boto3's own methods would take a millisecond each, and not every key."""
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        target = f"/{bucket}/{quote(key, safe='/~')}"
        request = AWSRequest("PUT", self.endpoint + target, {"host": f"127.0.0.1:{self.port}"}, data)
        S3SigV4Auth(Credentials(self.access_key, self.secret_key), "s3", self.region).add_auth(request)
        return PutRequest(key, "PUT", target, dict(request.headers), data)


def _client(endpoint: str, access_key: str, secret_key: str, region: str) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise missing("boto3", "pip install boto3") from error
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=region,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


_kept_client = cache(_client)
