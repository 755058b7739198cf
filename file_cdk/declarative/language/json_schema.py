"""What editors are told of manifests: a JSON Schema made of the types of components.

It says less than `lint`: a field that is missing may come from a reference or a parameter, so that none is required, and any part
may be a reference.
"""

from collections.abc import Mapping
from typing import Any

from file_cdk.declarative.language.default_types import missing_type
from file_cdk.declarative.language.registry import (
    Taken,
    component_types,
    fields_of,
    is_typed,
    takes_more_fields,
)
from file_cdk.declarative.language.resolving import SOURCE

Json = dict[str, Any]
_REFERENCE: Json = {"type": "string", "pattern": "^#/"}
_SCALARS: Mapping[type, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def manifest_schema() -> Json:
    """Draft 2020-12; the same for the same components, in the same order."""
    making = _Making()
    root = making.component(SOURCE)
    definitions = {name: making.component(name) for name in component_types() if name != SOURCE}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Manifest of an API",
        "description": "What `file-cdk` reads an HTTP API by: its streams, and how each is asked for, paged and sliced.",
        **{key: value for key, value in root.items() if key not in ("title", "description")},
        "$defs": {**definitions, **dict(sorted(making.choices.items()))},
    }


class _Making:
    """choices: one definition for each set of types that may stand in one place."""

    def __init__(self) -> None:
        self.choices: dict[str, Json] = {}

    def component(self, name: str) -> Json:
        made: Json = {"title": name, "type": "object"}
        if told := _told(name):
            made["description"] = told
        own: Json = {"$ref": _REFERENCE, "$parameters": {"type": "object"}}
        if is_typed(name):
            own = {"type": {"const": name}, **own}
        fields = {field.name: self._or_reference(field.taken, name, field.name) for field in fields_of(name).values()}
        made["properties"] = {**own, **fields}
        made["additionalProperties"] = takes_more_fields(name)
        return made

    def _or_reference(self, taken: Taken, holder: str, field: str) -> Json:
        """As a branch that is chosen, so that what an editor says is of the other one."""
        value = self._value(taken, holder, field)
        if taken.anything or str in taken.scalars:
            return value
        return {"if": _REFERENCE, "else": value}

    def _value(self, taken: Taken, holder: str, field: str) -> Json:
        if taken.anything:
            return {}
        kinds = [_SCALARS[each] for each in taken.scalars]
        made: Json = {}
        if taken.literals:
            made["enum"] = list(taken.literals)
        if taken.components or taken.values is not None:
            kinds.append("object")
        if taken.components:
            made |= self._choice(taken.components, missing_type(holder, field, is_custom=False))
            if len(taken.components) == 1 and (kinds != ["object"] or taken.items is not None):
                made |= {"if": {"type": "object"}, "then": {"$ref": made.pop("$ref")}}
        elif taken.values is not None and not taken.values.anything:
            made["additionalProperties"] = self._or_reference(taken.values, holder, field)
        if taken.items is not None:
            kinds.append("array")
            if not taken.items.anything:
                made["items"] = self._or_reference(taken.items, holder, field)
        if kinds:
            made["type"] = [*kinds, "null"]
        return made

    def _choice(self, names: tuple[str, ...], default: str | None) -> Json:
        if len(names) == 1:
            return {"$ref": f"#/$defs/{names[0]}"}
        key = " or ".join(names) + (f", {default}" if default in names else "")
        if key not in self.choices:
            branches = [
                {
                    "if": {"type": "object", "required": ["type"], "properties": {"type": {"const": name}}},
                    "then": _definition(name),
                }
                for name in names
            ]
            if default in names:
                unsaid = {"not": {"anyOf": [{"required": [key]} for key in ("type", "$ref", "class_name")]}}
                branches.append({"if": {"type": "object", **unsaid}, "then": _definition(str(default))})
            self.choices[key] = {"properties": {"type": {"enum": list(names)}}, "allOf": branches}
        return _definition(key)


def _definition(name: str) -> Json:
    return {"$ref": f"#/$defs/{name.replace(' ', '%20')}"}


def _told(name: str) -> str | None:
    """Of the class alone: msgspec's own docstring says nothing of a component."""
    text = vars(component_types()[name]).get("__doc__")
    return " ".join(text.split()) if text else None
