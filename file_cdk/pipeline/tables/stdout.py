"""Stdout as a destination: `--to -`."""

from typing import TYPE_CHECKING

from file_cdk.core.errors import ConfigError
from file_cdk.core.ports import Destination
from file_cdk.destinations.registry import destination_for
from file_cdk.pipeline.tables.deletes import MaxDeletes
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
    _check_for_stdout(options)
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


def _check_for_stdout(options: SyncOptions) -> None:
    """Raises ConfigError where something was given that is about a table, a ledger or files of a folder."""
    of_a_table = {
        "--full-refresh": options.full_refresh,
        f"--mode {options.mode}": options.mode not in (None, "append"),
        "--on-delete remove": options.on_delete == "remove",
        "--max-deletes": options.max_deletes != MaxDeletes(),
        "--retry-rejects": options.retry_rejects,
    }
    of_files = {
        "--partition-by": options.partition_by is not None,
        "--target-file-size": options.target_file_bytes is not None,
    }
    if given := [option for option, is_given in of_a_table.items() if is_given]:
        raise ConfigError(
            "stdout has no table and no ledger: each run gives all rows of all files",
            remedy=f"Leave out {' and '.join(given)}, or load into a database or a folder",
        )
    if given := [option for option, is_given in of_files.items() if is_given]:
        raise ConfigError(
            "stdout has no files to partition, nor of a size",
            remedy=f"Leave out {' and '.join(given)}",
        )
