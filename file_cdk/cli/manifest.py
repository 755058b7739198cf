"""`file-cdk manifest`: what is wrong with a manifest of an API, and what editors are told of manifests."""

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from file_cdk.cli.arguments import add_json, operations_of
from file_cdk.cli.beginning.saving import say
from file_cdk.cli.ending import Interruption
from file_cdk.cli.screen.stdout import write_lines
from file_cdk.cli.screen.wording import plural, printable
from file_cdk.core.exit_codes import ExitCode

if TYPE_CHECKING:
    from file_cdk.declarative.language.mistakes import Mistake

DESCRIPTION = """\
Of a manifest, the YAML that describes an HTTP API:

  lint    says what is wrong with it, and what will not do as it looks, by line and column
  schema  prints the JSON Schema of manifests, for editors

lint needs neither a configuration nor a network. An error is what a manifest does not run with; a warning what runs, and may
surprise: a field that nothing reads, a value whose type depends on the record, a stream that no check looks at.
"""

EPILOG = """\
examples:
  file-cdk manifest lint manifest.yaml
  file-cdk manifest lint manifest.yaml --json
  file-cdk manifest schema > manifest.schema.json

exit codes:
  0    no errors
  2    wrong usage, or errors; with --strict also warnings
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    operation = operations_of(parser)

    lint = operation("lint", "say what is wrong with a manifest, a line for each mistake, on stdout", _lint)
    lint.add_argument("file", metavar="FILE", help="the manifest")
    lint.add_argument("--strict", action="store_true", help="end with exit code 2 for warnings, too")
    lint.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    add_json(lint)
    operation("schema", "print the JSON Schema of manifests, for editors", _schema)


def run(arguments: argparse.Namespace, _: Interruption) -> ExitCode:
    code: ExitCode = arguments.operation(arguments)
    return code


def _lint(arguments: argparse.Namespace) -> ExitCode:
    from msgspec.structs import asdict

    from file_cdk.declarative.language.mistakes import mistakes
    from file_cdk.pipeline.apis.manifest import text_of

    found = mistakes(text_of(arguments.file), arguments.file)
    errors = sum(mistake.severity == "error" for mistake in found)
    if arguments.json:
        write_lines(json.dumps(asdict(mistake)) for mistake in found)
    else:
        write_lines(_lines(arguments.file, found))
    if not arguments.quiet:
        say(f"{plural(errors, 'error')}, {plural(len(found) - errors, 'warning')}")
    return ExitCode.USAGE if errors or (found and arguments.strict) else ExitCode.DONE


def _lines(path: str, found: "list[Mistake]") -> Iterator[str]:
    """`manifest.yaml:12:7: error: …`, which editors and people can follow."""
    for each in found:
        parts = [f"{kind} {name!r}" for kind, name in (("stream", each.stream), ("field", each.field)) if name]
        where = f" ({', '.join(parts)})" if parts else ""
        meant = f". Was {each.nearest!r} meant?" if each.nearest else ""
        yield printable(f"{path}:{each.line}:{each.column}: {each.severity}: {each.message}{where}{meant}")


def _schema(_: argparse.Namespace) -> ExitCode:
    from file_cdk.declarative.language.json_schema import manifest_schema

    write_lines([json.dumps(manifest_schema(), indent=1)])
    return ExitCode.DONE
