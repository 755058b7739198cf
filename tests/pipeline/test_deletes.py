"""What becomes of loaded files that are gone from the source."""

import random
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_cdk import SyncOptions, sync
from file_cdk.core.errors import AccessError, ConfigError, DeletesRefusedError
from file_cdk.core.files import RemoteFile
from file_cdk.pipeline.rejects import MaxRejects
from file_cdk.pipeline.tables.deletes import _FEW, Listed, MaxDeletes, OnDelete, Uris
from file_cdk.pipeline.tables.report import StreamResult
from file_cdk.readers.globbing import GlobPatterns
from file_cdk.readers.local import LocalReader


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()


def write(*names: str) -> None:
    for name in names:
        Path("in", name).write_text(f"name\n{name}\n")


def unlink(*names: str) -> None:
    for name in names:
        Path("in", name).unlink()


def load(
    on_delete: OnDelete = "remove", limit: str | None = None, source: str = "in", **options: object
) -> StreamResult:
    deletes = MaxDeletes() if limit is None else MaxDeletes.parse(limit)
    chosen = SyncOptions(stream="t", workers=0, on_delete=on_delete, max_deletes=deletes, **options)  # type: ignore[arg-type]
    result = sync(source, "x.duckdb", chosen)
    assert len(result.failures) == result.streams[0].files_failed
    return result.streams[0]


def query(sql: str) -> list[str]:
    with duckdb.connect("x.duckdb", read_only=True) as connection:
        return [value for (value,) in connection.execute(sql).fetchall()]


def rows() -> list[str]:
    return query("SELECT name FROM t ORDER BY name")


def entries() -> list[str]:
    return query("SELECT url FROM _file_cdk_files ORDER BY url")


def test_by_default_they_are_kept_and_counted() -> None:
    write("a.csv", "b.csv")
    load()
    unlink("a.csv")
    result = load("keep")
    assert (result.gone, result.removed) == (1, 0)
    assert rows() == ["a.csv", "b.csv"]


def test_removed_with_rows_and_entry_and_loaded_again_when_they_come_back() -> None:
    write("a.csv", "b.csv")
    load()
    unlink("a.csv")
    result = load()
    assert (result.gone, result.removed) == (1, 1)
    assert rows() == entries() == ["b.csv"]
    write("a.csv")
    assert load().files_read == 1
    assert rows() == entries() == ["a.csv", "b.csv"]


def test_a_renamed_file_is_a_delete_and_an_add() -> None:
    write("a.csv", "b.csv")
    load()
    Path("in/a.csv").rename("in/c.csv")
    result = load()
    assert (result.files_read, result.removed) == (1, 1)
    assert rows() == ["a.csv", "b.csv"]
    assert entries() == ["b.csv", "c.csv"]


def test_rejected_records_go_with_their_file() -> None:
    write("b.csv")
    Path("in/a.csv").write_text("name,n\nx,1\ny,1,2\n")
    load(max_rejects=MaxRejects(1))
    assert query("SELECT url FROM _file_cdk_rejects") == ["a.csv"]
    unlink("a.csv")
    load()
    assert query("SELECT url FROM _file_cdk_rejects") == []


def test_files_without_rows_go_too() -> None:
    write("b.csv")
    Path("in/empty.csv").write_text("name\n")
    load()
    unlink("empty.csv")
    assert load().removed == 1
    assert entries() == ["b.csv"]


@pytest.mark.parametrize("limit", ["2", "20%"])
def test_none_is_removed_when_more_are_gone_than_may_be(limit: str) -> None:
    write(*(f"{n}.csv" for n in range(10)))
    load()
    unlink("0.csv", "1.csv", "2.csv")
    write("new.csv")
    options = SyncOptions(stream="t", workers=0, on_delete="remove", max_deletes=MaxDeletes.parse(limit))
    result = sync("in", "x.duckdb", options)
    [failure] = result.failures
    assert isinstance(failure, DeletesRefusedError)
    assert (failure.gone, result.streams[0].gone, result.streams[0].removed) == (3, 3, 0)
    assert f"3 of 10 loaded files are gone from the source, more than --max-deletes {limit}" in str(failure)
    assert "--max-deletes 3" in str(failure)
    assert len(rows()) == 11, "what is new is loaded all the same"
    assert load(limit="3").removed == 3


def test_without_a_limit_ten_or_a_fifth_may_be_removed() -> None:
    write(*(f"{n:02}.csv" for n in range(60)))
    load()
    unlink(*(f"{n:02}.csv" for n in range(12)))
    assert load().removed == 12
    unlink(*(f"{n:02}.csv" for n in range(12, 23)))
    assert load().removed == 0, "11 of 48 are more than a fifth and more than ten"
    write("12.csv")
    assert load().removed == 10


def test_an_empty_listing_removes_nothing() -> None:
    write("a.csv")
    load()
    unlink("a.csv")
    result = load(limit="100%")
    assert (result.gone, result.removed, result.files_failed) == (1, 0, 1)
    assert rows() == ["a.csv"]


def test_a_listing_that_fails_removes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    write("a.csv", "b.csv")
    load()
    unlink("a.csv")

    with monkeypatch.context() as patched:
        listed = list(LocalReader("in").list_files(""))
        patched.setattr(LocalReader, "list_files", lambda self, prefix: _failing(listed))
        with pytest.raises(AccessError):
            load()
    assert rows() == ["a.csv", "b.csv"]


def _failing(files: list[RemoteFile]) -> Iterator[RemoteFile]:
    yield from files
    raise AccessError("forbidden")


def test_what_the_patterns_or_start_date_leave_out_stays() -> None:
    write("a.csv", "b.tsv")
    load(source="in/*.csv")
    load(source="in/*.tsv")
    unlink("b.tsv")
    write("c.csv")
    assert load(source="in/*.csv").gone == 0
    Path("later.yaml").write_text(
        "path: in\nstart_date: '2999-01-01'\nstreams: [{name: t, globs: ['*.csv'], on_delete: remove, format: {filetype: csv}}]\n"
    )
    assert sync("later.yaml", "x.duckdb", SyncOptions(workers=0)).streams[0].gone == 0
    assert rows() == ["a.csv", "b.tsv", "c.csv"]


def test_a_stream_says_for_itself_what_becomes_of_them() -> None:
    write("a.csv", "b.csv")
    Path("x.yaml").write_text(
        "path: in\nstreams:\n"
        "- {name: t, globs: ['*.csv'], on_delete: remove, format: {filetype: csv}}\n"
        "- {name: u, globs: ['*.csv'], on_delete: keep, format: {filetype: csv}}\n"
    )
    sync("x.yaml", "x.duckdb", SyncOptions(workers=0))
    unlink("a.csv")
    first, second = sync("x.yaml", "x.duckdb", SyncOptions(workers=0)).streams
    assert (first.removed, second.gone, second.removed) == (1, 1, 0)
    first, second = sync("x.yaml", "x.duckdb", SyncOptions(workers=0, on_delete="remove")).streams
    assert (first.removed, second.gone, second.removed) == (0, 1, 1)


def test_members_of_an_archive_that_cannot_be_listed_stay_and_go_with_it() -> None:
    write("b.csv")
    with zipfile.ZipFile("in/a.zip", "w") as archive:
        archive.writestr("m.csv", "name\nm\n")
    load()
    whole = Path("in/a.zip").read_bytes()
    Path("in/a.zip").write_bytes(whole[:-30])
    result = sync("in", "x.duckdb", SyncOptions(stream="t", workers=0, on_delete="remove")).streams[0]
    assert result.gone == 0
    unlink("a.zip")
    assert load().removed == 1
    assert rows() == ["b.csv"]


def test_more_files_than_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("file_cdk.destinations.duckdb.session._PART_ROWS", 3)
    names = [f"{n:02}.csv" for n in range(20)]
    write(*names)
    load()
    gone = random.Random(1).sample(names, 9)
    unlink(*gone)
    assert load().removed == 9
    assert rows() == sorted(set(names) - set(gone))


@pytest.mark.parametrize("text", ["", "-1", "101%", "x", "1.5", "%"])
def test_a_limit_is_a_number_or_a_percentage(text: str) -> None:
    with pytest.raises(ConfigError, match="removed files"):
        MaxDeletes.parse(text)


AT = datetime(2024, 1, 1, tzinfo=UTC)
uris = st.sampled_from(["a", "b", "a/b", "a/b/é", "é", "a.zip", "a.zip!b", "a.zip!b/c", "a!b"])


@given(st.lists(st.lists(uris, max_size=5), max_size=4), st.lists(uris, max_size=20))
def test_what_is_listed_is_not_gone(chunks: list[list[str]], loaded: list[str]) -> None:
    listed, there = Listed(), {uri for chunk in chunks for uri in chunk}
    for chunk in chunks:
        assert listed.look([RemoteFile(uri, 1, AT) for uri in chunk]) == [None] * len(chunk)
    closed = "a.zip!" if "a.zip" in there else "\0"
    gone = [uri for uri in loaded if uri not in there and not uri.startswith(closed)]
    assert list(listed.gone(loaded, GlobPatterns(["**", "**!**"]))) == gone
    assert bool(listed) == bool(there)


@pytest.mark.parametrize("count", [0, 1, 1000, _FEW + 1])
def test_a_set_of_uris_has_what_was_added_and_nothing_else(count: int) -> None:
    uris = Uris()
    uris.update(f"folder/{number}" for number in range(count))
    assert len(uris) == count
    assert all(uris.has(f"folder/{number}") for number in range(count))
    assert not any(uris.has(f"other/{number}") for number in range(1000))
    uris.update(["one more"])
    assert uris.has("one more")
