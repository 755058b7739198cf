"""JSON lines, arrays and documents: splits, records and tables."""

from file_cdk.formats.jsonl.format import JsonlFormat

__all__ = ["JsonlFormat"]
