"""How a check of a conformance suite fails, and what it expects to be raised."""

from collections.abc import Callable
from typing import NoReturn

import pytest


def wrong(message: str) -> NoReturn:
    """The check fails; message: what the reader does and what it should, for whoever wrote it."""
    pytest.fail(message, pytrace=False)


def require(condition: bool, message: str) -> None:
    if not condition:
        wrong(message)


def error_of(call: Callable[[], object]) -> Exception | None:
    """What it raises, of whatever kind."""
    try:
        call()
    except Exception as exc:  # noqa: BLE001  that it is of the right kind is what is checked
        return exc
    return None


def require_error(error: Exception | None, kinds: tuple[type[Exception], ...], when: str) -> None:
    names = " or ".join(kind.__name__ for kind in kinds)
    if error is None:
        wrong(f"{when}: nothing is raised, {names} should be")
    if not isinstance(error, kinds):
        wrong(f"{when}: {type(error).__name__} is raised instead of {names}: {error}")
