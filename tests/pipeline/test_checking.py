"""The steps of a check on real folders, and how much it asks of a store that is endless, empty or forbidden."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import IO

import pytest

from file_cdk.core.connector import Connector
from file_cdk.core.errors import AccessError, DestinationError, FileCdkError, TransientError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import StreamReader
from file_cdk.pipeline.checking import MAX_LISTED, MAX_MATCHES, StreamCheck, check_destination
from file_cdk.pipeline.execution import Executors
from file_cdk.pipeline.sources import connector_for, streams_of
from file_cdk.pipeline.stream import Stream
from file_cdk.readers.archives.reader import ArchiveReader
from file_cdk.readers.objects import ObjectReader, Page
from file_cdk.readers.retries import HASTY, RetryPolicy

START = datetime(2024, 1, 1, tzinfo=UTC)
Outcome = tuple[str, FileCdkError | None]


def source_of(path: Path | str) -> Stream:
    [source] = streams_of(str(path), None, None)
    return source


def checked(source: Stream) -> tuple[StreamCheck, list[Outcome]]:
    check = StreamCheck(source)
    executors = Executors(0)
    outcomes = [(step.name, step.error) for step in check.steps(executors)]
    executors.close()
    return check, outcomes


def passed(outcomes: list[Outcome]) -> list[str]:
    assert [error for _, error in outcomes if error is not None] == []
    return [name for name, _ in outcomes]


@dataclass(frozen=True)
class Bucket:
    """Files made up as they are listed; all have the same content."""

    uris: Callable[[], Iterator[str]]
    content: bytes = b"id\n1\n"

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        return (RemoteFile(uri, len(self.content), START) for uri in self.uris())

    def open(self, file: RemoteFile) -> IO[bytes]:
        return BytesIO(self.content)


def in_bucket(folder: Path, reader: StreamReader) -> Stream:
    return replace(source_of(f"{folder}/*.csv"), reader=reader)


def test_one_file_is_read_the_last_modified_that_is_not_empty(tmp_path: Path) -> None:
    for name, text in (("a.csv", "id\n1\n"), ("b.csv", "id;name\n1;x\n2;y\n"), ("c.csv", ""), ("d.txt", "?")):
        (tmp_path / name).write_text(text)
    check, outcomes = checked(source_of(tmp_path))
    assert passed(outcomes) == ["reach", "list", "open", "read"]
    assert check.file is not None
    assert (check.file.uri, check.format) == ("b.csv", "csv")
    assert check.columns == [("id", "int64"), ("name", "string")]
    assert check.note is not None
    assert check.note.startswith("read as CSV with delimiter ';'")
    assert (check.matched, check.size_bytes, check.complete) == (4, 22, True)
    assert dict(check.skipped) == {"unknown extension": 1}


def test_where_nothing_would_be_read_nothing_is_opened(tmp_path: Path) -> None:
    check, [reach, (name, error)] = checked(source_of(f"{tmp_path}/*.csv"))
    assert passed([reach]) == ["reach"]
    assert (name, type(error)) == ("list", AccessError)
    assert str(error).startswith("no file matches '*.csv'. Check that the files are there and that the patterns")
    assert (check.matched, check.complete, check.file) == (0, True, None)


def test_where_all_are_older_than_start_date_that_is_what_to_look_at(tmp_path: Path) -> None:
    source = in_bucket(tmp_path, Bucket(lambda: (f"{n}.csv" for n in range(MAX_MATCHES + 5))))
    later = source.source.replace(start_date="2024-01-02")
    check, [reach, (name, error)] = checked(replace(source, source=later))
    assert passed([reach]) == ["reach"]
    assert name == "list"
    assert str(error) == (
        "no file would be read: all 1,005 that match '*.csv' were modified before start_date, 2024-01-02. "
        "Set an earlier start_date, or check that newer files are where the patterns look"
    )
    assert (check.matched, check.complete) == (MAX_MATCHES + 5, True)
    earlier = source.source.replace(start_date="2024-01-01")
    assert passed(checked(replace(source, source=earlier))[1])[-1] == "read"


def test_where_no_file_has_a_known_extension_the_formats_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_text("id\n1\n")
    _, [reach, (name, error)] = checked(source_of(tmp_path))
    assert passed([reach]) == ["reach"]
    assert name == "list"
    assert str(error).startswith(
        "no file would be read of the 1 that match '**': 1 unknown extension. Say what they are with --format: "
    )


def test_a_store_that_is_not_there_is_tried_hastily(tmp_path: Path) -> None:
    """Also inside the reader that opens archives; other commands keep their patience."""

    @dataclass(frozen=True)
    class Absent:
        origin: str = "absent"

        def list_page(self, prefix: str, token: str | None) -> Page:
            raise TransientError("the connection failed: it was refused", retry_after_s=60)

        def get(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes]:
            raise AssertionError

    reader = ObjectReader(Absent())
    plain = source_of(f"{tmp_path}/*.csv")
    assert isinstance(plain.reader, ArchiveReader)
    for wrapped in (reader, replace(plain.reader, inner=reader)):
        source = replace(plain, reader=wrapped)
        check = StreamCheck(source)
        used = check.stream.reader
        inner = used.inner if isinstance(used, ArchiveReader) else used
        assert isinstance(inner, ObjectReader)
        assert inner.retries == HASTY
        assert source.reader is wrapped
    assert reader.retries == RetryPolicy()
    other = Bucket(lambda: iter([]))
    assert replace(plain, reader=other).hasty().reader is other


def test_no_more_is_listed_than_tells_something(tmp_path: Path) -> None:
    check, outcomes = checked(in_bucket(tmp_path, Bucket(lambda: (f"{n}.csv" for n in itertools.count()))))
    assert passed(outcomes)[-1] == "read"
    assert (check.listed, check.matched, check.complete) == (MAX_MATCHES, MAX_MATCHES, False)
    check, outcomes = checked(in_bucket(tmp_path, Bucket(lambda: (f"{n}.txt" for n in itertools.count()))))
    assert passed(outcomes) == ["reach", "list"]
    assert (check.listed, check.matched, check.complete) == (MAX_LISTED, 0, False)


def test_the_step_that_fails_is_the_last(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b",,\n")
    (tmp_path / "b.json").write_bytes(b'{"id": 1}\n')
    source = source_of(tmp_path)
    _, [*good, (name, error)] = checked(source)
    assert passed(good) == ["reach", "list", "open"]
    assert (name, type(error).__name__) == ("read", "SeveralFormatsError"), "each is a stream of its own"

    _, [*good, (name, error)] = checked(source_of(f"{tmp_path}/*.csv"))
    assert passed(good) == ["reach", "list", "open"]
    assert (name, type(error).__name__) == ("read", "MalformedFileError")

    @dataclass(frozen=True)
    class Gone(Bucket):
        def open(self, file: RemoteFile) -> IO[bytes]:
            raise PermissionError(13, "Permission denied")

    _, [*good, (name, error)] = checked(in_bucket(tmp_path, Gone(lambda: iter(["a.csv"]))))
    assert passed(good) == ["reach", "list"]
    assert (name, str(error)) == ("open", "the file cannot be read: Permission denied (file 'a.csv')")

    @dataclass(frozen=True)
    class Forbidden(Bucket):
        def list_files(self, prefix: str) -> Iterator[RemoteFile]:
            raise AccessError("forbidden", remedy="Ask for access")

    _, [(name, error)] = checked(in_bucket(tmp_path, Forbidden(lambda: iter([]))))
    assert (name, str(error)) == ("reach", "forbidden. Ask for access")


def test_credentials_are_named_where_a_connector_names_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    plain = source_of(tmp_path)
    check, outcomes = checked(plain)
    assert "credentials" not in passed(outcomes)

    check, outcomes = checked(replace(plain, connector=naming(lambda _: "anonymous")))
    assert passed(outcomes)[0] == "credentials"
    assert check.credential == "anonymous"

    def expired(_: object) -> str:
        raise AccessError("the profile 'dev' has no credentials")

    _, [(name, error)] = checked(replace(plain, connector=naming(expired)))
    assert (name, str(error)) == ("credentials", "the profile 'dev' has no credentials")


def naming(describe: Callable[[object], str]) -> Connector:
    from file_cdk.core.connector import Connector

    local = connector_for("file")
    assert isinstance(local, Connector)
    return replace(local, describe_credentials=describe)


def test_a_destination_is_tried_with_the_streams(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    source = source_of(tmp_path)
    assert check_destination(str(tmp_path / "new.duckdb"), [source]) is False
    assert not (tmp_path / "new.duckdb").exists()
    with pytest.raises(DestinationError, match="there is no folder"):
        check_destination(str(tmp_path / "no" / "new.duckdb"), [source])
