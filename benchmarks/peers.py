"""The tools that are measured beside ours, each in an environment of its own, because their dependencies conflict."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import complain

_REQUIREMENTS: Mapping[str, tuple[str, ...]] = {
    "airbyte-cdk": ("airbyte-cdk[file-based]==7.39.*",),
    "airbyte-source-s3": ("airbyte-source-s3==4.14.*",),
    "airbyte": ("airbyte",),
    "dlt": ("dlt[duckdb,filesystem]", "pyarrow"),
    "duckdb": ("duckdb",),
    "openpyxl": ("openpyxl",),
    "polars": ("polars",),
    "sqlite-utils": ("sqlite-utils",),
    "target-duckdb": ("target-duckdb",),
}
_INSTALL = Path(__file__).parents[1] / ".ci" / "install.py"
FAST = {"duckdb", "openpyxl", "polars"}
"""Those that take seconds at most, and that this environment has too."""


@dataclass(frozen=True, slots=True)
class Peers:
    """folder: one environment in each folder of it. quick: what this environment has is taken, and nothing installed."""

    folder: Path
    quick: bool

    def python(self, name: str) -> str | None:
        """Its interpreter; None where it cannot be had."""
        if self.quick:
            return sys.executable if name in FAST else None
        place = self.folder / name
        python = place / "bin" / "python"
        whole = place / "installed"
        if not whole.exists():
            complain(f"installing {name} into {place}")
            command = [sys.executable, str(_INSTALL), str(place), *_REQUIREMENTS[name]]
            try:
                subprocess.run(command, check=True, env=self.environment())
            except subprocess.CalledProcessError as error:
                complain(f"{name} is left out, because it cannot be installed: {error}")
                return None
            whole.touch()
        return str(python)

    def command(self, name: str, command: str) -> str | None:
        """A command that installing it made."""
        python = self.python(name)
        return None if python is None else str(Path(python).with_name(command))

    def environment(self) -> dict[str, str]:
        """Without PYTHONPATH, where ours may be: airbyte-source-s3 has a package of the same name as our connector's."""
        ours = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME")
        kept = {name: value for name, value in os.environ.items() if name not in ours}
        return kept | {"DO_NOT_TRACK": "1", "AIRBYTE_OFFLINE_MODE": "1", "RUNTIME__DLTHUB_TELEMETRY": "false"}

    def version(self, name: str) -> str:
        """Of what python() gave."""
        script = f"from importlib.metadata import version; print(version({name!r}))"
        python = self.python(name)
        assert python is not None
        return subprocess.run([python, "-c", script], check=True, capture_output=True, text=True).stdout.strip()
