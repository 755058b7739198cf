"""`files`: what there is to read, and why the rest is not."""

from collections.abc import Iterator
from datetime import datetime
from os import PathLike, fspath

from file_cdk.pipeline.inspection import InspectedFile, InspectionOptions, inspections_of


def files(
    source: str | PathLike[str],
    *,
    to: str | PathLike[str] | None = None,
    format: str | None = None,
    stream: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    connector: str | None = None,
    everything: bool = False,
) -> Iterator[InspectedFile]:
    """The files that `source` (a path, a URL, or a YAML file) stands for, in the order in which they are read, each with the
    reason why it would not be read; None where it would.

    The decision is that of a sync, of `file-cdk ls` and of `read`. to: a destination whose ledger says which files are loaded
    already. stream: of a YAML file that has several, all by default. everything: also files that no pattern matches. The others
    as in SyncOptions. No file is opened, and memory stays bounded.

    Raises ConfigError, AccessError, TransientError and DestinationError.
    """
    options = InspectionOptions(
        filetype=format,
        connector=connector,
        destination=None if to is None else fspath(to),
        everything=everything,
        since=since,
        until=until,
    )
    found = inspections_of(fspath(source), options)
    chosen = [each for each in found if stream in (None, each.stream.name)]
    return (file for each in chosen for file in each.files(lambda _: None))
