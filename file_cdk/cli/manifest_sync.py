"""`file-cdk sync manifest.yaml`: the source that a manifest describes, run by a process of its own, into a destination."""

import argparse
import os
import shlex
import sys
from collections.abc import Collection

from file_cdk.cli.ending import Interruption
from file_cdk.cli.environment import given
from file_cdk.cli.pipe import load_source
from file_cdk.core.errors import ConfigError
from file_cdk.core.exit_codes import ExitCode
from file_cdk.pipeline.apis.recognising import name_of_manifest

_TAKEN = frozenset(
    {"config", "to", "stream", "full_refresh", "wait", "quiet", "verbose", "source", "progress", "log_format", "report"}
)


def sync_manifest(arguments: argparse.Namespace, interruption: Interruption) -> ExitCode:
    """Raises ConfigError where an option was given that is of files."""
    refuse_options_of_files(arguments, _TAKEN)
    name = name_of_manifest(arguments.source)
    return load_source(command_of(arguments.source), arguments, interruption, name=name, slices=True)


def command_of(manifest: str) -> str:
    """That of the source which it describes."""
    path = os.path.abspath(manifest)  # noqa: PTH100
    return shlex.join([sys.executable, "-m", "file_cdk.cli.manifest_source", path])


def refuse_options_of_files(arguments: argparse.Namespace, taken: Collection[str]) -> None:
    """taken: what the command has of options that are not. Raises ConfigError."""
    others = ["--" + name.replace("_", "-") for name in given(arguments.parser, arguments) if name not in taken]
    if others:
        raise ConfigError(
            f"{', '.join(sorted(others))} mean nothing for the manifest of an API",
            remedy="Leave them out; how records are read is said in the manifest",
        )
