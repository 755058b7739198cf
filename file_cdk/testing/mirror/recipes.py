"""How the records of a stream are made up: from its schema, and from what its manifest takes out of them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from file_cdk.testing.mirror.cursor_texts import from_text, to_text
from file_cdk.testing.mirror.made_up import Path, made_up, number_of, put, types_at
from file_cdk.testing.mirror.options import Growth, MirrorOptions
from file_cdk.testing.mirror.templates import Chain, TemplateFailedError, chains, compared, rendered, text

Record = dict[str, Any]
Component = Mapping[str, Any]
_RAW_FORMATS = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%d", "%s", "%ms", "%Y-%m-%d %H:%M:%S")
_PER_PARTITION = 10_000_000
_PARTITIONS = 1 << 26
_VARIETY = 256


@dataclass(frozen=True, slots=True)
class Written:
    """An instant in a record. whole_number: not as text."""

    path: Path
    pattern: str
    whole_number: bool


@dataclass(frozen=True, slots=True)
class Recipe:
    """keys: paths whose values tell records apart in the whole stream; the rest of a record is one of `_VARIETY`, kept in `pool`.
    equal: by path, what every second record has there.
    cursor: None where records have no cursor value, or transformations make it up."""

    name: str
    schema: Mapping[str, Any]
    whole: frozenset[Path]
    keys: frozenset[Path]
    equal: Mapping[Path, Any]
    texts: frozenset[Path]
    cursor: Written | None
    fields: Mapping[str, tuple[object, ...]]
    pool: dict[int, Record] = field(default_factory=dict)

    def record(self, partition: str, number: int, instant: datetime) -> Record:
        record = dict(self._rest(number % _VARIETY))
        unique = number_of(f"{self.name}:{partition}", _PARTITIONS) * _PER_PARTITION + number
        for path in self.keys:
            put(record, path, self._key(path, unique))
        for path, value in self.equal.items() if number % 2 == 0 else ():
            put(record, path, value)
        for name, values in self.fields.items():
            put(record, tuple(name.split(".")), values[number % len(values)])
        if self.cursor is not None:
            written = to_text(instant, self.cursor.pattern)
            put(record, self.cursor.path, int(written) if self.cursor.whole_number else written)
        return record

    def _rest(self, number: int) -> Record:
        if number not in self.pool:
            seed = f"{self.name}:{number}"
            record = made_up(self.schema, seed, self.whole)
            if not record:
                record["number"] = number  # a record that is empty makes the peer stop without a word
            for path in sorted(self.texts):
                put(record, path, f"{path[-1]} {number_of(f'{seed}/{path}', 1000)}")
            for path in sorted(self.keys):
                put(record, path, 0)  # keys stand in the same order in every record
            self.pool[number] = record
        return self.pool[number]

    def _key(self, path: Path, unique: int) -> Any:
        kinds = types_at(self.schema, path)
        if kinds & {"integer", "number"}:
            return unique
        return f"{self.name[:1].lower()}{path[-1][:2]}{unique}".replace(" ", "")


def instants(count: int, options: MirrorOptions, growths: Sequence[Growth]) -> list[datetime]:
    """When each record of a partition is from, rising."""
    step = (options.until - options.begin) / (count + 1)
    first = [options.begin + step * (number + 1) for number in range(count)]
    later = [growth.at + timedelta(milliseconds=number) for growth in growths for number in range(growth.records)]
    return [instant.replace(microsecond=instant.microsecond // 1000 * 1000) for instant in (*first, *later)]


def recipe(
    stream: Component, scope: Mapping[str, Any], asked_by_others: Iterable[Path], options: MirrorOptions
) -> Recipe:
    """asked_by_others: paths of what children of the stream ask by."""
    schema = schema_of(stream)
    name = str(stream["name"])
    retriever = stream["retriever"]
    selector = retriever.get("record_selector") or {}
    templates = [
        [definition.get("value") for part in _added(stream) for definition in part.get("fields", [])],
        (selector.get("record_filter") or {}).get("condition"),
        retriever.get("paginator"),
    ]
    read = {chain[1:] for chain in chains(templates) if chain[0] in ("record", "last_record") and len(chain) > 1}
    read -= {path[:length] for path in read for length in range(1, len(path))}
    cursor = cursor_of(stream, scope)
    by = frozenset(asked_by_others)
    keys = by | {path for path in primary_key(stream) if not types_at(schema, path) & {"object", "array", "boolean"}}
    made = {tuple(definition["path"]) for part in _added(stream) for definition in part.get("fields", [])}
    keys -= made
    if cursor is not None:
        keys -= {cursor.path}
    needed = read | keys
    return Recipe(
        name,
        schema,
        frozenset(path[:length] for path in needed for length in range(1, len(path) + 1)),
        frozenset(keys),
        {chain[1:]: value for chain, value in compared(templates).items() if chain[0] == "record"},
        frozenset(path for path in read - keys if not types_at(schema, path)),
        cursor,
        options.fields.get(name, {}),
    )


def _added(stream: Component) -> list[Component]:
    """The transformations that add fields, wherever the manifest has them."""
    selector = stream["retriever"].get("record_selector") or {}
    parts = [*(stream.get("transformations") or ()), *(selector.get("transformations") or ())]
    return [part for part in parts if part.get("type") == "AddFields"]


def schema_of(stream: Component) -> Mapping[str, Any]:
    loader = stream.get("schema_loader") or {}
    loaders = loader if isinstance(loader, list) else [loader]
    merged: dict[str, Any] = {"type": "object", "properties": {}}
    for one in loaders:
        schema = one.get("schema") or {}
        merged["properties"] |= schema.get("properties") or {}
        merged["required"] = [*merged.get("required", ()), *(schema.get("required") or ())]
    return merged


def primary_key(stream: Component) -> set[Path]:
    key = stream.get("primary_key") or []
    parts = [key] if isinstance(key, str) else key
    return {tuple(part) if isinstance(part, list) else (part,) for part in parts}


def cursor_of(stream: Component, scope: Mapping[str, Any]) -> Written | None:
    """Where a record's instant stands before transformations."""
    cursor = stream.get("incremental_sync")
    if not cursor or cursor.get("type") not in (None, "DatetimeBasedCursor"):
        return None
    path = tuple(text(cursor.get("cursor_field"), scope).split("."))
    patterns = [*(cursor.get("cursor_datetime_formats") or ()), cursor.get("datetime_format")]
    for part in _added(stream):
        for definition in part.get("fields", []):
            if tuple(definition["path"]) == path:
                return _raw(definition.get("value"), patterns, scope)
    return Written(path, patterns[0], _counts(patterns[0]) and not _is_text(schema_of(stream), path))


def _raw(value: Any, patterns: Sequence[str], scope: Mapping[str, Any]) -> Written | None:
    """Where a transformation takes the cursor value from, written so that its result is one."""
    look_ups = [chain for chain in chains(value) if chain[0] == "record" and len(chain) > 1]
    if not look_ups:
        return None
    path: Chain = max(look_ups, key=len)[1:]
    instant = from_text("2024-03-04T05:06:07Z")
    for pattern in (patterns[0], *_RAW_FORMATS):
        for whole_number in {_counts(pattern), False}:
            written = to_text(instant, pattern)
            record: Record = {}
            put(record, path, int(written) if whole_number else written)
            try:
                from_text(rendered(value, {**scope, "record": record}), patterns[0])
            except (TemplateFailedError, ValueError):
                continue
            return Written(path, pattern, whole_number)
    return None


def _counts(pattern: str) -> bool:
    return pattern in ("%s", "%ms", "%epoch_microseconds")


def _is_text(schema: Mapping[str, Any], path: Path) -> bool:
    kinds = types_at(schema, path) - {"null"}
    return "string" in kinds and not kinds & {"integer", "number"}


def transformed(stream: Component, record: Record, scope: Mapping[str, Any]) -> Record:
    """What children see of a record: with the fields that the stream adds."""
    record = json.loads(json.dumps(record))
    for part in _added(stream):
        for definition in part.get("fields", []):
            path = tuple(text(key, scope) for key in definition["path"])
            put(record, path, rendered(definition.get("value"), {**scope, "record": record}))
    return record


def kept(stream: Component, record: Record, scope: Mapping[str, Any]) -> bool:
    """Whether the record filter lets a record through; yes where it cannot be told."""
    selector = stream["retriever"].get("record_selector") or {}
    condition = (selector.get("record_filter") or {}).get("condition")
    if not condition:
        return True
    try:
        return bool(rendered(condition, {**scope, "record": record}))
    except TemplateFailedError:
        return True
