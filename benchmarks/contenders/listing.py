"""The number of keys of a bucket, listed by source-s3's reader or by boto3's paginator.

    python listing.py ours|boto3 CONFIG

CONFIG is a configuration of source-s3.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    config = json.loads(Path(sys.argv[2]).read_text())
    if sys.argv[1] == "ours":
        from source_s3.source import connector

        reader = connector.reader(connector.config_class(**config))
        print(sum(1 for _ in reader.list_files("")))
        return
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=config["endpoint"],
        region_name=config["region_name"],
        aws_access_key_id=config["aws_access_key_id"],
        aws_secret_access_key=config["aws_secret_access_key"],
    )
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=config["bucket"])
    print(sum(len(page.get("Contents", ())) for page in pages))


main()
