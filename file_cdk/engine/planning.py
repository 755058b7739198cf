"""Cut files into splits: pure arithmetic on sizes, so that planning opens nothing."""

import itertools
from collections.abc import Iterator

from file_cdk.core.files import RemoteFile, Split


def plan_file(file: RemoteFile, split_size_bytes: int | None) -> Iterator[Split]:
    """Equal byte ranges of about `split_size_bytes` that cover the file; None, or a small file, gives one split."""
    count = 1 if split_size_bytes is None else max(1, round(file.size_bytes / split_size_bytes))
    edges = [file.size_bytes * index // count for index in range(count + 1)]
    for ordinal, (start, end) in enumerate(itertools.pairwise(edges)):
        yield Split(file, ordinal, start, end)
