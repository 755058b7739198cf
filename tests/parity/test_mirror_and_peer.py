"""airbyte-cdk's runner is content with the mirror of a manifest: every stream complete, twice, with the state carried over; and
ours does the same.

By hand, for all public manifests, in half an hour: `FILE_CDK_PEER_ON_ALL=1 pytest tests/parity/test_mirror_and_peer.py`.
"""

import os
import sys
from datetime import UTC, datetime

import pytest
from mirrored_manifests import OWN, own_configuration, public_configuration, public_names, public_text

from file_cdk.declarative.language import resolved
from file_cdk.testing.mirror.mirror import Mirror
from file_cdk.testing.side_by_side.comparison import Allowed, compare, report
from file_cdk.testing.side_by_side.program import Json, Program
from file_cdk.testing.side_by_side.rounds import Given, complaints, rounds

PYTHON = os.environ.get("FILE_CDK_PEER_PYTHON", sys.executable)
PEER = Program([PYTHON, "-c", "from airbyte_cdk.cli.source_declarative_manifest import run; run()"])
"""Not by its command's name, which is ours as well."""
OURS = Program([sys.executable, "-m", "source_declarative_manifest"])

LEFT_OUT = {
    # Slices end a granularity before the next begins, a day here, though the cursor counts milliseconds.
    ("source-dixa", "conversation_export"): "the last day of each slice but its first millisecond",
    ("source-apple-search-ads", "campaigns_report_daily"): "what is older than the start date",
    ("source-apple-search-ads", "adgroups_report_daily"): "what is older than the start date",
    ("source-apple-search-ads", "keywords_report_daily"): "what is older than the start date",
    ("source-linkedin-pages", "follower_statistics_time_bound"): "what is younger than two days",
    ("source-linkedin-pages", "share_statistics_time_bound"): "what is younger than two days",
}
"""Streams of which a sync does not ask for all that the mirror has."""


def mirror_of(text: str, config: Json) -> Mirror:
    return Mirror(resolved(text, "manifest.yaml"), config)


def test_both_read_a_mirror_whole_and_then_what_is_new_and_do_the_same() -> None:
    given = Given(OWN.read_text(), own_configuration())
    mirror = mirror_of(given.manifest, given.config)
    # The history of new partitions is not read by the peer: docs/differences.md.
    syncs = rounds(given, mirror, [PEER, OURS], new_partitions=False)
    first, ours = next(syncs)
    assert report(compare(first, ours, Allowed(repeated=mirror.parents))) == ""
    assert complaints(first, mirror.streams) == []
    assert {name: len(records) for name, records in first.outcome.records.items()} == {
        name: len(mirror.kept(name)) for name in ("branches", "books", "loans", "news")
    }
    grown_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    second, ours = next(syncs)
    assert report(compare(second, ours, Allowed(repeated=mirror.parents))) == ""
    assert complaints(second, mirror.streams) == []
    new = {record["id"] for record in mirror.records("news") if record["updated_at"] > grown_at}
    read = {record["id"] for record in second.outcome.records["news"]}
    assert new
    assert new <= read
    assert len(read) < len(mirror.records("news"))
    syncs.close()


@pytest.mark.skipif("FILE_CDK_PEER_ON_ALL" not in os.environ, reason="FILE_CDK_PEER_ON_ALL is not set")
@pytest.mark.parametrize("name", [name for name in public_names() if name != "source-airtable"])
def test_the_peer_reads_the_mirrors_of_public_manifests(name: str) -> None:
    given = Given(public_text(name), public_configuration(name))
    mirror = mirror_of(given.manifest, given.config)
    syncs = rounds(given, mirror, [PEER])
    [first] = next(syncs)
    assert complaints(first, mirror.streams) == []
    for stream in mirror.streams:
        missing = len(mirror.kept(stream)) - len(first.outcome.records.get(stream, []))
        assert (missing > 0) == ((name, stream) in LEFT_OUT), (stream, missing)
    [second] = next(syncs)
    assert complaints(second, mirror.streams) == []
    syncs.close()


@pytest.mark.skipif("FILE_CDK_PEER_ON_ALL" not in os.environ, reason="FILE_CDK_PEER_ON_ALL is not set")
def test_the_peer_does_not_differ_from_itself() -> None:
    given = Given(OWN.read_text(), own_configuration())
    mirror = mirror_of(given.manifest, given.config)
    for theirs, again in rounds(given, mirror, [PEER, PEER]):
        assert report(compare(theirs, again, Allowed(repeated=mirror.parents))) == ""


MADE_BY_THE_RUN = {
    "source-alpaca-broker-api": {name: frozenset({"uuid"}) for name in ("calendar", "clock")},
    "source-piwik": {"access-control_meta-site_permission_user": frozenset({"uid"})},
}
"""Fields whose values are of the clock, and written without a zone."""


@pytest.mark.skipif("FILE_CDK_PEER_ON_ALL" not in os.environ, reason="FILE_CDK_PEER_ON_ALL is not set")
@pytest.mark.parametrize("name", [name for name in public_names() if name != "source-airtable"])
def test_both_do_the_same_with_public_manifests(name: str) -> None:
    given = Given(public_text(name), public_configuration(name))
    mirror = mirror_of(given.manifest, given.config)
    allowed = Allowed(repeated=mirror.parents, fields=MADE_BY_THE_RUN.get(name, {}))
    for theirs, ours in rounds(given, mirror, [PEER, OURS], new_partitions=False):
        assert report(compare(theirs, ours, allowed)) == ""
