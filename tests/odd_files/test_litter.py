"""Files that other programs leave beside the data: passed over, counted, and read where a pattern names them."""

import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from source_local.source import connector

from file_cdk import RemoteFile, SyncOptions, SyncResult, sync
from file_cdk.engine.listing import select
from file_cdk.pipeline.discovery import discover
from file_cdk.pipeline.inspection import InspectionOptions, inspections_of
from file_cdk.pipeline.read import read_streams
from file_cdk.pipeline.recognition import Recognised
from file_cdk.pipeline.stream import no_litter
from file_cdk.readers.globbing import GlobPatterns
from file_cdk.readers.litter import litter_in, may_have_litter

LITTER = {
    "~$book.csv": "the lock of a document that somebody has open",
    "deep/~$Report 2024.csv": "the lock of a document that somebody has open",
    "Thumbs.db": "kept by a system for itself",
    "deep/desktop.ini": "kept by a system for itself",
    "__MACOSX/jan.csv": "kept by a system for itself",
    "_SUCCESS": "the mark of a job, without data",
    "_committed_4617": "the mark of a job, without data",
    "_temporary/0/part.csv": "the unfinished output of a job",
    "deep/_metadata": "a summary of other files",
    "jan.csv.crc": "the checksum of another file",
}
HIDDEN = ("._jan.csv", "deep/._jan.csv", ".DS_Store", ".~lock.book.csv#", ".hidden/jan.csv", ".jan.csv.crc")
"""Names that begin with a dot, which wildcards do not match."""
GOOD = {"jan.csv": b"id,name\n1,a\n", "deep/_committed_orders.csv": b"id,name\n2,b\n"}
BAD = b'id,name\n"\0\5\26\7' * 9


def in_folder(files: dict[str, bytes], root: Path) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def in_zip(files: dict[str, bytes], root: Path) -> Path:
    with zipfile.ZipFile(root / "all.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return root / "all.zip"


def in_tar(files: dict[str, bytes], root: Path) -> Path:
    with tarfile.open(root / "all.tgz", "w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return root / "all.tgz"


Place = Callable[[dict[str, bytes], Path], Path]
PLACES = pytest.mark.parametrize("place", [in_folder, in_zip, in_tar])
ALL = GOOD | dict.fromkeys([*LITTER, *HIDDEN], BAD)


def skipped_reasons(names: Any) -> dict[str, int]:
    reasons = [LITTER[name] for name in names]
    return {reason: reasons.count(reason) for reason in reasons}


def loaded(source: str | Path, database: Path, **options: Any) -> tuple[SyncResult, list[Any]]:
    result = sync(source, database, SyncOptions(workers=0, stream="t", **options))
    with duckdb.connect(str(database)) as connection:
        return result, connection.execute("select id, name from t order by id").fetchall()


@PLACES
def test_a_sync_passes_litter_over_and_counts_it(place: Place, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    result, rows = loaded(place(ALL, tmp_path / "source"), tmp_path / "x.duckdb")
    assert rows == [(1, "a"), (2, "b")]
    (stream,) = result.streams
    assert (stream.files_read, stream.files_failed) == (2, 0)
    assert stream.skipped == skipped_reasons(LITTER)


@PLACES
def test_ls_shows_litter_with_its_reason(place: Place, tmp_path: Path) -> None:
    (inspection,) = inspections_of(str(place(ALL, tmp_path)), InspectionOptions())
    reasons = {file.file.uri.rpartition("!")[2]: file.reason for file in inspection.files(lambda _: None)}
    assert reasons == LITTER | dict.fromkeys(GOOD)


@PLACES
def test_a_connector_passes_litter_over(place: Place, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    place(ALL, tmp_path / "source")
    config = {
        "path": str(tmp_path / "source"),
        "streams": [{"name": "t", "globs": ["**"], "format": {"filetype": "csv"}}],
    }
    (catalog,) = [found["catalog"] for found in map(json.loads, discover(connector, config)) if "catalog" in found]
    assert list(catalog["streams"][0]["json_schema"]["properties"])[2:] == ["id", "name"]
    chosen = {"stream": catalog["streams"][0], "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
    with (tmp_path / "out").open("w+b") as out:
        assert read_streams(connector, config, {"streams": [chosen]}, None, out.fileno(), 0) == 0
        out.seek(0)
        sent = [json.loads(line) for line in out]
    assert sorted(message["record"]["data"]["id"] for message in sent if message["type"] == "RECORD") == ["1", "2"]
    (told,) = [m["log"]["message"] for m in sent if m["type"] == "LOG" and "to read" in m["log"]["message"]]
    for reason, count in skipped_reasons(LITTER).items():
        assert f"{count} skipped: {reason}" in told


@pytest.mark.parametrize("glob", ["~$*.csv", "**/~$*", "~$a.csv", "{jan,~$a}.csv"])
def test_a_pattern_that_names_litter_reads_it(glob: str, tmp_path: Path) -> None:
    in_folder({"~$a.csv": b"id,name\n7,x\n"}, tmp_path / "source")
    result, rows = loaded(f"{tmp_path}/source/{glob}", tmp_path / "x.duckdb", filetype="csv")
    assert rows == [(7, "x")]
    assert result.streams[0].skipped == {}


@pytest.mark.parametrize(
    ("glob", "names"),
    [
        ("all.zip!__MACOSX/*.csv", ["__MACOSX/jan.csv"]),
        ("all.zip!**/.hidden/*", [".hidden/jan.csv"]),
        ("all.zip!.*", [".DS_Store", "._jan.csv", ".~lock.book.csv#"]),
        ("all.zip", sorted(GOOD)),
        ("*.zip!**", sorted(GOOD)),
        ("all.zip!deep", []),
    ],
)
def test_patterns_of_members_match_as_those_of_files_do(glob: str, names: list[str], tmp_path: Path) -> None:
    in_zip(ALL, tmp_path)
    (inspection,) = inspections_of(f"{tmp_path}/{glob}", InspectionOptions(filetype="csv"))
    read = [file.file.uri for file in inspection.files(lambda _: None) if file.reason is None]
    assert sorted(uri.partition("!")[2] for uri in read) == names or glob.endswith("deep")


@pytest.mark.parametrize(
    "uri",
    ["a~$b.csv", "my_SUCCESS", "_SUCCESS.csv", "_committed_orders", "x_temporary/a.csv", "crc", "a.crc.csv", "thumbs.db.csv",
     "_metadata/a.csv", "__MACOSX", "MACOSX/a.csv", "~a.csv", "~$"],
)  # fmt: skip
def test_what_is_only_called_alike_is_no_litter(uri: str) -> None:
    assert litter_in(uri) is None


@pytest.mark.parametrize("uri", LITTER)
def test_litter_is_met_among_many_files(uri: str) -> None:
    files = [f"2024/{number:03}.csv" for number in range(100)]
    assert not may_have_litter(files)
    assert may_have_litter([*files, uri.upper(), *files])


def test_members_whose_names_lead_out_are_no_hidden_ones(tmp_path: Path) -> None:
    in_zip({"../jan.csv": b"id,name\n1,a\n", "./feb.csv": b"id,name\n2,b\n", "/mar.csv": b"id,name\n3,c\n"}, tmp_path)
    assert loaded(tmp_path / "all.zip", tmp_path / "x.duckdb")[1] == [(1, "a"), (2, "b"), (3, "c")]
    assert not os.path.lexists(tmp_path.parent / "jan.csv")


@pytest.mark.parametrize(
    ("names", "warned"),
    [
        (["a.log", "~$b.xlsx", "c.csv"], False),
        (["a.log", "b.log", "~$c.xlsx", "d.log"], True),
        (["a.log", "b.log"], True),
        (["~$a.xlsx"], False),
        ([], False),
    ],
)
def test_that_no_file_has_a_known_extension_is_said_of_a_whole_listing(
    caplog: pytest.LogCaptureFixture, names: list[str], warned: bool
) -> None:
    files = [RemoteFile(name, 1, datetime(2024, 1, 1, tzinfo=UTC)) for name in names]
    recognised = Recognised()
    select(iter(files), [no_litter(GlobPatterns(["**"])), recognised], chunk_files=2).close()
    assert not caplog.messages
    recognised.warn_if_none()
    assert [message.startswith("no file has a known extension: 'a.log'") for message in caplog.messages] == [
        True
    ] * warned
