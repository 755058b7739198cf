"""`file-cdk check`: whether a sync would work, step by step, as lines for a person or as one JSON object."""

import json
import logging
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from file_cdk.cli.display import PlainDisplay
from file_cdk.cli.exit_codes import ExitCode
from file_cdk.cli.failure import Failure, failure_of
from file_cdk.cli.interruption import Interruption
from file_cdk.cli.logs import logs_to
from file_cdk.cli.stdout import write_lines
from file_cdk.cli.wording import escaped, instant, plural, reasons, size
from file_cdk.core.errors import FileCdkError
from file_cdk.core.files import RemoteFile
from file_cdk.core.uris import redacted
from file_cdk.pipeline.checking import StreamCheck, check_destination
from file_cdk.pipeline.execution import Executors
from file_cdk.pipeline.sources import streams_of
from file_cdk.pipeline.stream import Stream

_COLUMNS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """The command line, as given."""

    source: str
    filetype: str | None = None
    table: str | None = None
    connector: str | None = None
    destination: str | None = None
    as_json: bool = False
    verbose: bool = False


def run_check(request: CheckRequest, interruption: Interruption) -> ExitCode:
    """Reports on stdout; warnings, and what keeps it from reporting, go to stderr."""
    say = PlainDisplay(sys.stderr).line
    check = _Check(request, interruption)
    executors = Executors(None)
    try:
        with (
            logs_to(say, logging.DEBUG if request.verbose else logging.WARNING),
            closing(check.lines(executors)) as lines,
        ):
            if not request.as_json:
                write_lines(lines)
            else:
                for _ in lines:
                    pass
                write_lines([json.dumps(check.document(), indent=2)])
    except (KeyboardInterrupt, Exception) as exc:  # noqa: BLE001 - the command's boundary, the one place that may
        failure = failure_of(exc, interruption)
        if failure.code not in (ExitCode.INTERRUPTED, ExitCode.TERMINATED, ExitCode.HUNG_UP):
            say(failure.line())
        check.failures.insert(0, failure)
    finally:
        executors.close()
    if request.verbose:
        for failure in check.failures:
            for line in failure.trace.splitlines():
                say(line)
    return check.code


@dataclass(slots=True)
class _Check:
    """What came of the steps so far: each a name, and why it failed."""

    request: CheckRequest
    interruption: Interruption
    streams: list[StreamCheck] = field(default_factory=list)
    steps: list[tuple[StreamCheck | None, str, Failure | None]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    destination_exists: bool | None = None

    @property
    def code(self) -> ExitCode:
        return self.failures[0].code if self.failures else ExitCode.DONE

    def lines(self, executors: Executors) -> Generator[str, None, None]:
        """Takes the steps one by one, and says of each how it ended before the next begins."""
        sources: Sequence[Stream] = ()
        try:
            sources = streams_of(self.request.source, self.request.filetype, self.request.table, self.request.connector)
        except FileCdkError as exc:
            yield self._line(None, "source", exc)
        for source in sources:
            stream = StreamCheck(source)
            self.streams.append(stream)
            yield f"{escaped(stream.name)}:"
            for step in stream.steps(executors):
                yield self._line(stream, step.name, step.error)
            if stream.note is not None:
                yield f"{'':23}{escaped(stream.note)}"
        if self.request.destination is not None:
            try:
                self.destination_exists = check_destination(self.request.destination, sources)
            except FileCdkError as exc:
                yield self._line(None, "destination", exc)
            else:
                yield self._line(None, "destination", None)
        yield self._closing_line()

    def document(self) -> dict[str, Any]:
        """The same for a program. Sizes in bytes, times in UTC; `steps` beside the streams' own are the source's and the
        destination's."""
        request = self.request
        return {
            "ok": not self.failures,
            "exit_code": int(self.code),
            "source": redacted(request.source),
            "destination": None if request.destination is None else redacted(request.destination),
            "destination_exists": self.destination_exists,
            "steps": self._step_documents(None),
            "streams": [_stream_document(stream, self._step_documents(stream)) for stream in self.streams],
        }

    def _line(self, stream: StreamCheck | None, name: str, error: FileCdkError | None) -> str:
        failure = None if error is None else failure_of(error, self.interruption)
        self.steps.append((stream, name, failure))
        if failure is not None:
            self.failures.append(failure)
            return f"  failed  {name:<11}  {escaped(failure.message)}"
        return f"  ok      {name:<11}  {escaped(self._detail(stream, name))}"

    def _detail(self, stream: StreamCheck | None, name: str) -> str:
        if stream is not None:
            return _DETAILS[name](stream)
        existence = {True: "can be written", False: "would be created", None: "can be opened"}[self.destination_exists]
        return f"{redacted(self.request.destination or '')} {existence}"

    def _closing_line(self) -> str:
        if self.failures:
            return f"{len(self.failures):,} of {plural(len(self.steps), 'step')} failed"
        idle = [stream.name for stream in self.streams if stream.file is None]
        return f"all is well, but nothing would be read: {escaped(', '.join(idle))}" if idle else "all is well"

    def _step_documents(self, of: StreamCheck | None) -> list[dict[str, Any]]:
        return [
            {"step": name, "ok": failure is None, "error": None if failure is None else failure.message}
            for stream, name, failure in self.steps
            if stream is of
        ]


def _reached(stream: StreamCheck) -> str:
    name, origin = stream.stream.connector.name, stream.stream.origin
    return name if origin is None else f"{name}, {origin}"


def _listed(stream: StreamCheck) -> str:
    among = "" if stream.complete else f" of the first {stream.listed:,} listed"
    if not stream.matched:
        return f"no file{among} matches {', '.join(map(repr, stream.stream.config.globs))}"
    verb = "matches" if stream.matched == 1 else "match"
    left_out = f"; would be skipped: {reasons(stream.skipped)}" if stream.skipped else ""
    return f"{plural(stream.matched, 'file')}{among} {verb}, {size(stream.size_bytes)}{left_out}"


def _opened(stream: StreamCheck) -> str:
    assert stream.file is not None
    return f"{stream.file.uri}, {size(stream.file.size_bytes)}, modified {instant(stream.file.modified_at)}"


def _read(stream: StreamCheck) -> str:
    shown = ", ".join(f"{name} {kind}" for name, kind in stream.columns[:_COLUMNS_SHOWN])
    more = ", …" if len(stream.columns) > _COLUMNS_SHOWN else ""
    return f"{stream.format}, {plural(len(stream.columns), 'column')}: {shown}{more}"


_DETAILS: Mapping[str, Callable[[StreamCheck], str]] = {
    "credentials": lambda stream: stream.credential or "",
    "reach": _reached,
    "list": _listed,
    "open": _opened,
    "read": _read,
}


def _stream_document(stream: StreamCheck, steps: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "stream": stream.name,
        "ok": all(step["ok"] for step in steps),
        "connector": stream.stream.connector.name,
        "origin": stream.stream.origin,
        "credential": stream.credential,
        "steps": steps,
        "files": {
            "listed": stream.listed,
            "matched": stream.matched,
            "size_bytes": stream.size_bytes,
            "complete": stream.complete,
            "skipped": dict(stream.skipped),
        },
        "file": None if stream.file is None else _file_document(stream, stream.file),
    }


def _file_document(stream: StreamCheck, file: RemoteFile) -> dict[str, Any]:
    return {
        "uri": file.uri,
        "size_bytes": file.size_bytes,
        "modified_at": instant(file.modified_at),
        "etag": file.etag,
        "format": stream.format,
        "columns": [{"name": name, "type": kind} for name, kind in stream.columns],
        "note": stream.note,
    }
