"""Reads pages of one stream: the request of each, its answer, the records in it, and the token of the next."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import msgspec

from file_cdk.core.errors import AnswerError, ConfigError
from file_cdk.declarative.components.component import Component
from file_cdk.declarative.components.cursors import DatetimeBasedCursor
from file_cdk.declarative.components.requesters import HttpRequester, SimpleRetriever
from file_cdk.declarative.components.transformations import Transformation
from file_cdk.declarative.http import Answer, Request, Response, Spilled
from file_cdk.declarative.language.registry import decoded as decoded_component
from file_cdk.declarative.pages import Page, Token
from file_cdk.declarative.paging.links import links
from file_cdk.declarative.paging.paginator import Paginator, paginator
from file_cdk.declarative.paging.turn import Turn
from file_cdk.declarative.records.bodies import BodyFormats
from file_cdk.declarative.records.decoding import Decoding, decoding
from file_cdk.declarative.records.record import decoded, leniently_decoded
from file_cdk.declarative.records.selection import Selected, Selection, Shape, selection
from file_cdk.declarative.records.taken import Taken
from file_cdk.declarative.requesting.requester import Requester, requester
from file_cdk.declarative.requesting.slices import SliceOptions, slice_options
from file_cdk.declarative.slices import Slice
from file_cdk.declarative.templates import Template

Send = Callable[[Request, Mapping[str, Any]], Answer]
"""Sends a request until it is answered, given what templates of handler and authenticator see: `http.Client.send`, with both."""


class PagePlan(msgspec.Struct, frozen=True):
    """How a stream is read, without anything that talks to the network. Picklable.

    sends_slice_once: what routers and cursors put into requests goes into those without a token alone.
    """

    stream: str
    config: Mapping[str, Any]
    requester: Requester
    paginator: Paginator
    decoding: Decoding
    selection: Selection
    slice_options: SliceOptions
    sends_slice_once: bool = False


class About(msgspec.Struct, frozen=True):
    """What of a stream bears on its pages. schema: that its records are made to fit, where the selector says so. formats: of
    answers that are more than JSON; see Decoding."""

    stream: str
    config: Mapping[str, Any]
    transformations: Sequence[Transformation] = ()
    schema: Mapping[str, Any] | None = None
    incremental_sync: DatetimeBasedCursor | None = None
    formats: BodyFormats | None = None


def page_plan(component: SimpleRetriever, about: About) -> PagePlan:
    """Raises ConfigError for what is not known yet, and for what cannot be."""
    where = f"stream {about.stream!r}, retriever"
    for field in ("pagination_reset", "page_size_reduction", "request_window_splitting"):
        if getattr(component, field) is not None:
            raise ConfigError(f"{where}: {field} is not supported yet")
    if not isinstance(component.requester, HttpRequester):
        name = component.requester.class_name
        raise ConfigError(f"{where}: {name} is code of the connector's own, which is not supported yet")
    pages = paginator(component.paginator, about.config, f"{where}.paginator")
    selector = component.record_selector
    bodies = decoding(selector, component.decoder, about.config, pages.strategy.texts, about.formats, where)
    written = component.partition_router or ()
    routers: list[Component] = [
        decoded_component(each, stream=about.stream) for each in ((written,) if isinstance(written, dict) else written)
    ]
    return PagePlan(
        about.stream,
        about.config,
        requester(component.requester, f"{where}.requester"),
        pages,
        bodies,
        selection(selector, _shape(about), f"{where}.record_selector"),
        slice_options(routers, about.incremental_sync, about.config, where),
        component.ignore_stream_slicer_parameters_on_paginated_requests,
    )


def _shape(about: About) -> Shape:
    cursor = about.incremental_sync
    if cursor is None:
        return Shape(about.transformations, about.schema)
    scope = {"config": about.config, "parameters": cursor.parameters}
    field = Template(cursor.cursor_field, f"stream {about.stream!r}, cursor_field").value(scope)
    return Shape(about.transformations, about.schema, str(field), cursor.is_client_side_incremental)


class Retriever(msgspec.Struct, frozen=True):
    """A PageReader. Any number of threads may read at once."""

    plan: PagePlan
    send: Send

    def first(self, of: Slice) -> Token:  # noqa: ARG002  # all slices of a stream begin alike
        return self.plan.paginator.first()

    def ahead(self, of: Slice, token: Token) -> Token | None:  # noqa: ARG002
        return self.plan.paginator.ahead(token)

    def page(self, of: Slice, token: Token) -> Page:
        try:
            scope = _scope(self.plan.config, of, token)
            answer = self.send(self._request(of, token, scope), scope)
            return self._page(answer, token, scope)
        except (AnswerError, ConfigError) as exc:
            if type(exc) not in (AnswerError, ConfigError):  # it says where it is by itself
                raise
            raise _named(exc, self.plan.stream, of, token) from exc

    def _page(self, answer: Answer, token: Token, scope: Mapping[str, Any]) -> Page:
        try:
            return self._taken(answer, token, scope)
        finally:
            if isinstance(answer.response.body, Spilled):
                answer.response.body.path.unlink(missing_ok=True)

    def _taken(self, answer: Answer, token: Token, scope: Mapping[str, Any]) -> Page:
        if not answer.response.is_ok:
            return _ended_early(answer)
        try:
            return self._read(answer.response, token, scope)
        except AnswerError:
            if answer.action == "IGNORE":
                return _ended_early(answer)
            raise

    def _request(self, of: Slice, token: Token, scope: Mapping[str, Any]) -> Request:
        plan = self.plan
        parts = [plan.paginator.parts(token)]
        if (token.value is None or not plan.sends_slice_once) and (of_slice := plan.slice_options.parts(of)):
            parts.append(of_slice)
        return plan.requester.request(scope, *parts, path=plan.paginator.path(token))

    def _read(self, response: Response, token: Token, scope: Mapping[str, Any]) -> Page:
        decoding, taken = self.plan.decoding, Taken(self.plan.selection, scope)
        if isinstance(response.body, bytes) and not decoding.packed:
            for cut in decoding.pieces(response.body):
                taken.add(cut)
            return self._page_of(response, taken, token, scope)
        first: bytes | Spilled | None = None
        with ExitStack() as files:
            for body in decoding.bodies(response.body):
                if isinstance(body, Spilled) and body is not response.body:
                    files.callback(body.path.unlink, missing_ok=True)
                first = body if first is None else first
                for cut in decoding.pieces(body):
                    taken.add(cut)
            if first is not response.body:
                response = msgspec.structs.replace(response, body=first or b"", _decoded=[])
            return self._page_of(response, taken, token, scope)

    def _page_of(self, response: Response, taken: Taken, token: Token, scope: Mapping[str, Any]) -> Page:
        """response: what it unpacks to."""
        selected = taken.selected()
        turn = _turn(response, taken, selected, scope)
        return Page(
            selected.records,
            selected.cursor_values,
            taken.found,
            selected.filtered,
            selected.rejected,
            self.plan.paginator.following(token, turn),
        )


def _turn(response: Response, taken: Taken, selected: Selected, scope: Mapping[str, Any]) -> Turn:
    """response: what it unpacks to."""

    def seen() -> Any:
        if taken.members is not None:
            return taken.members
        whole = response.json() or leniently_decoded(response.content())
        if isinstance(whole, list):
            whole = whole[0] if whole else {}
        return {} if whole is None else whole

    def headers() -> Mapping[str, Any]:
        return {**response.headers, "link": links(response.headers.get("link", ""))}

    def last_record() -> Mapping[str, Any] | None:
        return decoded(selected.records[-1]) if selected.records else None

    return Turn(taken.found, len(selected.records), seen, headers, last_record, scope)


def _scope(config: Mapping[str, Any], of: Slice, token: Token) -> Mapping[str, Any]:
    """What templates of the request see, but for `parameters`, which each component has its own of."""
    extra = {"extra_fields": of.extra} if of.extra else {}
    return {
        **of.extra,
        "config": config,
        "stream_slice": {**extra, **of.partition, **of.interval},
        "next_page_token": None if token.value is None else {"next_page_token": token.value},
    }


def _ended_early(answer: Answer) -> Page:
    """An answer without records that is no error, as the error handler has it; nothing comes after it."""
    return Page((), (), 0, 0, (), None, answer.reason or f"status {answer.response.status}")


def _named(error: AnswerError | ConfigError, stream: str, of: Slice, token: Token) -> AnswerError | ConfigError:
    """The error that says of which page it is, with the names of the slice's fields and none of their values."""
    fields = ", ".join([*of.partition, *of.interval])
    place = f"stream {stream!r}{f', slice by {fields}' if fields else ''}, page {token.number}"
    return type(error)(f"{place}: {error.message}", row=error.row, byte=error.byte, remedy=error.remedy)
