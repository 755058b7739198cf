"""PyAirbyte with a source that is a command into the table `t` of a new DuckDB database.

    python airbyte_replay.py SOURCE DATABASE

Runs in an environment that has `airbyte`.
"""

import sys
from pathlib import Path

import airbyte
from airbyte.caches import DuckDBCache


def main() -> None:
    executable, database = sys.argv[1:]
    source = airbyte.get_source("source-replay", config={}, local_executable=Path(executable), streams="*")
    source.read(cache=DuckDBCache(db_path=database), force_full_refresh=True)


main()
