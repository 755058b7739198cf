"""The configured catalog as a destination reads it: how the records of each stream are to be written."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError
from file_cdk.core.ports import MergeRule, TableName
from file_cdk.protocol.receiving.events import StreamDescriptor
from file_cdk.protocol.state import mapping_at

DELETED = "_ab_cdc_deleted_at"
"""The column in which sources that read a database's log say that a row is gone."""

STAGING = "_airbyte_staging_"
"""How the names of tables begin that hold what is to replace a table, until all of it has come."""


class WriteMode(StrEnum):
    APPEND = "append"
    OVERWRITE = "overwrite"
    APPEND_DEDUP = "append_dedup"


@dataclass(frozen=True, slots=True)
class WrittenStream:
    """generation, minimum_generation, sync: as the platform counts refreshes and runs; None where it does not. source: what wrote
    the table, where it takes rows of no other. is_anew: what comes takes the place of what is there, in any mode."""

    namespace: str | None
    name: str
    mode: WriteMode
    keys: tuple[str, ...]
    cursor: str | None
    generation: int | None
    minimum_generation: int | None
    sync: int | None
    properties: Mapping[str, Any]
    source: str = "airbyte"
    is_anew: bool = False

    @property
    def descriptor(self) -> StreamDescriptor:
        return StreamDescriptor(self.name, self.namespace)

    @property
    def shown(self) -> str:
        return repr(self.name) if self.namespace is None else f"{self.namespace!r}.{self.name!r}"

    @property
    def replaces(self) -> bool:
        """Whether what comes takes the place of what is there, once all of it has come."""
        if self.generation is None:
            return self.is_anew or self.mode is WriteMode.OVERWRITE
        return bool(self.minimum_generation)

    @property
    def table(self) -> TableName:
        return self._table(self.name if self.namespace is None else f"{self.namespace}_{self.name}")

    @property
    def staging(self) -> TableName:
        return self._table(STAGING + self.table.stream)

    def _table(self, name: str) -> TableName:
        origin = f"{self.source}:{'' if self.namespace is None else self.namespace}/{self.name}"
        merge = None
        if self.mode is WriteMode.APPEND_DEDUP:
            deleted = DELETED if DELETED in self.properties else None
            merge = MergeRule(self.keys, self.cursor, deleted)
        return TableName(name, origin, merge=merge)


def not_configured(stream: StreamDescriptor, what: str) -> ConfigError:
    """Of what came of a stream that the catalog does not have."""
    of = "" if stream.namespace is None else f" of namespace {stream.namespace!r}"
    return ConfigError(
        f"{what} came of stream {stream.name!r}{of}, which the configured catalog does not have",
        remedy="Give source and destination the same catalog",
    )


def parse_written_catalog(raw: Any) -> tuple[WrittenStream, ...]:
    """In the catalog's order. Raises ConfigError that names what is wrong."""
    streams = raw.get("streams") if isinstance(raw, Mapping) else None
    if not isinstance(streams, list):
        raise ConfigError("invalid catalog: expected a JSON object with a list 'streams'")
    written = tuple(_parse(stream, f"streams[{index}]") for index, stream in enumerate(streams))
    known: dict[str, WrittenStream] = {}
    for stream in written:
        other = known.setdefault(stream.table.stream, stream)
        if other is not stream:
            raise ConfigError(
                f"streams {other.shown} and {stream.shown} would share the table {stream.table.stream!r}",
                remedy="Give one of them another namespace or name (a prefix, for example)",
            )
        if stream.table.stream.startswith(STAGING):
            raise ConfigError(
                f"stream {stream.shown} would have a table of the name {stream.table.stream!r}, which is reserved",
                remedy="Give it another name (a prefix, for example)",
            )
    return written


def _parse(raw: Any, at: str) -> WrittenStream:
    entry = mapping_at(raw, at, of="catalog")
    stream = mapping_at(entry.get("stream"), f"{at}.stream", of="catalog")
    name, namespace = stream.get("name"), stream.get("namespace") or None
    if not isinstance(name, str) or not name:
        raise ConfigError(f"invalid catalog: {at}.stream.name must be a string")
    if not isinstance(namespace, str | None):
        raise ConfigError(f"invalid catalog: {at}.stream.namespace must be a string")
    shown = repr(name) if namespace is None else f"{namespace!r}.{name!r}"
    mode = _mode(entry.get("destination_sync_mode"), shown)
    schema = mapping_at(stream.get("json_schema") or {}, f"{at}.stream.json_schema", of="catalog")
    properties = mapping_at(schema.get("properties") or {}, f"{at}.stream.json_schema.properties", of="catalog")
    generation, minimum, sync = (
        _number(entry.get(member), f"{at}.{member}") for member in ("generation_id", "minimum_generation_id", "sync_id")
    )
    if (generation is None) != (minimum is None):
        raise ConfigError(f"invalid catalog: {at} has one of generation_id and minimum_generation_id without the other")
    if generation is not None and minimum not in (0, generation):
        raise ConfigError(
            f"stream {shown}: minimum_generation_id is {minimum} and generation_id {generation}, and what is between cannot be "
            "kept",
            remedy="Keep all generations (minimum_generation_id 0), or the last one alone (both the same)",
        )
    keys: tuple[str, ...] = ()
    cursor = None
    if mode is WriteMode.APPEND_DEDUP:
        keys = _keys(entry.get("primary_key") or stream.get("source_defined_primary_key"), at, shown)
        cursor = _cursor(entry.get("cursor_field") or stream.get("default_cursor_field"), at, shown)
    return WrittenStream(namespace, name, mode, keys, cursor, generation, minimum, sync, properties)


def _mode(raw: Any, shown: str) -> WriteMode:
    try:
        return WriteMode(raw)
    except ValueError:
        known = ", ".join(WriteMode)
        raise ConfigError(
            f"stream {shown}: destination_sync_mode is {raw!r}"
            if isinstance(raw, str)
            else f"stream {shown} has no mode",
            remedy=f"Choose one of {known}",
        ) from None


def _number(raw: Any, at: str) -> int | None:
    if raw is None:
        return None
    if not isinstance(raw, int) or isinstance(raw, bool) or raw < 0:
        raise ConfigError(f"invalid catalog: {at} must be a whole number, 0 or more")
    return raw


def _keys(raw: Any, at: str, shown: str) -> tuple[str, ...]:
    if not isinstance(raw, list) or not raw:
        raise ConfigError(
            f"stream {shown} has no primary_key, which append_dedup needs", remedy="Name its columns, or choose append"
        )
    return tuple(_column(path, f"{at}.primary_key[{index}]", shown) for index, path in enumerate(raw))


def _cursor(raw: Any, at: str, shown: str) -> str | None:
    return _column(raw, f"{at}.cursor_field", shown) if raw else None


def _column(path: Any, at: str, shown: str) -> str:
    if not isinstance(path, list) or not path or not all(isinstance(part, str) for part in path):
        raise ConfigError(f"invalid catalog: {at} must be a list with the name of a column")
    if len(path) > 1:
        raise ConfigError(
            f"stream {shown}: {'.'.join(path)!r} is inside of a column, and rows are told apart by columns alone",
            remedy="Choose a column, or append",
        )
    return str(path[0])
