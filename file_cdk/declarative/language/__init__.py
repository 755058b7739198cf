"""From a manifest's text to its typed components: YAML, references, default types, parameters; and what is wrong with it.

text → `reading` → `references` → `parameters` (with `default_types`) → a mapping that is resolved → `registry` → components.
"""

from collections.abc import Mapping
from typing import Any

from file_cdk.declarative.components.streams import DeclarativeSource
from file_cdk.declarative.language.registry import decoded
from file_cdk.declarative.language.resolving import resolved

__all__ = ["resolved", "source_of"]


def source_of(resolved: Mapping[str, Any]) -> DeclarativeSource:
    """What `resolved` gave, typed. Its streams and what their parts are made of are decoded when a plan is made of them.
    Raises ManifestError."""
    return decoded(resolved, DeclarativeSource)
