"""A server that takes a request and does not answer it to its end, seen by the whole command."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from api_server import ApiServer, Parts, always

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
        connect_timeout_in_seconds: 0.5
        read_timeout_in_seconds: 0.5
        error_handler: {type: DefaultErrorHandler, max_retries: 1}
      record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: []}}
    schema_loader: {type: InlineSchemaLoader, schema: {type: object}}
"""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
LONGEST_S = 2 * 0.5 + 1.25
"""Two attempts, and the wait between them with all of its jitter."""
STARTING_S = 20


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([9.0], "there was no answer within 0.5 s"),
        ([HEAD[:20], 9.0], "the answer did not come on within 0.5 s"),
        ([HEAD, 9.0], "the answer did not come on within 0.5 s"),
        ([HEAD + b"[", *[b" ", 0.1] * 90], "the answer did not come on within 0.5 s"),
    ],
    ids=["silence", "half a head", "a head alone", "a body that trickles"],
)
def test_a_read_of_a_server_that_hangs_ends_in_the_time_of_its_manifest(
    tmp_path: Path, parts: Parts, said: str
) -> None:
    catalog = {"streams": [{"stream": {"name": "people", "json_schema": {}}, "sync_mode": "full_refresh"}]}
    with ApiServer(always(*parts)) as server:
        given = []
        for option, text in (
            ("--manifest-path", MANIFEST),
            ("--config", json.dumps({"url": server.url})),
            ("--catalog", json.dumps(catalog)),
        ):
            path = tmp_path / f"{option[2:]}.yaml"
            path.write_text(text)
            given += [option, str(path)]
        command = [sys.executable, "-m", "source_declarative_manifest", "read", *given]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            while not server.asked:
                time.sleep(0.01)
            began = time.monotonic()
            printed, complaints = process.communicate(timeout=60)
            took_s = time.monotonic() - began
        assert len(server.asked) == 2
    assert process.returncode == 1
    assert complaints == ""
    messages = [json.loads(line) for line in printed.splitlines()]
    [error] = [message["trace"]["error"] for message in messages if message.get("trace", {}).get("type") == "ERROR"]
    assert said in error["message"]
    assert error["failure_type"] == "transient_error"
    assert error["stream_descriptor"] == {"name": "people"}
    assert LONGEST_S / 2 < took_s < LONGEST_S + STARTING_S
