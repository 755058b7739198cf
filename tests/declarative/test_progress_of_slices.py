"""What `read` of a manifest tells `file-cdk sync` beside its states, and how it goes on from that."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_server import ApiServer, Asked, Parts, response

from file_cdk import run_manifest

SECRET = "hush-hush-key"
MANIFEST = """
version: 6.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [notes]}
streams:
  - type: DeclarativeStream
    name: notes
    retriever:
      type: SimpleRetriever
      requester: {type: HttpRequester, url_base: "{{ config['url'] }}", path: "/{{ config['path'] }}"}
      record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: [items]}}
      paginator:
        type: DefaultPaginator
        page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}
        pagination_strategy: {type: CursorPagination, cursor_value: "{{ response.get('next', {}) }}"}
    schema_loader: {type: InlineSchemaLoader, schema: {type: object}}
    incremental_sync:
      type: DatetimeBasedCursor
      cursor_field: at
      datetime_format: "%Y-%m-%dT%H:%M:%S.%fZ"
      start_datetime: "2024-01-01T00:00:00.000000Z"
      start_time_option: {type: RequestOption, inject_into: request_parameter, field_name: since}
      end_time_option: {type: RequestOption, inject_into: request_parameter, field_name: until}
spec:
  type: Spec
  connection_specification:
    type: object
    properties: {key: {type: string, airbyte_secret: true}}
"""
LAST = "2024-02-03T00:00:00.000000Z"


class Api:
    """Three pages, of which it does not know `missing`."""

    def __init__(self) -> None:
        self.missing: str | None = None
        self.asked: list[str] = []
        self.untils: set[str] = set()

    def answer(self, asked: Asked) -> Parts:
        path, _, query = asked.target.partition("?")
        given = dict(part.split("=") for part in query.split("&"))
        page = given.get("page", "p0")
        self.asked.append(page)
        self.untils.add(given["until"])
        if page == self.missing:
            return response(404, b"{}")
        number = int(page.removesuffix(SECRET)[-1])
        token = f"p{number + 1}{SECRET if path == '/secret' else ''}"
        more = {"next": token} if number < 2 else {}
        return response(200, json.dumps({"items": [{"id": number, "at": LAST}, {"id": number}], **more}).encode())


class Reads:
    def __init__(self, folder: Path, server: ApiServer, api: Api, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder, self.server, self.api, self.capfd = folder, server, api, capfd
        (folder / "manifest.yaml").write_text(MANIFEST)

    def read(self, attempts: Any, path: str = "plain", code: int = 0) -> list[Any]:
        """The states."""
        stream = {"name": "notes", "json_schema": {}}
        entry = {"stream": stream, "sync_mode": "incremental", "destination_sync_mode": "append"}
        documents = {
            "config": {"url": self.server.url, "path": path, "key": SECRET},
            "catalog": {"streams": [entry]},
            "attempts": attempts,
        }
        options = []
        for name, document in documents.items():
            (self.folder / name).write_text(json.dumps(document))
            options += [f"--{name}", str(self.folder / name)]
        self.api.asked.clear()
        with pytest.raises(SystemExit) as ended:
            run_manifest(self.folder / "manifest.yaml", ["read", *options])
        out = self.capfd.readouterr().out
        assert (ended.value.code, SECRET in out) == (code, False)
        messages = map(json.loads, out.splitlines())
        return [message["state"] for message in messages if message["type"] == "STATE"]


@pytest.fixture
def reads(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Reads]:
    api = Api()
    with ApiServer(api.answer) as server:
        yield Reads(tmp_path, server, api, capfd)


def attempt_of(progress: Any) -> Any:
    return {"notes": {"seconds": 3.0, "cursor": progress["cursor"], "begun": progress["begun"]}}


def test_a_read_goes_on_at_a_token_with_the_ends_that_it_began_with(reads: Reads) -> None:
    reads.api.missing = "p2"
    *_, left = reads.read({}, code=1)
    assert "stream_state" not in left["stream"]
    [begun] = left["file_cdk"]["begun"]
    assert (begun["number"], begun["value"], begun["so_far"]["records"]) == (2, "p2", 4)
    reads.api.missing = None
    states = reads.read(attempt_of(left["file_cdk"]))
    last = states[-1]
    assert reads.api.asked == ["p2"]
    assert len(reads.api.untils) == 1
    assert last["stream"] == {"stream_descriptor": {"name": "notes"}, "stream_state": {"at": LAST}}
    [done] = [each for state in states for each in state["file_cdk"].get("done", ())]
    assert (done["pages"], done["records"], last["file_cdk"]["ended"]) == (3, 6, True)
    assert last["file_cdk"]["cursor"] == left["file_cdk"]["cursor"]


def test_a_token_that_the_api_forgot_is_void(reads: Reads) -> None:
    reads.api.missing = "p1"
    *_, left = reads.read({}, code=1)
    assert "void" not in left["file_cdk"]
    *_, again = reads.read(attempt_of(left["file_cdk"]), code=1)
    assert again["file_cdk"]["void"]


def test_a_token_with_a_secret_in_it_is_not_told(reads: Reads) -> None:
    reads.api.missing = f"p2{SECRET}"
    assert reads.read({}, path="secret", code=1) == []


def test_nobody_else_is_told_of_slices(reads: Reads) -> None:
    stream = {"stream": {"name": "notes", "json_schema": {}}, "sync_mode": "incremental"}
    (reads.folder / "catalog").write_text(json.dumps({"streams": [{**stream, "destination_sync_mode": "append"}]}))
    (reads.folder / "config").write_text(json.dumps({"url": reads.server.url, "path": "plain"}))
    options = ["--config", str(reads.folder / "config"), "--catalog", str(reads.folder / "catalog")]
    with pytest.raises(SystemExit):
        run_manifest(reads.folder / "manifest.yaml", ["read", *options])
    assert "file_cdk" not in reads.capfd.readouterr().out
