"""Components that are decoded, and refused when something that has one is planned: generated streams and schemas, jobs, files,
several tokens."""

from typing import Annotated, Any, Literal

from file_cdk.declarative.components.component import Component, names_of_types

_Retriever = Annotated[dict[str, Any], names_of_types("SimpleRetriever", "AsyncRetriever", "CustomRetriever")]
_Requester = Annotated[dict[str, Any], names_of_types("HttpRequester", "CustomRequester")]
_Extractor = Annotated[dict[str, Any], names_of_types("DpathExtractor", "CustomRecordExtractor", "CombinedExtractor")]
_Decoder = Annotated[
    dict[str, Any],
    names_of_types(
        "JsonDecoder",
        "JsonItemsDecoder",
        "JsonlDecoder",
        "CsvDecoder",
        "XmlDecoder",
        "IterableDecoder",
        "GzipDecoder",
        "ZipfileDecoder",
        "CustomDecoder",
    ),
]
_Router = Annotated[
    dict[str, Any],
    names_of_types(
        "ListPartitionRouter",
        "SubstreamPartitionRouter",
        "GroupingPartitionRouter",
        "UnionPartitionRouter",
        "CustomPartitionRouter",
    ),
]


class ComponentMappingDefinition(Component, frozen=True):
    """Which part of a stream's template gets which value."""

    field_path: tuple[str, ...]
    value: str
    value_type: Literal["string", "number", "integer", "boolean"] | None = None
    create_or_update: bool = False
    condition: str | None = None


class HttpComponentsResolver(Component, frozen=True):
    """A stream for each record of an answer."""

    retriever: _Retriever
    components_mapping: tuple[ComponentMappingDefinition, ...]


class StreamConfig(Component, frozen=True):
    configs_pointer: tuple[str, ...]
    default_values: tuple[dict[str, Any], ...] | None = None


class ConfigComponentsResolver(Component, frozen=True):
    """A stream for each item of a list in the configuration."""

    stream_config: StreamConfig | tuple[StreamConfig, ...]
    components_mapping: tuple[ComponentMappingDefinition, ...]


class StreamParametersDefinition(Component, frozen=True):
    list_of_parameters_for_stream: tuple[dict[str, Any], ...]


class ParametrizedComponentsResolver(Component, frozen=True):
    """A stream for each item of a list in the manifest."""

    stream_parameters: StreamParametersDefinition
    components_mapping: tuple[ComponentMappingDefinition, ...]


class DynamicDeclarativeStream(Component, frozen=True):
    """A template that is made into many streams."""

    stream_template: Annotated[dict[str, Any], names_of_types("DeclarativeStream", "StateDelegatingStream")]
    components_resolver: HttpComponentsResolver | ConfigComponentsResolver | ParametrizedComponentsResolver
    name: str = ""
    use_parent_parameters: bool = True


class DynamicStreamCheckConfig(Component, frozen=True):
    dynamic_stream_name: str
    stream_count: int | None = None


class CheckDynamicStream(Component, frozen=True):
    """A source can be reached if the first `stream_count` of its generated streams can."""

    stream_count: int
    use_check_availability: bool = True
    config_overrides: dict[str, Any] | None = None


class BlockSimultaneousSyncsAction(Component, frozen=True):
    pass


class ComplexFieldType(Component, frozen=True):
    field_type: str
    items: "str | ComplexFieldType | None" = None


class TypesMap(Component, frozen=True):
    """Which JSON Schema type a type of the API is."""

    target_type: str | tuple[str, ...] | ComplexFieldType
    current_type: str | tuple[str, ...]
    condition: str | None = None


class SchemaTypeIdentifier(Component, frozen=True):
    key_pointer: tuple[str, ...]
    schema_pointer: tuple[str, ...] = ()
    type_pointer: tuple[str, ...] | None = None
    types_mapping: tuple[TypesMap, ...] | None = None


class DynamicSchemaLoader(Component, frozen=True):
    """A schema made of an answer that describes fields."""

    retriever: _Retriever
    schema_type_identifier: SchemaTypeIdentifier
    schema_transformations: tuple[dict[str, Any], ...] | None = None
    schema_filter: Annotated[dict[str, Any], names_of_types("RecordFilter", "CustomRecordFilter")] | None = None


class FileUploader(Component, frozen=True):
    """Downloads a file for each record."""

    requester: _Requester
    download_target_extractor: _Extractor
    file_extractor: _Extractor | None = None
    filename_extractor: str | None = None


class AsyncJobStatusMap(Component, frozen=True):
    """What the API calls each state of a job."""

    running: tuple[str, ...]
    completed: tuple[str, ...]
    failed: tuple[str, ...]
    timeout: tuple[str, ...]
    skipped: tuple[str, ...] | None = None


class AsyncRetriever(Component, frozen=True):
    """Records of jobs: created, polled until they are done, and downloaded."""

    record_selector: Annotated[dict[str, Any], names_of_types("RecordSelector")]
    status_mapping: AsyncJobStatusMap
    status_extractor: _Extractor
    creation_requester: _Requester
    polling_requester: _Requester
    download_requester: _Requester
    download_target_extractor: _Extractor | None = None
    download_extractor: (
        Annotated[
            dict[str, Any],
            names_of_types("DpathExtractor", "CustomRecordExtractor", "ResponseToFileExtractor", "CombinedExtractor"),
        ]
        | None
    ) = None
    download_target_requester: _Requester | None = None
    download_paginator: Annotated[dict[str, Any], names_of_types("DefaultPaginator", "NoPagination")] | None = None
    abort_requester: _Requester | None = None
    delete_requester: _Requester | None = None
    polling_job_timeout: int | str | None = None
    failed_retry_wait_time_in_seconds: int | str | None = None
    partition_router: _Router | tuple[_Router, ...] = ()
    decoder: _Decoder | None = None
    download_decoder: _Decoder | None = None


class QuotaStatusSource(Component, frozen=True):
    """An address that says what is left of each quota."""

    url: str
    http_method: Literal["GET", "POST"] = "GET"
    request_headers: dict[str, str] | None = None
    unavailable_status_codes: tuple[int, ...] | None = None


class TokenQuota(Component, frozen=True):
    """Paths of what is left, and of when it is whole again, in what the status source answers."""

    name: str
    remaining_path: tuple[str, ...]
    reset_path: tuple[str, ...]
    limit_path: tuple[str, ...] | None = None
    matchers: tuple[Annotated[dict[str, Any], names_of_types("HttpRequestRegexMatcher")], ...] | None = None
    remaining_header: str | None = None
    reset_header: str | None = None
    limit_header: str | None = None
    exhaustion_status_codes: tuple[int, ...] | None = None


class RateLimitedMultipleTokenAuthenticator(Component, frozen=True):
    """Several tokens, of which the one is sent that has most left. max_wait_time: an ISO 8601 duration."""

    tokens: str | tuple[str, ...]
    quota_status_source: QuotaStatusSource
    quotas: tuple[TokenQuota, ...]
    token_delimiter: str = ","  # noqa: S105 - between tokens, none itself
    auth_method: str = "Bearer"
    header: str = "Authorization"
    max_wait_time: str = "PT2H"
    budget_reserve_fraction: float = 0.1
    budget_min_reserve: int = 50
