"""Parquet files: splits, records and tables."""

from file_cdk.formats.parquet.format import ParquetFormat

__all__ = ["ParquetFormat"]
