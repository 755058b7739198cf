"""The `file-cdk` command: its arguments and help. What a subcommand needs is imported when it is called for."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from file_cdk.cli.arguments import count, worker_count
from file_cdk.cli.descriptors import fill_standard_descriptors
from file_cdk.cli.exit_codes import ExitCode
from file_cdk.cli.interruption import Interruption
from file_cdk.core.formats import KINDS
from file_cdk.core.uris import redacted

_DESCRIPTION = "Loads files into database tables: each file version exactly once, in parallel."

_EXIT_CODES = """\
exit codes:
  0    everything selected was loaded (or had been already)
  1    internal error: a bug in file_cdk or in a plug-in
  2    wrong usage or configuration; nothing was read
  3    the source or the destination cannot be reached, opened or written, or the system lacks memory, open files or processes
  4    some files have more rejected records than --max-rejects allows; all others are loaded
  5    some files failed otherwise; all others are loaded, and the next run tries the failed ones again
  130  interrupted (SIGINT);  143  terminated (SIGTERM);  129  hung up (SIGHUP): files already committed stay
"""

_EXAMPLES = """\
examples:
  file-cdk sync fixtures/flights --to flights.duckdb
  file-cdk sync 'logs/2024-*.jsonl' --to logs.duckdb --table events
  file-cdk sync file:///data/orders --to duckdb:////data/shop.db --format csv --all-text
  file-cdk sync 's3://exports/orders/**/*.parquet' --to shop.duckdb
  file-cdk sync nightly.yaml --to shop.duckdb --summary-json nightly.json
  file-cdk sync orders --to shop.duckdb --max-rejects 1%
  file-cdk rejects shop.duckdb
  file-cdk ls orders --to shop.duckdb
  file-cdk check nightly.yaml --to shop.duckdb
"""

_SOURCES = """\
SOURCE is one of
  a file or folder         orders.csv, fixtures/flights (every file below it that has a known format)
  a glob, in quotes        'data/**/*.parquet', 'logs/2024-{01,02}/*.jsonl'
  an archive, or in one    exports.zip, 'exports.zip!**/*.csv', 'exports/*.tar.gz!2024/*.jsonl'
  a URL                    s3://bucket/orders/, 's3://bucket/**/*.csv', gs://…, az://…, sftp://…, https://…, file:///…
                           (docs/guide/s3.md, gcs.md, azure.md, sftp.md, http.md)
  a YAML file              orders.yaml: a source's configuration, with several streams (docs/guide/sync.md)
  a JSON file              source.json: the same, if it has a key `source`, or with --connector
"""

_SYNC_DESCRIPTION = f"""\
Loads the files of SOURCE into tables of DEST. Files that DEST's ledger already has in the same version are skipped,
so running the same command again loads what is new. A file is loaded wholly or not at all.

{_SOURCES}
Files are CSV, JSON, Parquet, Avro or Excel, plain or compressed. More options of a format (sheets, ragged, encoding,
max_expansion_ratio …) are set in a YAML file (docs/guide/formats.md).
"""

_REJECTS_DESCRIPTION = """\
Lists the records that were rejected, and so are not in the tables: where each stands, what is wrong with it, and its
beginning. They are those of the version of a file that was loaded, or that failed for them, last.

DATABASE is what --to was for the sync: x.duckdb, or duckdb:///x.db. It is opened to read only. After the files were
corrected, sync again; the corrected versions are loaded as any modified file is. Where it is not the files that had to be
corrected, sync with --retry-rejects.
"""

_REJECTS_EPILOG = """\
examples:
  file-cdk rejects shop.duckdb --limit 20
  file-cdk rejects shop.duckdb --table orders --json > rejected.jsonl

exit codes:
  0    listed, or there are none
  2    wrong usage, or no such table
  3    the database cannot be opened or read
"""

_LS_DESCRIPTION = f"""\
Lists the files of SOURCE in the order in which a sync would read them, and says of each whether it would be read, or why
it would be skipped. No file is opened, but archives, whose members are files of their own.

{_SOURCES}"""

_LS_EPILOG = """\
examples:
  file-cdk ls orders
  file-cdk ls orders --to shop.duckdb            what is new
  file-cdk ls 'logs/2024-*/*.jsonl' --all        also what the pattern leaves out
  file-cdk ls orders --json --sort none | jq -r 'select(.decision == "skip") | .uri'

exit codes:
  0    listed, or nothing matches
  2    wrong usage or configuration
  3    the source cannot be reached or listed, or the database cannot be read
  130  interrupted (SIGINT);  143  terminated (SIGTERM);  129  hung up (SIGHUP)
"""

_CHECK_DESCRIPTION = f"""\
Tries what a sync of SOURCE would need, and says how each step ended: for every stream, which credentials are used, whether
its root is reached and listed, and whether one of the files is opened and its beginning read. Nothing is loaded.

{_SOURCES}"""

_CHECK_EPILOG = """\
examples:
  file-cdk check orders
  file-cdk check nightly.yaml --to shop.duckdb
  file-cdk check config.json --connector s3      the configuration of an Airbyte connector

exit codes (of the first step that failed):
  0    all is well
  2    wrong usage or configuration
  3    the source or the destination cannot be reached, opened or written, or no file would be read
  5    the file cannot be read
  130  interrupted (SIGINT);  143  terminated (SIGTERM);  129  hung up (SIGHUP)
"""

_SYNC_EPILOG = _EXAMPLES + "\n" + _EXIT_CODES


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code; usage errors, `--help` and `--version` leave through SystemExit."""
    fill_standard_descriptors()
    with Interruption(process_ends=argv is None) as interruption:
        try:
            arguments, unknown = _parser().parse_known_args(argv)
            if unknown:
                _refuse(arguments, unknown)
            return _COMMANDS[arguments.command](arguments, interruption)
        except KeyboardInterrupt:
            # Before the pipeline began or after it ended: nothing to tell.
            return interruption.exit_code or ExitCode.INTERRUPTED
        except Exception as exc:  # noqa: BLE001 - the command's boundary, for what a command could not even begin with
            return _tell(exc, interruption)


def _tell(error: Exception, interruption: Interruption) -> ExitCode:
    from file_cdk.cli.failure import failure_of

    failure = failure_of(error, interruption)
    sys.stderr.write(f"{failure.line()}\n")
    return failure.code


def _refuse(arguments: argparse.Namespace, unknown: Sequence[str]) -> NoReturn:
    """What a command does not know, with the usage of that command."""
    parser: argparse.ArgumentParser = arguments.parser
    # Of an option that means nothing here, the value may be a password.
    shown = [redacted(arg.partition("=")[0] if arg.startswith("-") else arg) for arg in unknown]
    if "source" in arguments and not any(argument.startswith("-") for argument in unknown):
        parser.error(
            f"SOURCE is one path; put a pattern in quotes: {redacted(arguments.source)!r} is followed by {shown[0]!r}"
            + (f" and {len(unknown) - 1} more" if len(unknown) > 1 else "")
        )
    parser.error(f"unrecognized arguments: {' '.join(shown)}")


def _sync(arguments: argparse.Namespace, interruption: Interruption) -> ExitCode:
    from file_cdk.cli.sync import SyncRequest, run_sync

    request = SyncRequest(
        source=arguments.source,
        destination=arguments.to,
        filetype=arguments.format,
        table=arguments.table,
        workers=arguments.workers,
        all_text=arguments.all_text,
        max_rejects=arguments.max_rejects,
        retry_rejects=arguments.retry_rejects,
        dialect=arguments.dialect,
        connector=arguments.connector,
        partitions=arguments.partitions,
        quiet=arguments.quiet,
        verbose=arguments.verbose,
        summary_json=arguments.summary_json,
    )
    return run_sync(request, interruption)


def _ls(arguments: argparse.Namespace, interruption: Interruption) -> ExitCode:
    from file_cdk.cli.ls import LsRequest, run_ls

    request = LsRequest(
        source=arguments.source,
        filetype=arguments.format,
        table=arguments.table,
        connector=arguments.connector,
        destination=arguments.to,
        everything=arguments.all,
        limit=arguments.limit,
        sort=arguments.sort,
        as_json=arguments.json,
        quiet=arguments.quiet,
        verbose=arguments.verbose,
    )
    return run_ls(request, interruption)


def _check(arguments: argparse.Namespace, interruption: Interruption) -> ExitCode:
    from file_cdk.cli.check import CheckRequest, run_check

    request = CheckRequest(
        source=arguments.source,
        filetype=arguments.format,
        table=arguments.table,
        connector=arguments.connector,
        destination=arguments.to,
        as_json=arguments.json,
        verbose=arguments.verbose,
    )
    return run_check(request, interruption)


def _rejects(arguments: argparse.Namespace, _: Interruption) -> ExitCode:
    from file_cdk.cli.rejects import RejectsRequest, run_rejects

    return run_rejects(
        RejectsRequest(arguments.database, table=arguments.table, limit=arguments.limit, as_json=arguments.json)
    )


_COMMANDS: Mapping[str, Callable[[argparse.Namespace, Interruption], ExitCode]] = {
    "sync": _sync,
    "ls": _ls,
    "check": _check,
    "rejects": _rejects,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="file-cdk",
        description=_DESCRIPTION,
        epilog=_SYNC_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_VersionAction, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for name, add, summary, description, epilog in (
        ("sync", _add_sync, "load files into a destination", _SYNC_DESCRIPTION, _SYNC_EPILOG),
        ("ls", _add_ls, "list what a sync would read, and why it would skip the rest", _LS_DESCRIPTION, _LS_EPILOG),
        ("check", _add_check, "try whether a sync would work", _CHECK_DESCRIPTION, _CHECK_EPILOG),
        ("rejects", _add_rejects, "list the records that were rejected", _REJECTS_DESCRIPTION, _REJECTS_EPILOG),
    ):
        command = commands.add_parser(
            name,
            help=summary,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.set_defaults(parser=command)
        add(command)
    return parser


def _add_sync(parser: argparse.ArgumentParser) -> None:
    _add_source(parser, "what to load (see above)")
    parser.add_argument(
        "--to",
        metavar="DEST",
        required=True,
        help="a DuckDB database, created when missing: x.duckdb, or duckdb:///x.db, or duckdb:////absolute/x.db",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=worker_count,
        help="worker processes; by default one per core when there is enough to do; 0: none, all in this process",
    )
    parser.add_argument("--all-text", action="store_true", help="make every column text instead of finding types")
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
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    parser.add_argument("-v", "--verbose", action="store_true", help="name every file, debug messages, tracebacks")
    parser.add_argument("--summary-json", metavar="FILE", help="write the outcome as JSON to FILE; - for stdout")


def _add_source(parser: argparse.ArgumentParser, meaning: str) -> None:
    parser.add_argument("source", metavar="SOURCE", help=meaning)
    parser.add_argument(
        "--format",
        metavar="F",
        help=f"{', '.join(KINDS[:-1])} or {KINDS[-1]}, or an extension such as xlsx; told from the files' names by default",
    )
    parser.add_argument("--table", metavar="NAME", help="the table's name; by default the folder's or file's")
    parser.add_argument(
        "--connector",
        metavar="NAME",
        help="SOURCE is the configuration of this connector (s3, gs, az, file …), in JSON or YAML, as Airbyte has it",
    )


def _add_ls(parser: argparse.ArgumentParser) -> None:
    _add_source(parser, "what to list (see above)")
    parser.add_argument(
        "--to", metavar="DEST", help="the database of a sync: say what it has loaded; it is read, never changed"
    )
    parser.add_argument(
        "--all", action="store_true", help="also files that match no pattern, below where listing begins"
    )
    parser.add_argument(
        "--sort",
        choices=["modified", "uri", "none"],
        default="modified",
        help="modified: in the order of a sync; none: as they are listed, at once (default: modified)",
    )
    parser.add_argument("--limit", metavar="N", type=count, help="show no more than N; with --sort none, list no more")
    parser.add_argument("--json", action="store_true", help="a JSON object per line, with exact sizes, times and names")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, summary or warnings")
    parser.add_argument("-v", "--verbose", action="store_true", help="debug messages, tracebacks")


def _add_check(parser: argparse.ArgumentParser) -> None:
    _add_source(parser, "what to try (see above)")
    parser.add_argument("--to", metavar="DEST", help="a destination, to be tried as well; it stays as it is")
    parser.add_argument("--json", action="store_true", help="one JSON object with all that was found")
    parser.add_argument("-v", "--verbose", action="store_true", help="debug messages, tracebacks")


def _add_rejects(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("database", metavar="DATABASE", help="the database (see above)")
    parser.add_argument("--table", metavar="NAME", help="only those of this table")
    parser.add_argument("--limit", metavar="N", type=count, help="no more than N; all by default")
    parser.add_argument("--json", action="store_true", help="JSON lines, with the records whole")


class _VersionAction(argparse.Action):
    """As argparse's own, but asks for the installed version (0.04 s) only when it is wanted."""

    def __init__(self, option_strings: Sequence[str], **options: Any) -> None:
        super().__init__(option_strings, **options, nargs=0)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        from importlib.metadata import version

        sys.stdout.write(f"file-cdk {version('file-cdk')}\n")
        parser.exit()
