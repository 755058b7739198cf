from types import TracebackType
from typing import Self

from file_cdk.cli.progress import ProgressObserver, Tally
from file_cdk.cli.screen.display import Progress
from file_cdk.core.errors import MalformedRecordError


class Notes:
    """A display that keeps what it is given."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.shown: list[tuple[int, int]] = []

    def line(self, text: str) -> None:
        self.lines.append(text)

    def show(self, progress: Progress) -> None:
        assert isinstance(progress, Tally)
        self.shown.append((progress.rows, progress.files_loaded))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def a_sync(observer: ProgressObserver) -> None:
    observer.listed("flights", 2, 2_000_000, {"already loaded": 3, "empty": 0})
    observer.progressed("flights", "a.csv", 10, 500_000)
    observer.progressed("flights", "a.csv", 5, 500_000)
    observer.file_loaded("flights", "a.csv", 15)
    observer.warned("flights: column 'delay' is text now")
    observer.file_failed("flights", "b.csv", MalformedRecordError("2 fields, not 3", uri="b.csv", row=7))


def test_counts_and_lines() -> None:
    notes, tally = Notes(), Tally()
    a_sync(ProgressObserver(notes, tally))
    assert notes.lines == [
        "flights: 2 files to read, 2.00 MB; skipped: 3 already loaded",
        "warning: flights: column 'delay' is text now",
    ]
    assert notes.shown == [(0, 0), (10, 0), (15, 0), (15, 1), (15, 1)]
    assert (tally.files, tally.files_loaded, tally.files_failed) == (2, 1, 1)
    assert (tally.size_bytes, tally.size_bytes_done, tally.rows) == (2_000_000, 1_000_000, 15)


def test_quiet_says_nothing_but_counts() -> None:
    notes, tally = Notes(), Tally()
    a_sync(ProgressObserver(notes, tally, quiet=True))
    assert notes.lines == []
    assert (tally.files_loaded, tally.files_failed, tally.rows) == (1, 1, 15)


def test_verbose_names_every_file() -> None:
    notes = Notes()
    a_sync(ProgressObserver(notes, Tally(), verbose=True))
    assert notes.lines == [
        "flights: 2 files to read, 2.00 MB; skipped: 3 already loaded",
        "flights: loaded 'a.csv', 15 rows",
        "warning: flights: column 'delay' is text now",
        "flights: failed 'b.csv': 2 fields, not 3 (file 'b.csv', row 7)",
    ]
