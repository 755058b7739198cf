"""Golden files: what came out once, kept beside the tests, and compared with what comes out now."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from file_cdk.testing.checks import require

UPDATE = "FILE_CDK_UPDATE_GOLDEN"
"""In the environment: golden files are written instead of compared."""


class Golden:
    """The golden files of one module of tests, in the folder `golden` beside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check(self, name: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Records, in their order, against the JSON lines of that name."""
        path = self._folder / name
        lines = [json.dumps(record, ensure_ascii=False, default=str) for record in records]
        if os.environ.get(UPDATE):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            return
        require(
            path.exists(),
            f"there is no golden file {path}: run the tests with {UPDATE}=1 once, and look at what it has",
        )
        kept = path.read_text(encoding="utf-8").splitlines()
        at = next(
            (at for at, (one, other) in enumerate(zip(lines, kept, strict=False)) if one != other),
            min(len(lines), len(kept)),
        )
        require(
            lines == kept,
            f"{path} differs from its record {at + 1} on: {lines[at : at + 1]} instead of {kept[at : at + 1]}. "
            f"{UPDATE}=1 writes it anew",
        )
