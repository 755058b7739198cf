"""Folders of Parquet files in buckets of each kind: exact, locked by a lease, refused in words."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pyarrow.parquet as pq
import pytest
from google.cloud.storage.retry import DEFAULT_RETRY

from file_cdk import SyncOptions, sync
from file_cdk.core.errors import ConfigError, DestinationError, DestinationInUseError
from file_cdk.core.ports import TableName
from file_cdk.destinations.files.buckets import lease as module
from file_cdk.destinations.files.buckets.lease import VersionedStore
from file_cdk.destinations.files.destination import FilesDestination, storage_of
from file_cdk.destinations.files.manifest import latest
from file_cdk.destinations.registry import destination_for
from file_cdk.testing.landing import load_whole, version

T = TableName("orders")


@pytest.fixture(params=["s3_lake", "azure_lake", "gcs_lake"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def rows(url: str) -> list[tuple[object, ...]]:
    bucket = storage_of(url)
    found: list[tuple[object, ...]] = []
    for file in latest(bucket).tables["orders"]:
        with bucket.open(file.path) as data:
            found += [tuple(row.values()) for row in pq.read_table(data, columns=["id", "item"]).to_pylist()]
    return sorted(found)


def loaded(folder: Path, url: str) -> int:
    """Rows, with a sync."""
    return sum(stream.rows for stream in sync(str(folder), url, SyncOptions(workers=0, settle_s=0)).streams)


def test_files_are_loaded_exactly_once(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "orders"
    folder.mkdir()
    (folder / "a.csv").write_text("id,item\n1,apple\n2,pear\n")
    (folder / "b.csv").write_text("id,item\n3,quince\n")
    assert loaded(folder, url) == 3
    assert loaded(folder, url) == 0
    (folder / "b.csv").write_text("id,item\n3,quince\n4,plum\n")
    assert loaded(folder, url) == 2
    assert rows(url) == [(1, "apple"), (2, "pear"), (3, "quince"), (4, "plum")]
    destination = destination_for(url)
    assert isinstance(destination, FilesDestination)
    assert destination.mismatches() == []
    assert [(each.stream, each.files, each.rows) for each in destination.streams()] == [("orders", 2, 4)]


def test_a_second_run_is_told_of_the_first(url: str) -> None:
    first = FilesDestination(url, run="the first")
    first.open()
    with pytest.raises(DestinationInUseError, match="run the first"):
        FilesDestination(url).open()
    first.close()
    FilesDestination(url).check()
    assert [name for name in storage_of(url).listed() if "lock" in name] == []


def notice(system: str, pid: int) -> bytes:
    facts = {"run": "other", "program": "file-cdk", "pid": pid, "host": "elsewhere", "since": "2024", "system": system}
    return json.dumps(facts).encode()


def test_a_run_of_this_machine_that_died_holds_nobody_up(url: str) -> None:
    storage_of(url).put(module._LOCK, notice(module._system(), 2**22 + 1))
    destination = FilesDestination(url)
    destination.open()
    destination.close()


def test_a_run_of_another_machine_holds_it_until_its_lease_ends(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    storage_of(url).put(module._LOCK, notice("another boot", 1))
    with pytest.raises(DestinationInUseError, match="process 1 \\(file-cdk\\) on host 'elsewhere'"):
        FilesDestination(url).open()
    monkeypatch.setattr(module, "LEASE_S", -60.0)
    destination = FilesDestination(url)
    destination.open()
    destination.close()


def test_a_lease_is_renewed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEWED_EVERY_S", 0.05)
    bucket = storage_of(url)
    lease = bucket.hold("mine")
    before = bucket.listed("_file_cdk")[module._LOCK]
    deadline = datetime.now(UTC).timestamp() + 10
    while (now := bucket.listed("_file_cdk")[module._LOCK]) == before:
        assert datetime.now(UTC).timestamp() < deadline
    assert now > before
    lease.close()


def test_of_two_that_publish_the_second_is_refused(url: str) -> None:
    """Whose lease was taken, since it was not renewed: the network was away."""
    first = FilesDestination(url)
    first.open()
    load_whole(first, first.table(T), version("a"), [{"id": 1, "item": "x"}])
    first.table(T).flush()
    storage_of(url).remove([module._LOCK])
    second = FilesDestination(url)
    second.open()
    load_whole(second, second.table(T), version("b"), [{"id": 2, "item": "y"}])
    second.close()
    load_whole(first, first.table(T), version("c"), [{"id": 3, "item": "z"}])
    with pytest.raises(DestinationInUseError, match="another run has written"):
        first.table(T).flush()
    third = FilesDestination(url, run="the third")
    third.open()
    first.close()
    with pytest.raises(DestinationInUseError, match="run the third"):
        FilesDestination(url).open()
    third.close()
    assert rows(url) == [(1, "x"), (2, "y")]


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "az://", "gs://"])
def test_a_url_without_a_bucket_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="names no bucket"):
        destination_for(url)


def test_of_many_that_make_a_file_at_once_one_does(url: str) -> None:
    stores = [storage_of(url) for _ in range(8)]
    with ThreadPoolExecutor(len(stores)) as pool:
        made = list(pool.map(lambda number: stores[number].put_new("x", b"%d" % number), range(len(stores))))
    assert made.count(True) == 1
    assert stores[0].read("x") == b"%d" % made.index(True)


def test_a_file_is_written_over_in_the_version_that_was_found(url: str) -> None:
    store = cast(VersionedStore, storage_of(url))
    assert store.found("x") is None
    first = store.put_over("x", b"1", None)
    assert store.put_over("x", b"2", None) is None
    second = store.put_over("x", b"3", first)
    assert store.put_over("x", b"4", first) is None
    found = store.found("x")
    assert found is not None
    assert (found.data, found.version) == (b"3", second)


def test_what_is_not_there_is_told_as_that(url: str) -> None:
    store = storage_of(url)
    for read in (store.read, store.open):
        with pytest.raises(DestinationError) as told:
            read("nothing")
        assert isinstance(told.value.__cause__, FileNotFoundError)
    store.remove(["nothing"])
    assert store.listed() == {}


def test_google_s_credentials_are_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with pytest.raises(DestinationError, match="no credentials") as told:
        destination_for("gs://bucket/lake/")
    assert "gcloud auth" in (told.value.remedy or "")


def test_credentials_of_s3_are_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "missing"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "missing"))
    with pytest.raises(ConfigError, match="no credentials for 's3://bucket/'") as told:
        destination_for("s3://bucket/lake/")
    assert "AWS_PROFILE" in (told.value.remedy or "")


WRONG = base64.b64encode(b"wrong-secret").decode()


@pytest.mark.parametrize(
    ("lake", "variable"), [("s3_lake", "AWS_SECRET_ACCESS_KEY"), ("azure_lake", "AZURE_STORAGE_ACCOUNT_KEY")]
)
def test_a_bucket_that_refuses_is_told_without_secrets(
    lake: str, variable: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = str(request.getfixturevalue(lake))
    monkeypatch.setenv(variable, WRONG)
    with pytest.raises(DestinationError) as told:
        FilesDestination(url).open()
    assert WRONG not in str(told.value)
    assert url.rstrip("/") in told.value.message
    assert told.value.remedy


@pytest.mark.parametrize(
    ("scheme", "variables"),
    [
        (
            "s3",
            {
                "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
                "AWS_ACCESS_KEY_ID": "a",
                "AWS_SECRET_ACCESS_KEY": WRONG,
            },
        ),
        ("gs", {"STORAGE_EMULATOR_HOST": "http://127.0.0.1:9"}),
        (
            "az",
            {
                "AZURE_STORAGE_ENDPOINT": "http://127.0.0.1:9/account",
                "AZURE_STORAGE_ACCOUNT_NAME": "account",
                "AZURE_STORAGE_ACCOUNT_KEY": WRONG,
            },
        ),
    ],
)
def test_a_store_that_is_not_there_is_told_in_words(
    scheme: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("file_cdk.destinations.files.bucket._RETRIES", {"retry_timeout": timedelta(seconds=0.1)})
    monkeypatch.setattr("file_cdk.destinations.files.buckets.gcs._RETRY", DEFAULT_RETRY.with_timeout(0.1))
    with pytest.raises(DestinationError) as told:
        FilesDestination(f"{scheme}://bucket/lake/").open()
    assert WRONG not in str(told.value)
    assert f"{scheme}://bucket/lake" in told.value.message
    assert "RetryError" not in told.value.message
    assert told.value.remedy


def test_an_object_is_read_at_any_place(url: str) -> None:
    bucket = storage_of(url)
    data = bytes(range(256)) * 1000
    bucket.put("x", data)
    with bucket.open("x") as file:
        file.seek(-10, 2)
        assert file.read() == data[-10:]
        file.seek(100_000)
        assert file.read(10) == data[100_000:100_010]
        assert file.read() == data[100_010:]
