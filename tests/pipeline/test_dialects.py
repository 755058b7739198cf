"""Which dialect a stream's files are read in: that of most of the latest, of which no more are looked at than it takes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_cdk.core.config import CsvConfig
from file_cdk.core.files import RemoteFile
from file_cdk.pipeline.dialects import MAX_FILES, format_of_files
from file_cdk.pipeline.sources import streams_of
from file_cdk.pipeline.stream import Stream

UNREADABLE = "-"


@dataclass
class Opening:
    """A reader that notes which files were opened."""

    inner: Any
    opened: list[str] = field(default_factory=list)

    def open(self, file: RemoteFile) -> IO[bytes]:
        self.opened.append(file.uri)
        found: IO[bytes] = self.inner.open(file)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stream, dict[str, RemoteFile]]:
    """A file of each delimiter, and one that says nothing."""
    folder = tmp_path_factory.mktemp("files")
    for name, delimiter in {"comma": ",", "semicolon": ";", "bar": "|"}.items():
        rows = [("id", "name", "day"), *((str(n), f"n{n}", "2024-02-29") for n in range(50))]
        (folder / f"{name}.csv").write_text("".join(delimiter.join(row) + "\n" for row in rows))
    (folder / "nothing.csv").write_text("")
    [stream] = streams_of(str(folder), None, None)
    found = {Path(file.uri).stem: file for file in stream.reader.list_files("")}
    return stream, {",": found["comma"], ";": found["semicolon"], "|": found["bar"], UNREADABLE: found["nothing"]}


def chosen(written: tuple[Stream, dict[str, RemoteFile]], delimiters: str) -> tuple[str | None, int]:
    """The delimiter, and how many files were opened."""
    stream, files = written
    reader = Opening(stream.reader)
    looking: Any = replace(stream, reader=reader)
    latest = [files[each] for each in delimiters]

    def the_latest(count: int) -> list[RemoteFile]:
        assert count == MAX_FILES
        return latest

    reading = format_of_files(looking, CsvConfig(), "auto", the_latest)
    return None if reading.sniffed is None else reading.sniffed.config.delimiter, len(reader.opened)


def most(delimiters: Sequence[str]) -> str | None:
    counted = Counter(each for each in delimiters if each != UNREADABLE)
    return max(counted, key=lambda each: (counted[each], -delimiters.index(each))) if counted else None


@given(st.text(",;|" + UNREADABLE, max_size=MAX_FILES))
def test_it_is_that_of_most_files_or_the_first(written: tuple[Stream, dict[str, RemoteFile]], delimiters: str) -> None:
    assert chosen(written, delimiters)[0] == most(delimiters)


@pytest.mark.parametrize(
    ("delimiters", "opened"),
    [(",,,,", 2), (",,,,,", 3), (",;,,", 3), (";,,,,", 4), (",;;,", 4), ("--,,,", 4), (",", 1)],
)
def test_files_that_change_nothing_are_not_opened(
    written: tuple[Stream, dict[str, RemoteFile]], delimiters: str, opened: int
) -> None:
    assert chosen(written, delimiters) == (most(delimiters), opened)
