"""The schema of a stream, from what loads it: written in the manifest, or in a file beside that."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.components.streams import InlineSchemaLoader, JsonFileSchemaLoader, SchemaLoader
from file_cdk.declarative.templates import Template

Schema = Mapping[str, Any]


class SchemaPlace(msgspec.Struct, frozen=True):
    """folder: the manifest's; None for one that is in no file. parameters: the stream's."""

    stream: str
    folder: Path | None
    config: Mapping[str, Any]
    parameters: Mapping[str, Any]


def schema_of(loader: SchemaLoader | tuple[SchemaLoader, ...] | None, place: SchemaPlace) -> Schema:
    """A JSON Schema; that of several loaders has the properties of all, each as the first that has it says. Without a loader it
    is that of a file named like the stream, or empty. Raises ConfigError."""
    if loader is None:
        return _of_default_file(place)
    if not isinstance(loader, tuple):
        return _loaded(loader, place)
    properties: dict[str, Any] = {}
    for each in loader:
        for name, schema in (_loaded(each, place).get("properties") or {}).items():
            properties.setdefault(name, schema)
    return {"$schema": "http://json-schema.org/draft-07/schema#", "type": ["null", "object"], "properties": properties}


def _loaded(loader: SchemaLoader, place: SchemaPlace) -> Schema:
    match loader:
        case InlineSchemaLoader():
            return loader.schema or {}
        case JsonFileSchemaLoader():
            path = _path(loader, place)
            if (found := _read(path, place)) is None:
                raise ConfigError(f"stream {place.stream!r}: there is no schema file {path!r} beside the manifest")
            return found
    raise ConfigError(f"stream {place.stream!r}: a schema by {type(loader).__name__} is not supported yet")


def _path(loader: JsonFileSchemaLoader, place: SchemaPlace) -> str:
    parameters = {"name": place.stream, **loader.parameters}
    written = loader.file_path or "./schemas/{{ parameters['name'] }}.json"
    where = f"stream {place.stream!r}, field 'file_path'"
    return Template(written, where).text({"config": place.config, "parameters": parameters})


def _of_default_file(place: SchemaPlace) -> Schema:
    name = place.parameters.get("name") or place.stream
    return _read(f"schemas/{name}.json", place) or {}


def _read(path: str, place: SchemaPlace) -> Schema | None:
    """None where no file is there. A path may begin with the name of the package that the manifest is in."""
    relative = path.removeprefix("./")
    if place.folder is None:
        return None
    for candidate in (relative, relative.partition("/")[2]):
        file = (place.folder / candidate).resolve()
        if not file.is_relative_to(place.folder.resolve()):
            raise ConfigError(f"stream {place.stream!r}: the schema file {path!r} is not below the manifest's folder")
        if candidate and file.is_file():
            return _parsed(file, path, place)
    return None


def _parsed(file: Path, path: str, place: SchemaPlace) -> Schema:
    try:
        schema = json.loads(file.read_bytes())
    except (OSError, ValueError):
        raise ConfigError(f"stream {place.stream!r}: the schema file {path!r} is no JSON that can be read") from None
    if not isinstance(schema, dict):
        raise ConfigError(f"stream {place.stream!r}: the schema file {path!r} is no JSON object")
    if '"$ref"' in json.dumps(schema):
        raise ConfigError(
            f"stream {place.stream!r}: the schema file {path!r} refers to others, which is not supported yet"
        )
    return schema
