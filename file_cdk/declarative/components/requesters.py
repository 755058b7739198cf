"""The request of a page, and the retriever that sends it."""

from typing import Annotated, Any, Literal

import msgspec

from file_cdk.declarative.components.authenticators import AUTHENTICATORS
from file_cdk.declarative.components.component import Component, names_of_types
from file_cdk.declarative.components.custom import CustomRequester
from file_cdk.declarative.components.paging import (
    DefaultPaginator,
    NoPagination,
    PageSizeReduction,
    PaginationReset,
    RequestWindowSplitting,
)
from file_cdk.declarative.components.selection import Decoder, RecordSelector
from file_cdk.declarative.components.transformations import Transformation

_Retriever = Annotated[dict[str, Any], names_of_types("SimpleRetriever", "CustomRetriever")]
_Router = Annotated[
    dict[str, Any],
    names_of_types(
        "SubstreamPartitionRouter",
        "ListPartitionRouter",
        "GroupingPartitionRouter",
        "UnionPartitionRouter",
        "CustomPartitionRouter",
    ),
]
_Authenticator = Annotated[dict[str, Any], names_of_types(*AUTHENTICATORS, "RateLimitedMultipleTokenAuthenticator")]
_ErrorHandler = Annotated[
    dict[str, Any], names_of_types("DefaultErrorHandler", "CompositeErrorHandler", "CustomErrorHandler")
]


class RequestBodyPlainText(Component, frozen=True):
    value: str


class RequestBodyUrlEncodedForm(Component, frozen=True):
    value: dict[str, str]


class RequestBodyJsonObject(Component, frozen=True):
    value: dict[str, Any]


class RequestBodyGraphQL(Component, frozen=True):
    """value: `query`, and whatever else the API takes beside it."""

    value: dict[str, Any]


class PropertiesFromEndpoint(Component, frozen=True):
    """Decoded, and refused when a stream that has one is planned; as are those below."""

    property_field_path: tuple[str, ...]
    retriever: _Retriever


class GroupByKeyMergeStrategy(Component, frozen=True):
    key: str | tuple[str, ...]


class PropertyChunking(Component, frozen=True):
    property_limit_type: Literal["characters", "property_count"]
    property_limit: int | None = None
    record_merge_strategy: GroupByKeyMergeStrategy | None = None


class JsonSchemaPropertySelector(Component, frozen=True):
    transformations: tuple[Transformation, ...] | None = None


class QueryProperties(Component, frozen=True):
    property_list: tuple[str, ...] | PropertiesFromEndpoint
    always_include_properties: tuple[str, ...] | None = None
    property_chunking: PropertyChunking | None = None
    property_selector: JsonSchemaPropertySelector | None = None


class HttpRequester(Component, frozen=True):
    """url: whole; url_base and path are its older form. Texts, names and values of mappings are templates."""

    url: str | None = None
    url_base: str | None = None
    path: str | None = None
    http_method: Literal["GET", "POST"] = "GET"
    authenticator: _Authenticator | None = None
    error_handler: _ErrorHandler | None = None
    request_parameters: dict[str, str | QueryProperties] | str | None = None
    request_headers: dict[str, str] | str | None = None
    request_body: (
        RequestBodyPlainText | RequestBodyUrlEncodedForm | RequestBodyJsonObject | RequestBodyGraphQL | None
    ) = None
    request_body_data: dict[str, str] | str | None = None
    request_body_json: dict[str, Any] | str | None = None
    use_cache: bool = False
    query_properties: QueryProperties | None = None
    fetch_properties_from_endpoint: PropertiesFromEndpoint | None = None
    connect_timeout_in_seconds: Annotated[float, msgspec.Meta(gt=0)] | None = None
    read_timeout_in_seconds: Annotated[float, msgspec.Meta(gt=0)] | None = None
    use_tcp_keepalive: bool = False


class SimpleRetriever(Component, frozen=True):
    """Sends the requests of a slice one after the other, and takes the records out of their answers.

    ignore_stream_slicer_parameters_on_paginated_requests: what partition routers and cursors put into requests is put into the
    first of a slice alone.
    """

    requester: HttpRequester | CustomRequester
    record_selector: RecordSelector
    decoder: Decoder | None = None
    paginator: DefaultPaginator | NoPagination | None = None
    partition_router: _Router | tuple[_Router, ...] | None = None
    ignore_stream_slicer_parameters_on_paginated_requests: bool = False
    pagination_reset: PaginationReset | None = None
    page_size_reduction: PageSizeReduction | None = None
    request_window_splitting: RequestWindowSplitting | None = None
