"""How far a source is, of which nobody knows how much it has."""

import io

from file_cdk.cli.pipe import observer_on
from file_cdk.cli.screen.display import PlainDisplay


def test_slices_pages_and_records_of_the_stream_at_work_are_shown() -> None:
    said = io.StringIO()
    observer = observer_on(PlainDisplay(said, interval_s=0), quiet=False)
    observer.received("people", 900, 0, 0)
    observer.received("orders", 100, 0, 1)
    observer.received("orders", 4_000, 3, 41)
    assert said.getvalue().splitlines() == [
        "people: 900 records",
        "orders: 1 page, 100 records; 900 records of others",
        "orders: 3 slices, 41 pages, 4,100 records; 900 records of others",
    ]


def test_quietly_nothing_is_shown() -> None:
    said = io.StringIO()
    observer_on(PlainDisplay(said, interval_s=0), quiet=True).received("people", 900, 0, 0)
    assert said.getvalue() == ""
