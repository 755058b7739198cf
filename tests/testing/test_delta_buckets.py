"""Delta tables in buckets: exact, and refused in words."""

import contextlib
import http.client
import os
from pathlib import Path

import pytest

from file_cdk import SyncOptions, sync
from file_cdk.core.errors import DestinationError, DestinationInUseError
from file_cdk.destinations.delta import DeltaDestination
from file_cdk.destinations.delta.place import Tables
from file_cdk.testing.servers.azurite import Azurite


@pytest.fixture(params=["s3_lake", "azure_lake"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def azure_listed_from_a_place_on(azure_lake: str, azurite: Azurite) -> str:
    """deltalake lists a log from a commit on, for which earlier versions of Azurite answer all of it."""
    connection = http.client.HTTPConnection("127.0.0.1", azurite.port)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        version = str(connection.getresponse().headers["Server"]).partition("/")[2]
    if tuple(map(int, version.split("."))) < (3, 37):
        pytest.skip(f"Azurite {version} refuses the third commit of a Delta table: npm install azurite@3.37")
    return azure_lake


@pytest.fixture(params=["s3_lake", "azure_listed_from_a_place_on"])
def url_of_a_log(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def loaded(folder: Path, url: str) -> int:
    """Rows, with a sync."""
    found = sync(str(folder), f"delta:{url}", SyncOptions(workers=0, settle_s=0))
    return sum(stream.rows for stream in found.streams)


def rows(url: str) -> list[tuple[object, ...]]:
    [status] = DeltaDestination(url).streams()
    table = Tables(url).opened(status.stream)
    assert table is not None
    return sorted((row["id"], row["item"]) for row in table.to_pyarrow_table().to_pylist())


def test_files_are_loaded_exactly_once(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "orders é"
    folder.mkdir()
    (folder / "a.csv").write_text("id,item\n1,apple\n2,pear\n")
    (folder / "b.csv").write_text("id,item\n3,quince\n")
    assert loaded(folder, url) == 3
    assert loaded(folder, url) == 0
    (folder / "b.csv").write_text("id,item\n3,quince\n4,plum\n")
    assert loaded(folder, url) == 2
    assert rows(url) == [(1, "apple"), (2, "pear"), (3, "quince"), (4, "plum")]
    assert DeltaDestination(url).mismatches() == []


def test_columns_are_added_and_types_get_wider(url_of_a_log: str, tmp_path: Path) -> None:
    url = url_of_a_log
    folder = tmp_path / "orders"
    folder.mkdir()
    (folder / "a.csv").write_text("id,item\n1,apple\n2,pear\n")
    (folder / "b.csv").write_text("id,item\n3,quince\n")
    assert loaded(folder, url) == 3
    (folder / "b.csv").write_text("id,item,price\n3,quince,1.5\n4,plum,2\n")
    assert loaded(folder, url) == 2
    (folder / "a.csv").write_text("id,item\nx,apple\n")
    assert loaded(folder, url) == 1
    assert rows(url) == [("3", "quince"), ("4", "plum"), ("x", "apple")]
    assert DeltaDestination(url).mismatches() == []


def test_a_second_run_is_told_of_the_first(s3_lake: str) -> None:
    first = DeltaDestination(s3_lake, run="the first")
    first.open()
    with pytest.raises(DestinationInUseError, match="run the first"):
        DeltaDestination(s3_lake).open()
    first.close()


def test_credentials_that_are_refused_are_told_without_secrets(s3_lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    with pytest.raises(DestinationError) as told:
        DeltaDestination(s3_lake).open()
    assert "wrong-secret" not in str(told.value)
    with pytest.raises(DestinationError, match="Delta table 's3://") as told:
        Tables(s3_lake).opened("t")
    assert "wrong-secret" not in str(told.value)


def test_credentials_may_be_in_a_profile(s3_lake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = tmp_path / "credentials"
    key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    profile.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profile))
    folder = tmp_path / "orders"
    folder.mkdir()
    (folder / "a.csv").write_text("id,item\n1,apple\n")
    assert loaded(folder, s3_lake) == 1
    assert rows(s3_lake) == [(1, "apple")]
