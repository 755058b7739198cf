"""What all configurations have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ConfigModel(BaseModel):
    # defer_build: worker processes get configurations that are valid, and never build what validates them.
    model_config = ConfigDict(
        extra="ignore", frozen=True, use_enum_values=False, populate_by_name=True, defer_build=True
    )


def secret_field(
    title: str, description: str, default: Any = ..., *, min_length: int | None = None, **schema: Any
) -> Any:
    """A field of a ConfigModel whose value is shown nowhere. schema: what its JSON schema says besides."""
    extra = {"airbyte_secret": True, **schema}
    return Field(
        default, title=title, description=description, repr=False, min_length=min_length, json_schema_extra=extra
    )
