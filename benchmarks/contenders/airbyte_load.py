"""PyAirbyte with airbyte-source-s3 into the table `t` of a new DuckDB database.

    python airbyte_load.py SOURCE_S3 CONFIG DATABASE

SOURCE_S3 is the connector's command, in an environment of its own; CONFIG is its configuration. Runs in an environment that has
`airbyte`.
"""

import json
import sys
from pathlib import Path

import airbyte
from airbyte.caches import DuckDBCache


def main() -> None:
    executable, config, database = sys.argv[1:]
    source = airbyte.get_source(
        "source-s3", config=json.loads(Path(config).read_text()), local_executable=Path(executable), streams="*"
    )
    source.read(cache=DuckDBCache(db_path=database), force_full_refresh=True)


main()
