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
