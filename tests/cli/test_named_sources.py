"""What a person may name as SOURCE, down to a member of an archive, and what is said where nothing can be loaded."""

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import warm

from file_cdk.cli import main
from file_cdk.formats import registry

PROGRAM = "import sys; from file_cdk.cli import main; sys.exit(main())"


@dataclass(frozen=True)
class Ran:
    code: int
    said: str
    tables: dict[str, list[tuple[Any, ...]]]
    """Table -> file and id of each row."""


Sync = Callable[..., Ran]


@pytest.fixture
def sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sync:
    """The command in this process, from within tmp_path."""
    monkeypatch.chdir(tmp_path)

    def run(source: str, *arguments: str) -> Ran:
        code = main(["sync", source, "--to", "out.duckdb", "--workers", "0", *arguments])
        return Ran(code, capsys.readouterr().err, loaded(tmp_path / "out.duckdb"))

    return run


def loaded(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    if not database.exists():
        return {}
    with duckdb.connect(str(database), read_only=True) as connection:
        names = [name for (name,) in connection.sql("select table_name from duckdb_tables()").fetchall()]
        tables = [name for name in names if not name.startswith("_file_cdk")]
        return {name: connection.sql(f'select _file_url, id from "{name}"').fetchall() for name in tables}


def put(path: Path, id: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"id\n{id}\n")
    return path


def test_a_named_link_to_a_file_elsewhere_is_followed(tmp_path: Path, sync: Sync) -> None:
    put(tmp_path / "far" / "b.csv", 1)
    put(tmp_path / "far" / "c.csv", 2)
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "latest.csv").symlink_to("../far/b.csv")
    (tmp_path / "near" / "latest.csv2").symlink_to("../far")
    assert sync("near/latest.csv").tables == {"latest": [("latest.csv", 1)]}
    (tmp_path / "near" / "latest.csv").unlink()
    (tmp_path / "near" / "latest.csv").symlink_to("../far/c.csv")
    os.utime(tmp_path / "far" / "c.csv", (1_700_000_000, 1_700_000_000))
    assert sync("near/latest.csv").tables == {"latest": [("latest.csv", 2)]}


def test_a_named_link_to_a_folder_names_the_table(tmp_path: Path, sync: Sync) -> None:
    put(tmp_path / "far" / "a.csv", 1)
    (tmp_path / "orders").symlink_to("far")
    assert sync("orders").tables == {"orders": [("a.csv", 1)]}
    assert sync("orders/*.csv", "--table", "again").tables["again"] == [("a.csv", 1)]


def test_links_below_a_folder_stay_left_out_and_the_option_is_named(tmp_path: Path, sync: Sync) -> None:
    put(tmp_path / "far" / "a.csv", 1)
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "a.csv").symlink_to("../far/a.csv")
    ran = sync("near")
    assert (ran.code, ran.tables) == (0, {})
    assert "leads out of the root (`follow_symlinks: true` allows it)" in ran.said


def test_a_named_file_of_no_known_extension(tmp_path: Path, sync: Sync) -> None:
    put(tmp_path / "in" / "notes.txt", 7)
    ran = sync("in/notes.txt")
    assert (ran.code, ran.tables) == (2, {})
    assert not (tmp_path / "out.duckdb").exists()
    assert ran.said.startswith("error: in/notes.txt has no known extension. Say what it is with --format")
    assert sync("in/notes.txt", "--format", "csv").tables == {"notes": [("notes.txt", 7)]}


def test_a_folder_of_nothing_but_unknown_extensions(tmp_path: Path, sync: Sync) -> None:
    for name in ("d", "a.txt", "c", "b.dat"):
        put(tmp_path / "in" / name, 1)
    ran = sync("in")
    assert (ran.code, ran.tables) == (0, {})
    hint = "warning: no file has a known extension: 'a.txt', 'b.dat', 'c', …. Say what they are with --format"
    assert ran.said.startswith(hint)
    put(tmp_path / "in" / "e.csv", 2)
    assert "known extension:" not in sync("in").said


@pytest.mark.parametrize("source", ["/dev/stdin", "/dev/null", "fifo"])
def test_what_is_no_file(tmp_path: Path, sync: Sync, source: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    ran = sync(source)
    assert ran.code == 2
    assert ran.said == f"error: {source} is no regular file. Save what it gives to a file, and name that\n"


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        ("", 2, "SOURCE is empty"),
        ("file:", 2, "SOURCE is empty"),
        ("nope.zip!*.csv", 3, "no such archive: nope.zip"),
        ("nope.zip!a.csv", 3, "no such archive: nope.zip"),
        ("nope/*.zip!a.csv", 3, "no such folder: nope"),
        ("nope/*.csv", 3, "no such folder: nope"),
        ("folder.zip!*.csv", 2, "folder.zip is no regular file"),
        ("loop.csv", 3, "'loop.csv' cannot be reached: Too many levels of symbolic links"),
        ("file:///a%00b", 2, "null character"),
        ("x" * 300, 3, "no such file or folder"),
    ],
)
def test_what_is_not_there(tmp_path: Path, sync: Sync, source: str, code: int, said: str) -> None:
    (tmp_path / "folder.zip").mkdir()
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    ran = sync(source)
    assert (ran.code, ran.tables) == (code, {})
    assert said in ran.said


@pytest.mark.parametrize("source", ["perm/1.csv", "perm/sub/1.csv", "perm/*.csv", "perm/all.yaml", "perm/a.zip!*.csv"])
def test_what_may_not_be_looked_at(tmp_path: Path, source: str) -> None:
    """As a user who may not enter the folder; root may, unless it gives up its capabilities."""
    put(tmp_path / "perm" / "sub" / "1.csv", 1)
    (tmp_path / "perm").chmod(0)
    without_rights = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []

    def run(source: str) -> tuple[int, str]:
        command = [*without_rights, sys.executable, "-c", PROGRAM, "sync", source, "--to", "out.duckdb"]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return ran.returncode, ran.stderr

    try:
        named, folder = run(source), run("perm")
    finally:
        (tmp_path / "perm").chmod(0o755)
    assert named == folder
    assert folder[0] == 3
    assert "perm' cannot be listed: Permission denied. Let the user who runs this read and enter" in folder[1]


MEMBERS = {"2024/x.csv": 1, "2024/deep/y.csv": 2, "2025/x.csv": 3, "a[1].csv": 4, "{b,c}.csv": 5, "notes": 6}


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    (tmp_path / "zips").mkdir()
    for name, id in MEMBERS.items():
        put(tmp_path / "members" / name, id)
    with zipfile.ZipFile(tmp_path / "zips" / "all.zip", "w") as archive:
        for name in MEMBERS:
            archive.write(tmp_path / "members" / name, name)
    with tarfile.open(tmp_path / "zips" / "all.tar.gz", "w:gz") as tar:
        for name in MEMBERS:
            tar.add(tmp_path / "members" / name, name)
    return tmp_path


@pytest.mark.parametrize(
    ("inner", "table", "ids"),
    [
        ("2024/*", "2024", {1}),
        ("2024/**", "2024", {1, 2}),
        ("2024", "2024", {1, 2}),
        ("2024/", "2024", {1, 2}),
        ("2024/deep/y.csv", "y", {2}),
        ("a[1].csv", None, {4}),
        ("{b,c}.csv", None, {5}),
        ("**/x.csv", None, {1, 3}),
        ("*.csv", None, {4, 5}),
        ("2023", "2023", set()),
    ],
)
def test_inside_an_archive(archives: Path, sync: Sync, inner: str, table: str | None, ids: set[int]) -> None:
    ran = sync(f"zips/all.zip!{inner}")
    assert ran.code == 0, ran.said
    expected = [(f"all.zip!{name}", id) for name, id in MEMBERS.items() if id in ids]
    assert {name: sorted(rows) for name, rows in ran.tables.items()} == (
        {table or "all": sorted(expected)} if ids else {}
    )


def test_inside_a_compressed_tar(archives: Path) -> None:
    # In a process of its own: what a tar is unpacked to is kept as long as the process.
    command = ["file-cdk", "sync", "zips/all.tar.gz!2024/x.csv", "--to", "out.duckdb", "-q"]
    assert warm.captured(*command, cwd=archives).returncode == 0
    assert loaded(archives / "out.duckdb") == {"x": [("all.tar.gz!2024/x.csv", 1)]}


def test_a_file_as_the_table_names_it_can_be_named(archives: Path, sync: Sync) -> None:
    """Every `_file_url` of a sync of the folder, given as SOURCE, is that one file."""
    whole = sync("zips/**/*.zip!**/*.csv", "--table", "all").tables["all"]
    assert sorted(id for _, id in whole) == [1, 2, 3, 4, 5]
    for number, (url, id) in enumerate(whole):
        assert sync(f"zips/{url}", "--table", f"t{number}").tables[f"t{number}"] == [(url, id)]


def test_a_literal_folder_in_several_archives(archives: Path, sync: Sync) -> None:
    assert sorted(sync("zips/*.zip!2024").tables["zips"]) == [("all.zip!2024/deep/y.csv", 2), ("all.zip!2024/x.csv", 1)]


def test_a_link_to_an_archive(archives: Path, sync: Sync) -> None:
    (archives / "links").mkdir()
    (archives / "links" / "latest.zip").symlink_to("../zips/all.zip")
    assert sync("links/latest.zip!2025/*").tables == {"2025": [("latest.zip!2025/x.csv", 3)]}


def test_several_formats_and_how_to_name_one(archives: Path, sync: Sync) -> None:
    with zipfile.ZipFile(archives / "zips" / "all.zip", "a") as archive:
        archive.writestr("more.jsonl", '{"id": 9}\n')
    assert sync("zips").tables.keys() >= {"zips_csv", "zips_jsonl"}
    assert sync("zips/**/*.zip!**/*.jsonl", "--table", "t").tables["t"] == [("all.zip!more.jsonl", 9)]


@pytest.mark.parametrize(
    ("name", "content"),
    [("ndjson", '{"id": 1}\n'), ("JSON", '{"id": 1}\n'), (".jsonl", '{"id": 1}\n'), ("tsv", "id\tx\n1\t2\n")],
)
def test_an_extension_stands_for_its_format(tmp_path: Path, sync: Sync, name: str, content: str) -> None:
    (tmp_path / "data").write_text(content)
    assert sync("data", "--format", name).tables == {"data": [("data", 1)]}


@pytest.mark.parametrize("name", ["gz", "txt", "doc"])
def test_an_extension_that_stands_for_none(sync: Sync, tmp_path: Path, name: str) -> None:
    put(tmp_path / "data", 1)
    ran = sync("data", "--format", name)
    assert ran.code == 2
    assert f"format '{name}' is not supported. Supported: csv, tsv, jsonl, parquet, avro, excel" in ran.said


@pytest.fixture
def broken_plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package whose format cannot be imported."""
    info = tmp_path / "site" / "pairs-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pairs\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[file_cdk.formats]\npairs = no_such_module:PairsFormat\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    registry.forget_installed()
    yield
    registry.forget_installed()


@pytest.mark.usefixtures("broken_plug_in")
def test_a_format_that_cannot_be_imported_ends_no_sync_of_others(tmp_path: Path, sync: Sync) -> None:
    put(tmp_path / "data" / "a.csv", 1)
    (tmp_path / "data" / "b.pairs").write_text("id=2\n")
    ran = sync("data")
    assert (ran.code, ran.tables) == (0, {"data": [("a.csv", 1)]})
    assert ran.said.count("warning: format 'pairs' cannot be loaded from 'no_such_module:PairsFormat'") == 1
    assert "skipped: 1 unknown extension" in ran.said
    assert sync("data", "--format", "pairs").code == 2


def test_failures_of_several_streams_name_theirs(tmp_path: Path, sync: Sync) -> None:
    for name in ("a", "b"):
        put(tmp_path / name / "1.csv", 1)
        (tmp_path / name / "2.csv").write_bytes(b",,\n")
    streams = [f"- {{name: {name}, globs: ['{name}/*'], format: {{filetype: csv}}}}" for name in ("b", "a")]
    (tmp_path / "all.yaml").write_text("path: .\nstreams:\n" + "\n".join(streams) + "\n")
    ran = sync("all.yaml")
    assert ran.code == 5
    errors = [line for line in ran.said.splitlines() if line.startswith("error: ")]
    assert [line.partition(": ")[2].partition(": ")[0] for line in errors] == ["b", "a"]
    assert ["b/2.csv" in errors[0], "a/2.csv" in errors[1]] == [True, True]


def test_an_input_schema_may_be_a_mapping(tmp_path: Path, sync: Sync) -> None:
    put(tmp_path / "in" / "1.csv", 1)
    text = "path: in\nstreams:\n- {name: t, input_schema: {id: string}, format: {filetype: csv}}\n"
    (tmp_path / "t.yaml").write_text(text)
    assert sync("t.yaml").tables == {"t": [("1.csv", "1")]}
    (tmp_path / "t.yaml").write_text(text.replace("string", "text"))
    ran = sync("t.yaml")
    assert ran.code == 2
    assert "input_schema: type of column 'id' must be one of" in ran.said
