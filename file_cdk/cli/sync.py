"""`file-cdk sync`: runs the pipeline and turns whatever comes of it into lines, JSON and an exit code."""

import argparse
import os
import sys
from contextlib import suppress

from file_cdk.cli.arguments import (
    EXAMPLES,
    EXIT_CODES,
    SOURCES,
    add_all_text,
    add_config,
    add_deletes,
    add_full_refresh,
    add_period,
    add_report,
    add_source,
    add_talk,
    add_to,
    add_wait,
    names,
    refuse_config,
    size,
)
from file_cdk.cli.column_options import add_columns, column_rules, schema_contract
from file_cdk.cli.ending import Interruption, failure_of
from file_cdk.cli.environment import given
from file_cdk.cli.parser import number
from file_cdk.core.errors import ConfigError, OutputClosedError
from file_cdk.core.exit_codes import ExitCode
from file_cdk.core.system.collecting import put_off_collecting, take_up_collecting
from file_cdk.core.system.variables import MEMORY_VARIABLE
from file_cdk.pipeline.apis.recognising import is_manifest

DESCRIPTION = f"""\
Loads the files of SOURCE into tables of DEST. Files that DEST's ledger already has in the same version are skipped,
so running the same command again loads what is new. A file is loaded wholly or not at all.

{SOURCES}
Files are CSV, JSON, Parquet, Avro or Excel, plain or compressed. More options of a format (sheets, ragged, encoding,
max_expansion_ratio …) are set in a YAML file (docs/guide/formats.md).
"""

EPILOG = f"{EXAMPLES}\n{EXIT_CODES}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser, "what to load (see above)")
    add_to(
        parser,
        "It is created when missing. Or -, for rows on stdout, of which no ledger is kept: every run gives all files",
        required=True,
    )
    parser.add_argument(
        "--output-format",
        metavar="FORMAT",
        help="of files in a folder: parquet, csv, jsonl, or packed: csv.gz, csv.zst, jsonl.gz, jsonl.zst; by default what "
        "the table has, or parquet. A table changes its format with --full-refresh alone. Of rows on stdout (--to -): "
        "json, an object per line, which is the default, or arrow, an Arrow IPC stream",
    )
    parser.add_argument(
        "--partition-by",
        metavar="COLUMN,…",
        help="files of a folder go into folders of their own for each value, such as country=NL; date(COLUMN), month(COLUMN) and "
        "year(COLUMN) are those of a date or time. A table changes its partitions with --full-refresh alone",
    )
    parser.add_argument(
        "--target-file-size",
        metavar="SIZE",
        type=size,
        help="size at which the next file of a folder is begun (default: 128MiB)",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=number("number of worker processes"),
        help="worker processes; by default one per core when there is enough to do; 0: none, all in this process",
    )
    parser.add_argument(
        "--memory",
        metavar="SIZE",
        type=size,
        help="how much memory all processes together may take, such as 512MB or 1GiB; by default what is best for speed, or "
        "what the environment variable FILE_CDK_MEMORY says",
    )
    add_all_text(parser)
    parser.add_argument(
        "--dialect",
        choices=["auto", "default"],
        default="auto",
        help="auto: detect the delimiter, quotes, encoding and header of CSV files, and print what was found; "
        "default: comma, double quotes, UTF-8, a header row (default: auto)",
    )
    parser.add_argument(
        "--no-partitions",
        action="store_false",
        dest="partitions",
        help="do not make columns of folders such as year=2024, which they are where every file has them",
    )
    parser.add_argument(
        "--max-rejects",
        metavar="N|N%",
        default="0",
        help="how many rejected records a file may have before it fails whole, as a number or as a percentage of the "
        "records of the file (default: 0)",
    )
    parser.add_argument(
        "--retry-rejects", action="store_true", help="load again the files that were loaded with rejected records"
    )
    add_config(parser)
    add_full_refresh(parser)
    parser.add_argument(
        "--mode",
        choices=["append", "replace", "merge"],
        help="what a table shows. append: the rows of all files, of each its latest version; replace: each sync is a full "
        "refresh; merge: one row of each key (default: what the stream's configuration says, or append)",
    )
    parser.add_argument(
        "--key", metavar="COLUMN[,COLUMN]", help="with --mode merge: the columns that rows are told apart by"
    )
    parser.add_argument(
        "--cursor",
        metavar="COLUMN",
        help="with --mode merge: the row with the greatest value of this column is shown; of equal ones, and by default, that "
        "of the file that was modified last",
    )
    parser.add_argument(
        "--deleted",
        metavar="COLUMN",
        help="with --mode merge: a column that has a value, and not false or 0, in rows that remove theirs",
    )
    add_columns(parser)
    add_period(parser)
    add_deletes(parser)
    add_wait(parser)
    add_talk(parser, is_long=True)
    add_report(parser)


def run(arguments: argparse.Namespace, interruption: Interruption) -> ExitCode:
    """Syncs and reports on stderr; stdout stays empty but for `--report -`. Raises ConfigError and DestinationError
    for the report; the sync's own errors are reported."""
    if is_manifest(arguments.source):
        from file_cdk.cli.manifest_sync import sync_manifest

        return sync_manifest(arguments, interruption)
    refuse_config(arguments)
    put_off_collecting()
    try:
        return _sync_files(arguments, interruption)
    finally:
        take_up_collecting()


def _sync_files(arguments: argparse.Namespace, interruption: Interruption) -> ExitCode:
    from file_cdk.pipeline import early

    # A database that is there may have all files already, and a small budget of memory is for this process alone.
    is_anew = arguments.full_refresh or arguments.mode == "replace"
    may_load = is_anew or not os.path.exists(arguments.to)  # noqa: PTH110
    is_free = arguments.memory is None and not os.environ.get(MEMORY_VARIABLE)
    if may_load and is_free and early.is_worth_workers(arguments.source):
        with suppress(OSError):  # whoever needs them says why there are none
            seen = early.filetype_seen(arguments.source), early.encoder_of_destination(arguments.to)
            forks = interruption.process_ends
            early.start_early(early.modules_for_tables(*seen), arguments.workers, forks=forks)
    from file_cdk.cli.progress import ProgressObserver, Shown, Tally, display_for, lines_on
    from file_cdk.cli.report import RunReport
    from file_cdk.cli.screen.display import log_level, logs_to
    from file_cdk.cli.summary import closing_lines, forget_old_report, write_report
    from file_cdk.pipeline.rejects import MaxRejects
    from file_cdk.pipeline.tables.deletes import MaxDeletes
    from file_cdk.pipeline.tables.options import SyncOptions
    from file_cdk.pipeline.tables.sync import sync

    target: str | None = arguments.report
    if target == arguments.to == "-":
        raise ConfigError("rows and the report cannot both go to stdout", remedy="Name a file: --report FILE")
    if target is not None:
        forget_old_report(target)
    report = RunReport(arguments.source, arguments.to, given(arguments.parser, arguments))
    result, failure = None, None
    level = log_level(quiet=arguments.quiet, verbose=arguments.verbose)
    progress: Shown = "off" if arguments.quiet else arguments.progress
    with display_for(sys.stderr, progress, arguments.log_format) as display, logs_to(display.line, level):
        told = None if target is None else report
        observer = ProgressObserver(display, Tally(), told, quiet=arguments.quiet, verbose=arguments.verbose)
        try:
            options = SyncOptions(
                workers=arguments.workers,
                all_text=arguments.all_text,
                filetype=arguments.format,
                stream=arguments.table,
                max_rejects=MaxRejects.parse(arguments.max_rejects),
                retry_rejects=arguments.retry_rejects,
                dialect=arguments.dialect,
                connector=arguments.connector,
                only=names(arguments.stream),
                partitions=arguments.partitions,
                since=arguments.since,
                until=arguments.until,
                settle_s=arguments.settle,
                on_delete=arguments.on_delete,
                wait_s=arguments.wait,
                max_deletes=MaxDeletes.parse(arguments.max_deletes),
                full_refresh=arguments.full_refresh,
                memory_bytes=arguments.memory,
                mode=arguments.mode,
                key=() if arguments.key is None else tuple(arguments.key.split(",")),
                cursor=arguments.cursor,
                deleted=arguments.deleted,
                columns=column_rules(arguments),
                contract=schema_contract(arguments),
                output_format=arguments.output_format,
                partition_by=arguments.partition_by,
                target_file_bytes=arguments.target_file_size,
            )
            result = sync(arguments.source, arguments.to, options, observer)
            code = interruption.exit_code or result.exit_code
        except OutputClosedError:  # `| head` has read enough, which is no fault
            return ExitCode.DONE
        except (KeyboardInterrupt, Exception) as exc:  # noqa: BLE001 - the report is to say of every end what it was
            failure = failure_of(exc, interruption)
            code = failure.code
        finally:
            early.stop_early()
    last = lines_on(sys.stderr, arguments.log_format)
    is_text = arguments.log_format == "text"
    for line in closing_lines(result, arguments.to, quiet=arguments.quiet, as_table=is_text):
        last.line(line)
    if code.is_interruption:
        # No count: of the files reported as loaded, the last group may not have been committed.
        last.line(
            "interrupted: tables that are not replaced yet are as they were, and the next full refresh begins anew"
            if is_anew
            else "interrupted: whole rows were written, and the next run writes all anew"
            if arguments.to == "-"
            else "interrupted: what is committed stays, and the next run goes on with the rest"
        )
    for line in failure.lines(verbose=arguments.verbose) if failure is not None else ():
        last.line(line)
    if target is not None:
        write_report(target, report.text(code, result, None if failure is None else failure.message))
    return code
