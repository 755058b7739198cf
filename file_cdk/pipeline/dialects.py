"""Which dialect the CSV files that a path or URL names are in, told from their beginnings."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from file_cdk.core.config import CsvConfig
from file_cdk.core.errors import FileCdkError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import StreamReader
from file_cdk.engine.reading import WholeReads
from file_cdk.formats.csv_sniff import SAMPLE_BYTES, Sniffed, detect
from file_cdk.formats.unpacking import plain_beginning

FILES = 5
"""The latest so many files are looked at."""

_MIN_CONFIDENCE = 0.5


def detect_dialect(
    reader: StreamReader, files: Iterable[RemoteFile], max_expansion_ratio: int, default: CsvConfig
) -> tuple[CsvConfig, list[str]]:
    """The dialect of most of the files, and what a person should know of it; `default` where nothing speaks for another.

    A file that cannot be opened has no say: reading it will tell why.
    """
    found = {file.uri: sniffed for file, sniffed in _sniffed(reader, files, max_expansion_ratio)}
    votes = Counter(sniffed.config for sniffed in found.values())
    if not votes:
        return default, []
    [(chosen, count)] = votes.most_common(1)
    notes = []
    if chosen != default:
        first = next(sniffed for sniffed in found.values() if sniffed.config == chosen)
        options = json.dumps({"filetype": "csv", **first.as_config()}, ensure_ascii=False)
        notes.append(f"read as CSV with {first.describe()} ({first.reason}); to keep this, configure format: {options}")
    for uri, sniffed in found.items():
        if sniffed.config != chosen:
            notes.append(f"file {uri!r} looks different from the {count} others sampled: {sniffed.describe()}")
    return chosen, notes


def _sniffed(
    reader: StreamReader, files: Iterable[RemoteFile], max_expansion_ratio: int
) -> Iterator[tuple[RemoteFile, Sniffed]]:
    for file in files:
        try:
            with WholeReads(reader.open(file)) as stream:
                opened: Any = stream
                beginning = plain_beginning(opened, file, SAMPLE_BYTES, max_expansion_ratio)
        except (FileCdkError, OSError):
            continue
        sniffed = detect(beginning, complete=len(beginning) < SAMPLE_BYTES)
        if sniffed.confidence >= _MIN_CONFIDENCE:
            yield file, sniffed
