"""What is remembered of files that a full history has no room for."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from file_cdk.core.errors import ConfigError
from file_cdk.core.state.forgotten import BYTES_PER_FILE, FORGOTTEN_FIELD, Forgotten

AT = datetime(2024, 1, 31, 12, 30, 15, 123456, UTC)


def remembering(files: int) -> Forgotten:
    forgotten = Forgotten()
    for number in range(files):
        forgotten.add(f"folder/{number}.csv", AT + timedelta(seconds=number))
    return forgotten


def test_each_file_is_found_with_its_time_before_and_after_it_is_stored() -> None:
    forgotten = remembering(1000)
    for each in (forgotten, Forgotten(forgotten.to_state()), forgotten):
        assert [each.synced_at(f"folder/{n}.csv") for n in range(1000)] == [
            AT + timedelta(seconds=n) for n in range(1000)
        ]
        assert each.synced_at("folder/1000.csv") is None
        assert len(each) == 1000


def test_a_later_version_takes_the_place_of_an_older_one() -> None:
    forgotten = Forgotten(remembering(10).to_state())
    forgotten.add("folder/3.csv", AT + timedelta(days=1))
    for each in (forgotten, Forgotten(forgotten.to_state())):
        assert each.synced_at("folder/3.csv") == AT + timedelta(days=1)
    assert len(Forgotten(forgotten.to_state())) == 10


def test_a_file_takes_less_than_24_bytes() -> None:
    state = remembering(10_000).to_state()
    assert len(state["files"]) <= BYTES_PER_FILE * 10_000 < 24 * 10_000
    assert state["version"] == 1


@pytest.mark.parametrize(
    "at", [datetime.min.replace(tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
)
def test_any_time_comes_back_to_the_microsecond(at: datetime) -> None:
    forgotten = Forgotten()
    forgotten.add("a", at)
    again = Forgotten(forgotten.to_state((at, "é")))
    assert again.synced_at("a") == at
    assert again.unknown_until == (at, "é")


def encoded(*numbers: int) -> str:
    return base64.b64encode(b"".join(number.to_bytes(8, "little") for number in numbers)).decode()


@pytest.mark.parametrize(
    "stored",
    [
        {"version": 1},
        {"version": 1, "files": None},
        {"version": 1, "files": "not base64"},
        {"version": 1, "files": base64.b64encode(b"12345678").decode()},
        {"version": 1, "files": encoded(2, 1, 0, 0)},
        {"version": 1, "files": encoded(1, 1, 0, 0)},
        {"version": 1, "files": "", "unknown_until": "2024"},
        {"version": 1, "files": "", "unknown_until": [1 << 70, "a"]},
        {"version": 1, "files": "", "unknown_until": []},
    ],
)
def test_what_is_damaged_is_told(stored: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{FORGOTTEN_FIELD}' is damaged"):
        Forgotten(stored)


@pytest.mark.parametrize("stored", [{"version": 2, "files": ""}, {"files": ""}, [], "x"])
def test_another_version_is_not_read(stored: Any) -> None:
    with pytest.raises(ConfigError, match="not of a version that this one reads"):
        Forgotten(stored)
