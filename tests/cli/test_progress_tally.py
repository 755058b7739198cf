import io

from file_cdk.cli.progress import ProgressObserver, Tally
from file_cdk.cli.screen.display import PlainDisplay


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


def test_what_an_earlier_run_did_says_nothing_of_how_fast_this_one_is() -> None:
    clock = Clock()
    tally = Tally(clock)
    observer = ProgressObserver(PlainDisplay(io.StringIO(), interval_s=None), tally)
    observer.listed("t", 1, 1_000, {})
    observer.resumed("t", "a", 600, 600)
    observer.progressed("t", "a", 600, 600)
    clock.now += 10
    assert tally.status() == "60%  600 bytes of 1.00 kB  600 rows  0 rows/s  0 of 1 file"
    observer.progressed("t", "a", 100, 100)
    assert tally.status() == "70%  700 bytes of 1.00 kB  700 rows  10 rows/s  0 of 1 file  30.0 s left"
    observer.resumed("t", "a", -600, -600)
    observer.progressed("t", "a", -700, -700)
    observer.progressed("t", "a", 200, 200)
    assert tally.status() == "20%  200 bytes of 1.00 kB  200 rows  20 rows/s  0 of 1 file  40.0 s left"


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
