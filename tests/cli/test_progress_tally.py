from file_cdk.cli.progress import Tally


class Clock:
    """Seconds that pass only when told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_status_says_how_far_how_fast_and_how_long() -> None:
    clock = Clock()
    tally = Tally(clock)
    tally.files, tally.size_bytes = 36, 107_000_000
    clock.now += 2
    tally.size_bytes_done, tally.rows, tally.files_loaded, tally.files_failed = 26_750_000, 250_000, 8, 1
    assert tally.status() == (
        "25%  26.8 MB of 107 MB  250,000 rows  125,000 rows/s  9 of 36 files  1 failed  6.00 s left"
    )


def test_nothing_done_yet_promises_nothing() -> None:
    clock = Clock()
    tally = Tally(clock)
    tally.files, tally.size_bytes = 1, 10
    assert tally.status() == "0%  0 bytes of 10 bytes  0 rows  0 of 1 file"


def test_files_that_grew_do_not_exceed_the_whole() -> None:
    tally = Tally(Clock())
    tally.size_bytes, tally.size_bytes_done = 100, 150
    assert tally.fraction == 1.0
    assert "left" not in tally.status()


def test_no_bytes_at_all() -> None:
    assert Tally(Clock()).fraction == 0.0
