"""What `spec` of each shipped connector prints, what editors know of YAML configurations and manifests, and where it is kept.

`python tests/cli/specifications.py` writes it anew.
"""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from file_cdk.cli.entry import SPECIFICATION
from file_cdk.declarative.language.json_schema import manifest_schema
from file_cdk.pipeline.sources import SHIPPED
from file_cdk.pipeline.sourcing.schema import configuration_schema
from file_cdk.pipeline.writing.commands import specification as destination_specification
from file_cdk.protocol.messages import spec, to_line
from file_cdk.protocol.spec import connection_specification

PACKAGES = sorted(set(SHIPPED.values()))

SCHEMA = Path(__file__).parents[2] / "docs" / "file-cdk.schema.json"
MANIFEST_SCHEMA = SCHEMA.with_name("manifest.schema.json")

DESTINATIONS = ("destination_duckdb", "destination_files", "destination_postgres", "destination_sqlite")


def specifications() -> Iterator[tuple[Path, bytes]]:
    """Where it is, and what it has to be."""
    for package in PACKAGES:
        connector = import_module(f"{package}.source").connector
        specification = connection_specification(connector.config_class, title=connector.name)
        line = to_line(spec(specification, documentation_url=connector.documentation_url))
        yield Path(import_module(package).__path__[0]) / SPECIFICATION, line
    for package in DESTINATIONS:
        line = destination_specification(import_module(f"{package}.destination").connector)
        yield Path(import_module(package).__path__[0]) / SPECIFICATION, line
    yield SCHEMA, (json.dumps(configuration_schema(SHIPPED), indent=1) + "\n").encode()
    yield MANIFEST_SCHEMA, (json.dumps(manifest_schema(), indent=1) + "\n").encode()


if __name__ == "__main__":
    for path, line in specifications():
        path.write_bytes(line)
