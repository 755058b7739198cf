"""Manifests for tests of the mirror, as they are once references and parameters are resolved."""

from typing import Any

Json = dict[str, Any]

SCHEMA: Json = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": ["null", "string"]},
        "created_at": {"type": "string", "format": "date-time"},
        "price": {"type": ["number", "null"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "owner": {
            "type": ["null", "object"],
            "properties": {"email": {"type": "string", "format": "email"}, "active": {"type": "boolean"}},
        },
        "kind": {"enum": ["a", "b"]},
    },
}

DAILY: Json = {
    "type": "DatetimeBasedCursor",
    "cursor_field": "created_at",
    "datetime_format": "%Y-%m-%dT%H:%M:%SZ",
    "start_datetime": "{{ config['start'] }}",
    "start_time_option": {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "since"},
    "end_time_option": {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "until"},
}


def option(name: str, into: str = "request_parameter") -> Json:
    return {"type": "RequestOption", "inject_into": into, "field_name": name}


def stream(
    name: str,
    path: str,
    *,
    field_path: tuple[str, ...] = ("data",),
    paginator: Json | None = None,
    router: Any = None,
    cursor: Json | None = None,
    requester: Json | None = None,
    **more: Any,
) -> Json:
    return {
        "type": "DeclarativeStream",
        "name": name,
        "primary_key": ["id"],
        "retriever": {
            "type": "SimpleRetriever",
            "requester": {
                "type": "HttpRequester",
                "url_base": "https://api.example.org/v1",
                "path": path,
                "http_method": "GET",
                **(requester or {}),
            },
            "record_selector": {
                "type": "RecordSelector",
                "extractor": {"type": "DpathExtractor", "field_path": list(field_path)},
            },
            **({"paginator": paginator} if paginator else {}),
            **({"partition_router": router} if router else {}),
        },
        **({"incremental_sync": cursor} if cursor else {}),
        "schema_loader": {"type": "InlineSchemaLoader", "schema": SCHEMA},
        **more,
    }


def children_of(parent: Json, field: str, **more: Any) -> Json:
    config = {"type": "ParentStreamConfig", "parent_key": "id", "partition_field": field, "stream": parent, **more}
    return {"type": "SubstreamPartitionRouter", "parent_stream_configs": [config]}


def by_token(cursor_value: str, stop_condition: str | None = None, token: Json | None = None, **more: Any) -> Json:
    strategy = {"type": "CursorPagination", "cursor_value": cursor_value, **more}
    if stop_condition:
        strategy["stop_condition"] = stop_condition
    return {
        "type": "DefaultPaginator",
        "pagination_strategy": strategy,
        "page_token_option": token or option("cursor"),
    }


def counted(kind: str, page_size: int | None, token: str, size: str | None = None, **more: Any) -> Json:
    paginator = {
        "type": "DefaultPaginator",
        "pagination_strategy": {"type": kind, **({"page_size": page_size} if page_size else {}), **more},
        "page_token_option": option(token),
    }
    return {**paginator, "page_size_option": option(size)} if size else paginator


def manifest(*streams: Json) -> Json:
    return {
        "type": "DeclarativeSource",
        "version": "6.0.0",
        "check": {"type": "CheckStream", "stream_names": [streams[0]["name"]]},
        "streams": list(streams),
    }
