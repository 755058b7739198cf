"""What a manifest and a configuration come to: made once, before any request; frozen, and picklable without a client."""

from collections.abc import Mapping
from typing import Any

import msgspec

from file_cdk.core.errors import ConfigError, InternalError
from file_cdk.declarative.answers import ErrorHandler
from file_cdk.declarative.http import Answer, Client, Request
from file_cdk.declarative.http.ports import Authenticator
from file_cdk.declarative.pages import Page, Token
from file_cdk.declarative.retriever import PagePlan, Retriever
from file_cdk.declarative.slices import Slice
from file_cdk.declarative.slicing.stream import ParentRouter, Router, SlicedStream
from file_cdk.declarative.states.legacy import per_partition


class _Sending(msgspec.Struct, frozen=True):
    client: Client
    handler: ErrorHandler
    authenticator: Authenticator | None
    stream: str

    def __call__(self, request: Request, scope: Mapping[str, Any]) -> Answer:
        return self.client.send(request, self.handler, self.authenticator, scope, self.stream)


class PlannedPages(msgspec.Struct, frozen=True):
    """The PageReader of a plan: it knows how pages follow one another, and has no client to ask for any."""

    pages: PagePlan
    handler: ErrorHandler
    authenticator: Authenticator | None

    def first(self, of: Slice) -> Token:  # noqa: ARG002 - all slices of a stream begin alike
        return self.pages.paginator.first()

    def ahead(self, of: Slice, token: Token) -> Token | None:  # noqa: ARG002
        return self.pages.paginator.ahead(token)

    def page(self, of: Slice, token: Token) -> Page:  # noqa: ARG002
        raise InternalError("a plan was asked for a page", remedy="This is a bug in file_cdk: please report it")

    def connected(self, client: Client) -> Retriever:
        return Retriever(self.pages, _Sending(client, self.handler, self.authenticator, self.pages.stream))


def connected(stream: SlicedStream, client: Client) -> SlicedStream:
    """A planned stream, and those above it, reading by the client."""

    def of_router(router: Router) -> Router:
        if not isinstance(router, ParentRouter):
            return router
        parents = (msgspec.structs.replace(each, stream=connected(each.stream, client)) for each in router.parents)
        return ParentRouter(tuple(parents))

    reader = stream.reader.connected(client) if isinstance(stream.reader, PlannedPages) else stream.reader
    return msgspec.structs.replace(stream, reader=reader, routers=tuple(map(of_router, stream.routers)))


class StreamPlan(msgspec.Struct, frozen=True):
    """primary_key: fields; empty without one. cursor_field: None for a stream that is always read whole.

    takes_cursor_field: whether a catalog may choose another one. legacy_partition: the field of the partition that keys of states
    of older versions stand for. refused: why it cannot be read, which is raised when it is to be. identity: the same for streams
    that are written alike.
    """

    name: str
    primary_key: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    cursor_field: str | None = None
    takes_cursor_field: bool = False
    sliced: SlicedStream | None = None
    legacy_partition: str | None = None
    refused: ConfigError | None = None
    identity: str = ""

    def opened(self, client: Client) -> SlicedStream:
        """Raises ConfigError where the stream was refused."""
        if self.sliced is None:
            raise self.refused or ConfigError(f"stream {self.name!r} cannot be read")
        return connected(self.sliced, client)

    def described(self) -> Mapping[str, Any]:
        """Its JSON Schema. Raises ConfigError where none can be told."""
        if self.schema is None:
            raise self.refused or ConfigError(f"stream {self.name!r} has no schema")
        return self.schema

    def state(self, stored: Mapping[str, Any]) -> Mapping[str, Any]:
        """A state of any version, as today's."""
        if self.legacy_partition is None or self.cursor_field is None:
            return stored
        return per_partition(stored, self.legacy_partition, self.cursor_field)


class SourcePlan(msgspec.Struct, frozen=True):
    """config, config_schema, budget: what a client is opened with (`http.opening`); templates see the same configuration.

    migrated: the configuration as it is to be written back, None where it is as it was given. streams: in the manifest's order.
    checked: names of those that a check reads. concurrency: slices that are read at once, and requests that are under way.
    apart: names of streams of which no two are read at once.
    """

    config: Mapping[str, Any]
    config_schema: Mapping[str, Any]
    migrated: Mapping[str, Any] | None
    streams: tuple[StreamPlan, ...]
    checked: tuple[str, ...]
    concurrency: int
    budget: Mapping[str, Any] | None = None
    apart: tuple[frozenset[str], ...] = ()

    def stream(self, name: str) -> StreamPlan:
        """Raises ConfigError."""
        for stream in self.streams:
            if stream.name == name:
                return stream
        import difflib  # for a mistake alone

        names = [stream.name for stream in self.streams]
        near = difflib.get_close_matches(name, names, 1)
        remedy = f"Was {near[0]!r} meant?" if near else f"There are {', '.join(map(repr, names[:20]))}"
        raise ConfigError(f"the manifest has no stream {name!r}", remedy=remedy)
