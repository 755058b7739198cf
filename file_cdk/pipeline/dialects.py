"""How the files of a stream are read into a table; for CSV that a path or URL names, as most of the latest are written."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from file_cdk.core.config import CsvConfig, FormatConfig
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import FileCdkError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Format
from file_cdk.formats.registry import detecting_csv, format_for
from file_cdk.pipeline.stream import Stream

if TYPE_CHECKING:  # found only where a dialect is to be found
    from file_cdk.formats.csv.sniff.detect import Sniffed

Dialect = Literal["auto", "default"]

FIRST_COLUMN = "f0"
"""What the first column of a file without a header is called."""

MAX_FILES = 5
"""Maximum files that are looked at, the latest."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read. sniffed: the dialect of most of them, where it was told from how they begin, and why.
    is_usual: it is that of most files."""

    format: Format
    sniffed: "Sniffed | None" = None
    is_usual: bool = True

    @property
    def note(self) -> str | None:
        """What a person should know of it."""
        if self.sniffed is None or self.is_usual:
            return None
        options = json.dumps(self.options, ensure_ascii=False)
        told = self.sniffed.describe()
        return f"read as CSV with {told} ({self.sniffed.reason}); to keep this, configure format: {options}"

    @property
    def options(self) -> Mapping[str, Any]:
        """Of a configuration's `format`, so that these files are read in this dialect without looking; empty for what is no CSV
        or whose dialect was not told from the files."""
        return {} if self.sniffed is None else {"filetype": "csv", **self.sniffed.as_config()}


def format_of_files(
    stream: Stream,
    chosen: FormatConfig,
    dialect: Dialect,
    latest: Callable[[int], list[RemoteFile]],
    columns: Collection[str] = (),
) -> Reading:
    """For CSV of which no configuration says how it is written, a format that finds out.

    latest: so many of the files, the last modified first; one that cannot be opened has no say: reading it will tell why.
    columns: of the table as it is. Where they are those that files without a header get, and none that the new files seem
    to have, these have no header either.
    """
    if not (stream.finds_dialect and dialect == "auto" and isinstance(chosen, CsvConfig)):
        return Reading(format_for(chosen, stream.config))
    from file_cdk.formats.csv.sniff.detect import Seen
    from file_cdk.formats.csv.sniff.format import header_of, without_header

    found = _most_frequent(stream, latest(MAX_FILES))
    if found is None:
        return Reading(detecting_csv(chosen, (), Seen(), stream.config))
    sniffed, beginning = found
    usual = sniffed.config
    header = header_of(beginning, usual)
    if FIRST_COLUMN in columns and set(header).isdisjoint(columns):
        usual, header = without_header(usual), ()
        sniffed = replace(sniffed, config=usual)
    return Reading(detecting_csv(usual, header, sniffed.seen, stream.config), sniffed, usual == chosen)


def _most_frequent(stream: Stream, files: Sequence[RemoteFile]) -> "tuple[Sniffed, bytes] | None":
    """The first in the dialect that most of the files are in, and how it begins; of dialects as frequent, that met first. Files
    that can change nothing any more are not looked at."""
    first: dict[str, tuple[Sniffed, bytes]] = {}
    counts: Counter[str] = Counter()
    for left, file in zip(reversed(range(len(files))), files, strict=True):
        if (found := _sniffed(stream, file)) is None:
            continue
        key = _key(found[0])
        first.setdefault(key, found)
        counts[key] += 1
        (most, times), *others = counts.most_common(2)
        ahead = times - sum(count for _, count in others)
        if ahead > left or (ahead == left and most == next(iter(first))):
            break
    return first[counts.most_common(1)[0][0]] if first else None


def _key(sniffed: "Sniffed") -> str:
    return json.dumps(sniffed.as_config(), sort_keys=True)


def _sniffed(stream: Stream, file: RemoteFile) -> "tuple[Sniffed, bytes] | None":
    """None of a file that cannot be opened, or tells too little."""
    from file_cdk.engine.work import WholeReads  # which a sync without new files does without
    from file_cdk.formats.csv.sniff.detect import MIN_CONFIDENCE, SAMPLE_BYTES, detect
    from file_cdk.formats.unpacking import plain_beginning

    try:
        with closing(WholeReads(stream.reader.open(file))) as whole:
            opened: Any = whole
            beginning = plain_beginning(opened, file, SAMPLE_BYTES, stream.config.max_expansion_ratio)
    except (FileCdkError, OSError):
        return None
    sniffed = detect(beginning, complete=len(beginning) < SAMPLE_BYTES)
    return (sniffed, beginning) if sniffed.confidence >= MIN_CONFIDENCE else None
