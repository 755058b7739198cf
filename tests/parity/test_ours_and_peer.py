"""`source-declarative-manifest` of airbyte-cdk and ours on the mirror of a manifest: equal catalogs, records, states, requests.

By hand, for all public manifests, in some twenty minutes: `FILE_CDK_PEER_ON_ALL=1 pytest tests/parity/test_ours_and_peer.py`.
"""

import os
import sys

import pytest
from mirrored_manifests import OWN, own_configuration, public_configuration, public_names, public_text
from test_mirror_and_peer import PEER, mirror_of

from file_cdk.testing.side_by_side.comparison import Allowed, compare, report
from file_cdk.testing.side_by_side.program import Program
from file_cdk.testing.side_by_side.rounds import Given, complaints, rounds

OURS = Program([sys.executable, "-m", "source_declarative_manifest"])

NOT_YET = {
    "source-airtable": "the configuration is migrated, and streams are generated",
    "source-alpaca-broker-api": "a stream of IterableDecoder",
    "source-sendgrid": "a stream of an AsyncRetriever",
    "source-workflowmax": "streams of XmlDecoder",
}
"""Manifests with components that are not run: their streams are not in our catalog."""
BY_THE_CLOCK = frozenset({"source-linkedin-pages"})
"""Manifests that ask for what ended two days before the run, in milliseconds: no two runs send the same."""


def test_a_first_sync_is_the_peers() -> None:
    given = Given(OWN.read_text(), own_configuration())
    mirror = mirror_of(given.manifest, given.config)
    for theirs, ours in rounds(given, mirror, [PEER, OURS], count=1):
        assert complaints(ours, mirror.streams) == []
        assert report(compare(theirs, ours, Allowed(repeated=mirror.parents))) == ""


@pytest.mark.skipif("FILE_CDK_PEER_ON_ALL" not in os.environ, reason="FILE_CDK_PEER_ON_ALL is not set")
@pytest.mark.parametrize("name", [name for name in public_names() if name != "source-airtable"])
def test_public_manifests_are_read_as_the_peer_does(name: str) -> None:
    given = Given(public_text(name), public_configuration(name))
    mirror = mirror_of(given.manifest, given.config)
    for theirs, ours in rounds(given, mirror, [PEER, OURS], count=1):
        found = compare(theirs, ours, Allowed(repeated=mirror.parents))
        if name in NOT_YET:
            found = [each for each in found if not (each.kind == "catalog" and each.what == "only theirs")]
        if name in BY_THE_CLOCK:
            found = [each for each in found if each.kind != "requests"]
        assert report(found) == ""
