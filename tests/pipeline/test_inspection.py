"""What would be read and what skipped, against what a sync then does."""

import itertools
import os
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import pytest

from file_cdk import sync
from file_cdk.core.errors import AccessError, ConfigError
from file_cdk.core.files import RemoteFile
from file_cdk.pipeline.inspection import Inspection, InspectionOptions, Order, inspections_of

START = datetime(2024, 1, 1, tzinfo=UTC)


def put(folder: Path, *names: str, text: str = "id\n1\n") -> None:
    """Files that are a minute apart, the first the oldest."""
    for minute, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        at = (START + timedelta(minutes=minute)).timestamp()
        os.utime(path, (at, at))


def listed(source: Path | str, options: InspectionOptions | None = None) -> list[tuple[str, str | None, str | None]]:
    """uri, format and reason of every file."""
    [inspection] = inspections_of(str(source), options or InspectionOptions())
    return [(each.file.uri, each.format, each.reason) for each in inspection.files(lambda _: None)]


def test_files_come_in_the_order_of_a_sync(tmp_path: Path) -> None:
    put(tmp_path, "z.csv", "m.tsv.gz", "notes.txt", "a.csv")
    assert listed(tmp_path) == [
        ("z.csv", "csv", None),
        ("m.tsv.gz", "tsv", None),
        ("notes.txt", None, "unknown extension"),
        ("a.csv", "csv", None),
    ]
    by_uri = InspectionOptions(order=Order.URI, filetype="csv")
    assert listed(tmp_path, by_uri) == [(name, "csv", None) for name in ("a.csv", "m.tsv.gz", "notes.txt", "z.csv")]


def test_each_file_has_the_first_reason_that_a_sync_counts(tmp_path: Path) -> None:
    put(tmp_path / "in", "old.csv", "b.csv", "c.csv", "d.csv")
    config = tmp_path / "in.yaml"
    config.write_text(
        f"path: {tmp_path / 'in'}\nstart_date: '2024-01-01T00:01:00Z'\n"
        "streams:\n- {name: x, globs: ['*.csv', '!d*'], format: {filetype: csv}}\n"
    )
    database = tmp_path / "x.duckdb"
    sync(config, database)
    put(tmp_path / "in", "later.csv")
    os.utime(tmp_path / "in" / "later.csv")
    options = InspectionOptions(destination=str(database), everything=True)
    found = listed(config, options)
    assert found == [
        ("old.csv", "csv", "modified before start_date"),
        ("b.csv", "csv", "already loaded"),
        ("c.csv", "csv", "already loaded"),
        ("d.csv", "csv", "no pattern matches"),
        ("later.csv", "csv", None),
    ]
    assert [uri for uri, _, _ in listed(config, replace(options, everything=False))] == [
        "old.csv", "b.csv", "c.csv", "later.csv",
    ]  # fmt: skip
    [result] = sync(config, database).streams
    assert (result.files_read, dict(result.skipped)) == (1, {"modified before start_date": 1, "already loaded": 2})


def test_everything_is_what_lies_below_the_listing_prefixes(tmp_path: Path) -> None:
    put(tmp_path, "in/2024/a.csv", "in/2024/a.json", "in/2023/b.csv", ".hidden.csv")
    options = InspectionOptions(everything=True, order=Order.URI)
    assert listed(f"{tmp_path}/in/2024/*.csv", options) == [
        ("a.csv", "csv", None),
        ("a.json", "jsonl", "no pattern matches"),
    ]
    assert (".hidden.csv", "csv", "no pattern matches") in listed(tmp_path, options)


def test_members_of_archives_are_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for name in ("b.csv", "a.csv", "readme.md", "deep/c.csv"):
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), "id\n1\n")
    put(tmp_path, "other.zip", text="no archive")
    assert listed(f"{tmp_path}/in.zip!*.csv") == [("in.zip!a.csv", "csv", None), ("in.zip!b.csv", "csv", None)]
    assert listed(f"{tmp_path}/in.zip!*.csv", InspectionOptions(everything=True)) == [
        ("in.zip!a.csv", "csv", None),
        ("in.zip!b.csv", "csv", None),
        ("in.zip!deep/c.csv", "csv", "no pattern matches"),
        ("in.zip!readme.md", None, "no pattern matches"),
    ]
    assert ("other.zip", None, None) in listed(tmp_path), "a sync says what is wrong with it"


def test_counts_and_warnings(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "b.json", "c.txt")
    [inspection] = inspections_of(str(tmp_path), InspectionOptions())
    assert len(list(inspection.files(lambda _: None))) == 3
    assert (inspection.files_read, inspection.size_bytes) == (2, 10)
    assert dict(inspection.skipped) == {"unknown extension": 1}
    [warning] = inspection.warnings()
    assert warning.startswith("a sync would make several tables: the files are of several formats: csv, jsonl")


@pytest.mark.parametrize(
    ("pattern", "warning"), [("*.txt", "no file has a known extension. Say what"), ("*.csv", "no file matches '*.csv'")]
)
def test_when_nothing_would_be_read_that_is_said(tmp_path: Path, pattern: str, warning: str) -> None:
    put(tmp_path, "c.txt", "d.txt")
    [inspection] = inspections_of(f"{tmp_path}/{pattern}", InspectionOptions())
    list(inspection.files(lambda _: None))
    assert [each.partition(" they")[0] for each in inspection.warnings()] == [warning]


def test_what_is_not_there_and_whom_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(AccessError):
        inspections_of(str(tmp_path / "nope"), InspectionOptions())
    put(tmp_path, "a.csv")
    with pytest.raises(ConfigError, match="no destination is installed for 'nowhere:' URLs"):
        inspections_of(str(tmp_path), InspectionOptions(destination="nowhere://ada:s3cret@host"))


@dataclass(frozen=True)
class Endless:
    """A bucket whose listing never ends."""

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        return (RemoteFile(f"{number:09}.csv", 1, START) for number in itertools.count())

    def open(self, file: RemoteFile) -> IO[bytes]:
        raise NotImplementedError


def test_unsorted_files_come_as_they_are_listed(tmp_path: Path) -> None:
    put(tmp_path, "a.csv")
    [inspection] = inspections_of(str(tmp_path), InspectionOptions(order=Order.NONE))
    inspection = Inspection(replace(inspection.stream, reader=Endless()), inspection.options)
    seen = 0

    def count(_: RemoteFile) -> None:
        nonlocal seen
        seen += 1

    with closing(inspection.files(count)) as files:
        first = [each.file.uri for each in itertools.islice(files, 3)]
    assert first == ["000000000.csv", "000000001.csv", "000000002.csv"]
    assert seen <= 1000, "no more than are decided at once"
