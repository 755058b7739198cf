"""Which format, configured how, reads the files of a stream into a table."""

from collections.abc import Callable, Collection
from typing import Literal

from file_cdk.core.config import CsvConfig, FormatConfig
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Format
from file_cdk.formats.registry import detecting_csv, format_for
from file_cdk.pipeline.sources import SourceStream

Dialect = Literal["auto", "default"]


def decoder_of(
    source: SourceStream,
    chosen: FormatConfig,
    dialect: Dialect,
    latest: Callable[[int], list[RemoteFile]],
    columns: Collection[str] = (),
) -> tuple[Format, str | None]:
    """The format, and what a person should know of it; for CSV of which no configuration says how it is written, one that
    finds out.

    latest: so many of the files, the last modified first. columns: of the table as it is.
    """
    stream = source.stream
    if not (source.finds_dialect and dialect == "auto" and isinstance(chosen, CsvConfig)):
        return format_for(chosen, stream), None
    from file_cdk.pipeline.dialects import FILES, usual_dialect

    usual = usual_dialect(source.reader, latest(FILES), stream.max_expansion_ratio, chosen, columns)
    return detecting_csv(usual.config, usual.header, usual.seen, stream), usual.note
