"""How a read and a sync of an API end when they are told to: by the codes that are documented, and nothing of them is left."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from api_server import ApiServer, Asked, Parts, response
from commands import MARK, processes_of

pytestmark = pytest.mark.process

MANIFEST = """
version: 6.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [people]}
streams:
  - type: DeclarativeStream
    name: people
    retriever:
      type: SimpleRetriever
      requester:
        type: HttpRequester
        url: "{{ config['url'] }}/people"
        error_handler:
          type: DefaultErrorHandler
          backoff_strategies: [{type: WaitTimeFromHeader, header: Retry-After}]
      record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: []}}
      paginator:
        type: DefaultPaginator
        page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}
        pagination_strategy: {type: PageIncrement, page_size: 2}
    schema_loader: {type: InlineSchemaLoader, schema: {type: object, properties: {id: {type: integer}}}}
"""
CATALOG = {"streams": [{"stream": {"name": "people", "json_schema": {}}, "sync_mode": "full_refresh"}]}
MAIN = "import sys; from file_cdk.cli import main; sys.exit(main())"
ENDS_S = 30
"""Far above what it takes, for a busy machine: a test that fails is one where nothing ends it."""


class Api:
    """Its first page is whole. On others come `later`; whoever waits in it is let go at the end."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.later: Callable[[], Parts] = self.never
        self.came = threading.Event()

    def never(self) -> Iterator[bytes]:
        self.over.wait(60)
        yield b""

    def too_many(self) -> Parts:
        return response(429, b"{}", {"Retry-After": "50"})

    def answer(self, asked: Asked) -> Parts:
        if "page=" not in asked.target:
            return response(200, b'[{"id": 1}, {"id": 2}]')
        self.came.set()
        return self.later()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    made = Api()
    with ApiServer(made.answer) as server:
        (tmp_path / "people.yaml").write_text(MANIFEST)
        (tmp_path / "config.json").write_text(json.dumps({"url": server.url}))
        (tmp_path / "catalog.json").write_text(json.dumps(CATALOG))
        (tmp_path / "tmp").mkdir()
        yield made
        made.over.set()


def started(folder: Path, command: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder / "tmp"), MARK: str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def read(folder: Path) -> "subprocess.Popen[bytes]":
    given = ["--manifest-path", "people.yaml", "--config", "config.json", "--catalog", "catalog.json"]
    return started(folder, [sys.executable, "-m", "source_declarative_manifest", "read", *given])


def sync(folder: Path) -> "subprocess.Popen[bytes]":
    return started(
        folder, [sys.executable, "-c", MAIN, "sync", "people.yaml", "--config", "config.json", "--to", "x.sqlite"]
    )


def left_of(folder: Path) -> list[str]:
    """Processes that do not end by themselves."""
    deadline = time.monotonic() + ENDS_S
    while (left := processes_of(str(folder))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def nothing_is_left(folder: Path) -> None:
    assert left_of(folder) == []
    assert list((folder / "tmp").iterdir()) == []


@pytest.mark.parametrize("start", [read, sync])
@pytest.mark.parametrize("how", ["SIGINT to all", "SIGTERM while it waits"])
def test_signals(tmp_path: Path, api: Api, start: Callable[[Path], "subprocess.Popen[bytes]"], how: str) -> None:
    api.later = api.too_many if "waits" in how else api.never
    with start(tmp_path) as process:
        assert api.came.wait(60)
        if how == "SIGINT to all":
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGTERM)
        printed, said = process.communicate(timeout=ENDS_S)
    assert process.returncode == (130 if "SIGINT" in how else 143)
    assert b"Traceback" not in said
    assert printed == b"" or printed.endswith(b"\n")
    nothing_is_left(tmp_path)


def test_a_reader_that_goes_away(tmp_path: Path, api: Api) -> None:
    api.later = lambda: response(200, b"[%b]" % b", ".join([b'{"id": 3, "text": "%b"}' % (b"x" * 1000)] * 2))
    with read(tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        _, said = process.communicate(timeout=ENDS_S)
    assert process.returncode == 1
    assert b"closed" in said
    assert b"Traceback" not in said
    nothing_is_left(tmp_path)


def test_a_kill_leaves_no_process(tmp_path: Path, api: Api) -> None:
    with sync(tmp_path) as process:
        assert api.came.wait(60)
        process.kill()
        process.communicate(timeout=ENDS_S)
    assert left_of(tmp_path) == []
