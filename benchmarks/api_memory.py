"""Records of an HTTP API on this machine, by a manifest: how much memory that takes, however many there are."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

from benchmarks.bench import Bench, ours
from benchmarks.workload import Bar, Contender, Trial, Workload

_MB = 1_000_000
_PAGE_SIZES = (100, 1000)
_GROWS_AT_MOST = 1.1
_READ_BYTES = 80 * _MB
"""With pages of 300 KB: 45 MB for ten of them, which never wait for one another, and 65 MB for a thousand or more."""
_SYNC_BYTES = 1000 * _MB
"""Of all four processes. It grows until a chunk of rows, and DuckDB's cache, have the size that they are let: 380 MB for 10,000
records, which are less than a chunk, 800 to 910 for a million, 840 for three."""
_MANIFEST = """
version: 6.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [records]}
streams:
  - type: DeclarativeStream
    name: records
    primary_key: id
    retriever:
      type: SimpleRetriever
      requester:
        type: HttpRequester
        url_base: "{{ config['url'] }}"
        path: records
        request_parameters: {count: "{{ config['count'] }}"}
      record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: [data]}}
      paginator:
        type: DefaultPaginator
        page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}
        page_size_option: {type: RequestOption, inject_into: request_parameter, field_name: size}
        pagination_strategy: {type: PageIncrement, page_size: "{{ config['size'] }}"}
    schema_loader:
      type: InlineSchemaLoader
      schema:
        type: object
        properties:
          id: {type: integer}
          customer: {type: string}
          amount: {type: number}
          created_at: {type: string, format: date-time}
          address: {type: object, properties: {street: {type: string}, city: {type: string}}}
          tags: {type: array, items: {type: string}}
"""
_MEMBERS = (
    '"customer":"customer {0:05}","amount":{0}.25,"created_at":"2024-03-01T10:00:00Z",'
    '"address":{{"street":"A street with a name of some length, {0}","city":"Zürich"}},"tags":["one","two","number {0}"]}}'
)


def _read(bench: Bench) -> Trial:
    contenders = []
    for size, count, given in _given(bench):
        contenders.append(
            Contender(_name(count, size), ours("source-declarative-manifest", "read", *given), alike=None, memory=True)
        )
    fewest, *_, most = bench.sizes.api_records
    small, large = _PAGE_SIZES
    bars = [
        Bar(_name(most, small), _name(fewest, small), _GROWS_AT_MOST, "rss"),
        Bar(_name(most, large), None, _READ_BYTES, "rss"),
    ]
    return Trial(contenders, bars)


def _sync(bench: Bench) -> Trial:
    contenders = []
    for size, count, given in _given(bench):
        [_, manifest, _, config, *_] = given
        database = bench.scratch / f"{count}-{size}.duckdb"
        command = ours("file-cdk", "sync", manifest, "--config", config, "--to", str(database), "--quiet")
        contenders.append(Contender(_name(count, size), command, database=database, alike=None, memory=True))
    most = bench.sizes.api_records[-1]
    return Trial(contenders, [Bar(_name(most, size), None, _SYNC_BYTES, "rss") for size in _PAGE_SIZES])


def _name(count: int, size: int) -> str:
    return f"{count:,} by {size:,}"


def _given(bench: Bench) -> Iterator[tuple[int, int, list[str]]]:
    """Size of pages, number of records, and what the source takes."""
    url = bench.servers.enter_context(_serving())
    for size in _PAGE_SIZES:
        for count in bench.sizes.api_records:
            yield size, count, _files(bench.scratch, f"{count}-{size}", {"url": url, "size": size, "count": count})


def _files(into: Path, name: str, config: dict[str, object]) -> list[str]:
    stream = {"name": "records", "json_schema": {"type": "object"}}
    catalog = {"streams": [{"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}]}
    contents = {
        "--manifest-path": (f"{name}.yaml", _MANIFEST),
        "--config": (f"{name}.json", json.dumps(config)),
        "--catalog": (f"{name}.catalog.json", json.dumps(catalog)),
    }
    given = []
    for option, (file, content) in contents.items():
        (into / file).write_text(content)
        given += [option, str(into / file)]
    return given


class _Pages(BaseHTTPRequestHandler):
    """`?count=…&size=…&page=…`: the records of that page."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        asked = {name: int(value) for name, [value] in parse_qs(urlsplit(self.path).query).items()}
        first = asked["size"] * asked.get("page", 0)
        numbers = range(first, min(first + asked["size"], asked["count"]))
        records = ",".join(f'{{"id":{number},' + _MEMBERS.format(number % 100_000) for number in numbers)
        body = f'{{"data":[{records}]}}'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _serving() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


WORKLOADS = [
    Workload("apis-memory", "memory, an API of 10,000 to 1M records, to protocol", _read),
    Workload("apis-memory-sync", "memory, an API of 10,000 to 1M records, into DuckDB", _sync),
]
