"""The types of components that manifests may leave out, by what they are a part of."""

from collections.abc import Mapping

DEFAULT_TYPES: Mapping[str, Mapping[str, str]] = {
    "AddFields": {"fields": "AddedFieldDefinition"},
    "CompositeErrorHandler": {"error_handlers": "DefaultErrorHandler"},
    "ConfigComponentsResolver": {
        "components_mapping": "ComponentMappingDefinition",
        "stream_config": "StreamConfig",
    },
    "CursorPagination": {"decoder": "JsonDecoder"},
    "CustomPartitionRouter": {"parent_stream_configs": "ParentStreamConfig"},
    "DatetimeBasedCursor": {
        "end_datetime": "MinMaxDatetime",
        "end_time_option": "RequestOption",
        "start_datetime": "MinMaxDatetime",
        "start_time_option": "RequestOption",
    },
    "DeclarativeSource": {"check": "CheckStream", "spec": "Spec", "streams": "DeclarativeStream"},
    "DeclarativeStream": {"retriever": "SimpleRetriever", "schema_loader": "JsonFileSchemaLoader"},
    "DefaultErrorHandler": {"response_filters": "HttpResponseFilter"},
    "DefaultPaginator": {"decoder": "JsonDecoder", "page_size_option": "RequestOption"},
    "DpathExtractor": {"decoder": "JsonDecoder", "record_expander": "RecordExpander"},
    "DynamicDeclarativeStream": {
        "components_resolver": "ConfigComponentResolver",  # no type that exists: it has to be written, there as here
        "stream_template": "DeclarativeStream",
    },
    "DynamicSchemaLoader": {"retriever": "SimpleRetriever"},
    "HttpComponentsResolver": {"components_mapping": "ComponentMappingDefinition", "retriever": "SimpleRetriever"},
    "HttpRequester": {"error_handler": "DefaultErrorHandler"},
    "ListPartitionRouter": {"request_option": "RequestOption"},
    "ParentStreamConfig": {"request_option": "RequestOption", "stream": "DeclarativeStream"},
    "RecordExpander": {"parent_fields": "ParentFieldPath"},
    "RecordSelector": {"extractor": "DpathExtractor", "record_filter": "RecordFilter"},
    "SchemaTypeIdentifier": {"types_map": "TypesMap"},
    "SimpleRetriever": {
        "paginator": "NoPagination",
        "record_selector": "RecordSelector",
        "requester": "HttpRequester",
    },
    "SubstreamPartitionRouter": {"parent_stream_configs": "ParentStreamConfig"},
}
"""Of parts without `class_name`, by type and field of the component that they stand in."""

CUSTOM_TYPES: Mapping[str, Mapping[str, str]] = {
    "CompositeErrorHandler": {"backoff_strategies": "CustomBackoffStrategy"},
    "DeclarativeStream": {"retriever": "CustomRetriever", "transformations": "CustomTransformation"},
    "DefaultErrorHandler": {"backoff_strategies": "CustomBackoffStrategy"},
    "DefaultPaginator": {"pagination_strategy": "CustomPaginationStrategy"},
    "HttpRequester": {"authenticator": "CustomAuthenticator", "error_handler": "CustomErrorHandler"},
    "RecordSelector": {"extractor": "CustomRecordExtractor"},
    "SimpleRetriever": {"partition_router": "CustomPartitionRouter"},
}
"""Of parts with `class_name`: these alone go without a type."""


def missing_type(holder: object, field: str, *, is_custom: bool) -> str | None:
    """holder: the type of the component that the part stands in."""
    table = CUSTOM_TYPES if is_custom else DEFAULT_TYPES
    return table.get(holder, {}).get(field) if isinstance(holder, str) else None
