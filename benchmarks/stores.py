"""Objects of an S3 server on this machine, next to airbyte-source-s3, boto3, and the same files locally.

SeaweedFS takes as much of a core as its client does: on two cores all sides are bound by the server.
"""

import json
from functools import partial

from benchmarks.bench import Bench, files_of, ours, protocol_files, script, stream
from benchmarks.generate import ORDER_COLUMNS, write_large
from benchmarks.protocol import LARGE, local
from benchmarks.workload import Bar, Contender, Trial, Workload

_PEER = "airbyte-source-s3"


def _orders(filetype: str, to_peer: float, bench: Bench) -> Trial:
    folder = bench.data.orders(filetype, bench.sizes.rows)
    config = bench.bucket(filetype, files_of(folder))
    files = protocol_files(bench.scratch, f"s3-{filetype}", config, filetype, ORDER_COLUMNS)
    return _beside_the_peer(bench, files, to_peer, bench.sizes.rows)


def _small(bench: Bench) -> Trial:
    count = bench.sizes.small_files
    config = bench.bucket("small", files_of(bench.data.small(count)))
    return _beside_the_peer(bench, protocol_files(bench.scratch, "s3-small", config, "csv", LARGE), 1 / 22, count)


def _beside_the_peer(bench: Bench, files: list[str], at_most: float, rows: int) -> Trial:
    contenders = [Contender("file_cdk", ours("source-s3", "read", *files))]
    contenders += bench.peer_command(_PEER, _PEER, "source-s3", "read", *files)
    return Trial(contenders, [Bar("file_cdk", _PEER, at_most)], rows)


def _large(bench: Bench) -> Trial:
    folder = bench.scratch / "large"
    folder.mkdir()
    write_large(folder / "large.csv", bench.sizes.object_bytes)
    files = protocol_files(bench.scratch, "s3-large", bench.bucket("large", files_of(folder)), "csv", LARGE)
    object_ = Contender("object", ours("source-s3", "read", *files, "--workers", "2"))
    return Trial([object_, local(bench, folder, "csv", LARGE, name="file", workers=2)], [Bar("object", "file", 1.4)])


def _listing(bench: Bench) -> Trial:
    store = bench.store()
    store.create_bucket("many")
    store.put_many("many", ((f"year={n % 10}/{n:07}.csv", b"a\n1\n") for n in range(bench.sizes.keys)))
    config = bench.scratch / "listing.json"
    config.write_text(json.dumps({**bench.s3_config("many"), "streams": [stream("csv")]}))
    contenders = [
        Contender("file_cdk", script("listing.py", "ours", str(config)), alike=None),
        Contender("boto3's paginator", script("listing.py", "boto3", str(config)), alike=None),
    ]
    bars = [
        Bar("file_cdk", "boto3's paginator", 1 / 4),
        Bar("file_cdk", "boto3's paginator", 1 / 10, "cpu_seconds", what="CPU"),
    ]
    return Trial(contenders, bars, bench.sizes.keys)


WORKLOADS = [
    Workload("s3-csv", "CSV, 1M rows, from S3 to protocol", partial(_orders, "csv", 1 / 28)),
    Workload("s3-jsonl", "JSON lines, 1M rows, from S3 to protocol", partial(_orders, "jsonl", 1 / 28)),
    Workload("s3-parquet", "Parquet, 1M rows, from S3 to protocol", partial(_orders, "parquet", 1 / 120)),
    Workload("s3-small", "20,000 objects of 4 KB, from S3 to protocol", _small),
    Workload("s3-large", "one CSV object of 500 MB, next to the same file", _large),
    Workload("s3-listing", "listing 100,000 keys", _listing),
]
