from datetime import UTC, datetime, timedelta, timezone

import pytest

from file_cdk.core.files import RemoteFile, Split

MOMENT = datetime(2024, 1, 1, 0, 0, 0, 123457, tzinfo=UTC)


def test_naive_times_are_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        RemoteFile("a", 1, datetime(2024, 1, 1))  # noqa: DTZ001 - the point


def test_microseconds_are_exact_in_any_zone() -> None:
    file = RemoteFile("a", 1, MOMENT)
    assert file.modified_us == 1_704_067_200_123_457
    assert RemoteFile("a", 1, MOMENT.astimezone(timezone(timedelta(hours=5)))).modified_us == file.modified_us


def test_a_restarted_split_keeps_its_end_and_its_place() -> None:
    file = RemoteFile("a", 100, MOMENT)
    split = Split(file, 1, 40, 70)
    assert split.restarted_at(55) == Split(file, 1, 55, 70, at_record=True)
    beyond = split.restarted_at(90)
    assert (beyond.start, beyond.end, beyond.size_bytes, beyond.is_last) == (90, 70, 0, False)
    assert split.rest_of_file(55) == Split(file, 1, 55, 100, at_record=True, sequential=True)
