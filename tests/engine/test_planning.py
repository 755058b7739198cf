import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO

from hypothesis import given
from hypothesis import strategies as st

from file_cdk.core.config import CsvConfig, ParquetConfig
from file_cdk.core.files import RemoteFile
from file_cdk.engine.planning import plan_file, splits_of
from file_cdk.formats.csv import CsvFormat
from file_cdk.formats.parquet.format import ParquetFormat
from file_cdk.readers.ranges import ANNOUNCED_BYTES


def file_of(size: int) -> RemoteFile:
    return RemoteFile("a.csv", size, datetime(2024, 1, 1, tzinfo=UTC))


@given(size=st.integers(0, 10**6), target=st.one_of(st.none(), st.integers(1000, 10**7)))
def test_splits_cover_a_file_without_gap_or_overlap(size: int, target: int | None) -> None:
    splits = list(plan_file(file_of(size), target))
    assert splits[0].start == 0
    assert splits[-1].end == size
    assert [split.ordinal for split in splits] == list(range(len(splits)))
    assert all(left.end == right.start for left, right in itertools.pairwise(splits))
    assert [split.is_last for split in splits] == [False] * (len(splits) - 1) + [True]
    assert splits[0].is_first


@given(size=st.integers(1, 10**6), target=st.integers(1000, 10**7))
def test_splits_are_about_as_large_as_asked(size: int, target: int) -> None:
    assert all(split.size_bytes <= 1.5 * target + 1 for split in plan_file(file_of(size), target))


def test_unsplittable_and_empty_files_are_one_split() -> None:
    assert len(list(plan_file(file_of(10**9), None))) == 1
    assert len(list(plan_file(file_of(0), 100))) == 1


class Local:
    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        raise NotImplementedError

    def open(self, file: RemoteFile) -> IO[bytes]:
        raise NotImplementedError


class Fetching(Local):
    def prefetch(self, file: RemoteFile, start: int, end: int) -> None:
        raise NotImplementedError


@given(size=st.integers(0, 10**10))
def test_what_is_fetched_is_cut_into_requests_that_pay(size: int) -> None:
    csv = CsvFormat(CsvConfig())
    fetched = list(splits_of(file_of(size), csv, Fetching()))
    local = list(splits_of(file_of(size), csv, Local()))
    assert local == list(plan_file(file_of(size), 4 << 20))
    assert min(len(local), 16) <= len(fetched) <= len(local)  # for the workers to share
    # With the little that a format reads beyond a split, it is announced as one request.
    assert all(split.size_bytes + (1 << 17) <= ANNOUNCED_BYTES for split in fetched)
    assert size < 10**9 or len(fetched) < len(local) / 3


@given(size=st.integers(0, 10**9), others=st.integers(0, 10**10))
def test_one_file_of_several_is_cut_into_fewer_requests(size: int, others: int) -> None:
    csv = CsvFormat(CsvConfig())
    alone = list(splits_of(file_of(size), csv, Fetching()))
    beside = list(splits_of(file_of(size), csv, Fetching(), work_bytes=size + others))
    assert 1 <= len(beside) <= len(alone)
    assert all(split.size_bytes <= max(1.5 * min(16 << 20, (size + others) // 16), 6 << 20) + 1 for split in beside)
    assert all(split.size_bytes + (1 << 17) <= ANNOUNCED_BYTES for split in beside)
    assert others < 10**9 or len(beside) <= max(1, size // (8 << 20))
    assert list(splits_of(file_of(size), csv, Local(), work_bytes=size + others)) == list(
        splits_of(file_of(size), csv, Local())
    )


def test_what_is_not_read_from_its_beginning_on_is_cut_as_ever() -> None:
    parquet = ParquetFormat(ParquetConfig())
    file = file_of(10**9)
    assert list(splits_of(file, parquet, Fetching())) == list(splits_of(file, parquet, Local()))


@given(size=st.integers(0, 10**10), max_bytes=st.integers(2 << 20, 32 << 20))
def test_splits_are_no_larger_than_memory_allows(size: int, max_bytes: int) -> None:
    csv = CsvFormat(CsvConfig())
    for reader, preferred in ((Local(), 4 << 20), (Fetching(), 16 << 20)):
        splits = list(splits_of(file_of(size), csv, reader, max_bytes))
        assert all(split.size_bytes <= 1.5 * min(preferred, max_bytes) + 1 for split in splits)
        assert splits[-1].end == size
