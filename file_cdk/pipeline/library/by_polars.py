"""Parquet of this machine as polars' own reader has it, for `to_polars`, where that gives the rows and types that a pass gives.

Its reader is written in Rust, and survives damaged files in this process, which Arrow's does not: a pass starts worker processes
for that, sends the rows through pipes, and takes twice as long. Whatever this module is not sure of is left to a pass: any file
that is not plain Parquet of plain types, and any that polars cannot read.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
from polars.exceptions import PanicException, PolarsError

from file_cdk.core.config import ParquetConfig
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import FileCdkError
from file_cdk.core.files import RemoteFile
from file_cdk.core.system.variables import MEMORY_VARIABLE
from file_cdk.engine.listing import Selection, list_matching, select
from file_cdk.formats.parquet.schema import ThriftError, fit_schema
from file_cdk.formats.parquet.trailer import TRAILER_BYTES, bytes_at, footer_bytes_of
from file_cdk.pipeline.recognition import Recognised
from file_cdk.pipeline.stream import Stream
from file_cdk.pipeline.tables.options import SyncOptions
from file_cdk.pipeline.tables.report import FileResult, StreamResult, SyncObserver
from file_cdk.readers.local import LocalReader

if TYPE_CHECKING:
    from file_cdk.core.ports import RejectedRecord

_ALIKE = frozenset((pl.Int64, pl.Float64, pl.String, pl.Boolean, pl.Date))
_INSTANTS = (pl.Datetime("us"), pl.Datetime("us", "UTC"))
"""Types that a table has as the file has them. Of others polars, Arrow and a table each have their own idea."""

_MARKS = frozenset("=!%*?[]{}")
"""What is in the uri of a file in a `key=value` folder, of one in an archive, and of one whose name is no text; and what a path
has that polars takes for a pattern."""


@dataclass(frozen=True, slots=True)
class ReadByPolars:
    """See passes.Finished."""

    frame: pl.DataFrame
    result: StreamResult
    rejects: "tuple[RejectedRecord, ...]" = ()


def read_by_polars(stream: Stream, options: SyncOptions, observer: SyncObserver) -> ReadByPolars | None:
    """All rows. None where a pass is to read them, or to say why they cannot be read."""
    reader = stream.connectors_reader
    if not (_as_they_are(stream, options) and isinstance(reader, LocalReader) and _MARKS.isdisjoint(reader.root)):
        return None
    recognised = Recognised()
    stream = replace(stream, since=options.since, until=options.until)
    try:
        with closing(
            select(list_matching(stream.reader, stream.matcher), stream.rules(recognised=recognised))
        ) as selection:
            files = list(selection)
            if not _are_plain_parquet(stream, recognised, files):
                return None
            return _read(stream.name, reader, selection, files, observer)
    except (FileCdkError, OSError, ThriftError, PolarsError, PanicException):
        return None


def _as_they_are(stream: Stream, options: SyncOptions) -> bool:
    """Whether no option and no configuration asks for anything that polars does not know of."""
    asked = (options.workers, options.memory_bytes, options.columns, options.contract, stream.only, stream.merge)
    is_named = stream.finds_dialect  # by a path, and not by a configuration
    return (
        is_named
        and not options.all_text
        and all(each is None for each in asked)
        and not os.environ.get(MEMORY_VARIABLE)
    )


def _are_plain_parquet(stream: Stream, recognised: Recognised, files: Sequence[RemoteFile]) -> bool:
    told = isinstance(stream.format, ParquetConfig) if stream.format else recognised.kinds == {"parquet"}
    return told and bool(files) and all(file.uri.endswith(".parquet") and _MARKS.isdisjoint(file.uri) for file in files)


def _read(
    stream: str, reader: LocalReader, selection: Selection, files: Sequence[RemoteFile], observer: SyncObserver
) -> ReadByPolars | None:
    paths = [f"{reader.root}/{file.uri}" for file in files]
    if not all(_has_plain_footer(reader, file) for file in files):
        return None
    schema = pl.read_parquet_schema(paths[0])
    if not _is_alike(schema) or any(pl.read_parquet_schema(path) != schema for path in paths[1:]):
        return None
    observer.listed(stream, selection.files, selection.size_bytes, selection.skipped)
    frames = []
    for file, path in zip(files, paths, strict=True):
        frame = pl.read_parquet(path, glob=False, hive_partitioning=False)
        reader.open(file).close()  # raises where it is not the one that was listed
        frames.append(frame)
        observer.progressed(stream, file.uri, frame.height, file.size_bytes)
        observer.file_loaded(stream, file.uri, frame.height)
    loaded = tuple(
        FileResult(file.uri, frame.height, 0, file.size_bytes) for file, frame in zip(files, frames, strict=True)
    )
    rows = sum(frame.height for frame in frames)
    result = StreamResult(stream, len(files), 0, dict(selection.skipped), rows, selection.size_bytes, files=loaded)
    return ReadByPolars(pl.concat(frames, rechunk=False), result)


def _has_plain_footer(reader: LocalReader, file: RemoteFile) -> bool:
    """Whether Arrow, too, has the schema as it is written. Raises FileError, also where the file lies outside of the folder, and
    ThriftError."""
    with closing(reader.open(file)) as stream:
        size_bytes = footer_bytes_of(stream, file, file.size_bytes)
        fit = fit_schema(bytes_at(stream, file.size_bytes - TRAILER_BYTES - size_bytes, size_bytes))
    return not (fit.meanings or fit.maps or fit.left_out)


def _is_alike(schema: Mapping[str, pl.DataType]) -> bool:
    if any(name.startswith("_") for name in schema):  # it may say something about the file
        return False
    return bool(schema) and all(kind in _ALIKE or kind in _INSTANTS for kind in schema.values())
