"""From a manifest's text to the mapping that its components are decoded from."""

from typing import Any

from file_cdk.declarative.language.parameters import with_parameters
from file_cdk.declarative.language.reading import read
from file_cdk.declarative.language.references import without_references

SOURCE = "DeclarativeSource"


def resolved(text: str, name: str) -> dict[str, Any]:
    """Without references, with all types that have a default, with `$parameters` in each component below them. It is JSON-able,
    shares repeated parts, and is not to be changed. name: what errors call the file. Raises ManifestError."""
    return resolved_document(read(text, name).value, name)


def resolved_document(document: dict[str, Any], name: str) -> dict[str, Any]:
    """The same of what was read already, as JSON has it."""
    return with_parameters(without_references({"type": SOURCE, **document}, name), name)
