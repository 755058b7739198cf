"""`destination-duckdb write` killed between a source and a platform that goes on from the last state it got."""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest
import warm

pytestmark = pytest.mark.process

PER_RUN, PER_STATE, KILLS = 30_000, 500, int(os.environ.get("FILE_CDK_KILLS", "3"))


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _messages(after: int, last: int) -> bytes:
    """What a source says that goes on after the record of that number."""
    lines = []
    for number in range(after + 1, last + 1):
        record = {"stream": "numbers", "data": {"id": number, "text": "x" * 50}, "emitted_at": number}
        lines.append(_line({"type": "RECORD", "record": record}))
        if number % PER_STATE == 0:
            of = {"stream_descriptor": {"name": "numbers"}, "stream_state": {"at": number}}
            lines.append(_line({"type": "STATE", "state": {"type": "STREAM", "stream": of}}))
    status = {"stream_descriptor": {"name": "numbers"}, "status": "COMPLETE"}
    trace = {"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": status}
    return b"".join([*lines, _line({"type": "TRACE", "trace": trace})])


Killing = Callable[[warm.Process], None]


def _kill(process: warm.Process) -> None:
    process.send_signal(signal.SIGKILL)


def _write(
    folder: Path, after: int, last: int, kill_at: tuple[int, float] | None, kill: Killing = _kill
) -> tuple[int, int, list[Any]]:
    """The number that the last state has, the exit code, and what it said besides states. kill_at: after so many states, and
    seconds."""
    said: list[Any] = []
    command: list[str | Path] = [
        "destination-duckdb",
        "write",
        "--config",
        folder / "config.json",
        "--catalog",
        folder / "catalog.json",
    ]
    with warm.Process(*command, stdin=warm.PIPE, stdout=warm.PIPE, own_group=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, text = process.stdin, _messages(after, last)

        def feed() -> None:
            # Piece by piece, so that there are states to be handed back while records still come.
            try:
                with stdin:
                    for at in range(0, len(text), 1 << 17):
                        stdin.write(text[at : at + (1 << 17)])
            except BrokenPipeError:
                pass

        feeder = threading.Thread(target=feed)
        feeder.start()
        for states, line in enumerate(process.stdout, 1):
            message = json.loads(line)
            if message["type"] != "STATE":
                said.append(message)
                continue
            after = message["state"]["stream"]["stream_state"]["at"]
            if kill_at is not None and states == kill_at[0]:
                time.sleep(kill_at[1])
                kill(process)
        feeder.join()
        return after, process.wait(), said


def _ids(folder: Path) -> list[int]:
    with duckdb.connect(str(folder / "t.duckdb")) as db:
        found = {name for (name,) in db.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()}
        table = next((name for name in sorted(found) if name.endswith("numbers") and name != "numbers"), "numbers")
        if table not in found:
            return []
        return [each for (each,) in db.execute(f'SELECT id FROM "{table}" ORDER BY id').fetchall()]


def _configure(folder: Path, mode: str) -> None:
    (folder / "config.json").write_text(json.dumps({"destination_path": str(folder / "t.duckdb")}))
    stream = {"name": "numbers", "json_schema": {}}
    configured = {"stream": stream, "sync_mode": "incremental", "destination_sync_mode": mode, "primary_key": [["id"]]}
    (folder / "catalog.json").write_text(json.dumps({"streams": [configured]}))


@pytest.mark.parametrize("mode", ["append", "append_dedup"])
def test_no_record_is_lost_and_no_state_comes_too_early(tmp_path: Path, mode: str) -> None:
    _configure(tmp_path, mode)
    chance, after, last, kills = random.Random(mode), 0, 0, 0
    while kills < KILLS:
        last += PER_RUN
        after, code, said = _write(
            tmp_path, after, last, (chance.randrange(1, 60), chance.choice([0, chance.uniform(0, 1)]))
        )
        assert code in (0, -signal.SIGKILL)
        assert not said
        kills += code != 0
        kept = set(_ids(tmp_path))
        assert kept >= set(range(1, after + 1))  # what a state stands for is durable
    last += PER_RUN
    after, code, _ = _write(tmp_path, after, last, None)
    assert (after, code) == (last, 0)
    assert set(_ids(tmp_path)) == set(range(1, last + 1))
    if mode == "append_dedup":
        with duckdb.connect(str(tmp_path / "t.duckdb")) as db:
            [(rows, different)] = db.execute("SELECT count(*), count(DISTINCT id) FROM numbers").fetchall()
        assert rows == different == last


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_one_leaves_what_states_stand_for(tmp_path: Path, how: signal.Signals, code: int) -> None:
    _configure(tmp_path, "append")
    after, found, _ = _write(tmp_path, 0, 5 * PER_RUN, (1, 0), lambda process: process.send_signal_to_group(how))
    assert found == code
    assert 0 < after < 5 * PER_RUN
    assert _ids(tmp_path) == [*range(1, after + 1)]


def test_where_the_process_that_decodes_is_killed_what_states_stand_for_is_kept(tmp_path: Path) -> None:
    def kill(process: warm.Process) -> None:
        [decoding] = psutil.Process(process.pid).children()
        decoding.kill()

    _configure(tmp_path, "append")
    last = 30 * PER_RUN  # more than may wait in columns, so that there is something to decode still
    after, code, said = _write(tmp_path, 0, last, (1, 0), kill)
    assert code == 1
    assert "ended from outside" in said[-1]["trace"]["error"]["message"]
    assert 0 < after < last
    assert _ids(tmp_path) == [*range(1, after + 1)]
