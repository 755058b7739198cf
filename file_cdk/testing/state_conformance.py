"""The conformance suite for destinations that keep the states of sources: see core.ledger.StateKeeper.

    from file_cdk.testing.state_conformance import StateConformance

    class TestShelfDestination(StateConformance):
        def make_landing(self, tmp_path):
            return ShelfLanding(tmp_path)

It is the suite of all destinations, and more. A destination that offers several optional ports names all their suites as bases.
"""

import os
import signal

from file_cdk.core.ledger import KeptState, StateKeeper
from file_cdk.core.ports import Destination
from file_cdk.testing.destination_conformance import DestinationConformance
from file_cdk.testing.landing import STREAM, Landing, load_whole, open_table, run_and_die, version

_ODD = '{"at": 1.10, "n": 1e400, "text": "żółć \\u0000 \\ud800 \\" \\n"}'
_ONE, _OTHER = KeptState("one", _ODD, {STREAM: 3, "żółć": 2**40}), KeptState("other", "null", {})


class StateConformance(DestinationConformance):
    """For a destination that is a StateKeeper."""

    def test_states_come_back_as_they_were(self, landing: Landing) -> None:
        with open_table(landing) as (destination, _):
            assert [*_keeper(destination).states("source-a")] == []
            _keeper(destination).keep_states("source-a", [_OTHER, _ONE])
            assert [*_keeper(destination).states("source-a")] == [_ONE, _OTHER]
        with open_table(landing) as (destination, _):
            assert [*_keeper(destination).states("source-a")] == [_ONE, _OTHER]

    def test_a_state_takes_the_place_of_the_one_about_the_same(self, landing: Landing) -> None:
        newer = KeptState("one", "[]", {STREAM: 4})
        with open_table(landing) as (destination, _):
            _keeper(destination).keep_states("source-a", [_ONE, _OTHER])
            _keeper(destination).keep_states("source-a", [newer])
            assert [*_keeper(destination).states("source-a")] == [newer, _OTHER]

    def test_states_are_forgotten(self, landing: Landing) -> None:
        with open_table(landing) as (destination, _):
            _keeper(destination).keep_states("source-a", [_ONE, _OTHER])
            _keeper(destination).keep_states("source-a", [], ["one", "of which there is none"])
            assert [*_keeper(destination).states("source-a")] == [_OTHER]

    def test_each_source_has_its_own(self, landing: Landing) -> None:
        with open_table(landing) as (destination, _):
            _keeper(destination).keep_states("source-a", [_ONE])
            _keeper(destination).keep_states("source-b", [_OTHER])
            _keeper(destination).keep_states("source-b", [], ["one"])
            assert [*_keeper(destination).states("source-a")] == [_ONE]
            assert [*_keeper(destination).states("source-b")] == [_OTHER]
            assert [*_keeper(destination).states("source")] == []

    def test_they_are_durable_with_the_rows_they_stand_for(self, landing: Landing) -> None:
        run_and_die(_keep_and_die, landing)
        with open_table(landing) as (destination, table):
            assert [*_keeper(destination).states("source-a")] == [_ONE]
            assert [uri for part in table.loaded() for uri in part] == ["unit"]


def _keep_and_die(landing: Landing) -> None:
    with open_table(landing) as (destination, table):
        load_whole(destination, table, version("unit"), [{"id": 1}])
        table.flush()
        _keeper(destination).keep_states("source-a", [_ONE])
        os.kill(os.getpid(), signal.SIGKILL)


def _keeper(destination: Destination) -> StateKeeper:
    assert isinstance(destination, StateKeeper), "the destination is no StateKeeper"
    return destination
