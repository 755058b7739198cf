"""Cut files into splits: pure arithmetic on sizes, so that planning opens nothing."""

import itertools
from collections.abc import Iterator

from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import Format, StreamReader, prefetching
from file_cdk.core.uris import compression_of, split_member

REQUEST_BYTES = 16 << 20
"""Of a file that is fetched, a split is a request, and stores serve few large ones at half of what many small ones cost."""

_SPLITS_AT_LEAST = 16
"""Files of less than so many of those are cut smaller, down to what the format likes best, for the workers to share."""


def splits_of(file: RemoteFile, decoder: Format, reader: StreamReader) -> Iterator[Split]:
    """As the format likes them, or as large as pays where the reader fetches them."""
    size_bytes = split_bytes(file, decoder)
    if size_bytes is not None and decoder.facts.reads_forward and prefetching(reader) is not None:
        size_bytes = max(size_bytes, min(REQUEST_BYTES, file.size_bytes // _SPLITS_AT_LEAST))
    return plan_file(file, size_bytes)


def split_bytes(file: RemoteFile, decoder: Format) -> int | None:
    """Size of the splits that the format likes; None for a file that its name says is compressed or in an archive."""
    return None if compression_of(file.uri) or split_member(file.uri) else decoder.facts.split_bytes


def plan_file(file: RemoteFile, split_size_bytes: int | None) -> Iterator[Split]:
    """Equal byte ranges of about `split_size_bytes` that cover the file; None, or a small file, gives one split."""
    count = 1 if split_size_bytes is None else max(1, round(file.size_bytes / split_size_bytes))
    edges = [file.size_bytes * index // count for index in range(count + 1)]
    for ordinal, (start, end) in enumerate(itertools.pairwise(edges)):
        yield Split(file, ordinal, start, end)
