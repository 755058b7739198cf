"""`read`, which has the process started that workers are forked from before anything else is imported: little is here."""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from file_cdk.pipeline.early import start_for_tables

if TYPE_CHECKING:
    from datetime import datetime

    from file_cdk.pipeline.dialects import Dialect
    from file_cdk.pipeline.library.reading import Reading
    from file_cdk.pipeline.rejects import MaxRejects


def read(
    source: str | PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    files: Iterable[str] | None = None,
    format: str | Mapping[str, Any] | None = None,
    cast: Mapping[str, str] | None = None,
    all_text: bool = False,
    max_rejects: "int | str | MaxRejects" = 0,
    stream: str | None = None,
    dialect: "Dialect" = "auto",
    partitions: bool = True,
    since: "datetime | None" = None,
    until: "datetime | None" = None,
    connector: str | None = None,
    workers: int | None = None,
    memory_bytes: int | None = None,
    progress: bool = True,
) -> "Reading":
    """The rows of the files that `source` (a path, a URL, or a YAML file) stands for. Reads nothing yet.

    columns: the only ones that are read; all by default. files: names as file_cdk.files has them, of the only files that are
    read. format: `csv`, `jsonl`, `parquet` …, or a mapping as a configuration has it, such as {"filetype": "csv", "delimiter":
    ";"}; by default, files tell by their extension. cast: types of columns, in place of those that are found; all_text: every
    column as text. max_rejects: how many records of a file may be rejected, as 10 or "0.5%"; of more, reading the file raises
    TooManyRejectsError. stream: of a YAML file that has several. progress: whether a notebook shows how far it is; nothing is
    printed elsewhere. The others as in SyncOptions.

    Raises ConfigError, or AccessError when nothing is there.
    """
    start_for_tables(fspath(source), workers, memory_bytes)
    from dataclasses import replace

    from file_cdk.core.config import StreamConfig, parse_config
    from file_cdk.core.errors import ConfigError
    from file_cdk.pipeline.library.reading import Reading, chosen_of, filetype_of, rules_of
    from file_cdk.pipeline.rejects import MaxRejects
    from file_cdk.pipeline.sources import streams_of
    from file_cdk.pipeline.tables.options import SyncOptions
    from file_cdk.pipeline.tables.rules import with_rules

    if format is not None and connector is not None:
        raise ConfigError("the format of a configuration's streams is set in that file")
    options = SyncOptions(
        workers=workers,
        all_text=all_text,
        max_rejects=max_rejects if isinstance(max_rejects, MaxRejects) else MaxRejects.parse(str(max_rejects)),
        dialect=dialect,
        since=since,
        until=until,
        memory_bytes=memory_bytes,
        columns=rules_of(columns, cast),
    )
    named = streams_of(fspath(source), filetype_of(format), None, connector, partitions)
    chosen = with_rules(chosen_of(named, stream), options)
    if isinstance(format, Mapping):
        config = parse_config(StreamConfig, {"name": chosen.name, "format": dict(format)}).format
        chosen = replace(chosen, format=config, finds_dialect=False)
    if files is not None:
        chosen = replace(chosen, only=frozenset(files))
    return Reading(fspath(source), chosen, options, progress=progress)
