"""`file-cdk init`: a configuration of the streams that a bucket or folder has, written from its names and a few of its files."""

import argparse
import json
import re
import sys
from datetime import date
from typing import TYPE_CHECKING, Any

from file_cdk.cli.arguments import add_format, add_json, add_talk
from file_cdk.cli.beginning.saving import STDOUT, add_output, check_absent, say, write
from file_cdk.cli.ending import Interruption
from file_cdk.cli.screen.display import PlainDisplay, log_level, logs_to
from file_cdk.cli.screen.stdout import write_lines
from file_cdk.cli.screen.wording import plural, reasons
from file_cdk.core.exit_codes import ExitCode
from file_cdk.core.system.collecting import without_collecting
from file_cdk.core.uris import redacted

if TYPE_CHECKING:  # `--help` needs none of them
    from file_cdk.pipeline.drafting.draft import Draft

DESCRIPTION = """\
Lists a bucket or folder, looks into a few files of each kind, and writes a configuration with a stream for each table: files
whose names differ in dates and numbers alone, and files with the same columns beside or below one another, are of one table.
What it writes, `file-cdk sync` takes as it is; comments say what each stream was made from. Secrets in the URL do not go into
it: ${VARIABLE} of the environment stands for them.

SOURCE is a folder, a pattern or a URL, as for sync: orders, 's3://exports/**', sftp://user@host/data/"""

EPILOG = """\
examples:
  file-cdk init s3://exports
  file-cdk init data -o nightly.yaml
  file-cdk init data -o - | less
  file-cdk init data --json | jq '.streams[].settings.globs'

exit codes:
  0    written
  2    wrong usage or configuration, or the file is there already
  3    the source cannot be reached or listed, or no file would be read
  130  interrupted (SIGINT);  143  terminated (SIGTERM);  129  hung up (SIGHUP)
"""

_NO_FILE_NAME = re.compile(r"[^\w.-]+")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="the bucket or folder (see above)")
    add_format(parser)
    add_output(parser, "the source's name and .yaml")
    add_json(parser, "what was found, and no file is written, as one JSON object")
    add_talk(parser)


def run(arguments: argparse.Namespace, _: Interruption) -> ExitCode:
    """Says on stderr what was found."""
    from file_cdk.pipeline.drafting.document import document
    from file_cdk.pipeline.drafting.draft import draft_of

    level = log_level(quiet=arguments.quiet, verbose=arguments.verbose)
    if arguments.output is not None and not arguments.json:
        check_absent(arguments.output, force=arguments.force)
    with logs_to(PlainDisplay(sys.stderr).line, level), without_collecting():
        draft = draft_of(arguments.source, arguments.format)
    if arguments.json:
        write_lines([json.dumps(_as_json(draft))])
        return ExitCode.DONE
    path = arguments.output or f"{_NO_FILE_NAME.sub('_', draft.name)}.yaml"
    shown = "FILE.yaml" if path == STDOUT else path
    write(path, document(draft, redacted(arguments.source), shown, date.today()), force=arguments.force)  # noqa: DTZ011 - of who reads it
    if not arguments.quiet:
        _summarize(draft, path)
    return ExitCode.DONE


def _summarize(draft: "Draft", path: str) -> None:
    for stream in draft.streams:
        name, globs, filetype = (stream.settings[key] for key in ("name", "globs", "format"))
        say(f"{name}: {plural(stream.files, 'file')}, {filetype['filetype']}, {', '.join(globs)}")
        for note in stream.notes:
            say(f"note: {name}: {note}")
    if draft.counts:
        say(f"left out: {reasons(draft.counts)}")
    for variable, where in draft.variables.items():
        say(f"set the environment variable {variable}: it stands for {where}")
    if path != STDOUT:
        from file_cdk.pipeline.drafting.document import sync_command

        say(f"{path} is written: {sync_command(draft, path)}")


def _as_json(draft: "Draft") -> dict[str, Any]:
    return {
        "source": draft.source,
        "settings": dict(draft.settings),
        "variables": dict(draft.variables),
        "listed": draft.listed,
        "complete": draft.complete,
        "left_out": dict(draft.counts),
        "streams": [
            {
                "settings": dict(stream.settings),
                "files": stream.files,
                "size_bytes": stream.size_bytes,
                "example": stream.example,
                "columns": [{"name": name, "type": kind} for name, kind in stream.columns.items()],
                "notes": stream.notes,
            }
            for stream in draft.streams
        ],
    }
