"""A mapping as a typed configuration, or one error that names all that is wrong with it."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from file_cdk.core.config.formats import PluginConfig
from file_cdk.core.config.source import SourceConfig
from file_cdk.core.errors import ConfigError

_Config = TypeVar("_Config", bound=BaseModel)


def parse_config(model: type[_Config], raw: Mapping[str, Any]) -> _Config:
    """Validates a mapping; raises one ConfigError that names every field at fault and never shows a value."""
    try:
        return model.model_validate(raw)
    except ValidationError as exc:
        faults = "; ".join(
            f"{_dotted(error['loc'])}: {error['msg'].removeprefix('Value error, ')}"
            for error in exc.errors(include_url=False, include_input=False, include_context=False)
        )
        raise ConfigError(f"invalid configuration: {faults}") from None


def _dotted(location: tuple[int | str, ...]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".") or "config"


def unknown_keys(model: BaseModel, raw: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """Dotted paths of the keys in `raw` that the validated `model` ignored, in document order."""
    if isinstance(model, PluginConfig):
        return
    fields = type(model).model_fields
    for key, value in raw.items():
        path = f"{at}.{key}" if at else key
        if isinstance(model, SourceConfig) and key in model.older_keys:
            continue
        if key not in fields:
            yield path
            continue
        parsed = getattr(model, key)
        if isinstance(parsed, BaseModel) and isinstance(value, Mapping):
            yield from unknown_keys(parsed, value, path)
        elif isinstance(parsed, list) and isinstance(value, list):
            for index, (item, raw_item) in enumerate(zip(parsed, value, strict=False)):
                if isinstance(item, BaseModel) and isinstance(raw_item, Mapping):
                    yield from unknown_keys(item, raw_item, f"{path}[{index}]")
