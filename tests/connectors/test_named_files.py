"""A SOURCE that names one object of a store: when it is not there, that is an error and no empty table."""

from pathlib import Path
from typing import Any

import pytest

from file_cdk import AccessError, SyncOptions, sync


def test_an_object_that_is_not_there(seaweedfs: Any, seaweedfs_bucket: str, tmp_path: Path, monkeypatch: Any) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": seaweedfs.endpoint,
        "AWS_ACCESS_KEY_ID": seaweedfs.access_key,
        "AWS_SECRET_ACCESS_KEY": seaweedfs.secret_key,
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    seaweedfs.put(seaweedfs_bucket, "orders/may.csv", b"a\n1\n")
    database, options = str(tmp_path / "x.duckdb"), SyncOptions(workers=0)
    source = f"s3://{seaweedfs_bucket}/orders"
    with pytest.raises(AccessError, match=f"there is no file 'orders/june.csv' in s3://{seaweedfs_bucket}"):
        sync(f"{source}/june.csv", database, options=options)
    assert sync(f"{source}/may.csv", database, options=options).streams[0].rows == 1
    assert sync(f"{source}/*.tsv", database, options=options).streams[0].rows == 0
