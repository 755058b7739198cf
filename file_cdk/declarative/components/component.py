"""What all components have in common."""

from typing import Any

import msgspec


class Component(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="type",
    tag=True,
    omit_defaults=True,
    rename={"parameters": "$parameters"},
):
    """A mapping of the manifest whose `type` is the name of its class; decoded once references, types and parameters are
    resolved. Fields that it does not know are passed over here, and told of by `lint`.

    parameters: what was pushed down to it, which its templates see as `parameters`.
    """

    parameters: dict[str, Any] = {}


def names_of_types(*names: str) -> Any:
    """For the annotation of a field that holds components of these types as they are written, because their modules stand above
    it: `stream: Annotated[dict[str, Any], names_of_types("DeclarativeStream")]`. `registry.decoded` makes one of its value."""
    return msgspec.Meta(extra={"types": names})
