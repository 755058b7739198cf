"""Memory does not grow with the size of a file, though all of a file is one transaction."""

import subprocess
import sys
from pathlib import Path

import pytest

LOADING = """
import resource, sys
from datetime import UTC, datetime
import pyarrow as pa
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile
from file_cdk.destinations.duckdb import DuckDBDestination

ROWS = 10_000
destination = DuckDBDestination(sys.argv[1], memory_limit_bytes=96 << 20)
destination.open()
file = RemoteFile("large.csv", 10, datetime(2024, 1, 1, tzinfo=UTC))
batch = pa.record_batch({f"c{n}": pa.array([f"{n * i:020}" for i in range(ROWS)]) for n in range(4)})
block = destination.encoder.encode(batch, file, 1, 0)
table = destination.table("t")
table.widen(batch.schema)
load = table.begin(file)
blocks = int(sys.argv[2]) * 1_000_000 // len(block)
for number in range(blocks):
    load.write(block, number * ROWS)
load.commit(LoadedFile(blocks * ROWS))
destination.close()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.process
def test_a_large_file_takes_no_more_memory_than_a_medium_one(tmp_path: Path) -> None:
    peaks = []
    for megabytes in (200, 1000):
        done = subprocess.run(
            [sys.executable, "-c", LOADING, str(tmp_path / f"{megabytes}.duckdb"), str(megabytes)],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 64 << 20, f"peaks of {[peak >> 20 for peak in peaks]} MB"
