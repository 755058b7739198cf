"""The connection specification: a connector's config class as the JSON Schema that Airbyte's forms are drawn from.

Those forms know less than JSON Schema: no `$ref`, no `anyOf` with null, unions only as `oneOf` of objects told apart by
a `const`. What pydantic generates is rewritten to that.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from file_cdk.core.config import SourceConfig

_Schema = dict[str, Any]


def connection_specification(config: type[BaseModel], *, title: str | None = None) -> dict[str, Any]:
    """Properties in the order of the form: the connector's own fields, then those that all sources share.

    title: of the form; the class's own by default. A class may name itself through `model_config = {"title": …}`.
    """
    generated = config.model_json_schema()
    definitions = generated.pop("$defs", {})
    schema = _rewritten(generated, definitions)
    schema["properties"] = _in_order(schema["properties"])
    if title is not None:
        schema["title"] = title
    return schema


def _in_order(properties: _Schema) -> _Schema:
    own = [name for name in properties if name not in SourceConfig.model_fields]
    shared = [name for name in properties if name in SourceConfig.model_fields]
    return {name: {**properties[name], "order": order} for order, name in enumerate([*own, *shared])}


def _rewritten(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> _Schema:
    schema = _resolved(schema, definitions)
    if "anyOf" in schema:
        schema = _without_null(schema, definitions)
    if "oneOf" in schema:
        schema.pop("discriminator", None)
        schema["type"] = "object"
        schema["oneOf"] = [_variant(option, definitions) for option in schema["oneOf"]]
    if "properties" in schema:
        schema["properties"] = {
            name: {**_rewritten(child, definitions), "order": child.get("order", order)}
            for order, (name, child) in enumerate(schema["properties"].items())
        }
    if "items" in schema:
        schema["items"] = _rewritten(schema["items"], definitions)
    if schema.get("uniqueItems") and isinstance(schema.get("default"), list):
        schema["default"] = sorted(schema["default"])  # a set has no order of its own
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
    return schema


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> _Schema:
    """The definition that `$ref` points to, with what stands beside the reference taking precedence."""
    if "$ref" not in schema:
        return dict(schema)
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return {**definitions[schema["$ref"].rpartition("/")[2]], **beside}


def _without_null(schema: _Schema, definitions: Mapping[str, Any]) -> _Schema:
    """An optional field is simply not required. Of several types the first is offered: a form cannot offer a choice."""
    options = [option for option in schema.pop("anyOf") if option.get("type") != "null"]
    if schema.get("default", ...) is None:
        del schema["default"]
    return {**_rewritten(options[0], definitions), **schema}


def _variant(option: Mapping[str, Any], definitions: Mapping[str, Any]) -> _Schema:
    """One branch of a union; its constants must be given, as they tell it from the others."""
    variant = _rewritten(option, definitions)
    constants = [name for name, child in variant["properties"].items() if "const" in child]
    variant["required"] = [
        *variant.get("required", ()),
        *(n for n in constants if n not in variant.get("required", ())),
    ]
    definition = option.get("$ref", "").rpartition("/")[2]
    if variant.get("title") == definition and constants:  # no title but its class's name
        variant["title"] = _spelled_out(variant["properties"][constants[0]]["const"])
    return variant


def _spelled_out(constant: str) -> str:
    """`use_records_transfer` -> `Use records transfer`, `csv` -> `CSV`; `From CSV` stays."""
    if not constant.islower():
        return constant
    return constant.upper() if len(constant) <= 3 else constant.replace("_", " ").capitalize()
