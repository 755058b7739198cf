"""APIs by their manifests, over loopback: what records cost, and what the time of answers costs."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from benchmarks.bench import Bench, contender, ours, script
from benchmarks.workload import Bar, Contender, Trial, Workload

_ROWS = 100
_LATENCY_MS = 40
_LEVEL = 10
Json = dict[str, Any]


def _pages(paging: str, bench: Bench) -> Trial:
    """One stream, one page after the other at an API that answers at once. Bars are on CPU: where the time goes, says
    docs/decisions/2026-11-30-what-a-page-of-an-api-takes.md."""
    pages = max(1, bench.sizes.rows // 10 // _ROWS)
    url, path = _url(bench, 0), f"items/{pages}/{_ROWS}"
    contenders = _contenders(bench, url, [_stream("items", path, paging)])
    bare = Contender("bare", script("api_floor.py", url + path))
    bars = [Bar("file_cdk", None, 1.5, "cpu_seconds"), Bar("file_cdk", "bare", 1.6, "cpu_seconds")]
    return Trial([contenders[0], bare, *contenders[1:]], bars, pages * _ROWS)


def _substreams(bench: Bench) -> Trial:
    """301 requests, ten at a time: a parent of one page, and three pages of each of its 100 records."""
    parent = _stream("parents", f"parents/1/{_ROWS}", "none")
    child = _stream("children", "children/3/83", "cursor")
    child["retriever"]["partition_router"] = {
        "type": "SubstreamPartitionRouter",
        "parent_stream_configs": [
            {
                "type": "ParentStreamConfig",
                "parent_key": "id",
                "partition_field": "parent",
                "request_option": _option("of"),
                "stream": parent,
            }
        ],
    }
    contenders = _contenders(bench, _url(bench, _LATENCY_MS), [child])
    return Trial(contenders, [Bar("file_cdk", None, 2.0)], _ROWS * 3 * 83)


def _streams(bench: Bench) -> Trial:
    """Eight streams of 20 pages, each of which the one before names."""
    streams = [_stream(f"stream{number}", f"stream{number}/20/{_ROWS}", "cursor") for number in range(8)]
    contenders = _contenders(bench, _url(bench, _LATENCY_MS), streams)
    return Trial(contenders, [Bar("file_cdk", None, 2.0)], 8 * 20 * _ROWS)


def _contenders(bench: Bench, url: str, streams: Sequence[Json]) -> list[Contender]:
    """Ours and the runner that manifests were written for, with the same manifest, configuration and catalog."""
    catalog = [
        {
            "stream": {
                "name": each["name"],
                "json_schema": {"type": "object"},
                "supported_sync_modes": ["full_refresh"],
            },
            "sync_mode": "full_refresh",
            "destination_sync_mode": "append",
        }
        for each in streams
    ]
    documents: Mapping[str, Json] = {
        "manifest-path": {
            "version": "7.0.0",
            "type": "DeclarativeSource",
            "check": {"type": "CheckStream", "stream_names": [streams[0]["name"]]},
            "streams": list(streams),
            "concurrency_level": {"type": "ConcurrencyLevel", "default_concurrency": _LEVEL},
            "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
        },
        "config": {"url": url},
        "catalog": {"streams": catalog},
    }
    arguments = ["read"]
    for name, document in documents.items():
        path = bench.scratch / f"{name}.yaml"
        path.write_text(json.dumps(document))  # which is YAML too
        arguments += [f"--{name}", str(path)]
    command = "source-declarative-manifest"
    return [
        Contender("file_cdk", ours(command, *arguments)),
        *bench.peer_command("airbyte-cdk", "airbyte-cdk", command, *arguments),
    ]


def _stream(name: str, path: str, paging: str) -> Json:
    paginators: Mapping[str, Json] = {
        "none": {"type": "NoPagination"},
        "number": _paginator({"type": "PageIncrement", "page_size": _ROWS, "start_from_page": 1}),
        "cursor": _paginator(
            {
                "type": "CursorPagination",
                "cursor_value": "{{ response.get('next') }}",
                "stop_condition": "{{ not response.get('next') }}",
            }
        ),
    }
    return {
        "type": "DeclarativeStream",
        "name": name,
        "primary_key": "id",
        "schema_loader": {"type": "InlineSchemaLoader", "schema": {"type": "object", "properties": {}}},
        "retriever": {
            "type": "SimpleRetriever",
            "requester": {
                "type": "HttpRequester",
                "url_base": "{{ config['url'] }}",
                "path": path,
                "request_parameters": {"for": name},
            },
            "record_selector": {
                "type": "RecordSelector",
                "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
            },
            "paginator": paginators[paging],
        },
    }


def _paginator(strategy: Json) -> Json:
    return {"type": "DefaultPaginator", "page_token_option": _option("page"), "pagination_strategy": strategy}


def _option(name: str) -> Json:
    return {"type": "RequestOption", "inject_into": "request_parameter", "field_name": name}


def _url(bench: Bench, delay_ms: int) -> str:
    """Of a server for this workload, which answers after that time."""
    command = [sys.executable, *contender("api_server.py", str(delay_ms))]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    bench.servers.enter_context(server)
    assert server.stdin is not None
    bench.servers.callback(server.stdin.close)
    assert server.stdout is not None
    return f"http://127.0.0.1:{server.stdout.readline().strip()}/"


WORKLOADS = [
    Workload("api-pages", "An API, 1,000 numbered pages of 100 records", partial(_pages, "number")),
    Workload(
        "api-cursor", "An API, 1,000 pages of 100 records, each named by the one before", partial(_pages, "cursor")
    ),
    Workload("api-substreams", "An API that answers after 40 ms, 301 requests, ten at once", _substreams),
    Workload("api-streams", "An API that answers after 40 ms, eight streams of 20 pages", _streams),
]
