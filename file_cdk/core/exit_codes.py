"""How a sync, or another command, ends: the codes that whoever started it sees."""

from enum import IntEnum

from file_cdk.core.errors import (
    AccessError,
    ConfigError,
    DestinationError,
    FileCdkError,
    FileError,
    InternalError,
    SourceFailedError,
    SystemLimitError,
    TooManyRejectsError,
    TransientError,
)


class ExitCode(IntEnum):
    """What the process says to whoever started it. The help text and docs/guide/sync.md list the same codes."""

    DONE = 0
    INTERNAL_ERROR = 1
    USAGE = 2
    ACCESS = 3
    REJECTS = 4
    FILES_FAILED = 5
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143

    @property
    def is_interruption(self) -> bool:
        return self in (ExitCode.HUNG_UP, ExitCode.INTERRUPTED, ExitCode.TERMINATED)


def of_error(error: FileCdkError) -> ExitCode:
    """The code for an error that ended the whole command."""
    match error:
        case ConfigError():
            return ExitCode.USAGE
        case AccessError() | TransientError() | DestinationError() | SystemLimitError():
            return ExitCode.ACCESS
        case TooManyRejectsError():
            return ExitCode.REJECTS
        case FileError() | SourceFailedError(in_part=True):
            return ExitCode.FILES_FAILED
        case SourceFailedError():
            return ExitCode.USAGE if error.failure_type == "config_error" else ExitCode.ACCESS
        case _:
            return ExitCode.INTERNAL_ERROR


def of_files(failed: int, over_limit: int) -> ExitCode:
    """The code of a sync that came to its end. over_limit: of the files that failed, those that had too many rejected records
    and no other fault."""
    if not failed:
        return ExitCode.DONE
    return ExitCode.REJECTS if over_limit == failed else ExitCode.FILES_FAILED


def known_error(error: BaseException) -> FileCdkError:
    """The error itself if it is one of ours; else what the machine refused, or a bug."""
    if isinstance(error, FileCdkError):
        return error
    from file_cdk.core.system.limits import limit_reached  # and with it pathlib, which `--help` does without

    return limit_reached(error) or InternalError.wrap(error)
