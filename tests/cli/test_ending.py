from pathlib import Path

import pytest

from file_cdk.cli.arguments import EXIT_CODES
from file_cdk.core import errors
from file_cdk.core.exit_codes import ExitCode, of_error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("x"), 2),
        (errors.AccessError("x"), 3),
        (errors.TransientError("x"), 3),
        (errors.DestinationError("x"), 3),
        (errors.MalformedRecordError("x", uri="a", row=1), 5),
        (errors.WorkerCrashedError("x", uri="a"), 5),
        (errors.TooManyRejectsError("x", uri="a", rejected=3), 4),
        (errors.InternalError("x"), 1),
        (errors.FileCdkError("x"), 1),
    ],
)
def test_code_of_an_error(error: errors.FileCdkError, code: int) -> None:
    assert of_error(error) == code


def test_help_lists_every_code() -> None:
    for code in ExitCode:
        assert f" {int(code)} " in EXIT_CODES.replace("\n", " ")


def test_the_guide_lists_every_code() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guide" / "sync.md").read_text(encoding="utf-8")
    for code in ExitCode:
        assert f"\n| {int(code)} | " in guide
