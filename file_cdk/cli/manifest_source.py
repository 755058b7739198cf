"""`source-declarative-manifest spec | check | discover | read`, and the same of a source that is a manifest in a package.

stdout carries protocol messages and nothing else; an error is a TRACE message and exit code 1.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from file_cdk.cli.messages import add_commands, execute, load, load_object, write
from file_cdk.cli.parser import Parser, number
from file_cdk.cli.screen.stdout import fill_standard_descriptors
from file_cdk.core.errors import ConfigError
from file_cdk.core.exit_codes import ExitCode
from file_cdk.core.system.collecting import put_off_collecting, take_up_collecting

if TYPE_CHECKING:
    from file_cdk.pipeline.apis.run import RunOptions

_Command = Callable[[argparse.Namespace, int], int]
"""Writes its messages to the file descriptor and returns the exit code."""

NAME = "source-declarative-manifest"


def run(
    manifest: "str | os.PathLike[str] | None" = None, argv: Sequence[str] | None = None, *, ends_process: bool = False
) -> NoReturn:
    """See entry.run_manifest."""
    fill_standard_descriptors()
    path = None if manifest is None else Path(manifest)
    parser = source_parser(NAME if path is None else path.absolute().parent.name.replace("_", "-"))
    given = sys.argv[1:] if argv is None else argv
    if not given:
        parser.print_help(sys.stderr)
        sys.exit(ExitCode.USAGE)
    arguments = parser.parse_args(given)
    arguments.manifest_path = arguments.manifest_path or (path and str(path))
    command: _Command = arguments.command
    execute(
        lambda out_fd: command(arguments, out_fd),
        interrupted="the next read goes on from the last state",
        debug=arguments.debug,
        process_ends=argv is None,
        ends_process=ends_process,
    )


def _spec(arguments: argparse.Namespace, out_fd: int) -> int:
    from file_cdk.pipeline.apis.specification import specification

    return write([specification(arguments.manifest_path)], out_fd)


def _check(arguments: argparse.Namespace, out_fd: int) -> int:
    config = _config(arguments)
    from file_cdk.pipeline.apis.checking import check
    from file_cdk.pipeline.apis.manifest import manifest_of

    return check(manifest_of(config, arguments.manifest_path), config, out_fd, _options(arguments))


def _discover(arguments: argparse.Namespace, out_fd: int) -> int:
    config = _config(arguments)
    from file_cdk.pipeline.apis.checking import discover
    from file_cdk.pipeline.apis.manifest import manifest_of

    manifest = manifest_of(config, arguments.manifest_path)
    return write(discover(manifest, config, with_fingerprints=arguments.fingerprints), out_fd)


def _read(arguments: argparse.Namespace, out_fd: int) -> int:
    put_off_collecting()
    try:
        config = _config(arguments)
        catalog = load(arguments.catalog, "catalog", lines=True)
        state = None if arguments.state is None else load(arguments.state, "state", lines=True)
        from file_cdk.pipeline.apis.manifest import manifest_of
        from file_cdk.pipeline.apis.reading import read_manifest

        manifest = manifest_of(config, arguments.manifest_path)
    finally:
        take_up_collecting()
    return read_manifest(manifest, config, catalog, state, out_fd, _options(arguments))


def _config(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.components_path is not None:
        raise ConfigError(
            "--components-path names Python code, which is not run",
            remedy="Leave it out, and describe what it does with components of the manifest",
        )
    return load_object(arguments.config, "config")


def _options(arguments: argparse.Namespace) -> "RunOptions":
    from file_cdk.pipeline.apis.run import RunOptions

    given = {name: value for name, value in vars(arguments).items() if name in RunOptions.__struct_fields__}
    for name in ("record", "replay"):
        given[name] = None if given.get(name) is None else Path(given[name])
    if (path := given.get("attempts")) is not None:
        from file_cdk.pipeline.apis.tally import attempts_in

        given["attempts"] = attempts_in(Path(path).read_bytes())
    return RunOptions(**given)


def source_parser(name: str) -> Parser:
    parser = Parser(prog=name, description="An Airbyte-protocol source of an HTTP API that a manifest describes.")
    manifest = Parser(add_help=False)
    manifest.add_argument(
        "--manifest-path", metavar="FILE", help="the manifest, YAML; by default what the configuration has"
    )
    code = Parser(add_help=False)
    code.add_argument("--components-path", metavar="FILE", help="Python code of a manifest, which is refused")
    tape = Parser(add_help=False)
    tape.add_argument("--record", metavar="DIR", help="keep requests and answers in a new folder, without secrets")
    tape.add_argument("--replay", metavar="DIR", help="take the answers from such a folder instead of the network")
    add, config = add_commands(parser, "the source's configuration, JSON")
    add("spec", _spec, "print what a configuration may contain", manifest)
    add("check", _check, "try the configuration", config, manifest, code, tape)
    discover = add("discover", _discover, "print the catalog of streams and their schemas", config, manifest, code)
    # These two are for `file-cdk sync`, which runs this: see pipeline/apis/progress.
    discover.add_argument("--fingerprints", action="store_true", help=argparse.SUPPRESS)
    read = add("read", _read, "print the records, and the state to go on from", config, manifest, code, tape)
    read.add_argument("--catalog", metavar="FILE", required=True, help="the configured catalog, JSON")
    read.add_argument("--state", metavar="FILE", help="the state messages of the last read, JSON lines or a JSON list")
    read.add_argument(
        "--slices",
        metavar="N",
        type=number("number of slices"),
        help="slices of a stream that are read at once; 0, the default: as the manifest says, or 8",
    )
    read.add_argument(
        "--streams",
        metavar="N",
        type=number("number of streams"),
        help="streams that are read at once, with as many requests in all as for one; by default 4",
    )
    read.add_argument(
        "--pages-ahead",
        metavar="N",
        type=number("number of pages"),
        help="pages asked for before the one before them came, where they are numbered; 0: none; by default 4",
    )
    read.add_argument("--attempts", metavar="FILE", help=argparse.SUPPRESS)
    read.add_argument("--strict", action="store_true", help="end with exit code 1 where something was passed over")
    return parser


if __name__ == "__main__":
    # As `python -m file_cdk.cli.manifest_source MANIFEST read …`, which is how `file-cdk sync` has a process of its own for one.
    run(sys.argv.pop(1), ends_process=True)
