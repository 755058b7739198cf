"""A mapping as a typed configuration, or one error that names all that is wrong with it."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from file_cdk.core.config.formats import PluginConfig
from file_cdk.core.config.model import ConfigModel, fields_of, read_model
from file_cdk.core.config.source import SourceConfig

_Config = TypeVar("_Config", bound=ConfigModel)


def parse_config(model: type[_Config], raw: Mapping[str, Any]) -> _Config:
    """Validates a mapping; raises one ConfigError that names every field at fault and never shows a value."""
    return read_model(model, raw)


def unknown_keys(model: ConfigModel, raw: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """Dotted paths of the keys in `raw` that the validated `model` ignored, in document order."""
    if isinstance(model, PluginConfig):
        return
    fields = fields_of(type(model))
    for key, value in raw.items():
        path = f"{at}.{key}" if at else key
        if isinstance(model, SourceConfig) and key in model.older_keys:
            continue
        if key not in fields:
            yield path
            continue
        parsed = getattr(model, key)
        if isinstance(parsed, ConfigModel) and isinstance(value, Mapping):
            yield from unknown_keys(parsed, value, path)
        elif isinstance(parsed, list) and isinstance(value, list):
            for index, (item, raw_item) in enumerate(zip(parsed, value, strict=False)):
                if isinstance(item, ConfigModel) and isinstance(raw_item, Mapping):
                    yield from unknown_keys(item, raw_item, f"{path}[{index}]")
