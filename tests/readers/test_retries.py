"""Requests are tried again as often and as long as the policy says, and no longer."""

import logging

import pytest

from file_cdk.core.errors import AccessError, TransientError
from file_cdk.readers.retries import HASTY, RetryPolicy


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds: list[float] = []
    monkeypatch.setattr("file_cdk.readers.retries.time.sleep", seconds.append)
    return seconds


class _Failing:
    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_what_passes_is_waited_for_longer_each_time(waited: list[float]) -> None:
    request = _Failing(*[TransientError("busy")] * 5)
    assert RetryPolicy(first_wait_s=1, longest_wait_s=6).run(request, "listing") == "done"
    assert len(waited) == 5
    for seconds, longest in zip(waited, [1, 2, 4, 6, 6], strict=True):
        assert longest / 2 <= seconds <= longest


def test_it_ends_after_the_tries(waited: list[float]) -> None:
    request = _Failing(*[TransientError("busy")] * 10)
    with pytest.raises(TransientError, match="busy"):
        RetryPolicy(tries=3).run(request, "listing")
    assert (len(request.errors), len(waited)) == (7, 2)


def test_it_ends_after_the_time(waited: list[float]) -> None:
    with pytest.raises(TransientError):
        RetryPolicy(tries=100, first_wait_s=5, longest_wait_s=5, total_wait_s=12).run(
            _Failing(*[TransientError("busy")] * 100), "listing"
        )
    assert sum(waited) <= 12


def test_by_default_a_dead_server_is_given_up_within_half_a_minute(waited: list[float]) -> None:
    with pytest.raises(TransientError):
        RetryPolicy().run(_Failing(*[TransientError("refused")] * 100), "listing")
    assert 10 < sum(waited) <= 30


def test_the_server_may_say_when_within_bounds(waited: list[float]) -> None:
    request = _Failing(TransientError("slow down", retry_after_s=3), TransientError("slow down", retry_after_s=3600))
    RetryPolicy(longest_wait_s=8).run(request, "listing")
    assert waited == [3, 8]


def test_what_retrying_cannot_mend_is_raised_at_once(waited: list[float]) -> None:
    with pytest.raises(AccessError):
        RetryPolicy().run(_Failing(AccessError("forbidden")), "listing")
    assert waited == []


def test_it_says_what_it_waits_for(waited: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    RetryPolicy(first_wait_s=1).run(_Failing(TransientError("busy"), TransientError("busy")), "listing s3://bucket")
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]
    assert len(waited) == 2
    assert caplog.messages[0].startswith("listing s3://bucket: busy; trying again in ")


def test_what_is_tried_again_is_named_once(waited: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for message in ("busy", "listing s3://b: busy"):
        RetryPolicy(first_wait_s=1).run(_Failing(TransientError(message)), "listing s3://b")
    assert [text.partition(";")[0] for text in caplog.messages] == ["listing s3://b: busy"] * 2
    assert len(waited) == 2


def test_no_try_begins_after_the_last_moment_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few the waits are: requests that take long count as well."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr("file_cdk.readers.retries.time.sleep", sleep)
    monkeypatch.setattr("file_cdk.readers.retries.time.monotonic", lambda: now[0])
    begun: list[float] = []

    def times_out() -> str:
        begun.append(now[0])
        now[0] += 2
        raise TransientError("nothing came in time")

    with pytest.raises(TransientError):
        RetryPolicy(tries=100, first_wait_s=0.5, longest_wait_s=0.5, last_try_after_s=6).run(times_out, "listing")
    assert begun[-1] <= 6
    assert len(begun) == 3


def test_the_hasty_policy_waits_no_longer_than_three_seconds(waited: list[float]) -> None:
    request = _Failing(*[TransientError("busy", retry_after_s=60)] * 10)
    with pytest.raises(TransientError, match="busy"):
        HASTY.run(request, "listing")
    assert 1 <= len(waited) <= 3
    assert sum(waited) <= 3
