"""`file-cdk convert`: the configuration of an Airbyte connector as YAML, and back."""

import argparse

from file_cdk.cli.arguments import add_connector, add_talk
from file_cdk.cli.beginning.saving import STDOUT, add_output, check_absent, say, write
from file_cdk.cli.ending import Interruption
from file_cdk.core.exit_codes import ExitCode

DESCRIPTION = """\
Turns the configuration of an Airbyte connector for files, in JSON, into YAML that `file-cdk sync` takes, or with --as airbyte
such YAML into JSON for the connector. In YAML, secrets become ${VARIABLE}: what to set is said on stderr. In JSON, what is for
tables alone is left out, and named."""

EPILOG = """\
examples:
  file-cdk convert config.json -o shop.yaml
  file-cdk convert config.json --connector s3
  file-cdk convert shop.yaml --as airbyte > config.json

exit codes:
  0    converted
  2    wrong usage or configuration, or the file is there already
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the configuration to convert")
    parser.add_argument(
        "--as", dest="form", choices=["yaml", "airbyte"], default="yaml", help="what to print (default: yaml)"
    )
    add_connector(parser)
    add_output(parser, "stdout")
    add_talk(parser)


def run(arguments: argparse.Namespace, _: Interruption) -> ExitCode:
    """What to know of it goes to stderr."""
    from file_cdk.pipeline.drafting.converting import to_airbyte, to_yaml

    path = arguments.output or STDOUT
    check_absent(path, force=arguments.force)
    convert = to_airbyte if arguments.form == "airbyte" else to_yaml
    converted = convert(arguments.file, arguments.connector)
    write(path, converted.text, force=arguments.force)
    for note in () if arguments.quiet else converted.notes:
        say(note)
    return ExitCode.DONE
