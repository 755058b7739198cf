"""The table of fixtures/manifests/README.md is what the mirror makes of the public manifests."""

import re
from pathlib import Path

import pytest
from mirrored_manifests import CONFIGURATIONS, public_configuration, public_names, public_text

from file_cdk.declarative.language import resolved
from file_cdk.testing.mirror.mirror import Mirror

ROWS = {
    row[1]: (int(row[2]), row[3], int(row[4] or 0))
    for row in re.finditer(
        r"^\| (source-[\w-]+) \| (\d+) \| (.*?) \| (\d*) \|$",
        Path(CONFIGURATIONS, "README.md").read_text(),
        re.MULTILINE,
    )
}


def test_every_manifest_has_a_configuration_and_a_row() -> None:
    assert len(ROWS) == 28
    assert {path.stem for path in CONFIGURATIONS.glob("*.json")} == ROWS.keys()
    assert set(public_names()) <= ROWS.keys()


@pytest.mark.parametrize("name", public_names())
def test_what_is_mirrored(name: str) -> None:
    mirror = Mirror(resolved(public_text(name), name), public_configuration(name))
    mirrored, reasons, single_pages = ROWS[name]
    assert (len(mirror.streams), len(mirror.remarks)) == (mirrored, single_pages)
    assert bool(mirror.reasons) == bool(reasons)
    for reason in mirror.reasons.values():
        assert reason in reasons
