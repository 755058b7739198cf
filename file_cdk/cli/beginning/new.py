"""`file-cdk new`: the project of a source, format or destination of one's own, which works as it is written."""

import argparse
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from file_cdk.cli.arguments import add_talk
from file_cdk.cli.beginning.saving import say
from file_cdk.cli.ending import Interruption
from file_cdk.core.errors import ConfigError
from file_cdk.core.exit_codes import ExitCode
from file_cdk.core.formats import BUILT_IN

_KINDS = ("source", "format", "destination")
_TEMPLATES = Path(__file__).parent / "templates"
_ENDING = ".txt"
"""Of templates, which are no modules of this package."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_GUIDES = {kind: f"docs/guide/new_{kind}.md" for kind in _KINDS}

DESCRIPTION = """\
Writes a folder with a project: a source, a format or a destination that works as it is, its tests, which are file_cdk's
conformance suites, a README and a tox.ini. Put your own in place of what the example does.

  source NAME       a store with files: NAME: is the scheme of its URLs, source-NAME its command
  format NAME       a file format: NAME is how its files end, and what --format takes
  destination NAME  a place to load into: --to NAME:…"""

EPILOG = """\
examples:
  file-cdk new source shelf && cd source-shelf && tox
  file-cdk new format pairs
  file-cdk new destination warehouse --output ~/work/warehouse

exit codes:
  0    written
  2    wrong usage, a name that is taken, or a folder that is there already
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", metavar="KIND", choices=_KINDS, help="source, format or destination")
    parser.add_argument("name", metavar="NAME", help="what it is called: small letters, digits and single hyphens")
    parser.add_argument("-o", "--output", metavar="FOLDER", help="where to write it (default: KIND-NAME)")
    add_talk(parser)


def run(arguments: argparse.Namespace, _: Interruption) -> ExitCode:
    kind, name = arguments.kind, arguments.name
    if _NAME.fullmatch(name) is None:
        raise ConfigError(
            f"{name!r} cannot be a name", remedy="Use small letters, digits and single hyphens: acme-files"
        )
    if name in _taken(kind):
        raise ConfigError(f"{kind} {name!r} is built in, and would not be replaced", remedy="Give it another name")
    if kind == "format" and _ending_is_known(name):
        raise ConfigError(
            f"files that end in .{name} are told by that already, and would not be of the new format",
            remedy="Give it another name",
        )
    folder = Path(arguments.output or f"{kind}-{name}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError(f"{folder} is there already, and not empty", remedy="Name another folder with --output")
        for path, text in _files(kind, name):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"cannot write to {folder}: {exc.strerror}") from exc
    if not arguments.quiet:
        say(f"{folder} is written: cd {folder}, read README.md, and run tox")
        say(f"what its parts are for: {_GUIDES[kind]}")
    return ExitCode.DONE


def _files(kind: str, name: str) -> Iterator[tuple[str, str]]:
    """Each with its path in the project."""
    root = _TEMPLATES / kind
    for template in sorted(root.rglob(f"*{_ENDING}")):
        path = template.relative_to(root).as_posix().removesuffix(_ENDING)
        yield _filled(path, name), _filled(template.read_text(encoding="utf-8"), name)


def _filled(text: str, name: str) -> str:
    words = name.split("-")
    values: Mapping[str, str] = {
        "@name@": name,
        "@module@": "_".join(words),
        "@Class@": "".join(word.capitalize() for word in words),
    }
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text


def _taken(kind: str) -> set[str]:
    match kind:
        case "format":
            return set(BUILT_IN)
        case "source":
            from file_cdk.pipeline.sources import SHIPPED

            return {*SHIPPED, *(package.removeprefix("source_").replace("_", "-") for package in SHIPPED.values())}
    from file_cdk.destinations.registry import BUCKETS, MOTHERDUCK
    from file_cdk.destinations.registry import BUILT_IN as DATABASES

    return {*DATABASES, *(url.partition(":")[0] for url in (*BUCKETS, *MOTHERDUCK))}


def _ending_is_known(name: str) -> bool:
    """Whether files that end so are of a format that is built in, compressed, archives, or passed over."""
    from file_cdk.core.uris import is_archive, without_compression
    from file_cdk.readers.litter import litter_in

    file = f"a.{name}"
    of_formats = {ending for row in BUILT_IN.values() for ending in row.extensions}
    return (
        f".{name}" in of_formats or is_archive(file) or without_compression(file) != file or litter_in(file) is not None
    )
