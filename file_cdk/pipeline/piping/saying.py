"""What a source says besides records and states: logs, which are passed on by their levels, and why it failed."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import SourceFailedError
from file_cdk.pipeline.piping.secrets import Secrets
from file_cdk.protocol.receiving.events import OtherReceived

_log = logging.getLogger(__name__)

_LEVELS = {
    "FATAL": logging.CRITICAL,
    "ERROR": logging.ERROR,
    "WARN": logging.WARNING,
    "INFO": logging.INFO,
    "DEBUG": logging.DEBUG,
    "TRACE": logging.DEBUG,
}


class SourceConfigError(SourceFailedError):
    """The source says that its configuration is wrong."""

    failure_type = "config_error"


@dataclass(slots=True)
class Said:
    """By one run of a command of the source. changed: called with the whole of a configuration that the source changes."""

    source: str
    command: str
    secrets: Secrets
    changed: Callable[[Mapping[str, Any]], None]
    has_statuses: bool = False
    errors: list[str] = field(default_factory=list)
    _is_config: bool = False

    def take(self, event: OtherReceived) -> None:
        try:
            message: Any = json.loads(event.raw)
        except ValueError:  # such as numbers with too many digits
            return
        match message:
            case {"type": "LOG", "log": {"message": str(text), **more}}:
                level = _LEVELS.get(str(more.get("level")), logging.INFO)
                _log.log(level, "%s: %s", self.source, self.secrets.hidden(text))
                if trace := more.get("stack_trace"):
                    _log.debug("%s: %s", self.source, self.secrets.hidden(str(trace)))
            case {"type": "TRACE", "trace": {"type": "ERROR", "error": dict(error)}}:
                self._failed(error)
            case {"type": "CONTROL", "control": {"connectorConfig": {"config": dict(config)}}}:
                self.changed(config)

    def _failed(self, error: dict[str, Any]) -> None:
        text = self.secrets.hidden(str(error.get("message") or error.get("internal_message") or "no reason"))
        stream = error.get("stream_descriptor")
        of = f"stream {stream.get('name')!r}: " if isinstance(stream, dict) else ""
        if of + text not in self.errors:
            self.errors.append(of + text)
        self._is_config = self._is_config or error.get("failure_type") == "config_error"
        for member in ("internal_message", "stack_trace"):
            if detail := error.get(member):
                _log.debug("%s: %s", self.source, self.secrets.hidden(str(detail)))

    def failure(self, code: int | None) -> SourceFailedError | None:
        """None where it came to a good end. code: the exit code; None where the source did not exit."""
        if code == 0 and not self.errors:
            return None
        ended = (
            "did not exit after it had closed its output"
            if code is None
            else f"was ended by signal {-code}"
            if code < 0
            else f"ended with exit code {code}"
        )
        failed = SourceConfigError if self._is_config else SourceFailedError
        remedy = "What came before its last states is kept; the next run goes on from there"
        reasons = "; ".join(self.errors)
        return failed(
            f"the source's {self.command} {ended}{': ' if reasons else ''}{reasons}",
            remedy=remedy if self.command == "read" else None,
        )
