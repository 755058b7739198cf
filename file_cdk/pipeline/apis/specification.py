"""`spec`: what a configuration may contain. It is asked for at each start of a platform, so nothing else is imported for it."""

from typing import Any

import msgspec

from file_cdk.declarative.components.spec import AuthFlow
from file_cdk.pipeline.apis.manifest import INJECTED, manifest_in
from file_cdk.protocol.messages import spec, to_line

_ANY_MANIFEST = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "A source by its manifest",
    "type": "object",
    "required": [INJECTED],
    "additionalProperties": True,
    "properties": {
        INJECTED: {
            "title": "Manifest",
            "type": "object",
            "description": "The manifest that says how the API is read. What it asks for itself stands beside it.",
        }
    },
}


def specification(path: str | None) -> bytes:
    """The SPEC of a manifest's file; without one, that of a source whose manifest is in the configuration. Raises ConfigError."""
    if path is None:
        return to_line(spec(_ANY_MANIFEST, supports_incremental=None))
    manifest = manifest_in(path)
    own = manifest.source.spec
    return to_line(
        spec(
            manifest.config_schema,
            documentation_url=own.documentation_url if own else None,
            supports_incremental=None,
            advanced_auth=_advanced_auth(own.advanced_auth) if own and own.advanced_auth else None,
        )
    )


def _advanced_auth(flow: AuthFlow) -> dict[str, Any]:
    """As the protocol has it: what is not said, and what is a component's alone, is left out."""
    members = _said(msgspec.structs.asdict(flow))
    if flow.oauth_config_specification is not None:
        members["oauth_config_specification"] = _said(msgspec.structs.asdict(flow.oauth_config_specification))
    return members


def _said(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None and name != "parameters"}
