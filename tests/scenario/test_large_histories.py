"""The installed source with more files than its state has room for: five syncs, each from the state file of the last."""

import json
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from commands import configured, local_config, run, write_json

from file_cdk.core.state.forgotten import FORGOTTEN_FIELD

pytestmark = pytest.mark.scenario

SYNCS = 5
FILES = int(os.environ.get("FILE_CDK_TEST_FILES", "3000"))
"""Of all syncs. 30,000, with which the limit is the one that users have, take ten times as long."""
LIMIT = FILES // 3
LATE = FILES // 100
"""Files of each sync that are older than those of the one before."""
NOW = datetime.now(UTC).replace(microsecond=0)
COLUMNS = {"properties": {"version": {"type": ["null", "integer"]}}}


def put(folder: Path, versions: dict[str, int], name: str, at: datetime) -> tuple[str, int]:
    """The next version of a file."""
    versions[name] = versions.get(name, 0) + 1
    path = folder / "s" / name
    path.write_text(f"version\n{versions[name]}\n")
    os.utime(path, (at.timestamp(), at.timestamp()))
    return f"s/{name}", versions[name]


def test_every_version_is_read_once_over_five_syncs(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    config = write_json(tmp_path / "config.json", local_config(tmp_path, s="csv"))
    stream = {"name": "s", "json_schema": COLUMNS, "supported_sync_modes": ["full_refresh", "incremental"]}
    catalog = write_json(tmp_path / "catalog.json", configured({"streams": [stream]}, "incremental"))
    state = write_json(tmp_path / "state.json", [])
    versions: dict[str, int] = {}
    new = FILES // SYNCS - LATE
    for sync in range(SYNCS):
        newest = NOW - timedelta(hours=SYNCS - sync)
        expected = [
            # Four of them at each second, and the late ones from a second to years before.
            *(
                put(tmp_path, versions, f"new-{sync}-{n:05}.csv", newest - timedelta(seconds=n // 4))
                for n in range(new)
            ),
            *(put(tmp_path, versions, f"late-{sync}-{n:05}.csv", newest - timedelta(days=n**2)) for n in range(LATE)),
        ]
        if sync:
            changed = [name for number, name in enumerate(sorted(versions)) if number % 97 == 0 and versions[name] == 1]
            again = {f"s/{name}" for name in changed}
            expected = [entry for entry in expected if entry[0] not in again]
            expected += [put(tmp_path, versions, name, newest + timedelta(minutes=1)) for name in changed]
        for wanted in (Counter(expected), Counter[tuple[str, int]]()):
            done = run(
                *("source-local", "read", "--config", config, "--catalog", catalog, "--state", state),
                FILE_CDK_HISTORY_LIMIT=str(LIMIT),
            )
            assert done.returncode == 0, done.stderr
            messages = [json.loads(line) for line in done.stdout.splitlines()]
            records = [message["record"]["data"] for message in messages if message["type"] == "RECORD"]
            assert Counter((data["_ab_source_file_url"], data["version"]) for data in records) == wanted
            states = [message for message in messages if message["type"] == "STATE"]
            write_json(state, states[-1:])
    left = states[-1]["state"]["stream"]["stream_state"]
    assert len(versions) == FILES
    assert len(left["history"]) == LIMIT
    assert FORGOTTEN_FIELD in left
