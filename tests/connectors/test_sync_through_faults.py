"""Whole syncs of a bucket through a proxy that breaks a tenth of all answers, and one that ends for good."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from file_cdk import SyncOptions, TransientError, sync
from file_cdk.readers.retries import RetryPolicy
from file_cdk.testing.fault_proxy import FaultProxy, Pauses
from file_cdk.testing.servers.seaweedfs import SeaweedFS

FILES = 100
QUICK = Pauses(stall_s=0.2, slow_start_s=0.1, trickle_s=0.1)
SEEDS = 50


@pytest.fixture(autouse=True)
def _waits_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of what they are, but in workers, which are processes of their own."""
    whole = RetryPolicy.wait

    def short(
        policy: RetryPolicy,
        error: TransientError,
        waits: Iterator[float],
        what: str,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        whole(policy, error, waits, what, lambda wait_s: pause(wait_s / 20))

    monkeypatch.setattr(RetryPolicy, "wait", short)


@pytest.fixture(scope="module")
def bucket(seaweedfs: SeaweedFS) -> str:
    seaweedfs.create_bucket("faults")
    seaweedfs.put_many("faults", ((f"{n % 7}/{n:03}.csv", _rows(n)) for n in range(FILES)))
    return "faults"


def _rows(number: int) -> bytes:
    return ("id,text\n" + "".join(f"{number * 100 + row},{'x' * (number % 50)}\n" for row in range(30))).encode()


EXPECTED = [number * 100 + row for number in range(FILES) for row in range(30)]


def _config(path: Path, server: SeaweedFS, endpoint: str, bucket: str) -> str:
    config = {
        "source": "s3",
        "bucket": bucket,
        "endpoint": endpoint,
        "region_name": "us-east-1",
        "aws_access_key_id": server.access_key,
        "aws_secret_access_key": server.secret_key,
        "streams": [{"name": "t", "globs": ["**/*.csv"], "format": {"filetype": "csv", "inference_type": "None"}}],
    }
    path.write_text(json.dumps(config))  # JSON is YAML
    return str(path)


def _ids(database: Path) -> list[int]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return sorted(int(row[0]) for row in connection.execute("select id from t").fetchall())


@pytest.fixture
def proxied(seaweedfs: SeaweedFS) -> tuple[SeaweedFS, str, int]:
    host, _, port = seaweedfs.endpoint.removeprefix("http://").partition(":")
    return seaweedfs, host, int(port)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_row_arrives_exactly_once(
    proxied: tuple[SeaweedFS, str, int], bucket: str, seed: int, tmp_path: Path
) -> None:
    server, host, port = proxied
    with FaultProxy(host, port, rate=0.1, seed=seed, pauses=QUICK, max_requests=5000) as proxy:
        config = _config(tmp_path / "s3.yaml", server, proxy.endpoint, bucket)
        result = sync(config, tmp_path / "x.duckdb", SyncOptions(workers=2 if seed % 10 == 0 else 0))
        assert result.failures == ()
        assert proxy.injected.total() > 0
    assert _ids(tmp_path / "x.duckdb") == EXPECTED


def test_a_server_that_dies_ends_the_sync_and_the_next_goes_on(
    proxied: tuple[SeaweedFS, str, int], bucket: str, tmp_path: Path
) -> None:
    server, host, port = proxied
    database = tmp_path / "x.duckdb"
    with FaultProxy(host, port, rate=0.0, max_requests=80) as proxy:
        config = _config(tmp_path / "s3.yaml", server, proxy.endpoint, bucket)
        before = set(threading.enumerate())
        with pytest.raises(TransientError, match="3 files in a row could not be reached"):
            sync(config, database, SyncOptions(workers=0))
        for thread in set(threading.enumerate()) - before:
            thread.join(10)
            assert not (thread.is_alive() and thread.name == "file_cdk-fetch")
        loaded = _ids(database)
        assert 0 < len(loaded) < len(EXPECTED)
        proxy.heal(max_requests=5000)
        assert sync(config, database).failures == ()
    assert _ids(database) == EXPECTED


def test_a_server_that_dies_within_a_full_refresh_leaves_the_table(
    proxied: tuple[SeaweedFS, str, int], bucket: str, tmp_path: Path
) -> None:
    server, host, port = proxied
    database = tmp_path / "x.duckdb"
    assert sync(_config(tmp_path / "s3.yaml", server, server.endpoint, bucket), database).failures == ()
    with FaultProxy(host, port, rate=0.0, max_requests=80) as proxy:
        config = _config(tmp_path / "s3.yaml", server, proxy.endpoint, bucket)
        with pytest.raises(TransientError, match="The table is as it was: refresh again when the store answers"):
            sync(config, database, SyncOptions(workers=0, full_refresh=True))
        assert _ids(database) == EXPECTED
        proxy._max_requests = 5000
        proxy.heal()
        assert sync(config, database, SyncOptions(full_refresh=True)).streams[0].files_read == FILES
    assert _ids(database) == EXPECTED
