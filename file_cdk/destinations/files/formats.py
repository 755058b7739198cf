"""Formats of data files other than Parquet, as their names tell them."""

import re

from file_cdk.core.dataclass import dataclass

FORMATS = ("csv", "csv.gz", "csv.zst", "jsonl", "jsonl.gz", "jsonl.zst")
"""How names of such files end, after the point."""

_ENDING = re.compile(r"\.(csv|jsonl)(?:\.(gz|zst))?$")
_CODECS = {"gz": "gzip", "zst": "zstd"}


@dataclass(frozen=True, slots=True)
class TextFormat:
    """codec: as Arrow calls it."""

    is_csv: bool
    codec: str | None

    @classmethod
    def of(cls, path: str) -> "TextFormat | None":
        """None where the file has another format."""
        found = _ENDING.search(path)
        return found and cls(found[1] == "csv", _CODECS.get(found[2] or ""))
