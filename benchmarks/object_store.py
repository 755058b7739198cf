"""Files of an S3 server on this machine: `source-s3` next to airbyte-source-s3, a boto3 paginator, and the same local file;
and whether its memory grows with the file.

    python benchmarks/object_store.py [--peer PATH/TO/airbyte's/source-s3] [--runs 3] [--peer-runs 1]
                                      [--only small,listing,large,memory] [--objects 20000] [--keys 100000] [--megabytes 500]

Starts SeaweedFS (`pip install '.[test]'`), which takes as much of a core as its client does: on two cores all three are
bound by the server. Each run is a process of its own, runs of the two sides alternate, seconds are medians. Exits 1 when a
ratio is below what is expected of it.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import Run, exit_codes, into_pipe, median, peak_memory, print_table

from file_cdk.testing.servers.seaweedfs import SeaweedFS

OURS = str(Path(sys.executable).with_name("source-s3"))
OURS_LOCAL = str(Path(sys.executable).with_name("source-local"))
SMALL_BYTES = 4 << 10


@dataclass(frozen=True, slots=True)
class Arguments:
    peer: str | None
    runs: int
    peer_runs: int
    only: tuple[str, ...]
    objects: int
    keys: int
    megabytes: int


SMALL_RATIO, LISTING_WALL_RATIO, LISTING_CPU_RATIO, LARGE_RATIO, MEMORY_RATIO = 12, 4, 10, 1 / 1.8, 1 / 1.2
"""Expected: what the other side takes over what ours does."""

_TIMES_LARGER = 4
"""Of which memory is compared."""

Row = tuple[str, float, float | None, float, str]
"""What, our seconds (or MB), the other side's, the ratio expected, exit codes or counts."""


def main() -> int:
    arguments = _arguments()
    rows: list[Row] = []
    with SeaweedFS() as server, tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if "small" in arguments.only:
            rows += small_objects(server, folder, arguments)
        if "listing" in arguments.only:
            rows += listing(server, arguments)
        if "large" in arguments.only:
            rows += large_object(server, folder, arguments)
        if "memory" in arguments.only:
            rows += memory(server, folder, arguments)
    table = [
        (
            what,
            f"{ours:.2f}",
            *(("", "") if other is None else (f"{other:.2f}", f"{other / ours:.2f}")),
            f"{least:.2f}",
            note,
        )
        for what, ours, other, least, note in rows
    ]
    print_table(("what", "ours", "next to it", "ratio", "at least", "exit codes"), table)
    return int(any(other is not None and other / ours < least for _, ours, other, least, _ in rows))


def small_objects(server: SeaweedFS, folder: Path, arguments: Arguments) -> Iterator[Row]:
    server.create_bucket("small")
    server.put_many(
        "small", ((f"day={n % 100:02}/part-{n:06}.csv", _csv(n, SMALL_BYTES)) for n in range(arguments.objects))
    )
    files = _protocol_files(folder, "small", _s3_config(server, "small"))
    ours, peers = _alternating(OURS, arguments.peer, files, arguments)
    yield _row(f"{arguments.objects} CSV objects of 4 KB, airbyte-source-s3", ours, peers, SMALL_RATIO)


def listing(server: SeaweedFS, arguments: Arguments) -> Iterator[Row]:
    server.create_bucket("many")
    server.put_many("many", ((f"year={n % 10}/{n:07}.csv", b"a\n1\n") for n in range(arguments.keys)))
    config = json.dumps(_s3_config(server, "many"))
    ours, peers = [], []
    for _ in range(arguments.runs):
        ours.append(_listed("ours", config))
        peers.append(_listed("boto3", config))
    for what, index, least in (("wall", 1, LISTING_WALL_RATIO), ("client CPU", 2, LISTING_CPU_RATIO)):
        mine, theirs = (sorted(run[index] for run in runs)[len(runs) // 2] for runs in (ours, peers))
        counts = f"{ours[0][0]}, {peers[0][0]} keys"
        yield f"listing {arguments.keys} keys, {what}, boto3 paginator", mine, theirs, least, counts


def large_object(server: SeaweedFS, folder: Path, arguments: Arguments) -> Iterator[Row]:
    server.create_bucket("large")
    local = folder / "local"
    local.mkdir()
    data = _csv(0, arguments.megabytes * 1_000_000)
    (local / "large.csv").write_bytes(data)
    server.put("large", "large.csv", data)
    remote = _protocol_files(folder, "large", _s3_config(server, "large"))
    beside = _protocol_files(folder, "local", {"path": str(local)})
    ours, locals_ = [], []
    for _ in range(arguments.runs):
        ours.append(into_pipe([OURS, "read", *remote]))
        locals_.append(into_pipe([OURS_LOCAL, "read", *beside]))
    yield _row(f"one CSV object of {arguments.megabytes} MB, the same local file", ours, locals_, LARGE_RATIO)


def memory(server: SeaweedFS, folder: Path, arguments: Arguments) -> Iterator[Row]:
    peaks = []
    for megabytes in (arguments.megabytes, arguments.megabytes * _TIMES_LARGER):
        bucket = f"memory{megabytes}"
        server.create_bucket(bucket)
        server.put(bucket, "large.csv", _csv(0, megabytes * 1_000_000))
        peaks.append(peak_memory([OURS, "read", *_protocol_files(folder, bucket, _s3_config(server, bucket))]))
    smaller, larger = peaks
    what = f"MB in memory for {arguments.megabytes * _TIMES_LARGER} MB, for {arguments.megabytes} MB"
    yield what, larger.rss / 1e6, smaller.rss / 1e6, MEMORY_RATIO, f"{larger.exit_code}; {smaller.exit_code}"


def _alternating(ours: str, peer: str | None, files: list[str], arguments: Arguments) -> tuple[list[Run], list[Run]]:
    mine, theirs = [], []
    for number in range(max(arguments.runs, arguments.peer_runs)):
        if number < arguments.runs:
            mine.append(into_pipe([ours, "read", *files]))
        if peer and number < arguments.peer_runs:
            theirs.append(into_pipe([peer, "read", *files]))
    return mine, theirs


def _row(what: str, ours: list[Run], others: list[Run], least: float) -> Row:
    lines = {run.lines for run in ours}
    codes = f"{exit_codes(ours)}; {exit_codes(others)}; {lines} lines"
    return what, median(ours), median(others) if others else None, least, codes


_LISTING = """
import json, sys, time, resource
config = json.loads(sys.argv[2])
if sys.argv[1] == "ours":
    from source_s3.source import connector
    reader = connector.reader(connector.config_class(**config))
    listed = lambda: sum(1 for _ in reader.list_files(""))
else:
    import boto3
    client = boto3.client("s3", endpoint_url=config["endpoint"], region_name=config["region_name"],
        aws_access_key_id=config["aws_access_key_id"], aws_secret_access_key=config["aws_secret_access_key"])
    pages = client.get_paginator("list_objects_v2").paginate
    listed = lambda: sum(len(page.get("Contents", ())) for page in pages(Bucket=config["bucket"]))
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
began, used = time.perf_counter(), cpu()
count = listed()
print(count, time.perf_counter() - began, cpu() - used)
"""


def _listed(side: str, config: str) -> tuple[int, float, float]:
    """Keys, wall and CPU seconds of a whole listing, in a process of its own, imports not counted for either side."""
    out = subprocess.run([sys.executable, "-c", _LISTING, side, config], check=True, capture_output=True, text=True)
    count, wall, cpu = out.stdout.split()
    return int(count), float(wall), float(cpu)


def _s3_config(server: SeaweedFS, bucket: str) -> dict[str, Any]:
    return {
        "bucket": bucket,
        "endpoint": server.endpoint,
        "region_name": "us-east-1",
        "aws_access_key_id": server.access_key,
        "aws_secret_access_key": server.secret_key,
        "streams": [{"name": bucket, "globs": ["**"], "format": {"filetype": "csv"}}],
    }


def _protocol_files(folder: Path, name: str, config: dict[str, Any]) -> list[str]:
    """`--config` and `--catalog` of a full refresh."""
    config = {"streams": [{"name": name, "globs": ["**"], "format": {"filetype": "csv"}}], **config}
    columns = ["id", "name", "value", "day", "note"]
    properties = {column: {"type": ["null", "string"]} for column in columns}
    properties |= {column: {"type": "string"} for column in ("_ab_source_file_last_modified", "_ab_source_file_url")}
    stream = {
        "name": config["streams"][0]["name"],
        "json_schema": {"type": "object", "properties": properties},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": ["_ab_source_file_last_modified"],
    }
    catalog = {"streams": [{"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}]}
    paths = [folder / f"{name}.json", folder / f"{name}.catalog.json"]
    for path, content in zip(paths, (config, catalog), strict=True):
        path.write_text(json.dumps(content))
    return ["--config", str(paths[0]), "--catalog", str(paths[1])]


def _csv(seed: int, size_bytes: int) -> bytes:
    """Whole rows of five columns, about so many bytes."""
    rng = random.Random(seed)
    rows = [
        f"{n},name-{n % 977},{rng.random():.6f},2026-01-{n % 28 + 1:02},{'x' * (n % 40)}\n"
        for n in range(min(20_000, size_bytes // 40))
    ]
    block = "".join(rows)
    body = (block * (size_bytes // len(block) + 1))[:size_bytes]
    return b"id,name,value,day,note\n" + body[: body.rindex("\n") + 1].encode()


def _arguments() -> Arguments:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peer-runs", type=int, default=1)
    parser.add_argument("--only", default="small,listing,large,memory")
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--megabytes", type=int, default=500)
    given = parser.parse_args()
    return Arguments(
        given.peer,
        given.runs,
        given.peer_runs,
        tuple(given.only.split(",")),
        given.objects,
        given.keys,
        given.megabytes,
    )


if __name__ == "__main__":
    sys.exit(main())
