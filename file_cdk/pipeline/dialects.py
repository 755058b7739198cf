"""Which dialect most of the CSV files are in that a path or URL names, told from the beginnings of the latest."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from file_cdk.core.config import CsvConfig
from file_cdk.core.errors import FileCdkError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import StreamReader
from file_cdk.engine.reading import WholeReads
from file_cdk.formats.csv.sniff.detect import MIN_CONFIDENCE, SAMPLE_BYTES, Seen, Sniffed, detect
from file_cdk.formats.csv.sniff.format import header_of, without_header
from file_cdk.formats.unpacking import plain_beginning

FIRST_COLUMN = "f0"
"""What the first column of a file without a header is called."""

FILES = 5
"""The latest so many files are looked at."""


@dataclass(frozen=True, slots=True)
class UsualDialect:
    """header: the names of most files' columns. note: what a person should know of it, where it is not the default.
    seen: what the files showed of it."""

    config: CsvConfig
    header: tuple[str, ...] = ()
    note: str | None = None
    seen: Seen = field(default_factory=Seen)


def usual_dialect(
    reader: StreamReader,
    files: Iterable[RemoteFile],
    max_expansion_ratio: int,
    default: CsvConfig,
    table: Collection[str],
) -> UsualDialect:
    """The dialect of most of the files; `default` where nothing speaks for another.

    A file that cannot be opened has no say: reading it will tell why. table: the names of the columns loaded so far. Where they
    are those that files without a header get, and none that the new files seem to have, these have no header either.
    """
    found = list(_sniffed(reader, files, max_expansion_ratio))
    votes = Counter(_key(sniffed) for sniffed, _ in found)
    if not votes:
        return UsualDialect(default)
    [(most, _)] = votes.most_common(1)
    sniffed, beginning = next((item, text) for item, text in found if _key(item) == most)
    chosen = sniffed.config
    header = header_of(beginning, chosen)
    if FIRST_COLUMN in table and set(header).isdisjoint(table):
        chosen, header = without_header(chosen), ()
        sniffed = replace(sniffed, config=chosen)
    if chosen == default:
        return UsualDialect(default, header, seen=sniffed.seen)
    options = json.dumps({"filetype": "csv", **sniffed.as_config()}, ensure_ascii=False)
    note = f"read as CSV with {sniffed.describe()} ({sniffed.reason}); to keep this, configure format: {options}"
    return UsualDialect(chosen, header, note, sniffed.seen)


def _key(sniffed: Sniffed) -> str:
    return json.dumps(sniffed.as_config(), sort_keys=True)


def _sniffed(
    reader: StreamReader, files: Iterable[RemoteFile], max_expansion_ratio: int
) -> Iterator[tuple[Sniffed, bytes]]:
    for file in files:
        try:
            with closing(WholeReads(reader.open(file))) as stream:
                opened: Any = stream
                beginning = plain_beginning(opened, file, SAMPLE_BYTES, max_expansion_ratio)
        except (FileCdkError, OSError):
            continue
        sniffed = detect(beginning, complete=len(beginning) < SAMPLE_BYTES)
        if sniffed.confidence >= MIN_CONFIDENCE:
            yield sniffed, beginning
