"""A manifest's YAML 1.1 as plain values, and where each of them stands.

What aliases repeat is one object in several places, and a text of a kilobyte could stand for a terabyte: the values are
counted as if each alias were written out, and nesting is bounded.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import yaml

from file_cdk.core.errors import ManifestError

MAX_BYTES = 16 << 20
MAX_DEPTH = 120
MAX_DIGITS = 1000
"""Of a number: Python takes no whole number of many more, and YAML's of base 60 take time by the square of their length."""
MAX_VALUES = 1_000_000
"""Of a manifest, once aliases and references are written out. The largest of 500 public ones has some 60,000."""

_TAG = "tag:yaml.org,2002:"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVERS: Mapping[str, list[tuple[str, Any]]] = yaml.SafeLoader.yaml_implicit_resolvers
_TRUTHS = yaml.SafeLoader.bool_values
_TAKEN = frozenset({"null", "bool", "int", "float", "str", "timestamp", "value", "merge"})
_MERGE = object()

Place = tuple[int, int]
"""Line and column, both 1-based."""


class Remark(msgspec.Struct, frozen=True):
    """What a document says that will not be as it looks."""

    place: Place
    message: str


class Document(msgspec.Struct, frozen=True):
    """value: mappings, lists, texts, numbers, truths and None; repeated parts are shared, and nothing may change them.

    places: of each entry of a mapping or list, by the `id` of that and its key or index; empty unless they were asked for.
    """

    value: dict[str, Any]
    places: Mapping[int, Mapping[str | int, Place]] = msgspec.field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()


def read(text: str, name: str, *, with_places: bool = False) -> Document:
    """Raises ManifestError: no YAML, no mapping, or beyond the bounds. name: what errors call the file."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > MAX_BYTES:
        raise ManifestError(f"is larger than {MAX_BYTES >> 20} MiB", uri=name)
    try:
        loader = _LOADER(encoded)
        try:
            building = _Building(name, loader, with_places)
            value = building.document()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        told = exc.problem or exc.context or "cannot be parsed"
        raise ManifestError(f"is no YAML: {told}", uri=name, line=line, at=column) from None
    except yaml.YAMLError as exc:
        raise ManifestError(f"is no YAML: {str(exc).splitlines()[0]}", uri=name) from None
    if not isinstance(value, dict):
        raise ManifestError("is no mapping: a manifest has `type`, `version`, `check` and `streams`", uri=name)
    return Document(value, building.places, tuple(building.remarks))


class _Open:
    """A mapping or list that has begun. key: the one whose value comes next. height: of what is in it, 0 for scalars alone."""

    __slots__ = ("anchor", "height", "key", "merged", "place", "size", "value")

    def __init__(self, value: Any, anchor: str | None, place: Place) -> None:
        self.value, self.anchor, self.place = value, anchor, place
        self.key: Any = None
        self.merged: list[Any] = []
        self.size = 1
        self.height = 0


class _Building:
    def __init__(self, name: str, loader: Any, with_places: bool) -> None:
        self.name, self.loader, self.with_places = name, loader, with_places
        self.places: dict[int, dict[str | int, Place]] = {}
        self.remarks: list[Remark] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int, int]] = {}
        self._key_place: Place = (0, 0)
        self._root: Any = None
        self._documents = 0

    def document(self) -> Any:
        get = self.loader.get_event
        actions: Mapping[type, Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._begin_mapping,
            yaml.SequenceStartEvent: self._begin_list,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._begin_document,
        }
        while type(event := get()) is not yaml.StreamEndEvent:
            action = actions.get(type(event))
            if action is not None:
                action(event)
        return self._root

    def _begin_document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise self._error("is several documents: a manifest is one", event)

    def _scalar(self, event: Any) -> None:
        value: Any = event.value
        tag = event.tag
        is_text = tag is None and (not event.implicit[0] or (value != "" and value[0] not in _RESOLVERS))
        frame = self._open[-1] if self._open else None
        if frame is not None and frame.key is None and type(frame.value) is dict:
            self._key(frame, value if is_text else self._plain(event, value, tag), event)
            if event.anchor is not None:
                self._anchors[event.anchor] = event.value, 1, 0
            return
        if not is_text:
            value = self._plain(event, value, tag)
            if value is _MERGE:
                value = event.value
        if event.anchor is not None:
            self._anchors[event.anchor] = value, 1, 0
        self._put(value, 1, 0, event)

    def _key(self, frame: _Open, key: Any, event: Any) -> None:
        mark = event.start_mark
        self._key_place = place = (mark.line + 1, mark.column + 1)
        if type(key) is not str and key is not _MERGE:
            self.remarks.append(
                Remark(place, f"the key {event.value!r} is no text: it is read as if it stood in quotes")
            )
            key = event.value
        elif type(key) is str and key in frame.value:
            before = self.places.get(id(frame.value), {}).get(key)
            told = f" (line {before[0]})" if before else ""
            self.remarks.append(
                Remark(place, f"the key {key!r} stands twice in one mapping{told}: only this one counts")
            )
        frame.key = key

    def _plain(self, event: Any, value: str, tag: str | None) -> Any:
        """What a scalar stands for that is not certainly a text."""
        kind = self._kind(event, value, tag)
        match kind:
            case "null":
                return None
            case "bool" if value.lower() in _TRUTHS:
                return _TRUTHS[value.lower()]
            case "int" if value.isdecimal() and value.isascii() and value[0] != "0" and len(value) <= MAX_DIGITS:
                return int(value)
            case "int" | "float":
                return self._number(event, value, kind)
            case "merge":
                return _MERGE
            case "bool":
                raise self._error(f"{value!r} is tagged as a truth, and is none", event)
        return value  # a text, also where YAML would see a date: JSON has none

    def _kind(self, event: Any, value: str, tag: str | None) -> str:
        if tag is not None and tag != "!":
            kind = tag.removeprefix(_TAG)
            if kind not in _TAKEN:
                raise self._error(f"the tag {tag.replace(_TAG, '!!')!r} is not taken", event)
            return kind
        if event.implicit[0]:
            for resolved, pattern in _RESOLVERS.get(value[:1], ()):
                if pattern.match(value):
                    return str(resolved).removeprefix(_TAG)
        return "str"

    def _number(self, event: Any, value: str, kind: str) -> Any:
        node = yaml.ScalarNode(_TAG + kind, value)
        if len(value) > MAX_DIGITS:
            raise self._error(f"the number {value[:40]!r}… has more than {MAX_DIGITS:,} digits", event)
        try:
            number = self.loader.construct_yaml_int(node) if kind == "int" else self.loader.construct_yaml_float(node)
        except (ValueError, OverflowError, IndexError):
            raise self._error(f"{value[:40]!r} is tagged as a number, and is none that is taken", event) from None
        if kind == "float" and (number != number or number in (float("inf"), float("-inf"))):
            raise self._error(f"{value!r} is no number of JSON", event)
        return number

    def _begin_mapping(self, event: Any) -> None:
        self._begin({}, event, "map")

    def _begin_list(self, event: Any) -> None:
        self._begin([], event, "seq")

    def _begin(self, value: Any, event: Any, kind: str) -> None:
        if event.tag not in (None, "!", _TAG + kind):
            raise self._error(f"the tag {event.tag.replace(_TAG, '!!')!r} is not taken", event)
        if self._open and self._open[-1].key is None and type(self._open[-1].value) is dict:
            raise self._error("a mapping or a list cannot be a key", event)
        self._look_at_depth(1, event)
        mark = event.start_mark
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)
        place = self._key_place if self._open and self._open[-1].key is not None else (mark.line + 1, mark.column + 1)
        self._open.append(_Open(value, event.anchor, place))

    def _end(self, event: Any) -> None:
        frame = self._open.pop()
        for merged in frame.merged:
            self._merge(frame.value, merged)
        if frame.anchor is not None:
            self._anchors[frame.anchor] = frame.value, frame.size, frame.height + 1
        self._put(frame.value, frame.size, frame.height + 1, event, frame.place)

    def _merge(self, into: dict[str, Any], merged: dict[str, Any]) -> None:
        """Keys that stand in the mapping itself, or in one that was merged into it before, win."""
        places = self.places.get(id(merged), {})
        for key, value in merged.items():
            if key not in into:
                into[key] = value
                if key in places:
                    self.places.setdefault(id(into), {})[key] = places[key]

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            is_open = any(frame.anchor == event.anchor for frame in self._open)
            told = "stands within what it repeats" if is_open else "names nothing above it"
            raise self._error(f"the alias *{event.anchor} {told}", event)
        value, size, height = self._anchors[event.anchor]
        frame = self._open[-1]
        if frame.key is None and type(frame.value) is dict:
            if type(value) is not str:
                raise self._error(f"the alias *{event.anchor} is a key, and no text", event)
            self._key(frame, value, event)
            return
        self._look_at_depth(height, event)
        self._put(value, size, height, event)

    def _look_at_depth(self, more: int, event: Any) -> None:
        if len(self._open) + more > MAX_DEPTH:
            raise self._error(f"is nested more than {MAX_DEPTH} deep", event)

    def _put(self, value: Any, size: int, height: int, event: Any, place: Place | None = None) -> None:
        if not self._open:
            self._root = value
            return
        frame = self._open[-1]
        frame.size += size
        frame.height = max(frame.height, height)
        if frame.size > MAX_VALUES:
            raise self._error(f"stands for more than {MAX_VALUES:,} values", event)
        holder, key = frame.value, frame.key
        if type(holder) is list:
            key = len(holder)
            holder.append(value)
        elif key is _MERGE:
            frame.key = None
            frame.merged += self._mergeable(value, event)
            return
        else:
            holder[key] = value
            frame.key = None
        if self.with_places:
            if place is None:
                mark = event.start_mark
                place = (mark.line + 1, mark.column + 1) if type(holder) is list else self._key_place
            self.places.setdefault(id(holder), {})[key] = place

    def _mergeable(self, value: Any, event: Any) -> list[dict[str, Any]]:
        several = value if type(value) is list else [value]
        if not all(type(each) is dict for each in several):
            raise self._error("`<<` takes a mapping, or a list of mappings", event)
        return several

    def _error(self, message: str, event: Any) -> ManifestError:
        mark = event.start_mark
        return ManifestError(message, uri=self.name, line=mark.line + 1, at=mark.column + 1)
