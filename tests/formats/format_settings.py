"""Formats as most of their tests configure them."""

from typing import Any

import pytest

from file_cdk.core.config import CsvConfig, JsonlConfig, ParquetConfig
from file_cdk.formats.csv import CsvFormat
from file_cdk.formats.jsonl.format import JsonlFormat
from file_cdk.formats.parquet.format import ParquetFormat

JSONL = JsonlFormat(JsonlConfig())
PARQUET = ParquetFormat(ParquetConfig(decimal_as_float=False))

# CSV has two readers, which must agree: pieces at a time, and row by row.
BOTH_READERS = pytest.mark.parametrize("sequential", [False, True], ids=["pieces", "rows"])


def csv_config(**options: Any) -> CsvConfig:
    """Options also by the names that they have in a configuration."""
    return CsvConfig(**({"filetype": "csv"} | options))


def configured_csv(*, small_piece_bytes: int = 0, **options: Any) -> CsvFormat:
    """Without the way for small files, which would leave the usual one untested."""
    return CsvFormat(csv_config(**options), small_piece_bytes=small_piece_bytes)
