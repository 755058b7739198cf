"""Stdout as a destination: `--to -`."""

from typing import TYPE_CHECKING

from file_cdk.core.errors import ConfigError
from file_cdk.core.ports import Destination
from file_cdk.destinations.registry import destination_for
from file_cdk.pipeline.tables.options import SyncOptions

if TYPE_CHECKING:
    from file_cdk.core.ports import Encoder
    from file_cdk.destinations.stdout.destination import Rows

STDOUT = "-"
_FORMATS = ("json", "arrow")


def destination_of(url: str, options: SyncOptions, *, several: bool, fd: int = 1) -> Destination:
    """What `--to` names. several: there is more than one stream, so that lines say whose they are. fd: what `-` is. Raises
    ConfigError."""
    output_format = options.output_format
    if url != STDOUT:
        return destination_for(
            url,
            output_format=output_format,
            partition_by=options.partition_by,
            target_file_bytes=options.target_file_bytes,
        )
    if options.partition_by is not None or options.target_file_bytes is not None:
        raise ConfigError(
            "stdout has no files to partition, nor of a size", remedy="Leave out --partition-by and --target-file-size"
        )
    if output_format not in (None, *_FORMATS):
        raise ConfigError(
            f"stdout has no output format {output_format!r}", remedy=f"Its formats are: {', '.join(_FORMATS)}"
        )
    from file_cdk.destinations.stdout.destination import StdoutDestination
    from file_cdk.destinations.stdout.rows import ArrowRows, LineRows
    from file_cdk.pipeline.output import Output
    from file_cdk.protocol.row_lines import RowLinesEncoder

    if several and output_format == "arrow":
        raise ConfigError(
            "an Arrow stream holds one table, and the configuration has several streams",
            remedy="Name a configuration of one, or leave out --output-format arrow: lines of JSON say whose they are",
        )

    def encoder_of(stream: str) -> "Encoder":
        return RowLinesEncoder(stream if several else None)

    output = Output(fd)
    rows: Rows = ArrowRows(output.line) if output_format == "arrow" else LineRows(output.line, encoder_of)
    return StdoutDestination(rows, output.signals)
