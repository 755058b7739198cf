"""`file-cdk completion`: what completes the command's line in a shell, as text that asks nobody again."""

import argparse

from file_cdk.cli.ending import Interruption
from file_cdk.cli.screen.stdout import write_lines
from file_cdk.core.exit_codes import ExitCode

DESCRIPTION = """\
Prints what completes `file-cdk` in bash, zsh or fish: commands, options, the values that they may have, and names of files. It is
made from this version's commands: write it anew after an upgrade."""

EPILOG = """\
examples:
  file-cdk completion bash > ~/.local/share/bash-completion/completions/file-cdk
  file-cdk completion zsh > ~/.zfunc/_file-cdk      a folder of $fpath, before compinit
  file-cdk completion fish > ~/.config/fish/completions/file-cdk.fish
  source <(file-cdk completion bash)                for this shell alone

exit codes:
  0    printed
  2    wrong usage
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=["bash", "zsh", "fish"], help="the shell")


def run(arguments: argparse.Namespace, _: Interruption) -> ExitCode:
    from file_cdk.cli.beginning.shells import SCRIPTS
    from file_cdk.cli.command import whole_parser

    write_lines(SCRIPTS[arguments.shell](whole_parser()))
    return ExitCode.DONE
