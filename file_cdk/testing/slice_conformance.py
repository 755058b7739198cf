"""The conformance suite for destinations that keep slices of APIs: see core.ledger.SliceKeeper and SliceLedger.

    from file_cdk.testing.slice_conformance import SliceConformance

    class TestShelfDestination(SliceConformance):
        def make_landing(self, tmp_path):
            return ShelfLanding(tmp_path)

It is the suite of destinations that keep states, and more.
"""

from dataclasses import replace
from datetime import UTC, datetime

from file_cdk.core.ledger import KeptState, SliceEntry, SliceKeeper, SliceLedger, SliceReject, SlicesRead
from file_cdk.core.ports import Destination, Inspectable
from file_cdk.testing.landing import STREAM, Landing, load_whole, open_table, version
from file_cdk.testing.state_conformance import StateConformance

_AT = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
_FIRST = SliceEntry(STREAM, 1, '[{"a":"żółć"},{}]', 3, 20, 1, 2, None, _AT, "run")
_SECOND = SliceEntry(STREAM, 2, '[{"a":2},{"start":"x"}]', 1, 2**40, 0, 0, "2024-01-01T00:00:00+00:00", _AT, "run")
_REJECT = SliceReject(STREAM, 1, _FIRST.slice, 2, 7, "the same words for the same fault", _AT, "run")
_STATE = KeptState("one", "{}", {STREAM: 3})


class SliceConformance(StateConformance):
    """For a destination that is a SliceKeeper."""

    def test_slices_come_back_as_they_were(self, landing: Landing) -> None:
        with open_table(landing) as (destination, _):
            assert [*_keeper(destination).slices(STREAM, 1)] == []
            _keeper(destination).keep_slices("source-a", [_STATE], [], SlicesRead([_FIRST, _SECOND], [_REJECT]))
            assert [*_keeper(destination).slices(STREAM, 1)] == [_FIRST]
        with open_table(landing) as (destination, _):
            assert [*_keeper(destination).slices(STREAM, 2)] == [_SECOND]
            assert [*_keeper(destination).slices("another", 2)] == []

    def test_slices_of_earlier_attempts_go(self, landing: Landing) -> None:
        with open_table(landing) as (destination, table):
            load_whole(destination, table, version("unit"), [{"id": 1}])
            table.flush()
            other = replace(_FIRST, stream="another")
            _keeper(destination).keep_slices("source-a", [], [], SlicesRead([_FIRST, _SECOND, other], [_REJECT]))
            _keeper(destination).keep_slices("source-a", [], [], SlicesRead(obsolete={STREAM: 2}))
            assert [*_keeper(destination).slices(STREAM, 1)] == []
            assert [*_keeper(destination).slices(STREAM, 2)] == [_SECOND]
            assert [*_keeper(destination).slices("another", 1)] == [other]

    def test_slices_are_told_of_while_it_is_not_open(self, landing: Landing) -> None:
        with open_table(landing) as (destination, table):
            load_whole(destination, table, version("unit"), [{"id": 1}])
            table.flush()
            slices = SlicesRead([_FIRST, _SECOND], [_REJECT])
            _keeper(destination).keep_slices("source-a", [_STATE], ["none"], slices)
        closed = landing.destination()
        assert isinstance(closed, SliceLedger)
        assert isinstance(closed, Inspectable)
        [counts] = closed.slices_read()
        assert (counts.stream, counts.slices, counts.pages, counts.records) == (STREAM, 2, 4, 20 + 2**40)
        assert (counts.filtered, counts.rejected, counts.read_at, counts.run) == (1, 2, _AT, "run")
        assert [*closed.slice_entries(STREAM)] == [_FIRST, _SECOND]
        assert [*closed.states_kept()] == [*closed.states_kept("source-a")] == [_STATE]
        assert [*closed.states_kept("source-b")] == []
        [reject] = closed.rejects()
        assert (reject.url, reject.row, reject.reason) == (f"slice {_FIRST.slice}, page 2", 8, _REJECT.reason)
        assert closed.rejected() == 2


def _keeper(destination: Destination) -> SliceKeeper:
    assert isinstance(destination, SliceKeeper), "the destination is no SliceKeeper"
    return destination
