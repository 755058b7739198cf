"""Entries of files that failed are dropped from the ledger once the files are gone, and not before."""

import zipfile
from pathlib import Path

import duckdb
import pytest

from file_cdk import SyncOptions, sync
from file_cdk.core.errors import AccessError
from file_cdk.destinations.duckdb.table import DuckDBTable
from file_cdk.readers.local import LocalReader

GOOD, BAD = "id\n1\n", 'id\n1\n"open\n'


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("orders").mkdir()
    Path("orders/good.csv").write_text(GOOD)


def load(source: str = "orders") -> None:
    sync(source, "shop.duckdb", SyncOptions(stream="orders", workers=0))


def entries() -> list[str]:
    with duckdb.connect("shop.duckdb", read_only=True) as connection:
        rows = connection.execute("SELECT url, status FROM _file_cdk_files ORDER BY ALL").fetchall()
    return [f"{url} {status}" for url, status in rows]


def rejects() -> list[str]:
    with duckdb.connect("shop.duckdb", read_only=True) as connection:
        return [url for (url,) in connection.execute("SELECT url FROM _file_cdk_rejects ORDER BY url").fetchall()]


def test_a_failed_file_that_vanished_is_dropped() -> None:
    Path("orders/bad.csv").write_text(BAD)
    load()
    load()
    assert entries() == ["bad.csv failed", "good.csv loaded"]
    Path("orders/bad.csv").unlink()
    load()
    assert entries() == ["good.csv loaded"]


def test_rows_of_an_older_version_and_its_entry_stay() -> None:
    Path("orders/bad.csv").write_text(GOOD)
    load()
    Path("orders/bad.csv").write_text(BAD)
    load()
    assert entries() == ["bad.csv failed", "bad.csv loaded", "good.csv loaded"]
    Path("orders/bad.csv").unlink()
    load()
    assert entries() == ["bad.csv loaded", "good.csv loaded"]


def test_rejects_of_a_failure_go_with_it() -> None:
    Path("orders/bad.csv").write_text("id,n\n1,2\n1,2,3\n")
    Path("orders/good.csv").unlink()
    load()
    assert (entries(), rejects()) == (["bad.csv failed"], ["bad.csv"])
    Path("orders/bad.csv").unlink()
    Path("orders/good.csv").write_text(GOOD)
    load()
    assert (entries(), rejects()) == (["good.csv loaded"], [])


def test_what_the_patterns_of_this_sync_do_not_list_stays() -> None:
    Path("orders/bad.csv").write_text(BAD)
    Path("orders/bad.tsv").write_text(BAD)
    load("orders/*.csv")
    load("orders/*.tsv")
    Path("orders/bad.csv").unlink()
    Path("orders/bad.tsv").unlink()
    load("orders/*.csv")
    assert entries() == ["bad.tsv failed", "good.csv loaded"]


def test_files_that_are_there_stay_whatever_skips_them() -> None:
    Path("orders/bad.csv").write_text(BAD)
    load()
    Path("later.yaml").write_text(
        "path: orders\nstart_date: '2999-01-01'\nstreams: [{name: orders, globs: ['**'], format: {filetype: csv}}]\n"
    )
    sync("later.yaml", "shop.duckdb", SyncOptions(workers=0))
    assert entries() == ["bad.csv failed", "good.csv loaded"]


def test_a_listing_that_fails_drops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("orders/bad.csv").write_text(BAD)
    load()
    Path("orders/bad.csv").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(LocalReader, "list_files", _forbidden)
        with pytest.raises(AccessError):
            load()
    assert entries() == ["bad.csv failed", "good.csv loaded"]


def _forbidden(self: LocalReader, prefix: str) -> list[object]:
    raise AccessError("forbidden")


def test_members_of_an_archive_that_cannot_be_listed_stay() -> None:
    with zipfile.ZipFile("orders/a.zip", "w") as archive:
        archive.writestr("bad.csv", BAD)
    load()
    assert entries() == ["a.zip!bad.csv failed", "good.csv loaded"]
    whole = Path("orders/a.zip").read_bytes()
    Path("orders/a.zip").write_bytes(whole[:-30])
    load()
    assert entries() == ["a.zip failed", "a.zip!bad.csv failed", "good.csv loaded"]
    Path("orders/a.zip").write_bytes(whole)
    load()
    assert entries() == ["a.zip!bad.csv failed", "good.csv loaded"], "it is no file of its own any more"
    Path("orders/a.zip").unlink()
    load()
    assert entries() == ["good.csv loaded"]


def test_no_more_is_held_than_so_many_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def failed(_: DuckDBTable, limit: int) -> list[str]:
        asked.append(limit)
        return []

    monkeypatch.setattr(DuckDBTable, "failed", failed)
    load()
    assert asked == [10_000]
