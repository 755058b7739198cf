"""Components that are known, and that nothing here runs: where a stream has one, and how that is said."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from file_cdk.core.errors import ManifestError
from file_cdk.declarative.language.walking import Path, components

_CUSTOM = "is Python code of the connector's own"
_REASONS: Mapping[str, str] = {
    "AsyncRetriever": "reads the results of jobs",
    "CombinedExtractor": "joins what several extractors find",
    "DynamicDeclarativeStream": "makes streams of what an API or the configuration lists",
    "DynamicSchemaLoader": "makes a schema of what an API answers",
    "FileUploader": "downloads files",
    "GroupingPartitionRouter": "puts several partitions into one request",
    "IncrementingCountCursor": "counts",
    "PageSizeReduction": "asks for smaller pages",
    "PaginationReset": "begins again where an API ends early",
    "PropertiesFromEndpoint": "asks an API for the fields to ask for",
    "QueryProperties": "asks for fields in several requests",
    "RateLimitedMultipleTokenAuthenticator": "takes turns with tokens",
    "RecordExpander": "makes records of a list in a record",
    "RequestWindowSplitting": "splits intervals that an API refuses",
    "ResponseToFileExtractor": "reads a file that an answer is",
    "StateDelegatingStream": "is one of two streams, by the state",
    "UnionPartitionRouter": "joins the partitions of several routers",
}
"""What each does, for a person who has to do without it."""


def refusal(stream: Mapping[str, Any], name: str, line_of: Callable[[Path], int]) -> ManifestError | None:
    """Of the first such component in a stream that is written so. line_of: of a path in the stream; 0 where nobody knows."""
    for path, component in _unplanned(stream):
        kind = component["type"]
        if kind in _REASONS:
            told = f"{kind}, which {_REASONS[kind]}, is not supported yet"
        else:
            told = f"{kind} {component.get('class_name', '')!r} {_CUSTOM}, which is not run"
        remedy = "Leave the stream out of the catalog, or read it with another program"
        return ManifestError(told, line=line_of(path), stream=name, remedy=remedy)
    return None


def _unplanned(stream: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for path, component in components(stream):
        if component["type"] in _REASONS or component["type"].startswith("Custom"):
            yield path, component
