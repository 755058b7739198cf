from dataclasses import astuple
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_cdk.core.errors import ConfigError
from file_cdk.core.system.memory import DEFAULT_MEMORY, MemoryShares, budget_of, parse_size

MB = 1_000_000
RUNS = st.fixed_dictionaries({"workers": st.integers(0, 64), "fetches": st.booleans(), "database": st.booleans()})
PROCESS_BYTES = 40 * MB
"""Less than any worker process takes."""


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("512MB", 512_000_000),
        ("512mb", 512_000_000),
        ("1GiB", 1 << 30),
        ("1 GiB", 1 << 30),
        (" 300000000 ", 300_000_000),
        ("300000000B", 300_000_000),
        ("1.5GB", 1_500_000_000),
        ("0.25 GiB", 1 << 28),
        ("800000kB", 800_000_000),
        ("1TiB", 1 << 40),
    ],
)
def test_sizes_are_written_as_people_do(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    "text", ["", "MB", "-1GB", "1e9", "512 megs", "1_000", "٣GB", "1..5GB", ".5GB", "0", "0GB", "inf"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a size, such as 512MB|more than nothing"):
        parse_size(text)


def test_the_environment_may_give_a_budget() -> None:
    assert budget_of({}) is None
    assert budget_of({"FILE_CDK_MEMORY": ""}) is None
    assert budget_of({"FILE_CDK_MEMORY": "256MB"}) == 256 * MB
    with pytest.raises(ConfigError, match="environment variable FILE_CDK_MEMORY: 'much' is not a size, such as 512MB"):
        budget_of({"FILE_CDK_MEMORY": "much"})


@given(RUNS)
def test_without_a_budget_nothing_is_bounded_but_as_ever(run: dict[str, Any]) -> None:
    assert MemoryShares.of(None, **run) == DEFAULT_MEMORY


@given(RUNS)
def test_too_small_a_budget_is_refused_with_the_minimum_which_is_enough(run: dict[str, Any]) -> None:
    with pytest.raises(
        ConfigError, match=r"a memory budget of 1 bytes is too small: at least \d+ MB are needed"
    ) as refused:
        MemoryShares.of(1, **run)
    least_mb = int(str(refused.value).partition("at least ")[2].split()[0])
    fewest = 0 if run["database"] else min(run["workers"], 1)
    assert MemoryShares.of(least_mb * MB, **run).workers == fewest
    with pytest.raises(ConfigError):
        MemoryShares.of((least_mb - 1) * MB, **run)


def test_a_sync_takes_a_quarter_of_a_gigabyte_without_worker_processes() -> None:
    shares = MemoryShares.of(256 * MB, 4, fetches=False, database=True)
    assert shares.workers == 0
    assert shares.held_bytes >= 20 << 20, "what DuckDB compresses at once, of a dozen columns"


@given(RUNS, st.integers(400 * MB, 20_000 * MB))
def test_all_parts_together_are_within_the_budget(run: dict[str, Any], budget: int) -> None:
    shares = MemoryShares.of(budget, **run)
    workers = shares.workers or 0
    of_each = shares.outbox_bytes * 7 // 4 * bool(workers)
    if run["fetches"]:
        of_each += shares.ahead_bytes + shares.max_split_bytes
    total = workers * PROCESS_BYTES + max(workers, 1) * of_each
    if run["database"]:
        assert shares.database_bytes is not None
        total += shares.database_bytes + 3 * shares.held_bytes
    assert total <= budget
    assert workers <= run["workers"]


@given(RUNS, st.integers(400 * MB, 20_000 * MB), st.integers(0, 2_000 * MB))
def test_more_memory_never_gives_fewer_workers_nor_to_as_many_less(run: dict[str, Any], budget: int, more: int) -> None:
    less, greater = MemoryShares.of(budget, **run), MemoryShares.of(budget + more, **run)
    assert less.workers is not None
    assert greater.workers is not None
    assert less.workers <= greater.workers
    if less.workers == greater.workers:
        pairs = zip(astuple(less), astuple(greater), strict=True)
        assert all(before <= after for before, after in pairs if before is not None)


@given(RUNS, st.integers(400 * MB, 20_000 * MB))
def test_a_share_is_at_most_what_is_best_for_speed_and_at_least_a_tenth(run: dict[str, Any], budget: int) -> None:
    shares = MemoryShares.of(budget, **run)
    for name in ("outbox_bytes", "queue_bytes", "ahead_bytes", "max_split_bytes", "held_bytes"):
        assert getattr(DEFAULT_MEMORY, name) // 10 <= getattr(shares, name) <= getattr(DEFAULT_MEMORY, name)
    assert (shares.database_bytes is None) is not run["database"]
    assert shares.database_bytes is None or shares.database_bytes >= 48 << 20
