"""The configuration and catalog files that a source command is given for a folder of benchmark data."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import Command


@dataclass(frozen=True, slots=True)
class SourceFiles:
    config: Path
    catalog: Path

    def read(self, source: Command) -> list[str]:
        return [*source, "read", "--config", str(self.config), "--catalog", str(self.catalog)]


def write_source_files(source: Command, folder: Path, filetype: str, into: Path) -> SourceFiles:
    """One stream of all files of that type under `folder`, with the schema that `source` itself discovers."""
    into.mkdir(parents=True, exist_ok=True)
    stream = {"name": filetype, "globs": [f"**/*.{filetype}"], "format": {"filetype": filetype}}
    config = _write(into / "config.json", {"path": str(folder.resolve()), "streams": [stream]})
    discovered = subprocess.run(
        [*source, "discover", "--config", str(config)], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    messages = [json.loads(line) for line in discovered.splitlines() if line.startswith("{")]
    (streams,) = [message["catalog"]["streams"] for message in messages if message["type"] == "CATALOG"]
    catalog = {
        "streams": [
            {"stream": found, "sync_mode": "full_refresh", "destination_sync_mode": "append"} for found in streams
        ]
    }
    return SourceFiles(config, _write(into / "catalog.json", catalog))


def _write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path
