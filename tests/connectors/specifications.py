"""What `spec` of each shipped connector prints, and where it is kept.

`python -m tests.connectors.specifications` writes it anew.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from file_cdk.cli.entry import SPECIFICATION
from file_cdk.pipeline.connector import spec_lines
from file_cdk.pipeline.sources import SHIPPED

PACKAGES = sorted(set(SHIPPED.values()))


def specifications() -> Iterator[tuple[Path, bytes]]:
    """Where it is, and what it has to be."""
    for package in PACKAGES:
        connector = import_module(f"{package}.source").connector
        yield Path(import_module(package).__path__[0]) / SPECIFICATION, b"".join(spec_lines(connector))


if __name__ == "__main__":
    for path, line in specifications():
        path.write_bytes(line)
