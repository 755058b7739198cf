"""Avro container files: splits, records and tables."""

from file_cdk.formats.avro.format import AvroFormat

__all__ = ["AvroFormat"]
