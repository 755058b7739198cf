"""The commands of a source that is a manifest, against an API on this machine."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import warm
import yaml
from api_server import ApiServer, Asked, Parts, response

from file_cdk import run_manifest
from file_cdk.declarative.http import Pause
from file_cdk.pipeline.apis.output import ApiOutput
from file_cdk.pipeline.output import Output
from file_cdk.protocol.messages import StreamStatus

SECRET = "hush-hush-key"
MANIFEST = """
version: 6.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [people]}
definitions:
  requester:
    type: HttpRequester
    url_base: "{{ config['url'] }}"
    path: "/{{ parameters['name'] }}"
    http_method: GET
    authenticator: {type: ApiKeyAuthenticator, api_token: "{{ config['key'] }}", header: X-Key}
  retriever:
    type: SimpleRetriever
    requester: {$ref: "#/definitions/requester"}
    record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: [items]}}
  schema: {type: InlineSchemaLoader, schema: {type: object, properties: {id: {type: integer}}}}
streams:
  - type: DeclarativeStream
    name: people
    $parameters: {name: people}
    primary_key: id
    retriever:
      $ref: "#/definitions/retriever"
      paginator:
        type: DefaultPaginator
        page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}
        pagination_strategy: {type: PageIncrement, page_size: 2}
    schema_loader: {$ref: "#/definitions/schema"}
  - type: DeclarativeStream
    name: notes
    $parameters: {name: notes}
    retriever: {$ref: "#/definitions/retriever"}
    schema_loader: {$ref: "#/definitions/schema"}
    incremental_sync:
      type: DatetimeBasedCursor
      cursor_field: day
      datetime_format: "%Y-%m-%d"
      start_datetime: "2024-01-01"
      end_datetime: "2024-01-03"
      step: P1D
      cursor_granularity: P1D
      start_time_option: {type: RequestOption, inject_into: request_parameter, field_name: since}
spec:
  type: Spec
  documentation_url: https://example.com/people
  connection_specification:
    type: object
    required: [url, key]
    properties: {url: {type: string}, key: {type: string, airbyte_secret: true}}
"""


@dataclass
class Source:
    """A package of two files, its configuration beside it."""

    folder: Path
    capfd: pytest.CaptureFixture[str]

    @property
    def manifest(self) -> Path:
        return self.folder / "source_people" / "manifest.yaml"

    def write(self, name: str, document: Any) -> str:
        path = self.folder / name
        path.write_text(json.dumps(document))
        return str(path)

    def run(self, *arguments: str, manifest: bool = True) -> tuple[int, list[str]]:
        """Exit code, and the lines on stdout."""
        with pytest.raises(SystemExit) as ended:
            run_manifest(self.manifest if manifest else None, arguments)
        assert isinstance(ended.value.code, int)
        return ended.value.code, self.capfd.readouterr().out.splitlines()

    def read(self, *names: str, state: Any = None, options: tuple[str, ...] = ()) -> tuple[int, list[str]]:
        catalog = {
            "streams": [
                {
                    "stream": {"name": name, "json_schema": {}},
                    "sync_mode": "incremental",
                    "destination_sync_mode": "append",
                }
                for name in names
            ]
        }
        given = [
            "--config",
            str(self.folder / "config.json"),
            "--catalog",
            self.write("catalog.json", catalog),
            *options,
        ]
        return self.run("read", *given, *([] if state is None else ["--state", self.write("state.json", state)]))


@pytest.fixture
def source(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Source:
    made = Source(tmp_path, capfd)
    made.manifest.parent.mkdir()
    made.manifest.write_text(MANIFEST)
    made.write("config.json", {"url": "http://127.0.0.1:1", "key": SECRET})
    return made


@pytest.fixture
def api(source: Source) -> Iterator[Callable[[Callable[[Asked], Parts]], ApiServer]]:
    """Serves by a function what the source asks for."""
    servers: list[ApiServer] = []

    def serve(answer: Callable[[Asked], Parts]) -> ApiServer:
        servers.append(ApiServer(answer).__enter__())
        source.write("config.json", {"url": servers[-1].url, "key": SECRET})
        return servers[-1]

    yield serve
    for server in servers:
        server.__exit__()


Serve = Callable[[Callable[[Asked], Parts]], ApiServer]


def parameters(asked: Asked) -> Mapping[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(asked.target).query).items()}


def items(*records: str) -> Parts:
    return response(body=b'{"items": [%b]}' % ", ".join(records).encode())


def messages(lines: list[str], *types: str) -> list[Any]:
    found = [json.loads(line) for line in lines]
    return [message for message in found if not types or message["type"] in types]


def kinds(lines: list[str]) -> list[str]:
    """What came, without logs, in words."""
    return [_kind(message) for message in messages(lines) if message["type"] != "LOG"]


def _kind(message: Any) -> str:
    match message:
        case {"type": "RECORD", "record": {"stream": stream, "data": {"id": number}}}:
            return f"{stream} {number}"
        case {"type": "STATE", "state": {"stream": {"stream_state": state}, "sourceStats": {"recordCount": count}}}:
            return f"state {json.dumps(state)} after {count:g}"
        case {"trace": {"stream_status": {"status": status, "stream_descriptor": {"name": name}} as told}}:
            return " ".join([name, status, *(reason["type"] for reason in told.get("reasons", []))])
        case {"trace": {"error": {"failure_type": kind, "stream_descriptor": {"name": name}}}}:
            return f"{name} {kind}"
    return str(message["type"])


def test_spec_is_that_of_the_manifest_beside(source: Source) -> None:
    code, [line] = source.run("spec")
    assert code == 0
    assert json.loads(line) == {
        "type": "SPEC",
        "spec": {
            "connectionSpecification": {
                "type": "object",
                "required": ["url", "key"],
                "properties": {"url": {"type": "string"}, "key": {"type": "string", "airbyte_secret": True}},
            },
            "documentationUrl": "https://example.com/people",
            "supportsNormalization": False,
            "supportsDBT": False,
        },
    }


def test_spec_has_the_screens_of_a_platform(source: Source) -> None:
    flow = """
  advanced_auth:
    auth_flow_type: oauth2.0
    predicate_key: [auth]
    oauth_config_specification: {complete_oauth_output_specification: {type: object}}
"""
    source.manifest.write_text(MANIFEST + flow)
    _, [line] = source.run("spec")
    assert json.loads(line)["spec"]["advanced_auth"] == {
        "auth_flow_type": "oauth2.0",
        "predicate_key": ["auth"],
        "oauth_config_specification": {"complete_oauth_output_specification": {"type": "object"}},
    }


def test_without_a_manifest_a_configuration_has_it(source: Source, api: Serve) -> None:
    _, [line] = source.run("spec", manifest=False)
    assert json.loads(line)["spec"]["connectionSpecification"]["required"] == ["__injected_declarative_manifest"]
    server = api(lambda _: items('{"id": 1}'))
    config = source.write(
        "c.json", {"url": server.url, "key": "k", "__injected_declarative_manifest": yaml.safe_load(MANIFEST)}
    )
    assert messages(source.run("check", "--config", config, manifest=False)[1]) == [
        {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}
    ]


@pytest.mark.parametrize(
    ("config", "options", "told"),
    [
        ({}, [], "there is no manifest"),
        ({"__injected_declarative_manifest": "x"}, [], "is no object"),
        ({"__injected_declarative_manifest": {"streams": []}}, [], "check"),
        ({"__injected_components_py": "import os"}, [], "Python code"),
        ({}, ["--components-path", "c.py"], "Python code"),
        ({}, ["--manifest-path", "nowhere.yaml"], "'nowhere.yaml' cannot be read"),
    ],
)
def test_a_manifest_that_cannot_be_run(source: Source, config: Any, options: list[str], told: str) -> None:
    code, [line] = source.run("check", "--config", source.write("c.json", config), *options, manifest=False)
    assert code == 1
    error = json.loads(line)["trace"]["error"]
    assert error["failure_type"] == "config_error"
    assert told in error["message"]


def test_spec_imports_neither_a_client_nor_an_engine(source: Source) -> None:
    """What a start takes is what it imports."""
    program = (
        "import sys, file_cdk\n"
        f"try: file_cdk.run_manifest({str(source.manifest)!r}, ['spec'])\nexcept SystemExit: pass\n"
        "print(*sorted({'.'.join(name.split('.')[:2]) for name in sys.modules}))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found = set(ran.stdout.splitlines()[-1].split())
    assert "file_cdk.declarative" in found
    assert not found & {"jinja2", "urllib3", "jwt", "pyarrow", "duckdb", "ssl", "file_cdk.engine", "file_cdk.formats"}


def test_a_read_imports_only_what_its_manifest_needs(tmp_path: Path) -> None:
    manifest = """
type: DeclarativeSource
version: 7.0.0
check: {type: CheckStream, stream_names: [people]}
streams:
  - type: DeclarativeStream
    name: people
    schema_loader: {type: InlineSchemaLoader, schema: {}}
    retriever:
      type: SimpleRetriever
      requester: {type: HttpRequester, url: "{{ config['url'] }}/people"}
      record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: []}}
"""
    (tmp_path / "manifest.yaml").write_text(manifest)
    stream = {"stream": {"name": "people", "json_schema": {}}, "sync_mode": "full_refresh"}
    (tmp_path / "catalog.json").write_text(json.dumps({"streams": [stream | {"destination_sync_mode": "append"}]}))
    with ApiServer(lambda _: response(body=b'[{"id":1}]')) as server:
        (tmp_path / "config.json").write_text(json.dumps({"url": server.url}))
        arguments = ["read", "--config", f"{tmp_path}/config.json", "--catalog", f"{tmp_path}/catalog.json"]
        program = (
            "import sys, file_cdk\n"
            f"try: file_cdk.run_manifest('{tmp_path}/manifest.yaml', {arguments})\n"
            "except SystemExit as ended: assert not ended.code\n"
            "print(*sorted(sys.modules))"
        )
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found = set(ran.stdout.splitlines()[-1].split())
    assert "file_cdk.declarative.http.network.wire" in found
    of_the_library = {"cramjam", "dataclasses", "difflib", "isal", "jinja2", "shutil", "ssl", "tempfile", "urllib3"}
    of_ours = {
        "core.files",
        "declarative.authenticators",
        "declarative.http.budget",
        "declarative.http.cassettes",
        "formats",
    }
    assert not found & (of_the_library | {f"file_cdk.{name}" for name in of_ours})


def test_without_arguments_it_helps() -> None:
    ran = warm.captured("source-declarative-manifest")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "discover" in ran.stderr


def test_check_tells_what_the_api_says_without_secrets(source: Source, api: Serve) -> None:
    said = json.dumps({"message": f"the key {SECRET} is not known"}).encode()
    api(lambda _: response(403, said))
    code, lines = source.run("check", "--config", str(source.folder / "config.json"))
    [status] = messages(lines, "CONNECTION_STATUS")
    assert (code, status["connectionStatus"]["status"]) == (0, "FAILED")
    assert "the key **** is not known" in status["connectionStatus"]["message"]
    assert "stream 'people'" in status["connectionStatus"]["message"]
    assert not [line for line in lines if SECRET in line]


def test_check_of_a_configuration_that_lacks_a_key(source: Source) -> None:
    _, [line] = source.run("check", "--config", source.write("c.json", {"url": "u"}))
    assert json.loads(line)["connectionStatus"] == {
        "status": "FAILED",
        "message": "invalid configuration: key: is missing",
    }


def test_discover(source: Source) -> None:
    _, [line] = source.run("discover", "--config", str(source.folder / "config.json"))
    schema = {"type": "object", "properties": {"id": {"type": "integer"}}}
    assert json.loads(line)["catalog"]["streams"] == [
        {
            "name": "people",
            "json_schema": schema,
            "supported_sync_modes": ["full_refresh"],
            "source_defined_primary_key": [["id"]],
            "is_resumable": False,
            "is_file_based": False,
        },
        {
            "name": "notes",
            "json_schema": schema,
            "supported_sync_modes": ["full_refresh", "incremental"],
            "source_defined_cursor": True,
            "default_cursor_field": ["day"],
            "is_resumable": True,
            "is_file_based": False,
        },
    ]


def test_discover_leaves_out_what_cannot_be_read_and_says_so(source: Source) -> None:
    custom = "  - {type: DeclarativeStream, name: own, retriever: {type: CustomRetriever, class_name: a.b}}\nspec:"
    source.manifest.write_text(MANIFEST.replace("spec:", custom, 1))
    code, lines = source.run("discover", "--config", str(source.folder / "config.json"))
    [warning, catalog] = messages(lines)
    assert (code, warning["log"]["level"]) == (0, "WARN")
    assert "own" in warning["log"]["message"]
    assert [stream["name"] for stream in catalog["catalog"]["streams"]] == ["people", "notes"]


PAGES = {
    None: ['{"id": 1, "x": 1.10}', '{"id":2,\n "id": 2, "big": 123456789012345678901}'],
    "1": ['{"id": 3, "ö": "\\u00e9"}'],
}


def page_of(asked: Asked) -> Parts:
    """Empty behind the last one, which may be asked for ahead."""
    return items(*PAGES.get(parameters(asked).get("page"), []))


def test_records_are_the_bytes_of_the_api(source: Source, api: Serve) -> None:
    api(page_of)
    code, lines = source.read("people")
    assert code == 0
    assert kinds(lines) == [
        "people STARTED",
        "people RUNNING",
        "people 1",
        "people 2",
        "people 3",
        'state {"__ab_no_cursor_state_message": true} after 3',
        "people COMPLETE",
    ]
    records = [line for line in lines if line.startswith('{"type":"RECORD"')]
    before = '{"type":"RECORD","record":{"stream":"people","data":'
    # Where there are line ends in an answer, its blanks go with them.
    data = ['{"id":1,"x":1.10}', '{"id":2,"id":2,"big":123456789012345678901}', '{"id": 3, "ö": "\\u00e9"}']
    for record, expected in zip(records, data, strict=True):
        envelope, _, after = record.partition(expected)
        assert envelope == before
        assert after.startswith(',"emitted_at":1')
        assert after.endswith("}}")


def by_day(asked: Asked) -> Parts:
    day = parameters(asked)["since"]
    return items(json.dumps({"id": int(day[-2:]), "day": day}))


def test_a_read_goes_on_from_its_state(source: Source, api: Serve) -> None:
    server = api(by_day)
    code, lines = source.read("notes")
    assert code == 0
    assert [each for each in kinds(lines) if each[:7] == "notes 1" or each[:7] == "notes 2"] == ["notes 1", "notes 2"]
    [*_, last] = messages(lines, "STATE")
    assert last["state"]["stream"]["stream_state"] == {"day": "2024-01-02"}
    assert sum(state["state"]["sourceStats"]["recordCount"] for state in messages(lines, "STATE")) == 2
    server.asked.clear()
    code, lines = source.read("notes", state=[last])
    assert [parameters(asked)["since"] for asked in server.asked] == ["2024-01-02"]


def test_a_stream_that_fails_lets_others_go_on(source: Source, api: Serve) -> None:
    def answer(asked: Asked) -> Parts:
        if asked.target.startswith("/people"):
            return items('{"id": 7}')
        day = parameters(asked)["since"]
        return response(404, b"{}") if day == "2024-01-02" else by_day(asked)

    api(answer)
    code, lines = source.read("notes", "people")
    assert code == 1
    told = kinds(lines)
    assert [each for each in told if each.startswith("notes ")] == [
        "notes STARTED",
        "notes RUNNING",
        "notes 1",
        "notes system_error",
        "notes INCOMPLETE",
    ]
    assert [each for each in told if not each.startswith("notes ") and "day" not in each] == [
        "people STARTED",
        "people RUNNING",
        "people 7",
        'state {"__ab_no_cursor_state_message": true} after 1',
        "people COMPLETE",
    ]
    last = [message for message in messages(lines, "STATE") if "day" in message["state"]["stream"]["stream_state"]][-1]
    assert last["state"]["stream"]["stream_state"] == {"day": "2024-01-01"}


def test_streams_are_read_at_once(source: Source, api: Serve) -> None:
    """Each is answered only after both were asked for."""
    are_two = threading.Barrier(2)

    def answer(asked: Asked) -> Parts:
        if asked.target.startswith("/people") or parameters(asked)["since"] == "2024-01-01":
            are_two.wait(20)
        return items('{"id": 7}') if asked.target.startswith("/people") else by_day(asked)

    api(answer)
    code, lines = source.read("people", "notes")
    assert code == 0
    told = kinds(lines)
    for name, ids in (("people", [7]), ("notes", [1, 2])):
        own = [each for each in told if each.startswith(f"{name} ")]
        assert own == [f"{name} STARTED", f"{name} RUNNING", *(f"{name} {id}" for id in ids), f"{name} COMPLETE"]


def test_a_rate_limit_is_told_of_at_once(source: Source, api: Serve) -> None:
    handler = """
    error_handler:
      type: DefaultErrorHandler
      backoff_strategies: [{type: WaitTimeFromHeader, header: Retry-After}]
"""
    source.manifest.write_text(MANIFEST.replace("    http_method: GET\n", "    http_method: GET" + handler))
    answers = iter([response(429, b"{}", {"Retry-After": "0"}), items('{"id": 1}')])
    api(lambda _: next(answers))
    code, lines = source.read("people")
    assert code == 0
    assert kinds(lines)[:4] == ["people STARTED", "people RUNNING RATE_LIMITED", "people RUNNING", "people 1"]


def test_a_rate_limit_is_of_the_stream_that_is_read(capfd: pytest.CaptureFixture[str]) -> None:
    """Requests of other streams: of its parents, or in vain for one that is at its end."""
    output = ApiOutput(Output(1))
    pause = Pause("people", 3.0, "status 429", is_rate_limit=True)
    output.paused(pause)
    for name in ("people", "notes"):
        output.status(name, StreamStatus.STARTED)
        output.paused(pause)
        output.status(name, StreamStatus.COMPLETE)
        output.paused(pause)
    limited = ["people STARTED", "people RUNNING RATE_LIMITED", "people COMPLETE"]
    assert kinds(capfd.readouterr().out.splitlines()) == [
        *limited,
        *(told.replace("people", "notes") for told in limited),
    ]


def test_what_was_passed_over_is_said_in_one_warning(source: Source, api: Serve) -> None:
    api(lambda asked: items('{"id": 1}', "2") if parameters(asked).get("page") is None else items("[3]"))
    code, lines = source.read("people", options=("--pages-ahead", "0"))
    [warning] = [message["log"]["message"] for message in messages(lines, "LOG") if message["log"]["level"] == "WARN"]
    assert code == 0
    assert "rejected 2 records: the first: page 0, record 1" in warning
    assert source.read("people", options=("--strict", "--pages-ahead", "0"))[0] == 1


def test_answers_in_csv_are_read_and_a_row_at_fault_is_told_with_its_line(source: Source, api: Serve) -> None:
    bodies: dict[str | None, bytes] = {None: b"id,name\n1,a\n2,b,c\n3\n"}
    api(lambda asked: response(body=bodies.get(parameters(asked).get("page"), b"id,name\n")))
    manifest = MANIFEST.replace("field_path: [items]", "field_path: []")
    of_csv = "type: SimpleRetriever\n    decoder: {type: CsvDecoder}"
    source.manifest.write_text(manifest.replace("type: SimpleRetriever", of_csv))
    code, lines = source.read("people", options=("--strict", "--pages-ahead", "0"))
    assert code == 1
    records = [message["record"]["data"] for message in messages(lines, "RECORD")]
    assert records == [{"id": "1", "name": "a"}, {"id": "3", "name": None}]
    [warning] = [message["log"]["message"] for message in messages(lines, "LOG") if message["log"]["level"] == "WARN"]
    assert "rejected 1 record: the first: page 0, record 1: record has too many values (line 3)" in warning


def test_a_recording_is_read_without_a_network(source: Source, api: Serve) -> None:
    server = api(page_of)
    tape = str(source.folder / "tape")
    code, lines = source.read("people", options=("--record", tape, "--pages-ahead", "0"))
    recorded = kinds(lines)
    assert code == 0
    asked = len(server.asked)
    code, lines = source.read("people", options=("--replay", tape, "--pages-ahead", "0"))
    assert (code, kinds(lines), len(server.asked)) == (0, recorded, asked)
    assert not [path for path in Path(tape).iterdir() if SECRET in path.read_text()]


def test_a_new_token_is_said_before_it_is_used(source: Source, api: Serve) -> None:
    oauth = """
    authenticator:
      type: OAuthAuthenticator
      token_refresh_endpoint: "{{ config['url'] }}/token"
      client_id: me
      client_secret: "{{ config['key'] }}"
      refresh_token: "{{ config['key'] }}"
      refresh_token_updater: {refresh_token_config_path: [key]}
"""
    before, _, rest = MANIFEST.partition("    authenticator:")
    source.manifest.write_text(before + oauth.lstrip("\n") + rest.partition("\n")[2])
    token = {"access_token": "given-access", "refresh_token": "given-refresh", "expires_in": 3600}

    def answer(asked: Asked) -> Parts:
        return response(body=json.dumps(token).encode()) if asked.target == "/token" else items('{"id": 1}')

    server = api(answer)
    code, lines = source.read("people")
    assert code == 0
    assert kinds(lines)[:4] == ["people STARTED", "CONTROL", "people RUNNING", "people 1"]
    [control] = messages(lines, "CONTROL")
    assert control["control"]["type"] == "CONNECTOR_CONFIG"
    config = control["control"]["connectorConfig"]["config"]
    assert (config["key"], config["url"]) == ("given-refresh", server.url)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_soon_between_lines(source: Source, api: Serve, signum: signal.Signals, code: int) -> None:
    """The second page never comes."""
    is_over = threading.Event()

    def never() -> Iterator[bytes]:
        is_over.wait(60)
        yield b""

    api(lambda asked: never() if "page" in parameters(asked) else items('{"id": 1}', '{"id": 2}'))
    catalog = {"streams": [{"stream": {"name": "people", "json_schema": {}}, "sync_mode": "full_refresh"}]}
    command = ["source-declarative-manifest", "read", "--manifest-path", str(source.manifest)]
    config = ["--config", str(source.folder / "config.json"), "--catalog", source.write("catalog.json", catalog)]
    with warm.Process(*command, *config, stdout=warm.PIPE, stderr=warm.PIPE) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        process.send_signal(signum)
        rest, said = process.communicate(timeout=60)
    is_over.set()
    assert process.returncode == code
    assert kinds([line.decode() for line in lines]) == ["people STARTED", "people RUNNING", "people 1", "people 2"]
    assert rest == b""
    assert b"interrupted" in said


def test_an_older_configuration_is_migrated_and_told(source: Source, api: Serve) -> None:
    rules = """
  config_normalization_rules:
    type: ConfigNormalizationRules
    config_migrations:
      - type: ConfigMigration
        transformations:
          - {type: ConfigAddFields, fields: [{type: AddedFieldDefinition, path: [key], value: "{{ config['token'] }}"}]}
          - {type: ConfigRemoveFields, field_pointers: [[token]]}
    transformations:
      - {type: ConfigRemapField, field_path: [site], map: {one: two}}
"""
    source.manifest.write_text(MANIFEST + rules)
    server = api(lambda _: items('{"id": 1}'))
    source.write("config.json", {"url": server.url, "token": SECRET, "site": "one"})
    code, lines = source.read("people")
    assert code == 0
    assert [kind for kind in kinds(lines) if kind.startswith("people 1")] == ["people 1"]
    (told,) = messages(lines, "CONTROL")
    assert told["control"]["connectorConfig"]["config"] == {"url": server.url, "site": "one", "key": SECRET}
    assert server.asked[0].headers["x-key"] == SECRET
