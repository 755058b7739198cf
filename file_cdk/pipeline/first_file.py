"""What a check tries of a source: that there is a file to read, and that it does not take long to learn that there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from file_cdk.core.errors import AccessError
from file_cdk.core.ports import StreamReader
from file_cdk.engine.listing import BEFORE_START_DATE
from file_cdk.readers.archives.reader import ArchiveReader
from file_cdk.readers.objects import ObjectReader
from file_cdk.readers.retries import HASTY


def hasty(reader: StreamReader) -> StreamReader:
    """The same reader, but that it gives up soon on a store that does not answer, where it is one that tries again."""
    match reader:
        case ArchiveReader():
            return replace(reader, inner=hasty(reader.inner))
        case ObjectReader():
            return replace(reader, retries=HASTY)
    return reader


def nothing_to_read(
    whose: str,
    globs: Sequence[str],
    skipped: Mapping[str, int],
    start_date: str | None,
    remedy: str = "Check that these are the files that are meant",
) -> AccessError:
    """whose: the stream, as the message begins. skipped: how many files match, by the reason why they would not be read.
    remedy: for reasons of several kinds."""
    patterns = ", ".join(map(repr, globs))
    matched = sum(skipped.values())
    if not matched:
        return AccessError(
            f"{whose}no file matches {patterns}",
            remedy="Check that the files are there and that the patterns, which are relative to the root, are theirs",
        )
    if skipped.get(BEFORE_START_DATE) != matched:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in skipped.items())
        return AccessError(
            f"{whose}no file would be read of the {matched:,} that match {patterns}: {reasons}", remedy=remedy
        )
    matching = (
        f"the one file that matches {patterns} was" if matched == 1 else f"all {matched:,} that match {patterns} were"
    )
    return AccessError(
        f"{whose}no file would be read: {matching} modified before start_date, {start_date}",
        remedy="Set an earlier start_date, or check that newer files are where the patterns look",
    )
