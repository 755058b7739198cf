from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO

from hypothesis import given
from hypothesis import strategies as st

from file_cdk.core.files import RemoteFile
from file_cdk.engine.listing import BEFORE_START_DATE, BY_URI, list_matching, newer_than, select

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


def file_at(uri: str, minutes: int = 0) -> RemoteFile:
    return RemoteFile(uri, 7, EPOCH + timedelta(minutes=minutes))


@dataclass(frozen=True)
class Listing:
    """A store that, as it may, ignores the prefix it is asked for."""

    uris: tuple[str, ...]

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        return map(file_at, self.uris)

    def open(self, file: RemoteFile) -> IO[bytes]:
        raise NotImplementedError


@dataclass(frozen=True)
class Endings:
    prefixes: tuple[str, ...]
    ending: str

    def matches(self, uri: str) -> bool:
        return uri.endswith(self.ending)


def test_each_matching_file_is_listed_once_though_the_store_lists_more_than_asked() -> None:
    reader = Listing(("a/1.csv", "b/2.csv", "b/3.txt", "c/4.csv"))
    assert [file.uri for file in list_matching(reader, Endings(("a/", "b/"), ".csv"))] == ["a/1.csv", "b/2.csv"]


@given(
    files=st.lists(st.tuples(st.text("abc/", min_size=1), st.integers(0, 9)), unique_by=lambda item: item[0]),
    chunk=st.integers(1, 5),
)
def test_selection_is_sorted_however_small_the_chunks(files: list[tuple[str, int]], chunk: int) -> None:
    listed = [file_at(uri, minutes) for uri, minutes in files]
    selection = select(listed, [], chunk_files=chunk, run_files=chunk)
    expected = sorted(files, key=lambda item: (item[1], item[0]))
    assert [file.uri for file in selection] == [uri for uri, _ in expected]
    assert [file.uri for file in selection] == [uri for uri, _ in expected], "iterates again"
    assert [file.uri for file in selection.latest(2)] == [uri for uri, _ in expected[::-1][:2]]
    assert (selection.files, selection.size_bytes) == (len(files), 7 * len(files))
    selection.close()


def test_the_first_rule_with_a_reason_counts() -> None:
    def no_b(files: Sequence[RemoteFile]) -> list[str | None]:
        return ["is b" if file.uri == "b" else None for file in files]

    files = [file_at("a", 0), file_at("b", 1), file_at("c", 5), file_at("d", 9)]
    selection = select(files, [newer_than(EPOCH + timedelta(minutes=5)), no_b], chunk_files=3)
    assert [file.uri for file in selection] == ["c", "d"]
    assert selection.skipped == {BEFORE_START_DATE: 2}
    selection = select(files, [no_b, newer_than(EPOCH + timedelta(minutes=5))])
    assert selection.skipped == {"is b": 1, BEFORE_START_DATE: 1}


@given(st.lists(st.text("abc/", min_size=1), unique=True), st.integers(1, 5))
def test_a_selection_may_be_sorted_by_uri(uris: list[str], chunk: int) -> None:
    selection = select(
        [file_at(uri, -at) for at, uri in enumerate(uris)], [], chunk_files=chunk, run_files=chunk, key=BY_URI
    )
    assert [file.uri for file in selection] == sorted(uris)
    assert [file.uri for file in selection.latest(1)] == uris[:1], "the latest is still by time"
    selection.close()
