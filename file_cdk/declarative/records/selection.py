"""A record selector as a plan has it: which records of an answer are emitted, and what is done to them before."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.components.selection import RecordFilter, RecordSelector
from file_cdk.declarative.components.transformations import Transformation
from file_cdk.declarative.pages import Rejected
from file_cdk.declarative.records.changes import Change, change
from file_cdk.declarative.records.cutting import Cut
from file_cdk.declarative.records.looking import looked_at
from file_cdk.declarative.records.record import Record, UnfitRecordError, decoded, view
from file_cdk.declarative.records.schema_types import SchemaTypes
from file_cdk.declarative.templates import Condition

Scope = Mapping[str, Any]


class Selected(msgspec.Struct, frozen=True):
    """As in pages.Page."""

    records: Sequence[bytes]
    cursor_values: Sequence[Any]
    filtered: int
    rejected: Sequence[Rejected]


class Filter(msgspec.Struct, frozen=True):
    condition: Condition
    parameters: Mapping[str, Any]

    def on(self, scope: Scope) -> Callable[[Record], bool]:
        own = {**scope, "parameters": self.parameters}

        def takes(record: Record) -> bool:
            own["record"] = record.seen
            return self.condition.holds(own)

        return takes


class Selection(msgspec.Struct, frozen=True):
    """before, after: what is done to a record before the filter is asked, and after. seen: members of records that templates look
    at; None for all of them.

    Without filter and changes no record is decoded.
    """

    before: tuple[Change, ...] = ()
    filter: Filter | None = None
    after: tuple[Change, ...] = ()
    seen: tuple[str, ...] | None = None
    cursor_field: str | None = None

    def selected(self, cut: Cut, scope: Scope) -> Selected:
        """scope: of the page."""
        if not (self.before or self.filter or self.after):
            return Selected(cut.records, self._cursor_values(cut.records), 0, cut.rejected)
        if not cut.records:
            return Selected((), self._cursor_values(()), 0, cut.rejected)
        records, rejected = [], list(cut.rejected)
        see, is_taken = view(self.seen), self._on(scope)
        for number, text in zip(_numbers(cut), cut.records, strict=True):
            try:
                record = Record(text, see(text))
                if is_taken(record):
                    records.append(record.text())
            except UnfitRecordError as exc:
                rejected.append(Rejected(number, exc.reason))
            except RecursionError:
                rejected.append(Rejected(number, "is nested too deeply"))
        filtered = cut.found - len(records) - len(rejected)
        rejected.sort(key=lambda each: each.number)
        return Selected(records, self._cursor_values(records), filtered, rejected)

    def _on(self, scope: Scope) -> Callable[[Record], bool]:
        """Changes a record of the page; false for one that is left out."""
        before, after = [each.on(scope) for each in self.before], [each.on(scope) for each in self.after]
        takes = self.filter.on(scope) if self.filter else None

        def is_taken(record: Record) -> bool:
            for each in before:
                each(record)
            if takes is not None and not takes(record):
                return False
            for each in after:
                each(record)
            return True

        return is_taken

    def _cursor_values(self, records: Sequence[bytes]) -> Sequence[Any]:
        return () if self.cursor_field is None else cursor_values(self.cursor_field, records)


def _numbers(cut: Cut) -> Sequence[int]:
    """Of each record in its page, among those that were rejected."""
    if not cut.rejected:
        return range(len(cut.records))
    gone = {each.number for each in cut.rejected}
    return [number for number in range(cut.found) if number not in gone]


def cursor_values(name: str, records: Sequence[bytes]) -> list[Any]:
    """Of each record, as JSON has it; None where it is missing."""
    together, one = _cursor_decoders(name)
    try:
        return [each.value for each in together(b"[" + b",".join(records) + b"]")]
    except (msgspec.MsgspecError, TypeError):
        return [_cursor_value(name, record, one) for record in records]


def _cursor_value(name: str, record: bytes, decode: Any) -> Any:
    try:
        return decode(record).value
    except (msgspec.MsgspecError, TypeError):
        return decoded(record).get(name)


@lru_cache(maxsize=256)
def _cursor_decoders(name: str) -> tuple[Any, Any]:
    """Of a list of records, and of one."""
    try:
        kind = msgspec.defstruct("Cursor", [("value", Any, None)], rename={"value": name}, gc=False)
    except ValueError:  # quotes, backslashes or control characters in a name
        return _no_decoder, _no_decoder
    return msgspec.json.Decoder(list[kind]).decode, msgspec.json.Decoder(kind).decode  # type: ignore[valid-type]


def _no_decoder(_: bytes) -> Any:
    raise TypeError


class Shape(msgspec.Struct, frozen=True):
    """What a stream says of its records beside the selector. cursor_field: whose values are taken out of them.

    is_client_side: whether records are held against the cursor, and so are changed before a filter is asked.
    """

    transformations: Sequence[Transformation] = ()
    schema: Mapping[str, Any] | None = None
    cursor_field: str | None = None
    is_client_side: bool = False


def selection(selector: RecordSelector, shape: Shape, where: str) -> Selection:
    """Raises ConfigError for what is not known yet."""
    changes = tuple(change(each, f"{where}.transformations[{n}]") for n, each in enumerate(shape.transformations))
    is_changed_first = selector.transform_before_filtering
    if is_changed_first is None:
        is_changed_first = shape.is_client_side
    taken = _filter(selector, where)
    texts = [text for each in changes for text in each.texts]
    if taken:
        texts.append(str(taken.condition.condition))
    types = _schema_types(selector, shape.schema, where)
    return Selection(
        changes if is_changed_first else (),
        taken,
        (*(() if is_changed_first else changes), *types),
        looked_at(texts, "record"),
        shape.cursor_field,
    )


def _filter(selector: RecordSelector, where: str) -> Filter | None:
    written = selector.record_filter
    if written is None:
        return None
    if not isinstance(written, RecordFilter):
        raise ConfigError(f"{where}: {written.class_name} is code of the connector's own, which is not supported yet")
    return Filter(Condition(written.condition, f"{where}.record_filter.condition"), written.parameters)


def _schema_types(selector: RecordSelector, schema: Mapping[str, Any] | None, where: str) -> tuple[Change, ...]:
    written = selector.schema_normalization
    if written is None or written == "None":
        return ()
    if not isinstance(written, str):
        raise ConfigError(f"{where}: {written.class_name} is code of the connector's own, which is not supported yet")
    return (SchemaTypes(schema),) if schema else ()
