"""The command in this process: starting one takes longer than most of what is tested."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from file_cdk.cli import main


@dataclass(frozen=True)
class Ran:
    """Exit code, and what was printed, by lines."""

    code: int
    out: list[str]
    err: list[str]

    @property
    def document(self) -> Any:
        """Of all of stdout."""
        return json.loads("\n".join(self.out))

    @property
    def documents(self) -> list[dict[str, Any]]:
        """Of each line of stdout."""
        return [json.loads(line) for line in self.out]


Run = Callable[..., Ran]


def command_with(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> Ran:
        code = main([*arguments])
        said = capsys.readouterr()
        return Ran(code, said.out.splitlines(), said.err.splitlines())

    return run
