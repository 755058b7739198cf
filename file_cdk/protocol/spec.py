"""The connection specification: a connector's config class as the JSON Schema that Airbyte's forms are drawn from.

Those forms know less than JSON Schema: no `$ref`, no `anyOf` with null, unions only as `oneOf` of objects told apart by
a `const`.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from file_cdk.core.config import SourceConfig
from file_cdk.core.config.model import ConfigField, ConfigModel, Nested, Variants, fields_of, shape_of
from file_cdk.core.config.values import Bounds, Either, Items, Kind, Mappings, Number, OneOf, Optional, Text, Truth

_Schema = dict[str, Any]


def connection_specification(config: type[ConfigModel], *, title: str | None = None) -> dict[str, Any]:
    """Properties in the order of the form: the connector's own fields, then those that all sources share.

    title: of the form; the class's own by default. A class may name itself by the class keyword `title`.
    """
    schema = _of_model(config)
    schema["properties"] = _in_order(schema["properties"])
    if title is not None:
        schema["title"] = title
    return schema


def _in_order(properties: _Schema) -> _Schema:
    shared = fields_of(SourceConfig)
    names = [*(name for name in properties if name not in shared), *(name for name in properties if name in shared)]
    return {name: {**properties[name], "order": order} for order, name in enumerate(names)}


def _of_model(model: type[ConfigModel]) -> _Schema:
    shape = shape_of(model)
    properties = {name: _of_field(name, field) for name, field in shape.fields.items()}
    if shape.more_properties is not None:
        properties |= {name: _sorted(told) for name, told in shape.more_properties().items()}
    schema: _Schema = {} if model.__doc__ is None else {"description": _on_one_line(model.__doc__)}
    schema["properties"] = _numbered(properties)
    if required := [name for name, field in shape.fields.items() if field.spec.required]:
        schema["required"] = required
    return schema | {"title": shape.title, "type": "object"}


def _numbered(properties: Mapping[str, _Schema]) -> _Schema:
    for order, schema in enumerate(properties.values()):
        if "properties" in schema:
            schema["properties"] = _numbered(schema["properties"])
        schema.setdefault("order", order)
    return dict(properties)


def _of_field(name: str, field: ConfigField) -> _Schema:
    kind, spec = field.kind, field.spec
    told: _Schema = {"title": spec.title or name.replace("_", " ").title()}
    if spec.description is not None:
        told["description"] = _on_one_line(spec.description)
    if spec.examples is not None:
        told["examples"] = spec.examples
    if spec.default is not ... and spec.default is not None:  # an optional field is simply not required
        told["default"] = _as_json(spec.default)
    told = _sorted(told | dict(spec.json_schema_extra))
    match kind:
        case Optional():
            return _of_kind(kind.inner) | told
        case Either() | Nested() | OneOf(enum=True):
            return _of_kind(kind) | told
    return dict(sorted((_of_kind(kind) | told).items()))


def _of_kind(kind: Kind) -> _Schema:
    match kind:
        case Text():
            return _bounds(kind.bounds, "minLength") | {"type": "string"}
        case Truth():
            return {"type": "boolean"}
        case Number():
            return _bounds(kind.bounds, "") | {"type": "integer" if kind.whole else "number"}
        case OneOf():
            return _of_values(kind)
        case Items():
            unique = {"uniqueItems": True} if kind.holder is frozenset else {}
            return {"items": _of_kind(kind.item)} | _bounds(kind.bounds, "minItems") | {"type": "array"} | unique
        case Mappings():
            return {"additionalProperties": _of_kind(kind.item) or True} | _bounds(kind.bounds, "") | {"type": "object"}
        case Either():  # a form cannot offer a choice: the first is offered
            return _of_kind(kind.kinds[0])
        case Nested():
            return _of_model(kind.model)
        case Variants():
            return {"oneOf": [_variant(model) for model in kind.models.values()], "type": "object"}
    return {}


def _of_values(kind: OneOf) -> _Schema:
    values = list(kind.values)
    types = {"string" if isinstance(value, str) else "integer" for value in values}
    schema: _Schema = {"const": values[0]} if len(values) == 1 and not kind.enum else {"enum": values}
    if kind.enum:
        schema["title"] = kind.label  # an enumeration has a title, which that of the field takes the place of
    return schema | ({"type": types.pop()} if len(types) == 1 else {})


def _bounds(bounds: Bounds, length: str) -> _Schema:
    told = {length: bounds.min_length, "minimum": bounds.ge, "exclusiveMinimum": bounds.gt, "maximum": bounds.le}
    return {name: told[name] for name in sorted(told) if told[name] is not None}


def _variant(model: type[ConfigModel]) -> _Schema:
    """One branch of a union; its constants must be given, as they tell it from the others."""
    variant = _of_model(model)
    constants = [name for name, child in variant["properties"].items() if "const" in child]
    variant["required"] = [
        *variant.get("required", ()),
        *(n for n in constants if n not in variant.get("required", ())),
    ]
    if variant["title"] == model.__name__ and constants:  # no title but its class's name
        variant["title"] = _spelled_out(variant["properties"][constants[0]]["const"])
    return variant


def _spelled_out(constant: str) -> str:
    """`use_records_transfer` -> `Use records transfer`, `csv` -> `CSV`; `From CSV` stays."""
    if not constant.islower():
        return constant
    return constant.upper() if len(constant) <= 3 else constant.replace("_", " ").capitalize()


def _as_json(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case frozenset():
            return sorted(value)  # a set has no order of its own
        case ConfigModel():
            return value.as_dict()
    return value


def _sorted(schema: Mapping[str, Any]) -> _Schema:
    """With its keys in alphabetical order, but for those of `properties`, which have the order of the form."""
    told = dict(sorted(schema.items()))
    for key, value in told.items():
        if key == "properties":
            told[key] = {name: _sorted(each) for name, each in value.items()}
        elif isinstance(value, dict) and key != "default":
            told[key] = _sorted(value)
    return told


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
