"""How many rows make a batch, and what a row group may need of memory however large it is."""

import io
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from file_builders import whole

from file_cdk.core.config import ParquetConfig
from file_cdk.core.ports import SplitReport
from file_cdk.formats.parquet.format import ParquetFormat

PARQUET = ParquetFormat(ParquetConfig())


def batches_of(table: pa.Table, **options: Any) -> list[pa.RecordBatch]:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    data = sink.getvalue()
    batches = list(PARQUET.read_records(io.BytesIO(data), whole(data), None, SplitReport()))
    assert pa.Table.from_batches(batches).to_pylist() == table.to_pylist()
    return batches


LONG = ["".join(Random(n).choices("0123456789abcdef", k=50_000)) for n in range(4)]
INDICES = pa.array([n % 4 for n in range(2000)], pa.int8())


def repeated(texts: Sequence[str] = LONG) -> pa.Array:
    """Hundred megabytes: to be made where they are tested, not where tests are collected."""
    return pa.DictionaryArray.from_arrays(INDICES, pa.array(texts)).dictionary_decode()


@pytest.mark.parametrize("store_schema", [True, False])
@pytest.mark.parametrize(
    "array",
    [
        repeated,
        lambda: repeated().cast(pa.binary()),
        lambda: repeated().cast(pa.large_string()),
        lambda: pa.ExtensionArray.from_storage(pa.json_(), repeated([f'"{text}"' for text in LONG])),
        lambda: repeated(["x" * 300_000, "a", "b", "c"]),
    ],
    ids=["text", "bytes", "large text", "json", "one long value"],
)
def test_long_values_that_repeat_make_batches_short(array: Callable[[], pa.Array], store_schema: bool) -> None:
    """Encoded, each takes two bits."""
    table = pa.table({"n": pa.array(range(2000)), "x": array()})
    assert max(batch.nbytes for batch in batches_of(table, store_schema=store_schema)) < 12 << 20


def test_long_values_in_lists_and_maps() -> None:
    offsets = pa.array(range(0, 2001, 20), pa.int32())
    table = pa.table(
        {
            "l": pa.ListArray.from_arrays(offsets, repeated()),
            "m": pa.MapArray.from_arrays(offsets, pa.array([f"k{n % 20}" for n in range(2000)]), repeated()),
            "s": pa.StructArray.from_arrays([repeated().slice(0, 100)], names=["x"]),
        }
    )
    assert max(batch.nbytes for batch in batches_of(table)) < 12 << 20


def test_short_values_that_repeat_make_batches_no_shorter() -> None:
    words = pa.array([f"word number {n:06d}" for n in range(4000)])
    array = pa.DictionaryArray.from_arrays(pa.array([n % 4000 for n in range(200_000)], pa.int32()), words)
    rows = [batch.num_rows for batch in batches_of(pa.table({"x": array.dictionary_decode()}))]
    assert min(rows[:-1]) == 16 * 1024


def test_long_lists_make_batches_short() -> None:
    table = pa.table({"x": pa.array([[n % 5] * 1000 for n in range(1000)])})
    assert max(batch.num_rows for batch in batches_of(table)) <= 66


def test_hundreds_of_row_groups() -> None:
    assert [batch.num_rows for batch in batches_of(pa.table({"x": pa.array(range(999))}), row_group_size=2)] == [
        2
    ] * 499 + [1]


MEASURED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import pyarrow as pa
from file_cdk.core.config import ParquetConfig
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import SplitReport
from file_cdk.formats.parquet.format import ParquetFormat

def peak_kib():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])

pa.set_cpu_count(1)
path = Path(sys.argv[1])
file = RemoteFile("a.parquet", path.stat().st_size, datetime(2024, 1, 1, tzinfo=UTC))
with path.open("rb") as stream:
    PARQUET = ParquetFormat(ParquetConfig())
    PARQUET.infer_table_schema(stream, file)
    before, decoded, report = peak_kib(), 0, SplitReport()
    for batch in PARQUET.read_records(stream, Split(file, 0, 0, file.size_bytes), None, report):
        decoded += batch.nbytes
print(report.rows, decoded >> 20, (peak_kib() - before) >> 10)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells a process's peak on Linux alone")
@pytest.mark.parametrize("compressible", [True, False])
def test_a_large_row_group_is_read_in_bounded_memory(tmp_path: Path, compressible: bool) -> None:
    """320 MB of columns, in a file of a few MB, or 96 MB in one of as much: each a single row group."""
    random = Random(1)
    some = pa.array([n % 1000 if compressible else random.getrandbits(62) for n in range(100_000)])
    chunked = pa.chunked_array([some] * (100 if compressible else 30))
    path = tmp_path / "large.parquet"
    pq.write_table(
        pa.table([chunked] * 4, names=list("abcd")), path, row_group_size=1 << 40, use_dictionary=compressible
    )
    assert pq.read_metadata(path).num_row_groups == 1
    run = subprocess.run([sys.executable, "-c", MEASURED, str(path)], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    rows, decoded_mib, grown_mib = map(int, run.stdout.split())
    assert rows == len(chunked)
    assert decoded_mib >= (300 if compressible else 90)
    assert grown_mib < 64
