"""Cut files into splits: pure arithmetic on sizes, so that planning opens nothing."""

import itertools
from collections.abc import Iterable, Iterator

from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import Format, StreamReader, prefetching
from file_cdk.core.uris import compression_of, split_member

REQUEST_BYTES = 16 << 20
"""Size of a split where the reader fetches splits, one request each: many small requests cost twice as much CPU."""

_SPLITS_AT_LEAST = 16
"""Minimum number of splits of all work, for the workers to share: where there are fewer, files are cut smaller, but not below the
format's own size."""


def splits_of(
    file: RemoteFile, format: Format, reader: StreamReader, max_bytes: int = REQUEST_BYTES, work_bytes: int = 0
) -> Iterator[Split]:
    """Splits of the size that the format asks for, or of up to REQUEST_BYTES where the reader fetches them. max_bytes: about the
    maximum, where a split is read from its beginning on. work_bytes: of all files, this one among them."""
    size_bytes = split_bytes(file, format)
    if size_bytes is not None and format.facts.reads_forward and prefetching(reader) is not None:
        shared_bytes = min(REQUEST_BYTES, max(file.size_bytes, work_bytes) // _SPLITS_AT_LEAST)
        if shared_bytes > size_bytes:
            requests = max(1, -(-file.size_bytes // shared_bytes))  # rounded up: none is larger than what is announced
            size_bytes = max(size_bytes, -(-file.size_bytes // requests))
    if size_bytes is not None and format.facts.reads_forward:
        size_bytes = min(size_bytes, max_bytes)
    return plan_file(file, size_bytes)


def split_bytes(file: RemoteFile, format: Format) -> int | None:
    """Size of the splits that the format likes; None for a file that its name says is compressed or in an archive."""
    return None if compression_of(file.uri) or split_member(file.uri) else format.facts.split_bytes


def plan_file(file: RemoteFile, split_size_bytes: int | None) -> Iterator[Split]:
    """Equal byte ranges of about `split_size_bytes` that cover the file; None, or a small file, gives one split."""
    count = 1 if split_size_bytes is None else max(1, round(file.size_bytes / split_size_bytes))
    edges = [file.size_bytes * index // count for index in range(count + 1)]
    for ordinal, (start, end) in enumerate(itertools.pairwise(edges)):
        yield Split(file, ordinal, start, end)


def rest_of(splits: Iterable[Split], position: int) -> Iterator[Split]:
    """Those of a file's splits that are not read yet where `position`, within the file, is the beginning of a record and all
    before it is read."""
    for split in splits:
        if split.end > position:
            yield split.restarted_at(position) if split.start <= position else split
