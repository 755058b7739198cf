"""The manifests that tests try: small ones of our own, and 28 of published connectors, which are no part of the repository."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
OWN = sorted((Path(__file__).parent / "manifests").glob("*.yaml"))
PUBLIC = sorted(Path(os.environ.get("FILE_CDK_MANIFESTS") or ROOT.parent / "shared" / "manifests").glob("*.yaml"))
"""In a folder beside the clone, or the one that FILE_CDK_MANIFESTS names."""


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")
