"""Resolved manifests are what airbyte-cdk's `resolve_manifest` gave for them: its results are here as digests."""

import hashlib
import json
from pathlib import Path

import pytest
from public_manifests import OWN, PUBLIC, text_of

from file_cdk.declarative import language

BY_THE_PEER = json.loads((Path(__file__).parent / "resolved_by_the_peer.json").read_text(encoding="utf-8"))
REFUSED_BY_THE_PEER = {"source-airtable"}  # a part of its spec has no `type`


def digest(manifest: dict[str, object]) -> str:
    """Without the level of concurrency, which that command sets to 1."""
    rest = {key: value for key, value in manifest.items() if key != "concurrency_level"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:16]


@pytest.mark.parametrize("path", [*OWN, *PUBLIC], ids=lambda path: path.stem)
def test_as_the_peer_resolves_it(path: Path) -> None:
    manifest = language.resolved(text_of(path), path.name)
    source = language.source_of(manifest)
    assert source.version == manifest["version"]
    if path.stem not in REFUSED_BY_THE_PEER:
        assert digest(manifest) == BY_THE_PEER[path.stem]


def test_all_manifests_are_there() -> None:
    expected = set(BY_THE_PEER) | REFUSED_BY_THE_PEER
    found = {path.stem for path in (*OWN, *PUBLIC)}
    if not PUBLIC:
        pytest.skip("the folder of public manifests is not there")
    assert found == expected
