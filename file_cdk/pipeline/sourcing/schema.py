"""The JSON Schema of a configuration in YAML, for editors: what each connector's configuration class says, under `source`.

It says more than the specification of the protocol (protocol/spec.py), whose forms know no unions, and allows no key that a sync
would refuse.
"""

from collections.abc import Mapping
from enum import Enum
from functools import partial
from importlib import import_module
from typing import Any

from file_cdk.core.config import PluginConfig, SourceConfig
from file_cdk.core.config.model import ConfigField, ConfigModel, Nested, Variants, shape_of
from file_cdk.core.config.values import Either, Items, Kind, Mappings, Number, OneOf, Optional, Text, Truth

_Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_VARIABLE: _Schema = {"type": "string", "pattern": r"\$\{"}
"""A value of the environment, where text alone would not do."""


def configuration_schema(shipped: Mapping[str, str]) -> _Schema:
    """Of all connectors in this distribution. shipped: the package of each by the names that `source` takes."""
    packages = sorted(set(shipped.values()))
    definitions: _Schema = {}
    chosen = []
    for package in packages:
        connector = import_module(f"{package}.source").connector
        names = sorted([connector.name, *(scheme for scheme, of in shipped.items() if of == package)])
        definitions[connector.name] = _of_source(connector.config_class, names, definitions)
        says_so: _Schema = {"properties": {"source": {"enum": names}}, "required": ["source"]}
        if connector.name == "source-local":  # which `path` alone says, too
            says_so = {"anyOf": [says_so, {"not": {"required": ["source"]}}]}
        chosen.append({"if": says_so, "then": {"$ref": f"#/$defs/{connector.name}"}})
    known = sorted(
        {name for each in definitions.values() for name in each.get("properties", {}).get("source", {}).get("enum", ())}
    )
    return {
        "$schema": _DIALECT,
        "title": "Streams of file-cdk",
        "description": "What `file-cdk sync NAME.yaml` reads: a source, and the streams that become tables.",
        "type": "object",
        "required": ["streams"],
        "properties": {
            "source": {
                "description": "The kind of store; a local folder where there is a `path` alone.",
                "examples": known,
            }
        },
        "allOf": chosen,
        "$defs": dict(sorted(definitions.items())),
    }


def _of_source(config: type[SourceConfig], names: list[str], definitions: _Schema) -> _Schema:
    schema = _of_model(config, definitions)
    older: _Schema = {key: {"deprecated": True} for key in sorted(config.older_keys)}
    source = {"enum": names, "description": "The kind of store."}
    return schema | {"properties": {"source": source, **older, **schema["properties"]}}


def _of_model(model: type[ConfigModel], definitions: _Schema, constant: str | None = None) -> _Schema:
    """constant: the field that tells the model from others, and has to be there."""
    shape = shape_of(model)
    schema: _Schema = {"type": "object"}
    if model.__doc__:
        schema["description"] = " ".join(model.__doc__.split())
    of_field = partial(_of_field, definitions=definitions)
    schema["properties"] = {name: of_field(field) for name, field in shape.fields.items()}
    required = [name for name, field in shape.fields.items() if field.spec.required or name == constant]
    if required:
        schema["required"] = required
    return schema | {"additionalProperties": issubclass(model, PluginConfig)}


def _of_field(field: ConfigField, definitions: _Schema) -> _Schema:
    schema, spec = _of_kind(field.kind, definitions), field.spec
    if field.before:  # which make what is wanted of a mapping, or of text
        schema = {"anyOf": [schema, {"type": ["object", "string"]}]}
    if spec.description is not None:
        schema = {"description": " ".join(spec.description.split())} | schema
    if spec.default is not ... and spec.default is not None and spec.shown:
        schema["default"] = _as_json(spec.default)
    return schema


def _of_kind(kind: Kind, definitions: _Schema) -> _Schema:
    match kind:
        case Text():
            least = kind.bounds.min_length
            return {"type": "string"} | ({} if least is None else {"minLength": least})
        case Truth():
            return {"anyOf": [{"type": "boolean"}, _VARIABLE]}
        case Number():
            limits = {"minimum": kind.bounds.ge, "exclusiveMinimum": kind.bounds.gt, "maximum": kind.bounds.le}
            number = {"type": "integer" if kind.whole else "number"}
            return {"anyOf": [number | {name: each for name, each in limits.items() if each is not None}, _VARIABLE]}
        case OneOf():
            return {"anyOf": [{"enum": [_as_json(each) for each in kind.values]}, _VARIABLE]}
        case Items():
            return {"type": "array", "items": _of_kind(kind.item, definitions)} | _least(kind, "minItems")
        case Mappings():
            return {"type": "object", "additionalProperties": _of_kind(kind.item, definitions)} | _least(
                kind, "minProperties"
            )
        case Optional():
            return {"anyOf": [_of_kind(kind.inner, definitions), {"type": "null"}]}
        case Either():
            return {"anyOf": [_of_kind(each, definitions) for each in kind.kinds]}
        case Nested():
            return _named(kind.model, None, definitions)
        case Variants():
            return _of_variants(kind, definitions)
    return {}


def _of_variants(kind: Variants, definitions: _Schema) -> _Schema:
    chosen = []
    for name, model in kind.models.items():
        says_so = {"properties": {kind.tag: {"const": name}}, "required": [kind.tag]}
        chosen.append({"if": says_so, "then": _named(model, kind.tag, definitions)})
    names = {"enum": list(kind.models)} if kind.others is None else {"type": "string", "examples": list(kind.models)}
    return {"type": "object", "required": [kind.tag], "properties": {kind.tag: names}, "allOf": chosen}


def _named(model: type[ConfigModel], constant: str | None, definitions: _Schema) -> _Schema:
    package = model.__module__.partition(".")[0]
    name = model.__name__ if package == "file_cdk" else f"{package}.{model.__name__}"
    if name not in definitions:
        definitions[name] = {}  # so that a class that holds itself comes to an end
        definitions[name] = _of_model(model, definitions, constant)
    return {"$ref": f"#/$defs/{name}"}


def _least(kind: Items | Mappings, word: str) -> _Schema:
    return {} if kind.bounds.min_length is None else {word: kind.bounds.min_length}


def _as_json(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case frozenset():
            return sorted(value)
        case ConfigModel():
            return {name: _as_json(each) for name, each in value.as_dict().items()}
        case Mapping():
            return {str(name): _as_json(each) for name, each in value.items()}
        case list() | tuple():
            return [_as_json(each) for each in value]
    return value
