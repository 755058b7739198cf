"""What becomes of a configuration before a plan is made with it: migrations, which are kept, then transformations, which are not;
then it is held against the spec and its validations."""

import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from file_cdk.core.errors import ConfigError, ManifestError
from file_cdk.declarative.components.spec import (
    ConfigAddFields,
    ConfigRemapField,
    ConfigRemoveFields,
    ConfigTransformation,
    DpathValidator,
    PredicateValidator,
    Spec,
    ValidateAdheresToSchema,
)
from file_cdk.declarative.components.transformations import AddedFieldDefinition
from file_cdk.declarative.configuration import check_configuration, check_value
from file_cdk.declarative.language.registry import decoded
from file_cdk.declarative.records.changes import VALUE_TYPES
from file_cdk.declarative.templates import Condition, Template

Config = Mapping[str, Any]


class Normalized(msgspec.Struct, frozen=True):
    """config: to be used. migrated: to be written back in place of what was given, None where that is as it should be."""

    config: Config
    migrated: Config | None = None


def normalized(spec: Spec | None, given: Config) -> Normalized:
    """Raises ConfigError where the configuration is not what the spec asks for, and for rules that are Python code."""
    if spec is None:
        return Normalized(given)
    rules = spec.config_normalization_rules
    config: dict[str, Any] = _copied(given)
    migrated: Config | None = None
    if rules is not None:
        for n, migration in enumerate(rules.config_migrations):
            _transform(config, migration.transformations, f"config_migrations[{n}]")
        migrated = _copied(config) if config != given else None
        _transform(config, rules.transformations, "config_normalization_rules")
    check_configuration(config, spec.connection_specification)
    for n, validation in enumerate(rules.validations if rules else ()):
        _validate(config, validation, f"validations[{n}]")
    return Normalized(config, migrated)


def _transform(config: dict[str, Any], transformations: Sequence[ConfigTransformation], where: str) -> None:
    for n, each in enumerate(transformations):
        place = f"{where}.transformations[{n}]"
        match each:
            case ConfigAddFields():
                _add(config, each, place)
            case ConfigRemoveFields():
                if not each.condition or Condition(each.condition, place).holds(_scope(config)):
                    for pointer in each.field_pointers:
                        _remove(config, pointer)
            case ConfigRemapField():
                _remap(config, each, place)
            case _:
                raise ManifestError(
                    f"{place}: {each.class_name} is Python code of the connector's own, which is not run"
                )


def _copied(value: Any) -> Any:
    """Parts that stand in several places are several parts."""
    if isinstance(value, Mapping):
        return {key: _copied(each) for key, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _scope(config: Config) -> Mapping[str, Any]:
    return {"config": config, "parameters": {}}


def _add(config: dict[str, Any], added: ConfigAddFields, where: str) -> None:
    for written in added.fields:
        field = decoded(written, AddedFieldDefinition)
        types = VALUE_TYPES.get(field.value_type or "")
        scope = {**_scope(config), "parameters": field.parameters}
        value = Template(field.value, f"{where}, field 'value'", types).value(scope)
        seen = {**_scope(config), "value": value, "path": list(field.path)}
        if not added.condition or Condition(added.condition, f"{where}, field 'condition'").holds(seen):
            _put(config, field.path, value, where)


def _put(config: dict[str, Any], path: Sequence[str], value: Any, where: str) -> None:
    at: Any = config
    for step in path[:-1]:
        at = at.setdefault(step, {})
        if not isinstance(at, dict):
            raise ConfigError(
                f"{where}: {step!r} of the configuration is no object, and cannot get the field {path[-1]!r}"
            )
    at[path[-1]] = value


def _remove(at: Any, pointer: Sequence[str]) -> None:
    """Steps may be patterns. An item of a list becomes null."""
    step, *rest = pointer
    for key in list(_matching(at, step)):
        if rest:
            _remove(at[key], rest)
        elif isinstance(at, list):
            at[key] = None
        else:
            del at[key]


def _matching(at: Any, step: str) -> Iterator[Any]:
    keys = at.keys() if isinstance(at, dict) else range(len(at)) if isinstance(at, list) else ()
    return (key for key in keys if fnmatchcase(str(key), step))


def _remap(config: dict[str, Any], remap: ConfigRemapField, where: str) -> None:
    if isinstance(remap.map, str):
        raise ManifestError(f"{where}: a map that is a template is not supported yet")
    if not remap.field_path:
        raise ManifestError(f"{where} has no field_path")
    path = [Template(step, f"{where}, field 'field_path'").text(_scope(config)) for step in remap.field_path]
    at: Any = config
    for step in path[:-1]:
        at = at.get(step)
        if not isinstance(at, dict):
            return
    scope, place = _scope(config), f"{where}, field 'map'"
    values = {
        Template(key, place).text(scope): Template(value, place).value_or_none(scope)
        if isinstance(value, str)
        else value
        for key, value in remap.map.items()
    }
    found = at.get(path[-1])
    if isinstance(found, (str, int, float, bool)) and found in values:
        at[path[-1]] = values[found]


def _validate(config: Config, validation: DpathValidator | PredicateValidator, where: str) -> None:
    if isinstance(validation, PredicateValidator):
        raise ManifestError(f"{where}: PredicateValidator is not supported yet")
    strategy = validation.validation_strategy
    if not isinstance(strategy, ValidateAdheresToSchema):
        raise ManifestError(f"{where}: {strategy.class_name} is Python code of the connector's own, which is not run")
    if isinstance(strategy.base_schema, str):
        raise ManifestError(f"{where}: a schema that is a template is not supported yet")
    path = [Template(step, f"{where}, field 'field_path'").text(_scope({})) for step in validation.field_path]
    for value in _values(config, path):
        check_value(_parsed(value, path), strategy.base_schema, ".".join(path))


def _values(at: Any, path: Sequence[str]) -> Iterator[Any]:
    """None where the path leads nowhere: what is not there is not looked at."""
    if not path:
        yield at
        return
    for key in _matching(at, path[0]):
        yield from _values(at[key], path[1:])


def _parsed(value: Any, path: Sequence[str]) -> Any:
    """A text is the JSON that it has."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ConfigError(f"invalid configuration: {'.'.join(path)}: is no JSON") from None
