"""`file-cdk sync` of a manifest: an API on this machine into tables."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from commands import query, run, write_json
from json_api import answering

pytestmark = pytest.mark.scenario

MANIFEST = """
version: 6.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [people]}
definitions:
  requester:
    type: HttpRequester
    url_base: "{{ config['url'] }}"
    authenticator: {type: BearerAuthenticator, api_token: "{{ config['token'] }}"}
  paginator:
    type: DefaultPaginator
    page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}
    pagination_strategy: {type: PageIncrement, start_from_page: 1, page_size: 2, inject_on_first_request: true}
  selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: [data]}}
streams:
  - type: DeclarativeStream
    name: people
    primary_key: id
    retriever:
      type: SimpleRetriever
      requester: {$ref: "#/definitions/requester", path: people}
      record_selector: {$ref: "#/definitions/selector"}
      paginator: {$ref: "#/definitions/paginator"}
    incremental_sync:
      type: DatetimeBasedCursor
      cursor_field: updated
      datetime_format: "%Y-%m-%d"
      start_datetime: "2024-01-01"
      end_datetime: "2024-12-31"
      start_time_option: {type: RequestOption, inject_into: request_parameter, field_name: since}
    schema_loader: &loader
      type: InlineSchemaLoader
      schema: {type: object, properties: {id: {type: integer}, name: {type: string}, updated: {type: string, format: date}}}
  - type: DeclarativeStream
    name: teams
    retriever:
      type: SimpleRetriever
      requester: {$ref: "#/definitions/requester", path: teams}
      record_selector: {$ref: "#/definitions/selector"}
    schema_loader: *loader
spec:
  type: Spec
  connection_specification:
    type: object
    required: [url, token]
    properties: {url: {type: string}, token: {type: string, airbyte_secret: true}}
"""
TOKEN = "t0ken-that-nobody-sees"


class Api:
    """records: of each path. asked: path and parameters of each request that was answered."""

    def __init__(self) -> None:
        self.records: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.url = ""

    def answer(self, target: str, authorization: str | None) -> tuple[int, Any]:
        split = urlsplit(target)
        asked = {name: value for name, [value] in parse_qs(split.query).items()}
        name = split.path.strip("/")
        if authorization != f"Bearer {TOKEN}":
            return 401, {"message": f"no such token: {authorization}"}
        if name not in self.records:
            return 404, {"message": "there is no such thing"}
        self.asked.append((name, asked))
        found = [each for each in self.records[name] if each.get("updated", "") >= asked.get("since", "")]
        first = 2 * (int(asked.get("page", 1)) - 1)
        return 200, {"data": found[first : first + 2] if "page" in asked else found}


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    with answering(made.answer) as made.url:
        made.records = {
            "people": [{"id": n, "name": f"n{n}", "updated": f"2024-02-0{n}"} for n in (1, 2, 3)],
            "teams": [{"id": 7, "name": "seven", "size": 1.5}],
        }
        yield made


class Sync:
    def __init__(self, folder: Path, api: Api) -> None:
        self.manifest = folder / "people.yaml"
        self.manifest.write_text(MANIFEST)
        self.config = write_json(folder / "config.json", {"url": api.url, "token": TOKEN})
        self.database = folder / "x.duckdb"

    def run(self, *options: str | Path, code: int = 0) -> str:
        done = run("file-cdk", "sync", self.manifest, "--config", self.config, "--to", self.database, *options)
        assert done.returncode == code, done.stderr
        assert done.stdout == ""
        assert TOKEN not in done.stderr
        return done.stderr

    def people(self) -> list[tuple[Any, ...]]:
        return query(self.database, "SELECT id, name FROM people ORDER BY id")


def test_the_second_sync_asks_for_what_is_new_and_shows_what_changed(tmp_path: Path, api: Api) -> None:
    sync = Sync(tmp_path, api)
    assert "4 records loaded into" in sync.run()
    assert sync.people() == [(1, "n1"), (2, "n2"), (3, "n3")]
    assert query(sync.database, "SELECT id, size FROM teams") == [(7, 1.5)]

    api.asked.clear()
    api.records["people"][0] |= {"name": "changed", "updated": "2024-03-01"}
    api.records["people"].append({"id": 4, "name": "n4", "updated": "2024-03-02"})
    api.records["teams"] = [{"id": 8, "name": "eight", "size": 2}]
    sync.run()
    assert sync.people() == [(1, "changed"), (2, "n2"), (3, "n3"), (4, "n4")]
    assert query(sync.database, "SELECT id, size FROM teams") == [(8, 2)]
    assert {asked["since"] for name, asked in api.asked if name == "people"} == {"2024-02-03"}


def test_streams_are_chosen_and_what_fails_says_why(tmp_path: Path, api: Api) -> None:
    sync = Sync(tmp_path, api)
    sync.run("--stream", "teams")
    assert {name for name, _ in api.asked} == {"teams"}
    del api.records["people"]
    assert "there is no such thing" in sync.run(code=5)
    assert query(sync.database, "SELECT id FROM teams") == [(7,)]


def test_options_of_files_and_other_commands_are_refused(tmp_path: Path, api: Api) -> None:
    sync = Sync(tmp_path, api)
    assert "--format, --workers" in sync.run("--workers", "2", "--format", "csv", code=2)
    done = run("file-cdk", "preview", sync.manifest)
    assert done.returncode == 2
    assert "is the manifest of an API" in done.stdout + done.stderr
    done = run("file-cdk", "ls", sync.manifest, "--config", sync.config, "--sort", "uri")
    assert (done.returncode, "--sort mean nothing" in done.stderr) == (2, True)
    done = run("file-cdk", "sync", tmp_path, "--config", sync.config, "--to", sync.database)
    assert done.returncode == 2
    assert "--config is for the manifest of an API" in done.stderr
    assert not api.asked
