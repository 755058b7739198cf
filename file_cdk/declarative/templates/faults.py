"""Why an expression gives no text: what a Template turns into an error that names it. None of them holds a value."""

from typing import Final


class FaultError(Exception):
    """reason: in words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotThereError(FaultError):
    """Something is looked up in what is not there; a mapping then leaves the entry out, a condition does not hold."""


class UnfitError(FaultError):
    """An operation is applied to values of types that it is not for; a condition then holds."""


class RefusedError(FaultError):
    """The expression, or what it comes to, is more than the sandbox lets through."""


LONGEST_TEXT: Final = 1 << 20  # characters, of the outcome and of each text on the way


def too_long() -> RefusedError:
    return RefusedError(f"makes a text of more than {LONGEST_TEXT:,} characters")
