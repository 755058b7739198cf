"""Whether two runs read the same of a stream, so that one may go on with the other's slices."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from file_cdk.core.version import VERSION
from file_cdk.declarative.http.secrets import secret_values
from file_cdk.declarative.language.walking import components
from file_cdk.declarative.plan import SourcePlan
from file_cdk.pipeline.apis.manifest import Manifest

_KEPT_BY_DEFAULT = {
    "refresh_token_config_path": ("credentials", "refresh_token"),
    "access_token_config_path": ("credentials", "access_token"),
    "token_expiry_date_config_path": ("credentials", "token_expiry_date"),
}
"""Where a refresh_token_updater puts what it gets."""


def fingerprints(manifest: Manifest, plan: SourcePlan) -> Callable[[str], str]:
    """Of a stream's name: a hash of this version of file_cdk, of the stream as it is written with those above it, and of the
    configuration but for its secrets and tokens, since they are renewed."""
    secret = {
        each for each in secret_values(plan.config, manifest.config_schema) if isinstance(each, str | int | float)
    }
    renewed = set(_renewed(manifest))

    def plain(value: Any, at: tuple[str, ...]) -> Any:
        if at in renewed:
            return None
        if isinstance(value, Mapping):
            return {name: plain(each, (*at, name)) for name, each in value.items() if not name.startswith("__injected")}
        if isinstance(value, list):
            return [plain(each, at) for each in value]
        return None if value in secret and not isinstance(value, bool) else value

    config = plain(plan.config, ())

    def fingerprint(name: str) -> str:
        told = msgspec.json.encode([VERSION, plan.stream(name).identity, config], order="deterministic")
        return hashlib.sha256(told).hexdigest()

    return fingerprint


def _renewed(manifest: Manifest) -> list[tuple[str, ...]]:
    found = []
    for stream in manifest.source.streams or ():
        for _, each in components(stream):
            updater = each.get("refresh_token_updater")
            if isinstance(updater, Mapping):
                found += [tuple(updater.get(name) or path) for name, path in _KEPT_BY_DEFAULT.items()]
    return found
