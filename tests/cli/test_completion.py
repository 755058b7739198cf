"""The completion scripts: bash itself completes by one; all name every option that the parsers have."""

import argparse
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from file_cdk.cli.beginning.shells import SCRIPTS
from file_cdk.cli.command import whole_parser

DRIVER = """\
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
_file_cdk
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scripts")
    for shell, script in SCRIPTS.items():
        (folder / shell).write_text("\n".join(script(whole_parser())) + "\n")
    return folder


def completed(scripts: Path, cwd: Path, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    command = ["bash", "-u", "-c", DRIVER, "bash", str(scripts / "bash"), "file-cdk", *words]
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    return [line for line in ran.stdout.splitlines() if line]


def test_bash_completes_commands_options_values_and_files(scripts: Path, tmp_path: Path) -> None:
    (tmp_path / "shop data").mkdir()
    (tmp_path / "shop.duckdb").touch()

    def offered(*words: str) -> list[str]:
        return completed(scripts, tmp_path, *words)

    assert offered("sta") == ["status", "state"]
    assert {"sync", "preview", "completion", "--help"} <= set(offered(""))
    assert offered("ls", "--so") == ["--sort"]
    assert offered("ls", "--sort", "") == ["modified", "uri", "none"]
    assert offered("ls", "--sort", "=", "u") == ["uri"]
    assert offered("ls", "--sort", "=") == ["modified", "uri", "none"]
    assert offered("state", "") == ["show", "export", "import", "reset", "-h", "--help"]
    assert offered("state", "show", "--fa") == ["--failed"]
    assert offered("new", "f") == ["format"]
    assert sorted(offered("sync", "sho")) == ["shop data", "shop.duckdb"]
    assert sorted(offered("sync", "x", "--to", "sho")) == ["shop data", "shop.duckdb"]
    assert offered("sync", "x", "--table", "sho") == []


@pytest.mark.parametrize("shell", sorted(SCRIPTS))
def test_every_command_and_option_is_in_the_script(scripts: Path, shell: str) -> None:
    text = (scripts / shell).read_text()
    for name in options(whole_parser()):
        spelled = f"-l {name[2:]} " if name.startswith("--") else f"-s {name[1:]} "
        assert (f"{spelled}" if shell == "fish" else name) in text


def options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from options(each)
        else:
            yield from action.option_strings


@pytest.mark.parametrize("shell", sorted(SCRIPTS))
def test_the_shell_takes_the_script(scripts: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    ran = subprocess.run([shell, "-n", str(scripts / shell)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
