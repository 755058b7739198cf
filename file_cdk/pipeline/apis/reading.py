"""`read` of a manifest: records as protocol lines, slice by slice, with states that say how far they are."""

import logging
import traceback
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from typing import Any

import msgspec

from file_cdk.core.errors import (
    AnswerError,
    ConfigError,
    DestinationError,
    FileCdkError,
    OutputClosedError,
    TransientError,
)
from file_cdk.core.exit_codes import known_error
from file_cdk.declarative.http import Client
from file_cdk.declarative.http.errors import RequestFailedError
from file_cdk.declarative.pages import Rejected
from file_cdk.declarative.plan import SourcePlan, StreamPlan
from file_cdk.declarative.planning import plan_of
from file_cdk.declarative.scheduling import Bounds, KeptPages, OrderedRead, PageReady, ReadDone, Room, SliceDone, read
from file_cdk.pipeline.apis.at_once import AtOnce
from file_cdk.pipeline.apis.manifest import Manifest
from file_cdk.pipeline.apis.output import ApiStreamOutput
from file_cdk.pipeline.apis.run import RunOptions, connected, manifest_facts, output_of
from file_cdk.pipeline.apis.tally import SliceTally, gone_on_with
from file_cdk.protocol.catalog import ConfiguredStream, parse_configured_catalog
from file_cdk.protocol.messages import StreamStatus
from file_cdk.protocol.state import parse_state

_log = logging.getLogger(__name__)

STREAMS = 4
"""Streams that are read at once where nobody says."""


def read_manifest(
    manifest: Manifest, config: Mapping[str, Any], catalog: Any, state: Any, out_fd: int, options: RunOptions
) -> int:
    """Writes records, states and statuses to `out_fd`; 0, or 1 when something could not be read.

    Raises ConfigError before any request, OutputClosedError and DestinationError when `out_fd` cannot be written.
    """
    plan, chosen = _planned(manifest, config, catalog)
    bounds = options.bounds(plan)
    states = parse_state(state)
    at_once = max(1, min(options.streams or STREAMS, len(chosen), bounds.slices))
    bounds = bounds.shared(at_once)
    room = Room(bounds.slices, at_once)
    with (
        closing(output_of(manifest, config, out_fd)) as output,
        output.signals,
        connected(manifest, plan, output, options) as client,
        closing(KeptPages()) as kept,
    ):

        def read_of(each: ConfiguredStream) -> bool:
            stored = states.get(each.name) if each.incremental else None
            stream = _StreamRead(plan.stream(each.name), stored, ApiStreamOutput(each.name, output), options)
            return stream.run(client, bounds, kept, room)

        reads = [(each.name, partial(read_of, each)) for each in chosen]
        if at_once == 1:
            return 0 if all([read() for _, read in reads]) else 1  # noqa: C419 -- each is read, whatever became of others
        try:
            return 0 if AtOnce(reads, plan.apart).run(at_once, room.give_back) else 1
        except BaseException:
            output.close()  # the other streams are ended, and that is no error of theirs
            raise


def _planned(
    manifest: Manifest, config: Mapping[str, Any], catalog: Any
) -> tuple[SourcePlan, tuple[ConfiguredStream, ...]]:
    """With the cursors that the catalog chooses, where a stream lets it."""
    facts = manifest_facts(manifest)
    plan = plan_of(manifest.source, config, facts)
    chosen = parse_configured_catalog(catalog, [stream.name for stream in plan.streams])
    fields = {
        each.name: each.cursor_field
        for each in chosen
        if each.cursor_field is not None and plan.stream(each.name).takes_cursor_field
    }
    if fields:
        plan = plan_of(manifest.source, config, msgspec.structs.replace(facts, cursor_fields=fields))
    return plan, chosen


class _StreamRead(msgspec.Struct):
    plan: StreamPlan
    stored: Mapping[str, Any] | None
    out: ApiStreamOutput
    options: RunOptions
    _tally: SliceTally | None = None
    _rejected: int = 0
    _first_rejected: tuple[int, Rejected] | None = msgspec.field(default=None)

    def run(self, client: Client, bounds: Bounds, kept: KeptPages, room: Room) -> bool:
        """Reads the stream; whether all of it could be read."""
        name, output = self.out.stream, self.out.output
        output.status(name, StreamStatus.STARTED)
        try:
            stream = self.plan.opened(client)
            stored, resumed = self.stored, None
            if self.options.attempts is not None:
                attempt = self.options.attempts.get(name)
                if attempt is not None:
                    stream, resumed = gone_on_with(attempt, stream)
                    stored = attempt.state
                self._tally = SliceTally.of(stream, attempt, output.hidden)
            stored = None if stored is None else self.plan.state(stored)
            with read(stream, stored, bounds=bounds, kept=kept, resumed=resumed, room=room) as ordered:
                is_well = self._emit(ordered, has_cursor=stream.cursor is not None)
        except (OutputClosedError, DestinationError):
            raise
        except Exception as exc:  # noqa: BLE001 the boundary of a stream: the others go on
            self._fail(known_error(exc), exc)
            return False
        output.status(name, StreamStatus.COMPLETE)
        return is_well

    def _fail(self, error: FileCdkError, cause: Exception) -> None:
        name, output = self.out.stream, self.out.output
        if _log.isEnabledFor(logging.DEBUG):
            # The causes of an error say more than itself: whole URLs, for one.
            _log.debug("stream %r failed: %s", name, output.hidden("".join(traceback.format_exception(cause))))
        output.error(error, name)
        output.status(name, StreamStatus.INCOMPLETE)

    def _emit(self, ordered: OrderedRead, *, has_cursor: bool) -> bool:
        """Whether nothing was passed over that should not have been. A state goes out for the slices before an error, too."""
        slices = 0
        try:
            for event in ordered:
                match event:
                    case PageReady():
                        self._page(event)
                    case SliceDone():
                        slices += 1
                        if self._tally is not None:
                            self._tally.done(event)
                        if (has_cursor or self._tally) and self.out.state_is_due:
                            self._state(ordered)
                            slices = 0
                    case ReadDone():
                        self._state(ordered, ended=True)
                        return self._tell(event)
        except FileCdkError as exc:
            if self._tally is not None:
                # What of its begun slices came out is kept in any case, but for a token that the API may have forgotten.
                is_void = self._tally.waits_for_a_token and isinstance(exc, AnswerError | RequestFailedError)
                is_void = is_void and not isinstance(exc, ConfigError | TransientError)
                if is_void or self._tally.can_go_on:
                    self._state(ordered, is_void=is_void)
            elif has_cursor and slices:
                self.out.state(ordered.state())
            raise
        return True

    def _state(self, ordered: OrderedRead, *, ended: bool = False, is_void: bool = False) -> None:
        if self._tally is None:
            self.out.state(ordered.state())
            return
        progress = self._tally.take(ended=ended, void=is_void)
        self.out.state(None if progress.partial else ordered.state(), progress)

    def _page(self, event: PageReady) -> None:
        number, page = event.number, event.page
        self.out.page(page.records)
        if self._tally is not None:
            self._tally.page(event)
            if self._tally.can_go_on and self.out.progress_is_due:
                self.out.state(None, self._tally.take())
        if page.rejected:
            self._rejected += len(page.rejected)
            self._first_rejected = self._first_rejected or (number, page.rejected[0])

    def _tell(self, done: ReadDone) -> bool:
        name, output, counts = self.out.stream, self.out.output, done.counts.read
        left_out = f", {counts.filtered} filtered out" if counts.filtered else ""
        parts = [
            _counted(counts.emitted, "record"),
            _counted(counts.pages, "page"),
            _counted(done.counts.slices, "slice"),
        ]
        before = done.counts.slices_done_before
        left_out += f"; {_counted(before, 'slice')} by earlier runs" if before else ""
        output.log(logging.INFO, f"stream {name!r}: read {', '.join(parts)}{left_out}")
        warnings = list(done.warnings)
        if self._first_rejected is not None:
            page, first = self._first_rejected
            place = f"page {page}, record {first.number}: {first.reason}"
            rejected = _counted(self._rejected, "record")
            warnings.append(f"stream {name!r}: rejected {rejected}: the first: {place}")
        if warnings:
            output.log(logging.WARNING, "; ".join(warnings))
        return not (warnings and self.options.strict)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
