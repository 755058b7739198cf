"""destination-postgres against a real server, with a configuration as a platform has it."""

import json
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import pytest
from destination_postgres.destination import connector

from file_cdk.pipeline.receiving.worker import decoded
from file_cdk.pipeline.writing.commands import check, write_records
from file_cdk.pipeline.writing.write import IncompleteError


def _message(kind: str, number: int) -> bytes:
    of = {"stream_descriptor": {"name": "users"}}
    messages: dict[str, dict[str, Any]] = {
        "record": {"type": "RECORD", "record": {"stream": "users", "data": {"id": number}, "emitted_at": number}},
        "state": {"type": "STATE", "state": {"type": "STREAM", "stream": {**of, "stream_state": {"at": number}}}},
        "complete": {
            "type": "TRACE",
            "trace": {"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": {**of, "status": "COMPLETE"}},
        },
    }
    return json.dumps(messages[kind]).encode() + b"\n"


def _config(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    config = {"host": parts.hostname, "port": parts.port, "database": parts.path[1:], "schema": "landed"}
    login = {"username": unquote(parts.username or ""), "password": unquote(parts.password or "")}
    return {**config, **login, "ssl_mode": "disable"}


def _write(config: dict[str, Any], out: Path, generation: int, minimum: int, *kinds: tuple[str, int]) -> None:
    stream = {"name": "users", "json_schema": {}}
    refresh = {"generation_id": generation, "minimum_generation_id": minimum, "sync_id": 1}
    catalog = {"streams": [{"stream": stream, "destination_sync_mode": "append", **refresh}]}
    with out.open("wb") as file:
        lines = BytesIO(b"".join(_message(*each) for each in kinds))
        write_records(connector, config, catalog, partial(decoded, lines), file.fileno(), lenient=False)


def _ids(url: str) -> list[int]:
    with psycopg.connect(url) as db:
        return [each for (each,) in db.execute("SELECT id FROM landed.users ORDER BY id").fetchall()]


def test_rows_of_an_older_generation_stay_until_all_of_the_new_one_has_come(
    postgres_database: str, tmp_path: Path
) -> None:
    config, out = _config(postgres_database), tmp_path / "out"
    done = ("complete", 0)
    _write(config, out, 1, 0, ("record", 1), ("state", 1), ("record", 2), ("state", 2), done)
    assert out.read_bytes() == _message("state", 1) + _message("state", 2)
    assert _ids(postgres_database) == [1, 2]
    with pytest.raises(IncompleteError):
        _write(config, out, 2, 2, ("record", 3), ("state", 3), ("record", 4))
    assert out.read_bytes() == _message("state", 3)
    assert _ids(postgres_database) == [1, 2]
    _write(config, out, 2, 2, ("record", 5), ("state", 5), done)
    assert _ids(postgres_database) == [3, 5]


def test_a_password_that_is_wrong_is_not_shown(postgres_database: str) -> None:
    config = {**_config(postgres_database), "port": 1, "password": "s3cret p@ss/word"}
    [answer] = check(connector, config)
    assert json.loads(answer)["connectionStatus"]["status"] == "FAILED"
    assert b"s3cret" not in answer
