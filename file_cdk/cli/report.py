"""`--report`: one JSON object about a run, its streams and its files, for a scheduler; written also when the run fails."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from file_cdk.cli.screen.wording import instant
from file_cdk.core.errors import FileCdkError, TooManyRejectsError
from file_cdk.core.exit_codes import ExitCode
from file_cdk.core.files import RemoteFile
from file_cdk.core.uris import redacted
from file_cdk.core.version import VERSION
from file_cdk.pipeline.tables.report import StreamResult, SyncResult

if TYPE_CHECKING:
    from file_cdk.pipeline.piping.pipe import PipeResult

MAX_FILES = 100_000
"""Maximum number of files in a report, some 30 MB; those beyond are counted."""


class _Report:
    """source, destination: as they were given. options: those that are not the default, from wherever they come."""

    def __init__(self, source: str, destination: str, options: dict[str, Any]) -> None:
        self._facts = {"source": redacted(source), "destination": redacted(destination), "options": options}
        self._started_at = datetime.now(UTC)

    def _text(self, code: ExitCode, error: str | None, seconds: float | None, facts: dict[str, Any]) -> str:
        """error: what ended the whole command. seconds: how long it took, if that was measured. facts: of what it did."""
        ended_at = datetime.now(UTC)
        document = {
            "exit_code": int(code),
            "error": error,
            "version": VERSION,
            **self._facts,
            "started_at": instant(self._started_at),
            "ended_at": instant(ended_at),
            "seconds": round((ended_at - self._started_at).total_seconds() if seconds is None else seconds, 3),
            **facts,
        }
        return json.dumps(document, indent=2) + "\n"


class PipeReport(_Report):
    """Of a source that speaks the protocol: its files, if it has any, are its own."""

    def text(self, code: ExitCode, result: "PipeResult | None", error: str | None) -> str:
        """error: what ended the whole command."""
        rows = {} if result is None else result.rows
        passed_over = {} if result is None else result.passed_over
        complete_before = () if result is None else result.complete
        facts = {
            "rows": sum(rows.values()),
            "streams": [
                *({"stream": stream, "rows": count, "complete_before": False} for stream, count in rows.items()),
                *({"stream": stream, "rows": 0, "complete_before": True} for stream in complete_before),
            ],
            "lines_passed_over": dict(passed_over),
        }
        return self._text(code, error, None, facts)


class RunReport(_Report):
    """Of files."""

    def __init__(self, source: str, destination: str, options: dict[str, Any]) -> None:
        super().__init__(source, destination, options)
        self._files: list[dict[str, Any]] = []
        self._files_left_out = 0

    def file_ended(
        self, stream: str, file: RemoteFile, rows: int, rejected: int, skipped: int, error: FileCdkError | None
    ) -> None:
        """See pipeline.tables.report.FileObserver."""
        if len(self._files) >= MAX_FILES:
            self._files_left_out += 1
            return
        self._files.append(
            {
                "stream": stream,
                "uri": file.uri,
                "size_bytes": file.size_bytes,
                "modified_at": instant(file.modified_at),
                "status": "loaded" if error is None else "failed",
                "rows": rows,
                "rejected": rejected,
                "skipped": skipped,
                "error": None if error is None else str(error),
                "ended_at": instant(datetime.now(UTC)),
            }
        )

    def text(self, code: ExitCode, result: SyncResult | None, error: str | None) -> str:
        """error: what ended the whole command."""
        from file_cdk.cli.summary import failures_of

        streams = () if result is None else result.streams
        facts = {
            "rows": sum(stream.rows for stream in streams),
            "rejected": sum(stream.rejected for stream in streams),
            "size_bytes": sum(stream.size_bytes for stream in streams),
            "streams": [_stream(stream) for stream in streams],
            "files": self._files,
            "files_left_out": self._files_left_out,
            "failures": [] if result is None else [_failure(*each) for each in failures_of(result)],
        }
        return self._text(code, error, None if result is None else result.seconds, facts)


def _stream(stream: StreamResult) -> dict[str, Any]:
    return {
        "stream": stream.stream,
        "files_read": stream.files_read,
        "files_failed": stream.files_failed,
        "files_skipped": dict(stream.skipped),
        "rows": stream.rows,
        "rejected": stream.rejected,
        "size_bytes": stream.size_bytes,
        "files_gone": stream.gone,
        "files_removed": stream.removed,
        "replaced": stream.replaced,
        "rows_shown": stream.shown,
    }


def _failure(stream: str, failure: FileCdkError) -> dict[str, Any]:
    facts = {
        "stream": stream,
        "kind": type(failure).__name__,
        "message": str(failure),
        "uri": failure.uri,
        "row": failure.row,
        "byte": failure.byte,
        "column": failure.column,
    }
    if isinstance(failure, TooManyRejectsError):
        facts["rejected"] = failure.rejected
    return facts
