"""A source, its streams, their schemas, and how a source is checked. Parts that other modules describe stay as they are written
until a plan is made of them, so that a command decodes what it uses."""

from typing import Annotated, Any

from file_cdk.declarative.components.component import Component, names_of_types
from file_cdk.declarative.components.custom import CustomSchemaLoader
from file_cdk.declarative.components.later import (
    BlockSimultaneousSyncsAction,
    CheckDynamicStream,
    DynamicDeclarativeStream,
    DynamicSchemaLoader,
    DynamicStreamCheckConfig,
    FileUploader,
)
from file_cdk.declarative.components.spec import Spec

_Stream = Annotated[dict[str, Any], names_of_types("DeclarativeStream")]
_Retriever = Annotated[dict[str, Any], names_of_types("SimpleRetriever", "AsyncRetriever", "CustomRetriever")]
_Cursor = Annotated[dict[str, Any], names_of_types("DatetimeBasedCursor", "IncrementingCountCursor")]
_Transformation = Annotated[
    dict[str, Any],
    names_of_types(
        "AddFields",
        "RemoveFields",
        "KeysToLower",
        "KeysToSnakeCase",
        "KeysReplace",
        "FlattenFields",
        "DpathFlattenFields",
        "CustomTransformation",
    ),
]
_StateMigration = Annotated[
    dict[str, Any], names_of_types("LegacyToPerPartitionStateMigration", "CustomStateMigration")
]


class InlineSchemaLoader(Component, frozen=True):
    """schema: a JSON Schema, written in the manifest."""

    schema: dict[str, Any] | None = None


class JsonFileSchemaLoader(Component, frozen=True):
    """file_path: a template of the path of a JSON Schema; by default `schemas/` and the stream's name, beside the manifest."""

    file_path: str | None = None


SchemaLoader = InlineSchemaLoader | JsonFileSchemaLoader | DynamicSchemaLoader | CustomSchemaLoader


class DeclarativeStream(Component, frozen=True):
    """primary_key: a field, several, or the paths of several. schema_loader: of several, the first that has a field counts."""

    retriever: _Retriever
    name: str = ""
    incremental_sync: _Cursor | None = None
    primary_key: str | tuple[str | tuple[str, ...], ...] | None = None
    schema_loader: SchemaLoader | tuple[SchemaLoader, ...] | None = None
    transformations: tuple[_Transformation, ...] | None = None
    state_migrations: tuple[_StateMigration, ...] | None = None
    file_uploader: FileUploader | None = None


class StateDelegatingStream(Component, frozen=True):
    """One of two streams: by whether there is a state, and how old it is. api_retention_period: an ISO 8601 duration."""

    name: str
    full_refresh_stream: _Stream
    incremental_stream: _Stream
    api_retention_period: str | None = None


class ConditionalStreams(Component, frozen=True):
    """Streams that a source has where a template of the configuration holds."""

    condition: str
    streams: tuple[_Stream, ...]


class CheckStream(Component, frozen=True):
    """A source can be reached if the first record of each stream can be read. config_overrides: laid over the configuration
    meanwhile."""

    stream_names: tuple[str, ...] | None = None
    dynamic_streams_check_configs: tuple[DynamicStreamCheckConfig, ...] | None = None
    config_overrides: dict[str, Any] | None = None


class ConcurrencyLevel(Component, frozen=True):
    """How many slices are read at once. default_concurrency: a number, or a template of one. max_concurrency: at most."""

    default_concurrency: int | str
    max_concurrency: int | None = None


class StreamGroup(Component, frozen=True):
    """Streams of which no two are read at once."""

    streams: tuple[_Stream, ...]
    action: BlockSimultaneousSyncsAction


class DeclarativeSource(Component, frozen=True):
    """A whole manifest. definitions, schemas: parts to refer to. metadata: what a builder notes for itself."""

    check: CheckStream | CheckDynamicStream
    version: str
    streams: (
        tuple[
            Annotated[
                dict[str, Any], names_of_types("DeclarativeStream", "StateDelegatingStream", "ConditionalStreams")
            ],
            ...,
        ]
        | None
    ) = None
    dynamic_streams: tuple[DynamicDeclarativeStream, ...] | None = None
    spec: Spec | None = None
    concurrency_level: ConcurrencyLevel | None = None
    api_budget: Annotated[dict[str, Any], names_of_types("HTTPAPIBudget")] | None = None
    stream_groups: dict[str, StreamGroup] | None = None
    max_concurrent_async_job_count: int | str | None = None
    schemas: dict[str, Any] | None = None
    definitions: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    description: str | None = None
