"""The manifest that a run is of: in a file, or within the configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.core.uris import redacted
from file_cdk.declarative.components.streams import DeclarativeSource
from file_cdk.declarative.language import resolved, source_of
from file_cdk.declarative.language.resolving import resolved_document

INJECTED = "__injected_declarative_manifest"
"""Key of a configuration that holds a manifest, an object."""
_PYTHON = "__injected_components_py"


class Manifest(msgspec.Struct, frozen=True):
    """folder: where its schema files are, None for one within a configuration. text: as it stands in its file."""

    source: DeclarativeSource
    folder: Path | None = None
    text: str | None = None

    @property
    def config_schema(self) -> Mapping[str, Any]:
        """What a configuration may contain, as JSON Schema; empty where the manifest does not say."""
        return {} if self.source.spec is None else self.source.spec.connection_specification


def text_of(path: str) -> str:
    """Raises ConfigError."""
    shown = redacted(path)
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"the manifest {shown!r} cannot be read: {exc.strerror}") from None
    except UnicodeDecodeError as exc:
        raise ConfigError(f"the manifest {shown!r} is not UTF-8: byte {exc.start} cannot be decoded") from None


def manifest_in(path: str) -> Manifest:
    """Raises ConfigError."""
    text = text_of(path)
    return Manifest(source_of(resolved(text, redacted(path))), Path(path).absolute().parent, text)


def manifest_of(config: Mapping[str, Any], path: str | None) -> Manifest:
    """That of a file, before that of the configuration. Raises ConfigError, also for Python code."""
    if config.get(_PYTHON):
        raise ConfigError(
            f"the configuration has Python code ({_PYTHON!r}), which is not run",
            remedy="Leave it out, and describe what it does with components of the manifest",
        )
    if path is not None:
        return manifest_in(path)
    document = config.get(INJECTED)
    if document is None:
        raise ConfigError(
            "there is no manifest", remedy=f"Give its file by --manifest-path, or put it in as {INJECTED!r}"
        )
    if not isinstance(document, dict):
        raise ConfigError(f"{INJECTED!r} of the configuration is no object, as a manifest is")
    return Manifest(source_of(resolved_document(document, INJECTED)))
