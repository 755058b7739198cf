"""The two catalogs: what discovery found, and what the user chose of it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from file_cdk.core.errors import ConfigError
from file_cdk.core.json_schema import nullable
from file_cdk.protocol.state import mapping_at

SCHEMALESS_PROPERTIES: Mapping[str, Any] = {"data": {"type": "object"}}
"""Columns of a schemaless stream, and of a stream that matched no file."""

FILE_PROPERTIES: Mapping[str, Any] = {
    "folder": {"type": "string"},
    "file_name": {"type": "string"},
    "source_uri": {"type": "string"},
    "bytes": {"type": "integer"},
    "id": {"type": ["null", "string"]},
    "created_at": {"type": ["null", "string"]},
    "updated_at": {"type": ["null", "string"]},
    "mime_type": {"type": ["null", "string"]},
}
"""Columns of a stream whose files are copied as they are: each record is about one file."""


def inferred_properties(properties: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Columns as discovery found them in the files: any of them may be null."""
    return {name: nullable(schema) for name, schema in properties.items()}


def declared_properties(types: Mapping[str, str]) -> dict[str, Any]:
    """Columns as an `input_schema` declares them, taken at their word: not made nullable."""
    return {name: {"type": "number" if kind == "float" else kind} for name, kind in types.items()}


def discovered_stream(name: str, properties: Mapping[str, Any], *, primary_key: Sequence[str] = ()) -> dict[str, Any]:
    """A stream of the catalog. properties: the data columns in final form; the columns about the file stand before them."""
    from file_cdk.core.files import FILE_COLUMNS  # a read of an API needs nothing of files

    data = {column: schema for column, schema in properties.items() if column not in FILE_COLUMNS}
    return _stream(name, {**FILE_COLUMNS, **data}, primary_key, is_file_based=False)


def discovered_file_stream(name: str, *, primary_key: Sequence[str] = ()) -> dict[str, Any]:
    """A stream of files that are copied as they are."""
    return _stream(name, FILE_PROPERTIES, primary_key, is_file_based=True)


def discovered_api_stream(
    name: str, json_schema: Mapping[str, Any], *, primary_key: Sequence[str], cursor_field: str | None, own_cursor: bool
) -> dict[str, Any]:
    """A stream of an API. own_cursor: whether the source alone says which field is the cursor."""
    incremental = cursor_field is not None
    return {
        "name": name,
        "json_schema": json_schema,
        "supported_sync_modes": ["full_refresh", *(["incremental"] if incremental else [])],
        **({"source_defined_cursor": own_cursor, "default_cursor_field": [cursor_field]} if incremental else {}),
        **({"source_defined_primary_key": [[field] for field in primary_key]} if primary_key else {}),
        "is_resumable": incremental,
        "is_file_based": False,
    }


def _stream(
    name: str, properties: Mapping[str, Any], primary_key: Sequence[str], *, is_file_based: bool
) -> dict[str, Any]:
    from file_cdk.core.files import MODIFIED_COLUMN

    key = [[column] for column in primary_key]
    return {
        "name": name,
        "json_schema": {"type": "object", "properties": dict(properties)},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": [MODIFIED_COLUMN],
        **({"source_defined_primary_key": key} if key else {}),
        "is_resumable": True,
        "is_file_based": is_file_based,
    }


class ConfiguredStream(NamedTuple):
    """One stream to read. properties: JSON Schema of its columns, those about the file too; None if the catalog has none.
    cursor_field: the one that the user chose, for a source that lets users choose."""

    name: str
    sync_mode: Literal["full_refresh", "incremental"]
    properties: Mapping[str, Any] | None = None
    cursor_field: str | None = None

    @property
    def incremental(self) -> bool:
        return self.sync_mode == "incremental"


def parse_configured_catalog(raw: Any, available: Collection[str]) -> tuple[ConfiguredStream, ...]:
    """Streams of a ConfiguredAirbyteCatalog (as parsed JSON) in its order.

    available: names of the streams that the configuration has. Raises ConfigError that names what is wrong.
    """
    if _is_discovered(raw):
        raise ConfigError(
            "this is discover's catalog: a configured catalog is expected",
            remedy='Put {"stream": …, "sync_mode": "full_refresh" or "incremental", "destination_sync_mode": "append"} around '
            "each of its streams",
        )
    streams = raw.get("streams") if isinstance(raw, Mapping) else None
    if not isinstance(streams, list):
        raise ConfigError("invalid catalog: expected a JSON object with a list 'streams'")
    configured = tuple(_parse_stream(stream, f"streams[{index}]") for index, stream in enumerate(streams))
    names = [stream.name for stream in configured]
    if missing := [name for name in names if name not in available]:
        raise ConfigError(
            f"the catalog names streams that the configuration does not have: {_listed(missing)}",
            remedy=f"Available streams: {_listed(available)}. Refresh the catalog with discover, or rename the stream",
        )
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"invalid catalog: streams named more than once: {_listed(repeated)}")
    return configured


def _is_discovered(raw: Any) -> bool:
    """Whether this is what discover prints, or the catalog in it."""
    if isinstance(raw, list):
        return any(isinstance(message, Mapping) and message.get("type") == "CATALOG" for message in raw)
    if not isinstance(raw, Mapping):
        return False
    if isinstance(raw.get("catalog"), Mapping):
        return True
    streams = raw.get("streams")
    if not isinstance(streams, list) or not streams:
        return False
    return all(isinstance(each, Mapping) and "stream" not in each and "json_schema" in each for each in streams)


def _parse_stream(raw: Any, at: str) -> ConfiguredStream:
    entry = mapping_at(raw, at, of="catalog")
    stream = mapping_at(entry.get("stream"), f"{at}.stream", of="catalog")
    name, sync_mode = stream.get("name"), entry.get("sync_mode")
    if not isinstance(name, str):
        raise ConfigError(f"invalid catalog: {at}.stream.name must be a string")
    if sync_mode not in ("full_refresh", "incremental"):
        raise ConfigError(f"invalid catalog: {at}.sync_mode must be full_refresh or incremental")
    schema = mapping_at(stream.get("json_schema", {}), f"{at}.stream.json_schema", of="catalog")
    properties = schema.get("properties")
    if properties is not None:
        properties = mapping_at(properties, f"{at}.stream.json_schema.properties", of="catalog")
        for column, column_schema in properties.items():
            mapping_at(column_schema, f"{at}.stream.json_schema.properties[{column!r}]", of="catalog")
    chosen = entry.get("cursor_field")
    cursor_field = chosen[0] if isinstance(chosen, list) and len(chosen) == 1 and isinstance(chosen[0], str) else None
    return ConfiguredStream(name=name, sync_mode=sync_mode, properties=properties, cursor_field=cursor_field)


def _listed(names: Collection[str]) -> str:
    return ", ".join(repr(name) for name in names) or "none"
