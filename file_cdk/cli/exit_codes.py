"""What the process says to whoever started it. The help text and docs/guide/sync.md list the same codes."""

from enum import IntEnum

from file_cdk.core.errors import (
    AccessError,
    ConfigError,
    DestinationError,
    FileCdkError,
    FileError,
    SystemLimitError,
    TooManyRejectsError,
    TransientError,
)


class ExitCode(IntEnum):
    DONE = 0
    INTERNAL_ERROR = 1
    USAGE = 2
    ACCESS = 3
    REJECTS = 4
    FILES_FAILED = 5
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


def of_error(error: FileCdkError) -> ExitCode:
    """The code for an error that ended the whole command."""
    match error:
        case ConfigError():
            return ExitCode.USAGE
        case AccessError() | TransientError() | DestinationError() | SystemLimitError():
            return ExitCode.ACCESS
        case TooManyRejectsError():
            return ExitCode.REJECTS
        case FileError():
            return ExitCode.FILES_FAILED
        case _:
            return ExitCode.INTERNAL_ERROR
