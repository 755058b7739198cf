"""The plan of one stream, and of those above it: its components compiled, each by the part that knows them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from file_cdk.core.errors import ConfigError, ManifestError
from file_cdk.declarative import answers
from file_cdk.declarative.answers import ErrorHandler
from file_cdk.declarative.components.cursors import DatetimeBasedCursor, LegacyToPerPartitionStateMigration
from file_cdk.declarative.components.requesters import HttpRequester, SimpleRetriever
from file_cdk.declarative.components.slicing import PartitionRouter, SubstreamPartitionRouter
from file_cdk.declarative.components.streams import DeclarativeStream
from file_cdk.declarative.cursors.cursor import DatetimeCursor
from file_cdk.declarative.cursors.evaluating import cursor_of
from file_cdk.declarative.http import Request
from file_cdk.declarative.http.ports import Authenticator
from file_cdk.declarative.language.registry import decoded
from file_cdk.declarative.language.walking import components
from file_cdk.declarative.plan import PlannedPages, StreamPlan
from file_cdk.declarative.records.bodies import BodyFormats
from file_cdk.declarative.requesting.requester import Requester, requester
from file_cdk.declarative.retriever import About, page_plan
from file_cdk.declarative.schemas import SchemaPlace, schema_of
from file_cdk.declarative.slicing.evaluating import routers_of
from file_cdk.declarative.slicing.stream import ParentRouter, SlicedStream

Raw = Mapping[str, Any]


class LoginRequest(msgspec.Struct, frozen=True):
    """A requester by itself: that of an authenticator. Its credentials are its own."""

    requester: Requester
    handler: ErrorHandler
    authenticator: Authenticator | None

    def request(self, scope: Mapping[str, Any]) -> Request:
        return self.requester.request({"next_page_token": None, "stream_slice": {}, **scope})


class Planning:
    """Of one source. Streams that stand above several others are planned once, and their pages kept for all of them."""

    def __init__(
        self,
        config: Raw,
        now: datetime,
        cursor_fields: Mapping[str, str],
        streams: Sequence[Raw],
        formats: BodyFormats | None = None,
    ) -> None:
        self.config = config
        self._formats = formats
        self._now = now
        self._cursor_fields = cursor_fields
        self._kept = {_identity(each) for stream in streams for each in _parents(stream) if _may_be_kept(each)}
        self._planned: dict[str, SlicedStream] = {}

    def stream(self, raw: Raw, stream: DeclarativeStream, schema: Raw) -> StreamPlan:
        """Raises ConfigError where it cannot be read."""
        sliced = self._sliced(raw, stream, schema)
        cursor = self._cursor(stream)
        return StreamPlan(
            stream.name,
            _primary_key(stream),
            schema,
            sliced.cursor.field if sliced.cursor else None,
            cursor is not None and cursor.allow_catalog_defined_cursor_field,
            sliced,
            _legacy_partition(stream, sliced),
            identity=_identity(raw),
        )

    def _sliced(self, raw: Raw, stream: DeclarativeStream, schema: Raw | None) -> SlicedStream:
        """schema: that its records are made to fit."""
        identity = _identity(raw)
        if identity not in self._planned:
            self._planned[identity] = self._made(stream, schema, identity if identity in self._kept else None)
        return self._planned[identity]

    def _made(self, stream: DeclarativeStream, schema: Raw | None, kept_as: str | None) -> SlicedStream:
        where = f"stream {stream.name!r}"
        retriever = decoded(stream.retriever, SimpleRetriever, stream=stream.name)
        cursor = self._cursor(stream)
        transformations = tuple(decoded(each, stream=stream.name) for each in stream.transformations or ())
        about = About(stream.name, self.config, transformations, schema, cursor, self._formats)
        pages = page_plan(retriever, about)
        place = f"{where}, retriever.requester"
        written = retriever.requester
        assert isinstance(written, HttpRequester)  # of any other kind, page_plan makes no plan
        return SlicedStream(
            stream.name,
            PlannedPages(
                pages, answers.compiled(written.error_handler, f"{place}.error_handler"), _auth(written, place)
            ),
            routers_of(self._routers(retriever, stream.name), self.config, where, self._parent),
            self._evaluated(cursor, stream.name),
            kept_as,
        )

    def _parent(self, raw: Raw) -> SlicedStream:
        stream = decoded(raw, DeclarativeStream)
        loader = stream.schema_loader
        place = SchemaPlace(stream.name, None, self.config, stream.parameters)
        return self._sliced(raw, stream, schema_of(loader, place) if _is_normalized(stream) else None)

    def _routers(self, retriever: SimpleRetriever, name: str) -> tuple[PartitionRouter, ...]:
        written = retriever.partition_router or ()
        return tuple(decoded(each, stream=name) for each in ((written,) if isinstance(written, dict) else written))

    def _cursor(self, stream: DeclarativeStream) -> DatetimeBasedCursor | None:
        if stream.incremental_sync is None:
            return None
        return decoded(stream.incremental_sync, DatetimeBasedCursor, stream=stream.name)

    def _evaluated(self, cursor: DatetimeBasedCursor | None, name: str) -> DatetimeCursor | None:
        if cursor is None:
            return None
        chosen = self._cursor_fields.get(name)
        return cursor_of(cursor, self.config, f"stream {name!r}", now=self._now, field=chosen)


def _auth(written: HttpRequester, where: str) -> Authenticator | None:
    if written.authenticator is None:
        return None
    from file_cdk.declarative import authenticators

    def login(raw: Raw, place: str) -> LoginRequest:
        inner = decoded(raw, HttpRequester)
        handler = answers.compiled(inner.error_handler, f"{place}.error_handler")
        own = authenticators.compiled(inner.authenticator, f"{place}.authenticator", url_base=_base(inner))
        return LoginRequest(requester(inner, place), handler, own)

    return authenticators.compiled(
        written.authenticator, f"{where}.authenticator", url_base=_base(written), login=login
    )


def _base(written: HttpRequester) -> str:
    return written.url_base or written.url or ""


def _identity(raw: Raw) -> str:
    """The same for streams that are written alike: they give the same pages for the same slices."""
    return msgspec.json.encode(raw, order="deterministic").decode()


def _parents(raw: Raw) -> Iterator[Raw]:
    for _, each in components(raw):
        if each["type"] == "ParentStreamConfig" and isinstance(each.get("stream"), dict):
            yield each["stream"]


def _may_be_kept(raw: Raw) -> bool:
    found: Any = raw
    for step in ("retriever", "requester", "use_cache"):
        found = found.get(step) if isinstance(found, dict) else None
    return found is not False


def _is_normalized(stream: DeclarativeStream) -> bool:
    selector = stream.retriever.get("record_selector")
    return isinstance(selector, dict) and selector.get("schema_normalization") == "Default"


def _primary_key(stream: DeclarativeStream) -> tuple[str, ...]:
    key = stream.primary_key or ()
    fields = [(each,) if isinstance(each, str) else each for each in ((key,) if isinstance(key, str) else key)]
    if any(len(field) != 1 for field in fields):
        raise ManifestError("a primary key of nested fields is not supported", stream=stream.name)
    return tuple(field[0] for field in fields)


def _legacy_partition(stream: DeclarativeStream, sliced: SlicedStream) -> str | None:
    """The field that the keys of an older state stand for, where the stream says that it takes such."""
    migrations = [decoded(each, stream=stream.name) for each in stream.state_migrations or ()]
    if not any(isinstance(each, LegacyToPerPartitionStateMigration) for each in migrations):
        return None
    match sliced.routers:
        case (ParentRouter((parent, *_)), *_):
            return parent.field
    raise ConfigError(
        f"stream {stream.name!r}: LegacyToPerPartitionStateMigration needs a {SubstreamPartitionRouter.__name__}"
    )
