"""`file-cdk sync manifest.yaml`: the source that a manifest describes, run by a process of its own, into a destination."""

import argparse
import os
import shlex
import sys

from file_cdk.cli.ending import Interruption
from file_cdk.cli.environment import given
from file_cdk.cli.pipe import load_source
from file_cdk.core.errors import ConfigError
from file_cdk.core.exit_codes import ExitCode
from file_cdk.pipeline.apis.recognising import name_of_manifest

_TAKEN = frozenset({"config", "to", "stream", "full_refresh", "wait", "quiet", "verbose", "source"})


def sync_manifest(arguments: argparse.Namespace, interruption: Interruption) -> ExitCode:
    """Raises ConfigError where an option was given that is of files."""
    others = ["--" + name.replace("_", "-") for name in given(arguments.parser, arguments) if name not in _TAKEN]
    if others:
        raise ConfigError(
            f"{', '.join(sorted(others))} mean nothing for the manifest of an API",
            remedy="Leave them out; how records are read is said in the manifest",
        )
    path = os.path.abspath(arguments.source)  # noqa: PTH100
    command = shlex.join([sys.executable, "-m", "file_cdk.cli.manifest_source", path])
    return load_source(command, arguments, interruption, name=name_of_manifest(path), slices=True)
