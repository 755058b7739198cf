"""A read of an API through a proxy that breaks one answer in ten gives the records of one through none, in their order.

`FILE_CDK_FAULTY_RUNS` is how many seeds, 3 by default.
"""

import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from clients import hurried

from file_cdk.declarative.language import resolved
from file_cdk.pipeline.apis.manifest import manifest_in
from file_cdk.pipeline.apis.reading import read_manifest
from file_cdk.pipeline.apis.run import RunOptions
from file_cdk.testing.fault_proxy import FAULTS, Fault, FaultProxy, Pauses
from file_cdk.testing.mirror.certificates import Authority
from file_cdk.testing.mirror.mirror import Mirror
from file_cdk.testing.mirror.network import Proxy
from file_cdk.testing.mirror.options import Faults, MirrorOptions

RUNS = int(os.environ.get("FILE_CDK_FAULTY_RUNS", "3"))
PAUSES = Pauses(stall_s=0.05, slow_start_s=0.05, trickle_s=0.05, retry_after_s=1)
CONFIG = {"secret": "hush-hush"}
MANIFEST = """
version: 6.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [branches]}
definitions:
  requester:
    type: HttpRequester
    url_base: http://library.example.org/v2/
    authenticator:
      type: OAuthAuthenticator
      grant_type: client_credentials
      token_refresh_endpoint: http://login.example.org/token
      client_id: client
      client_secret: "{{ config['secret'] }}"
    error_handler:
      type: DefaultErrorHandler
      max_retries: 10
      backoff_strategies: [{type: WaitTimeFromHeader, header: Retry-After}]
  loader:
    type: InlineSchemaLoader
    schema: &schema {type: object, properties: {id: {type: integer}, title: {type: string}, updated_at: {type: string}}}
  selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: [data]}}
  number: &number {type: RequestOption, inject_into: request_parameter, field_name: page}
  branches:
    type: DeclarativeStream
    name: branches
    primary_key: id
    schema_loader: {$ref: "#/definitions/loader"}
    retriever:
      type: SimpleRetriever
      requester: {$ref: "#/definitions/requester", path: branches}
      record_selector: {$ref: "#/definitions/selector"}
      paginator:
        type: DefaultPaginator
        pagination_strategy: {type: PageIncrement, page_size: 2, start_from_page: 1}
        page_token_option: *number
streams:
  - {$ref: "#/definitions/branches"}
  - type: DeclarativeStream
    name: books
    primary_key: id
    schema_loader: {$ref: "#/definitions/loader"}
    retriever:
      type: SimpleRetriever
      requester: {$ref: "#/definitions/requester", path: "branches/{{ stream_partition.branch }}/books"}
      record_selector: {$ref: "#/definitions/selector"}
      paginator:
        type: DefaultPaginator
        pagination_strategy: {type: OffsetIncrement, page_size: 2}
        page_token_option: *number
      partition_router:
        type: SubstreamPartitionRouter
        parent_stream_configs:
          - {type: ParentStreamConfig, parent_key: id, partition_field: branch, stream: {$ref: "#/definitions/branches"}}
    incremental_sync:
      type: DatetimeBasedCursor
      cursor_field: updated_at
      datetime_format: "%Y-%m-%dT%H:%M:%SZ"
      start_datetime: "2024-01-20T00:00:00Z"
      end_datetime: "2024-02-02T00:00:00Z"
      step: P5D
      cursor_granularity: PT1S
      start_time_option: {type: RequestOption, inject_into: request_parameter, field_name: since}
      end_time_option: {type: RequestOption, inject_into: request_parameter, field_name: until}
  - type: DeclarativeStream
    name: loans
    schema_loader: {$ref: "#/definitions/loader"}
    retriever:
      type: SimpleRetriever
      requester: {$ref: "#/definitions/requester", path: loans, http_method: POST, request_body_json: {order: asc}}
      record_selector: {$ref: "#/definitions/selector"}
      paginator:
        type: DefaultPaginator
        pagination_strategy: {type: CursorPagination, page_size: 2, cursor_value: "{{ response.paging.next }}"}
        page_token_option: {type: RequestOption, inject_into: body_json, field_path: [paging, after]}
"""
AT = re.compile(rb'"emitted_at":\d+')


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("manifest") / "library.yaml"
    path.write_text(MANIFEST)
    return path


@pytest.fixture(scope="module")
def mirror(manifest: Path) -> Mirror:
    """It says itself now and then that there were too many requests, which the proxy does not."""
    options = MirrorOptions(
        records=9, parents=5, until=datetime(2024, 2, 1, tzinfo=UTC), faults=Faults(rate=0.05, kinds=("429",))
    )
    return Mirror(resolved(manifest.read_text(), "library.yaml"), CONFIG, options)


@pytest.fixture(scope="module")
def api(mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with Proxy(mirror.answer, Authority(tmp_path_factory.mktemp("authority"))) as proxy:
        yield proxy


@contextmanager
def through(proxy_url: str) -> Iterator[None]:
    with patch.dict(os.environ, {"HTTP_PROXY": proxy_url, "http_proxy": proxy_url, "NO_PROXY": "", "no_proxy": ""}):
        yield


def read(manifest: Path, mirror: Mirror, proxy_url: str) -> tuple[int, list[bytes], list[dict[str, Any]]]:
    """Exit code, RECORD lines without their time, and the other messages."""
    mirror.forget()
    streams = [
        {"stream": {"name": name, "json_schema": {}}, "sync_mode": "incremental", "destination_sync_mode": "append"}
        for name in mirror.streams
    ]
    with tempfile.TemporaryFile() as out, through(proxy_url), hurried():
        code = read_manifest(manifest_in(str(manifest)), CONFIG, {"streams": streams}, None, out.fileno(), RunOptions())
        out.seek(0)
        lines = out.readlines()
    records = [AT.sub(b"", line) for line in lines if line.startswith(b'{"type":"RECORD"')]
    return code, records, [json.loads(line) for line in lines if not line.startswith(b'{"type":"RECORD"')]


def by_stream(records: list[bytes]) -> dict[str, list[bytes]]:
    """Those of each in their order; streams are read at once."""
    found: dict[str, list[bytes]] = {}
    for record in records:
        found.setdefault(json.loads(record.replace(b",}", b"}"))["record"]["stream"], []).append(record)
    return found


def last_states(messages: list[dict[str, Any]]) -> dict[str, Any]:
    states = [message["state"]["stream"] for message in messages if message["type"] == "STATE"]
    found = {state["stream_descriptor"]["name"]: state["stream_state"] for state in states}
    return {name: {**state, "lookback_window": None} for name, state in found.items()}


@pytest.fixture(scope="module")
def expected(manifest: Path, mirror: Mirror, api: Proxy) -> tuple[dict[str, list[bytes]], dict[str, Any]]:
    code, records, messages = read(manifest, mirror, api.url)
    assert code == 0
    found = by_stream(records)
    assert {name: len(its) for name, its in found.items()} == {
        name: len(mirror.records(name)) for name in mirror.streams
    }
    return found, last_states(messages)


@pytest.mark.parametrize("seed", range(RUNS))
def test_faults_change_nothing(
    manifest: Path, mirror: Mirror, api: Proxy, expected: tuple[dict[str, list[bytes]], dict[str, Any]], seed: int
) -> None:
    faults = [fault for fault in FAULTS if fault != "length_too_small"]
    with FaultProxy("127.0.0.1", api.port, faults=faults, rate=0.1, seed=seed, pauses=PAUSES) as proxy:
        code, records, messages = read(manifest, mirror, proxy.endpoint)
        injected: Counter[Fault] = Counter(proxy.injected)
    assert sum(injected.values()) > 2, proxy.requests
    assert (by_stream(records), last_states(messages)) == expected, injected
    assert code == 0


def test_a_body_that_ends_early_by_its_own_length_is_no_page(
    manifest: Path, mirror: Mirror, api: Proxy, expected: tuple[dict[str, list[bytes]], dict[str, Any]]
) -> None:
    """HTTP cannot tell it from a whole one. One that nobody needs (a page ahead, behind the last) does no harm."""
    with FaultProxy("127.0.0.1", api.port, faults=["length_too_small"], rate=0.1, seed=1, pauses=PAUSES) as proxy:
        code, records, messages = read(manifest, mirror, proxy.endpoint)
    assert proxy.injected["length_too_small"] > 0
    failed = [message for message in messages if message.get("trace", {}).get("type") == "ERROR"]
    assert code == bool(failed)
    if failed:
        for stream, its in by_stream(records).items():
            found = iter(expected[0][stream])
            assert all(record in found for record in its), "in their order, but not to the end of each stream"
    else:
        assert by_stream(records) == expected[0]
