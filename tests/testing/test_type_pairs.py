"""Two files of one stream whose columns have different types: for each pair of types, every value of both is kept."""

import os
import random
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from delta_landing import DeltaLanding
from duckdb_landing import DuckDBLanding
from files_landing import FilesLanding
from iceberg_landing import IcebergLanding
from postgres_landing import PostgresLanding
from sqlite_landing import SqliteLanding

from file_cdk import SyncOptions, sync
from file_cdk.testing.landing import STREAM, Landing
from file_cdk.testing.type_matrix import COLUMNS, ROWS, is_kept

_NAMES = [
    *("bool", "int64", "uint64", "float32", "float64", "decimal128", "decimal128 of 38 digits", "decimal256"),
    *("string", "binary", "fixed_size_binary", "date32", "date64"),
    *("time32 of milliseconds", "time64 of microseconds", "time64 of nanoseconds"),
    *("timestamp in us", "timestamp in ns", "timestamp at the ends"),
    *("timestamp in us of a zone", "timestamp in ns of a zone"),
    *("duration in s", "duration in us", "duration in ns"),
    *("list", "fixed_size_list", "struct", "list of structs", "map", "map of integers", "dictionary", "uuid"),
]
"""All whose values differ in more than how Arrow lays them out, and that Parquet has."""

_COLUMNS = 256
"""Maximum number of columns of a stream: Postgres takes no longer rows."""


def _pairs(names: Sequence[str] = _NAMES) -> list[tuple[str, str]]:
    return [(first, second) for first in names for second in names]


def _check(landing: Landing, to: str, folder: Path, pairs: Sequence[tuple[str, str]]) -> None:
    for start in range(0, len(pairs), _COLUMNS):
        some = pairs[start : start + _COLUMNS]
        stream = f"{STREAM}{start}"
        files = [
            {f"c{at}": COLUMNS[pair[side]] for at, pair in enumerate(some)}
            | {"row": pa.array(range(side * ROWS, (side + 1) * ROWS))}
            for side in (0, 1)
        ]
        (folder / stream).mkdir(parents=True)
        for number, columns in enumerate(files):
            path = folder / stream / f"{number}.parquet"
            pq.write_table(pa.table(columns), path)
            os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
        assert sync(str(folder / stream), to, SyncOptions(stream=stream, workers=0)).exit_code == 0
        rows = sorted(landing.rows(stream), key=lambda row: int(row["row"]))
        originals = [columns[f"c{at}"].to_pylist() for columns in files for at in range(len(some))]
        for at, pair in enumerate(some):
            values = originals[at] + originals[len(some) + at]
            kept = [row[f"c{at}"] for row in rows]
            changed = [each for each in zip(values, kept, strict=True) if not is_kept(each[1], each[0])]
            assert changed == [], pair


def test_in_duckdb(tmp_path: Path) -> None:
    path = str(tmp_path / "x.duckdb")
    _check(DuckDBLanding(path), path, tmp_path, _pairs())


def test_in_sqlite(tmp_path: Path) -> None:
    path = str(tmp_path / "x.sqlite")
    _check(SqliteLanding(path), path, tmp_path, _pairs())


def test_in_a_folder_of_files(tmp_path: Path) -> None:
    path = str(tmp_path / "lake")
    _check(FilesLanding(path), f"{path}/", tmp_path, _pairs())


def test_in_postgres(postgres_database: str, tmp_path: Path) -> None:
    names = [name for name in _NAMES if "binary" not in name]  # with text they become text, which has no NUL there
    _check(PostgresLanding(postgres_database), postgres_database, tmp_path, _pairs(names))


def _some_pairs() -> list[tuple[str, str]]:
    """Others with each seed of pytest-randomly; all of them take tables of these formats a minute."""
    return random.sample(_pairs(), 100)


def test_in_delta_tables(tmp_path: Path) -> None:
    path = str(tmp_path / "lake")
    _check(DeltaLanding(path), f"delta:{path}/", tmp_path, _some_pairs())


def test_in_iceberg_tables(tmp_path: Path) -> None:
    url = f"iceberg:{tmp_path / 'lake'}/"
    _check(IcebergLanding(url), url, tmp_path, _some_pairs())
