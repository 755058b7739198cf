"""What all configurations have in common."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    # defer_build: worker processes get configurations that are valid, and never build what validates them.
    model_config = ConfigDict(
        extra="ignore", frozen=True, use_enum_values=False, populate_by_name=True, defer_build=True
    )
