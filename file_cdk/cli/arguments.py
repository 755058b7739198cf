"""What several commands' arguments and help texts share."""

import argparse
import re
from collections.abc import Callable, Sequence
from datetime import datetime

from file_cdk.cli.parser import number
from file_cdk.core.errors import ConfigError
from file_cdk.core.formats import KINDS
from file_cdk.core.instants import parse_instant
from file_cdk.core.system.memory import parse_size
from file_cdk.core.uris import redacted

EXAMPLES = """\
examples:
  file-cdk sync fixtures/flights --to flights.duckdb
  file-cdk sync 'logs/2024-*.jsonl' --to logs.duckdb --table events
  file-cdk sync file:///data/orders --to duckdb:////data/shop.db --format csv --all-text
  file-cdk sync 's3://exports/orders/**/*.parquet' --to shop.duckdb
  file-cdk sync nightly.yaml --to shop.duckdb --report nightly.json
  file-cdk sync orders --to shop.duckdb --max-rejects 1%
  file-cdk rejects shop.duckdb
  file-cdk status shop.duckdb
  file-cdk explain orders --to shop.duckdb
  file-cdk ls orders --to shop.duckdb
  file-cdk check nightly.yaml --to shop.duckdb
"""

EXIT_CODES = """\
exit codes:
  0    everything selected was loaded (or had been already)
  1    internal error: a bug in file_cdk or in a plug-in
  2    wrong usage or configuration; nothing was read
  3    the source or the destination cannot be reached, opened or written (another run may have it open: --wait), or the
       system lacks space, memory, open files or processes
  4    some files have more rejected records than --max-rejects allows; all others are loaded
  5    some files failed otherwise; all others are loaded, and the next run tries the failed ones again
  130  interrupted (SIGINT);  143  terminated (SIGTERM);  129  hung up (SIGHUP): files already committed stay
"""

SOURCES = """\
SOURCE is one of
  a file or folder         orders.csv, fixtures/flights (every file below it that has a known format)
  a glob, in quotes        'data/**/*.parquet', 'logs/2024-{01,02}/*.jsonl'
  an archive, or in one    exports.zip, 'exports.zip!**/*.csv', 'exports/*.tar.gz!2024/*.jsonl'
  a URL                    s3://bucket/orders/, 's3://bucket/**/*.csv', gs://…, az://…, sftp://…, https://…, file:///…
                           (docs/guide/s3.md, gcs.md, azure.md, sftp.md, http.md)
  a YAML file              orders.yaml: a source's configuration, with several streams (docs/guide/sync.md)
  a JSON file              source.json: the same, if it has a key `source`, or with --connector
  a manifest               api.yaml: how an HTTP API is read (with --config; docs/guide/manifests.md)
"""


def size(text: str) -> int:
    """Type of a number of bytes for argparse."""
    try:
        return parse_size(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None


def seconds(text: str) -> float:
    """Type of a duration for argparse; whether it is too long is not said here."""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text, re.ASCII) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds (0 or more)")
    return float(text)


def moment(text: str) -> datetime:
    """Type of a time for argparse."""
    try:
        return parse_instant(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{text!r} {exc}") from None


def add_period(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=moment,
        help="only files modified at TIME or later: 2024-01-31, 2024-01-31T12:00:00Z (UTC)",
    )
    parser.add_argument("--until", metavar="TIME", type=moment, help="only files modified before TIME")
    parser.add_argument(
        "--settle",
        metavar="SECONDS",
        type=seconds,
        help="leave for the next sync the files that were modified less than SECONDS ago: somebody may be writing them. By "
        "default none is left; of a folder or SFTP, a sync waits until its youngest file is a second old",
    )


def add_deletes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--on-delete",
        choices=["keep", "remove"],
        help="what becomes of loaded files that are gone from SOURCE. keep: they are counted; remove: so are their rows, "
        "rejected records and ledger entries (default: what the stream's configuration says, or keep)",
    )
    parser.add_argument(
        "--max-deletes",
        metavar="N|N%",
        help="remove no file if more are gone, as a number or as a percentage of the loaded files (default: 20%%, or 10)",
    )


def add_to(parser: argparse.ArgumentParser, use: str, *, required: bool = False) -> None:
    """use: what the command does with it."""
    parser.add_argument(
        "--to",
        metavar="DEST",
        required=required,
        help="a DuckDB or SQLite database: x.duckdb, x.sqlite, duckdb:///x.db, sqlite:////absolute/x.db; a Postgres database: "
        f"postgres://user@host/database; or a folder: lake/, s3://bucket/lake/, delta:lake/, iceberg:lake/. {use}",
    )


def add_stream(parser: argparse.ArgumentParser, *, also: Sequence[str] = ()) -> None:
    """also: older names of the option, which no help has."""
    parser.add_argument(
        "--stream", *also, metavar="NAME", help="only this stream, which is called as its table is; by default all"
    )


def add_streams(parser: argparse.ArgumentParser) -> None:
    """Of a configuration, or of a source of the protocol."""
    parser.add_argument(
        "--stream",
        metavar="NAME[,NAME]",
        help="only these streams, which are called as their tables are; by default all",
    )


def names(given: str | None) -> tuple[str, ...] | None:
    """Of `--stream` as `add_streams` has it."""
    return None if given is None else tuple(name for name in given.split(",") if name)


def add_json(parser: argparse.ArgumentParser, what: str = "a JSON object per line") -> None:
    parser.add_argument("--json", action="store_true", help=f"{what} on stdout, with exact sizes, times and names")


def add_full_refresh(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--full-refresh",
        action="store_true",
        help="load everything anew, with types found anew, into new tables that take the old ones' places when they are "
        "complete; if anything fails the old ones stay as they are",
    )


def add_limit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", metavar="N", type=number(), help="show no more than N; all by default")


def add_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=number("number of seconds"),
        default=0,
        help="how long to wait for another run, or whatever else has DEST open (default: 0)",
    )


def add_talk(parser: argparse.ArgumentParser, *, is_long: bool = False) -> None:
    """How much a command says on stderr. is_long: it shows how far it has come, and a scheduler may run it."""
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="debug messages, tracebacks, and each file by its name"
    )
    if is_long:
        parser.add_argument(
            "--progress",
            choices=["auto", "bar", "lines", "off"],
            default="auto",
            help="how far it has come. auto: a bar on a terminal, and a line every five seconds elsewhere; bar: none elsewhere; "
            "lines: also on a terminal (default: auto)",
        )
        parser.add_argument(
            "--log-format",
            choices=["text", "json"],
            default="text",
            help="of what is said on stderr; json: an object per line, with time, level and message (default: text)",
        )


def add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--report",
        "--summary-json",
        metavar="FILE",
        help="write as JSON to FILE what came of the run, of each stream and, of a sync of files, of each file, also when it "
        "fails; - for stdout",
    )


def operations_of(
    parser: argparse.ArgumentParser,
) -> Callable[[str, str, Callable[..., object]], argparse.ArgumentParser]:
    """What adds an operation to a command that has several: its name, a summary, and the function that it calls."""
    operations = parser.add_subparsers(title="operations", metavar="OPERATION", required=True)

    def operation(name: str, summary: str, function: Callable[..., object]) -> argparse.ArgumentParser:
        added = operations.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        added.set_defaults(parser=added, operation=function)
        return added

    return operation


def add_source(parser: argparse.ArgumentParser, meaning: str) -> None:
    parser.add_argument("source", metavar="SOURCE", help=meaning)
    add_format(parser)
    add_streams(parser)
    add_naming(parser)


def add_naming(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--table",
        metavar="NAME",
        help="what the stream of a path or URL, and its table, is called; by default as the folder or file",
    )
    add_connector(parser)


def add_config(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Of a source of the Airbyte protocol."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        required=required,
        help="the source's configuration, JSON; what the source changes of it, such as a token that it renewed, is kept there",
    )


def refuse_config(arguments: argparse.Namespace) -> None:
    """Of a source of files. Raises ConfigError."""
    if arguments.config is not None:
        raise ConfigError(
            f"--config is for the manifest of an API, which {redacted(arguments.source)!r} is not",
            remedy="Leave it out; a source of files has its configuration in the YAML file that is SOURCE",
        )


def add_connector(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--connector",
        metavar="NAME",
        help="what is named is the configuration of this connector (s3, gs, az, file …), in JSON or YAML, as Airbyte has it",
    )


def add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        metavar="F",
        help=f"{', '.join(KINDS[:-1])} or {KINDS[-1]}, or an extension such as xlsx; told from the files' names by default",
    )


def add_all_text(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all-text", action="store_true", help="make every column text instead of finding types")
