"""`file-cdk check`: whether a sync would work, step by step, as lines for a person or as one JSON object."""

import argparse
import json
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import field
from typing import TYPE_CHECKING, Any

from file_cdk.cli.arguments import SOURCES, add_config, add_json, add_source, add_talk, add_to, names, refuse_config
from file_cdk.cli.ending import Failure, Interruption, failure_of
from file_cdk.cli.screen.display import PlainDisplay, log_level, logs_to
from file_cdk.cli.screen.stdout import write_lines
from file_cdk.cli.screen.wording import escaped, instant, plural, reasons, size
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import FileCdkError
from file_cdk.core.exit_codes import ExitCode
from file_cdk.core.uris import redacted
from file_cdk.pipeline.apis.recognising import is_manifest

if TYPE_CHECKING:  # `--help` needs none of them
    from file_cdk.core.files import RemoteFile
    from file_cdk.pipeline.checking import StreamCheck
    from file_cdk.pipeline.stream import Stream

_COLUMNS_SHOWN = 10

DESCRIPTION = f"""\
Tries what a sync of SOURCE would need, and says how each step ended: for every stream, which credentials are used, whether
its root is reached and listed, and whether one of the files is opened and its beginning read. Nothing is loaded.

{SOURCES}"""

EPILOG = """\
examples:
  file-cdk check orders
  file-cdk check nightly.yaml --to shop.duckdb
  file-cdk check config.json --connector s3      the configuration of an Airbyte connector

exit codes (of the first step that failed):
  0    all is well
  2    wrong usage or configuration
  3    the source or the destination cannot be reached, opened or written, or no file would be read
  5    the file cannot be read
  130  interrupted (SIGINT);  143  terminated (SIGTERM);  129  hung up (SIGHUP)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser, "what to try (see above)")
    add_config(parser)
    add_to(parser, "It is tried as well, and stays as it is")
    add_json(parser, "one JSON object")
    add_talk(parser)


def run(arguments: argparse.Namespace, interruption: Interruption) -> ExitCode:
    """Reports on stdout; warnings go to stderr."""
    if is_manifest(arguments.source):
        from file_cdk.cli.manifest_looks import check_manifest

        return check_manifest(arguments, interruption)
    refuse_config(arguments)
    say = PlainDisplay(sys.stderr).line
    check = _Check(arguments, interruption)
    with logs_to(say, log_level(quiet=arguments.quiet, verbose=arguments.verbose)), closing(check.lines()) as lines:
        if not arguments.json:
            write_lines(lines)
        else:
            for _ in lines:
                pass
            write_lines([json.dumps(check.document(), indent=2)])
    for failure in check.failures if arguments.verbose else ():
        for line in failure.trace.splitlines():
            say(line)
    return check.code


@dataclass(slots=True)
class _Check:
    """What came of the steps so far: each a name, and why it failed."""

    arguments: argparse.Namespace
    interruption: Interruption
    streams: "list[StreamCheck]" = field(default_factory=list)
    steps: "list[tuple[StreamCheck | None, str, Failure | None]]" = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    destination_exists: bool | None = None

    @property
    def code(self) -> ExitCode:
        return self.failures[0].code if self.failures else ExitCode.DONE

    def lines(self) -> Generator[str, None, None]:
        """Takes the steps one by one, and says of each how it ended before the next begins."""
        from file_cdk.pipeline.checking import StreamCheck, check_destination, parts_to_check
        from file_cdk.pipeline.execution import Executors
        from file_cdk.pipeline.sources import streams_of

        given = self.arguments
        sources: Sequence[Stream] = ()
        try:
            named = streams_of(given.source, given.format, given.table, given.connector, only=names(given.stream))
            sources = [part for each in named for part in parts_to_check(each, given.to)]
        except FileCdkError as exc:
            yield self._line(None, "source", exc)
        with closing(Executors(None)) as executors:
            for source in sources:
                stream = StreamCheck(source)
                self.streams.append(stream)
                yield f"{escaped(stream.name)}:"
                for step in stream.steps(executors):
                    yield self._line(stream, step.name, step.error)
                if stream.note is not None:
                    yield f"{'':23}{escaped(stream.note)}"
        if given.to is not None:
            try:
                self.destination_exists = check_destination(given.to, sources)
            except FileCdkError as exc:
                yield self._line(None, "destination", exc)
            else:
                yield self._line(None, "destination", None)
        yield self._closing_line()

    def document(self) -> dict[str, Any]:
        """The same for a program. Sizes in bytes, times in UTC; `steps` beside the streams' own are the source's and the
        destination's."""
        given = self.arguments
        return {
            "ok": not self.failures,
            "exit_code": int(self.code),
            "source": redacted(given.source),
            "destination": None if given.to is None else redacted(given.to),
            "destination_exists": self.destination_exists,
            "steps": self._step_documents(None),
            "streams": [_stream_document(stream, self._step_documents(stream)) for stream in self.streams],
        }

    def _line(self, stream: "StreamCheck | None", name: str, error: FileCdkError | None) -> str:
        failure = None if error is None else failure_of(error, self.interruption)
        self.steps.append((stream, name, failure))
        if failure is not None:
            self.failures.append(failure)
            return f"  failed  {name:<11}  {escaped(failure.message)}"
        return f"  ok      {name:<11}  {escaped(self._detail(stream, name))}"

    def _detail(self, stream: "StreamCheck | None", name: str) -> str:
        if stream is not None:
            return _DETAILS[name](stream)
        existence = {True: "can be written", False: "would be created", None: "can be opened"}[self.destination_exists]
        return f"{redacted(self.arguments.to)} {existence}"

    def _closing_line(self) -> str:
        if self.failures:
            return f"{len(self.failures):,} of {plural(len(self.steps), 'step')} failed"
        idle = [stream.name for stream in self.streams if stream.file is None]
        return f"all is well, but nothing would be read: {escaped(', '.join(idle))}" if idle else "all is well"

    def _step_documents(self, of: "StreamCheck | None") -> list[dict[str, Any]]:
        return [
            {"step": name, "ok": failure is None, "error": None if failure is None else failure.message}
            for stream, name, failure in self.steps
            if stream is of
        ]


def _reached(stream: "StreamCheck") -> str:
    name, origin = stream.stream.connector.name, stream.stream.origin
    return name if origin is None else f"{name}, {origin}"


def _listed(stream: "StreamCheck") -> str:
    among = "" if stream.complete else f" of the first {stream.listed:,} listed"
    if not stream.matched:
        return f"no file{among} matches {', '.join(map(repr, stream.stream.config.globs))}"
    verb = "matches" if stream.matched == 1 else "match"
    left_out = f"; would be skipped: {reasons(stream.skipped)}" if stream.skipped else ""
    return f"{plural(stream.matched, 'file')}{among} {verb}, {size(stream.size_bytes)}{left_out}"


def _opened(stream: "StreamCheck") -> str:
    assert stream.file is not None
    return f"{stream.file.uri}, {size(stream.file.size_bytes)}, modified {instant(stream.file.modified_at)}"


def _read(stream: "StreamCheck") -> str:
    shown = ", ".join(f"{name} {kind}" for name, kind in stream.columns[:_COLUMNS_SHOWN])
    more = ", …" if len(stream.columns) > _COLUMNS_SHOWN else ""
    return f"{stream.format}, {plural(len(stream.columns), 'column')}: {shown}{more}"


_DETAILS: "Mapping[str, Callable[[StreamCheck], str]]" = {
    "credentials": lambda stream: stream.credential or "",
    "reach": _reached,
    "list": _listed,
    "open": _opened,
    "read": _read,
}


def _stream_document(stream: "StreamCheck", steps: list[dict[str, Any]]) -> dict[str, Any]:
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


def _file_document(stream: "StreamCheck", file: "RemoteFile") -> dict[str, Any]:
    return {
        "uri": file.uri,
        "size_bytes": file.size_bytes,
        "modified_at": instant(file.modified_at),
        "etag": file.etag,
        "format": stream.format,
        "columns": [{"name": name, "type": kind} for name, kind in stream.columns],
        "note": stream.note,
    }
