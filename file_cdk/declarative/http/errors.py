"""A request that came to nothing, as an error that says which one and why.

The URL is without its user, query and fragment; what the API says is shortened, and without secrets.
"""

from typing import Any

from file_cdk.core.errors import ConfigError, FailureType, FileCdkError, TransientError


class RequestFailedError(FileCdkError):
    """An API refuses a request, and neither the configuration nor time will help. stream, method, url: of the request; status:
    of the answer, None where none came."""

    def __init__(
        self,
        message: str,
        *,
        stream: str = "",
        method: str = "",
        url: str = "",
        status: int | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(message, **facts)
        self.stream = stream
        self.method = method
        self.url = url
        self.status = status

    @property
    def where(self) -> str:
        """`stream 'users', GET https://api.example.com/v1/users`."""
        stream = f"stream {self.stream!r}, " if self.stream else ""
        return f"{stream}{self.method} {self.url}"


class RequestRefusedError(RequestFailedError, ConfigError):
    """An API refuses a request for what the configuration says: credentials, permissions, an address."""

    failure_type = "config_error"


class RequestUnansweredError(RequestFailedError, TransientError):
    """An API does not answer, or with errors that may pass."""

    failure_type = "transient_error"


class RunStoppedError(FileCdkError):
    """The run is being ended, and a request or a wait with it."""

    failure_type = "transient_error"


def request_error(failure_type: FailureType) -> type[RequestFailedError]:
    return _BY_TYPE[failure_type]


_BY_TYPE: dict[FailureType, type[RequestFailedError]] = {
    "config_error": RequestRefusedError,
    "transient_error": RequestUnansweredError,
    "system_error": RequestFailedError,
}
