"""What ended a command, as an exit code and one line."""

import traceback
from dataclasses import dataclass

from file_cdk.cli.exit_codes import ExitCode, of_error
from file_cdk.cli.interruption import Interruption
from file_cdk.core.errors import FileCdkError, InternalError
from file_cdk.core.system_limits import limit_reached


@dataclass(frozen=True, slots=True)
class Failure:
    """message: for a person, without values of records. trace: the traceback, for who asked for it."""

    code: ExitCode
    message: str
    trace: str

    def line(self) -> str:
        kind = "internal error" if self.code is ExitCode.INTERNAL_ERROR else "error"
        return f"{kind}: {self.message}"


def failure_of(error: BaseException, interruption: Interruption) -> Failure:
    """Of whatever reached the command's boundary. A signal that came counts more than what it was turned into."""
    trace = "".join(traceback.format_exception(error))
    if interruption.exit_code is not None or isinstance(error, KeyboardInterrupt):
        return Failure(interruption.exit_code or ExitCode.INTERRUPTED, "interrupted", trace)
    if not isinstance(error, FileCdkError):
        error = limit_reached(error) or error
    if isinstance(error, InternalError) or not isinstance(error, FileCdkError):
        bug = error if isinstance(error, InternalError) else InternalError.wrap(error)
        return Failure(ExitCode.INTERNAL_ERROR, str(bug), trace)
    return Failure(of_error(error), str(error), trace)
