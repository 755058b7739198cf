"""From a resolved manifest to the other side of its streams, with the reason for each that has none."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from file_cdk.testing.mirror.envelopes import NoEnvelopeError, envelope
from file_cdk.testing.mirror.guards import Guards, NoGuardError
from file_cdk.testing.mirror.made_up import Path, taken
from file_cdk.testing.mirror.options import Growth, MirrorOptions
from file_cdk.testing.mirror.paging import Paging, first_page, sizes, url_of_page
from file_cdk.testing.mirror.recipes import Recipe, Record, instants, kept, recipe, transformed
from file_cdk.testing.mirror.shapes import Scope, mark, shape
from file_cdk.testing.mirror.signals import NoSignalError, Place, Signals, Templates, only_stops, signals
from file_cdk.testing.mirror.streams import Component, Interval, MirroredStream, Slot, product
from file_cdk.testing.mirror.templates import TemplateFailedError, chains, rendered, text

_LARGEST_PAGE = 1000
_MOST_SLOTS = 2000
_ENOUGH = 5


class NoMirrorError(Exception):
    """A stream that cannot be mirrored, and why."""


_REASONS = (NoMirrorError, NoEnvelopeError, NoGuardError, NoSignalError, TemplateFailedError)


class Building:
    """streams: what can be mirrored, parents among them, once for each way they are asked. reasons: why others cannot."""

    def __init__(
        self, manifest: Component, config: Mapping[str, Any], options: MirrorOptions, growths: Sequence[Growth]
    ) -> None:
        self._scope: Scope = {"config": config, "parameters": {}}
        self._options = options
        self._growths = growths
        self.guards = Guards(self._scope)
        self.streams: dict[str, MirroredStream] = {}
        self.reasons: dict[str, str] = {}
        declared = manifest.get("streams") or []
        self._asked_by: dict[str, set[Path]] = {}
        for stream in declared:
            self._note_parents(stream)
        for stream in declared:
            try:
                self._stream(stream)
            except _REASONS as exc:
                self.reasons[str(stream.get("name"))] = str(exc)
        for template in manifest.get("dynamic_streams") or []:
            self.reasons[str(template.get("name", "dynamic streams"))] = (
                "dynamic streams are made by requests of their own"
            )

    @property
    def parents(self) -> frozenset[str]:
        return frozenset(self._asked_by)

    def _note_parents(self, stream: Component) -> None:
        for config in _parents(stream):
            parent = config["stream"]
            asked = self._asked_by.setdefault(str(parent.get("name")), set())
            asked.add(tuple(text(config["parent_key"], self._scope).split(".")))
            self._note_parents(parent)

    def _stream(self, stream: Component) -> MirroredStream:
        key = json.dumps([stream.get("name"), stream.get("retriever"), stream.get("incremental_sync")], sort_keys=True)
        if key not in self.streams:
            self.streams[key] = self._made(stream)
        return self.streams[key]

    def _made(self, stream: Component) -> MirroredStream:
        retriever, requester = _supported(stream)
        name = str(stream["name"])
        scope = {**self._scope, "parameters": requester.get("$parameters", {})}
        made = recipe(stream, scope, self._asked_by.get(name, ()), self._options)
        slots = self._slots(retriever)
        shapes = [(slot, shape(requester, _scopes(scope, slot, stream), slot.options)) for slot in slots]
        selector = retriever["record_selector"]
        path = [text(key, scope) for key in selector["extractor"].get("field_path", [])]
        single = not path and _reads_body(retriever.get("paginator"))
        paging, remarks = self._paging(made, retriever, scope, path, single)
        count = self._count(made.name, paging, len(slots))
        when = instants(count, self._options, self._growths)
        interval = _interval(stream, scope)
        return MirroredStream(
            name,
            stream,
            made,
            paging,
            path,
            single,
            interval,
            self.guards.check(requester.get("authenticator")),
            shapes,
            when,
            [interval.told(instant) for instant in when] if interval else when,
            remarks,
        )

    def _slots(self, retriever: Component) -> list[Slot]:
        routers = retriever.get("partition_router") or []
        listed = routers if isinstance(routers, list) else [routers]
        slots = list(product([self._slots_of(router) for router in listed]))
        if len(slots) > _MOST_SLOTS:
            raise NoMirrorError(f"it has more than {_MOST_SLOTS} partitions")
        return slots

    def _slots_of(self, router: Component) -> list[Slot]:
        match router.get("type"):
            case "ListPartitionRouter":
                return self._listed(router)
            case "SubstreamPartitionRouter":
                return [slot for config in router["parent_stream_configs"] for slot in self._children(config)]
            case other:
                raise NoMirrorError(f"nothing is known of the partitions of a {other}")

    def _listed(self, router: Component) -> list[Slot]:
        values = router["values"]
        listed = values if isinstance(values, list) else rendered(values, self._scope)
        if not isinstance(listed, list | tuple):
            raise NoMirrorError(f"{values} is no list")
        name = text(router["cursor_field"], self._scope)
        return [
            Slot({name: value}, {}, _put_by(router.get("request_option"), value, self._scope))
            for value in (rendered(value, self._scope) for value in listed)
        ]

    def _children(self, config: Component) -> Iterator[Slot]:
        """One for each record of the parent."""
        parent = self._stream(config["stream"])
        key = text(config["parent_key"], self._scope).split(".")
        name = text(config["partition_field"], self._scope)
        for slot, _ in parent.slots:
            scope = self.scope_of(slot)
            for record in parent.records(slot):
                if not kept(parent.component, record, scope):
                    continue
                seen = transformed(parent.component, record, scope)
                value = taken(seen, key)
                extra = {".".join(path): taken(seen, path) for path in config.get("extra_fields") or ()}
                yield Slot(
                    {name: value, "parent_slice": dict(slot.partition)},
                    {"extra_fields": extra},
                    _put_by(config.get("request_option"), value, self._scope),
                )

    def scope_of(self, slot: Slot) -> Scope:
        """What templates about a record see."""
        slice_ = {**slot.partition, **slot.extra}
        return {**self._scope, "stream_slice": slice_, "stream_partition": slice_, "stream_interval": {}}

    def _count(self, name: str, paging: Paging, slots: int) -> int:
        """Records in a partition: enough for a second page where that is no burden."""
        if self._options.records is not None:
            return self._options.records
        if name in self._asked_by:
            return self._options.parents
        if paging.size is None or paging.size > _LARGEST_PAGE or slots > 20:
            return _ENOUGH
        return paging.size + max(1, min(3, paging.size - 1))

    def _paging(
        self, made: Recipe, retriever: Component, scope: Scope, path: Sequence[str], single: bool
    ) -> tuple[Paging, list[str]]:
        paginator = retriever.get("paginator") or {}
        if paginator.get("type") in (None, "NoPagination"):
            return Paging("", None), []
        strategy = paginator.get("pagination_strategy") or {}
        kind = str(strategy.get("type"))
        likely = sizes(paginator, retriever["requester"], scope)
        plain = Paging(
            kind,
            next(iter(likely), self._options.page_size),
            first_page(strategy, scope),
            _named(paginator.get("page_size_option"), scope),
            _named(paginator.get("page_token_option"), scope),
        )
        if kind in ("PageIncrement", "OffsetIncrement"):
            return plain, []
        if kind != "CursorPagination":
            raise NoMirrorError(f"nothing is known of the pages of a {kind}")
        token_name = (plain.token_option or {}).get("field_name")
        templates = Templates(
            strategy["cursor_value"],
            strategy.get("stop_condition"),
            scope,
            plain.into_url,
            frozenset([token_name] if token_name else []),
            lambda records: envelope(path, records, single=single),
        )
        return self._by_token(plain, templates, made, [1] if single else [*likely, self._options.page_size])

    def _by_token(
        self, plain: Paging, templates: Templates, made: Recipe, likely: Sequence[int]
    ) -> tuple[Paging, list[str]]:
        for size in likely:
            try:
                found = signals(templates, _Sample(made, size, templates, self._options))
            except NoSignalError as exc:
                why = str(exc)
                continue
            return replace(plain, size=size, signals=found), []
        alone: Signals = only_stops(templates, _Sample(made, likely[0], templates, self._options))
        return replace(plain, size=None, signals=alone), [f"one page in each slice: {why}"]


class _Sample:
    """Full pages of made-up records, a last one that is shorter, and nothing behind it."""

    def __init__(self, made: Recipe, size: int, templates: Templates, options: MirrorOptions) -> None:
        self._made, self._size, self._options = made, size, options
        self._names = templates.names_in_urls()
        self._pages: dict[int, list[Record]] = {}

    def __call__(self, number: int, pages: int) -> Place:
        length = self._size if number < pages - 1 else max(1, self._size - 1) if number == pages - 1 else 0
        if number not in self._pages:
            first = number * self._size
            self._pages[number] = [
                self._made.record("sample", first + index, self._options.begin) for index in range(length)
            ]
        url = url_of_page("https://mirror.invalid/sample?a=b", self._names, number + 1)
        return Place(number, pages, pages * self._size - 1, url, self._pages[number])


def _supported(stream: Component) -> tuple[Component, Component]:
    """The retriever and its requester."""
    if stream.get("type") not in (None, "DeclarativeStream"):
        raise NoMirrorError(f"it is a {stream['type']}")
    retriever = stream["retriever"]
    if retriever.get("type") != "SimpleRetriever":
        raise NoMirrorError(f"its retriever is a {retriever.get('type')}")
    requester = retriever["requester"]
    if requester.get("type") != "HttpRequester":
        raise NoMirrorError(f"its requester is a {requester.get('type')}")
    decoder = (retriever.get("decoder") or {}).get("type", "JsonDecoder")
    if decoder != "JsonDecoder":
        raise NoMirrorError(f"its bodies are for a {decoder}")
    extractor = retriever["record_selector"]["extractor"]
    if extractor.get("type") not in (None, "DpathExtractor"):
        raise NoMirrorError(f"its extractor is a {extractor['type']}")
    return retriever, requester


def _parents(stream: Component) -> Iterator[Component]:
    routers = (stream.get("retriever") or {}).get("partition_router") or []
    for router in routers if isinstance(routers, list) else [routers]:
        yield from router.get("parent_stream_configs") or ()


def _scopes(scope: Scope, slot: Slot, stream: Component) -> list[Scope]:
    """Of a first page and of another, with marks for what changes."""
    cursor = stream.get("incremental_sync") or {}
    start = cursor.get("partition_field_start") or "start_time"
    end = cursor.get("partition_field_end") or "end_time"
    ends = {start: mark("start"), end: mark("end")} if cursor else {}
    slice_ = {**slot.partition, **ends, **slot.extra}
    one = {**scope, "stream_slice": slice_, "stream_partition": slice_, "stream_interval": slice_}
    token = mark("token")
    return [{**one, "next_page_token": None}, {**one, "next_page_token": {"next_page_token": token}}]


def _interval(stream: Component, scope: Scope) -> Interval | None:
    cursor = stream.get("incremental_sync") or {}
    if cursor.get("type") != "DatetimeBasedCursor":
        return None
    return Interval(
        str(cursor["datetime_format"]),
        _named(cursor.get("start_time_option"), scope),
        _named(cursor.get("end_time_option"), scope),
        bool(cursor.get("is_data_feed")),
    )


def _put_by(option: Component | None, value: Any, scope: Scope) -> dict[str, dict[str, str]]:
    if not option:
        return {}
    named = _named(option, scope) or {}
    name = ".".join(named["field_path"]) if named.get("field_path") else named["field_name"]
    return {str(named["inject_into"]): {name: str(value)}}


def _named(option: Component | None, scope: Scope) -> Component | None:
    """With its name rendered."""
    if option is None:
        return None
    return {
        key: [text(part, scope) for part in value] if isinstance(value, list) else text(value, scope)
        for key, value in option.items()
        if key != "$parameters"
    }


def _reads_body(paginator: Component | None) -> bool:
    return any(chain[0] == "response" and len(chain) > 1 for chain in chains(paginator or {}))
