"""The configuration of an Airbyte connector as YAML for `file-cdk sync`, and back."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from file_cdk.core.config import parse_config, unknown_keys
from file_cdk.core.config.model import fields_of
from file_cdk.core.connector import Connector
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError
from file_cdk.pipeline.drafting.plain import Referring, plain
from file_cdk.pipeline.drafting.yaml_text import comment, item, setting
from file_cdk.pipeline.sources import SHIPPED, connector_for
from file_cdk.pipeline.sourcing.configuration import load_configuration

_FOR_TABLES = ("on_delete", "mode", "key", "cursor", "deleted", "columns", "schema_contract")
"""Settings of streams that the protocol's commands refuse, since a destination decides on them."""

_REFERENCE = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-[^}]*)?\}")


@dataclass(slots=True)
class Converted:
    """text: of the file. notes: what a person should know."""

    text: str
    notes: list[str] = field(default_factory=list)


def to_yaml(path: str, connector_name: str | None) -> Converted:
    """path: of a connector's configuration in JSON, also of an older version. Secrets become references to environment variables,
    which the notes name. Raises ConfigError that names the fields at fault."""
    raw = _object_in(path)
    named = connector_name or (raw.pop("source", None) if isinstance(raw.get("source"), str) else None)
    source, connector = _named(named) if named else _fitting(raw, path)
    config = parse_config(connector.config_class, raw)
    referring = Referring(source)
    settings = plain(config, referring)
    notes = [f"left out, as it means nothing here: {key}" for key in unknown_keys(config, raw)]
    notes += [
        f"set the environment variable {name}: it stands for {where}" for name, where in referring.variables.items()
    ]
    lines = list(comment(f"Written by `file-cdk convert {Path(path).name}`."))
    lines += _yaml_lines(source, settings)
    return Converted("\n".join(lines) + "\n", notes)


def _yaml_lines(source: str, settings: dict[str, Any]) -> Iterator[str]:
    streams = settings.pop("streams")
    for stream in streams:
        if "input_schema" in stream:  # a mapping is easier to read than JSON in a string
            stream["input_schema"] = json.loads(stream["input_schema"])
    yield from setting("source", source)
    for name, value in settings.items():
        yield from setting(name, value)
    yield ""
    yield "streams:"
    for stream in streams:
        yield from item(stream)


def to_airbyte(path: str, connector_name: str | None) -> Converted:
    """path: of a configuration in YAML. References to environment variables stay as they are. Raises ConfigError."""
    raw = load_configuration(path, path, None)
    named = raw.pop("source", None) or connector_name or "file"
    connector = connector_for(str(named))
    notes = [f"put in the value of ${{{name}}}: Airbyte has no variables" for name in sorted(_references(raw))]
    if not notes:  # else some values are not known here
        config = parse_config(connector.config_class, raw)
        if unknown := list(unknown_keys(config, raw)):
            raise ConfigError(f"{path} has keys that mean nothing here: {', '.join(unknown)}", remedy="Correct them")
    streams = raw.get("streams")
    if not isinstance(streams, list) or not all(isinstance(stream, dict) for stream in streams):
        raise ConfigError(f"{path} must hold `streams`, a list of mappings")
    raw["streams"] = [_for_airbyte(stream, notes) for stream in streams]
    raw = _unescaped(raw)
    notes.append(f"this is for {connector.name}")
    return Converted(json.dumps(raw, indent=2, ensure_ascii=False, default=str) + "\n", notes)


def _for_airbyte(stream: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    kept = {key: value for key, value in stream.items() if key not in _FOR_TABLES}
    notes += [
        f"stream {stream.get('name')!r}: left out, as it is for tables: {key}" for key in stream if key not in kept
    ]
    schema = kept.get("input_schema")
    if isinstance(schema, Mapping):
        kept["input_schema"] = json.dumps(schema, default=str)
    return kept


def _unescaped(value: Any) -> Any:
    """`$${` is how YAML has the text `${`."""
    match value:
        case str():
            return value.replace("$${", "${")
        case Mapping():
            return {key: _unescaped(each) for key, each in value.items()}
        case list():
            return list(map(_unescaped, value))
    return value


def _references(value: Any) -> set[str]:
    match value:
        case str():
            return set(_REFERENCE.findall(value))
        case Mapping():
            return set().union(*map(_references, value.values()))
        case list():
            return set().union(*map(_references, value))
    return set()


def _object_in(path: str) -> dict[str, Any]:
    try:
        raw = json.loads(Path(path).read_bytes())
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from None
    except (ValueError, RecursionError):
        raise ConfigError(
            f"{path} is not JSON", remedy="Name the configuration of a connector; of YAML, give --as airbyte"
        ) from None
    if isinstance(raw, dict) and isinstance(raw.get("connectionConfiguration"), dict):
        raw = raw["connectionConfiguration"]  # as Airbyte's API has it
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} must hold a JSON object, the configuration of a connector")
    return raw


def _named(name: str) -> tuple[str, Connector]:
    connector = connector_for(name)
    return (name if name in SHIPPED else _schemes().get(connector.name.replace("-", "_"), name)), connector


def _schemes() -> dict[str, str]:
    """The shortest scheme of each shipped connector, by its package."""
    found: dict[str, str] = {}
    for scheme, package in sorted(SHIPPED.items(), key=lambda each: (len(each[0]), each[0])):
        found.setdefault(package, scheme)
    return found


def _fitting(raw: Mapping[str, Any], path: str) -> tuple[str, Connector]:
    """The one connector that knows all of the configuration's keys. Raises ConfigError where there is none, or are several."""
    fitting = []
    for scheme in _schemes().values():
        connector = connector_for(scheme)
        if raw.keys() <= {*fields_of(connector.config_class), *connector.config_class.older_keys} and _fits(
            connector, raw
        ):
            fitting.append(scheme)
    if len(fitting) == 1:
        return fitting[0], connector_for(fitting[0])
    which = f"may be one of {' or '.join(fitting)}" if fitting else "is that of no connector here as it stands"
    raise ConfigError(
        f"{path} does not say whose configuration it is, and {which}",
        remedy="Say whose with --connector, such as --connector s3: what is wrong with it is told then",
    )


def _fits(connector: Connector, raw: Mapping[str, Any]) -> bool:
    try:
        parse_config(connector.config_class, raw)
    except ConfigError:
        return False
    return True
