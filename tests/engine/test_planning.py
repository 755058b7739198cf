import itertools
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from file_cdk.core.files import RemoteFile
from file_cdk.engine.planning import plan_file


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
