"""CSV and its relatives: read in splits, and, in `sniff`, told from their beginnings how they are written."""

from file_cdk.formats.csv.format import CsvFormat

__all__ = ["CsvFormat"]
