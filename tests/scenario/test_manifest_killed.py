"""`file-cdk sync` of a manifest killed at random moments: it goes on inside of slices, and after the last run each record is in its
table once."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from commands import BIN, query, run, write_json
from paced_api import MANIFEST, PacedApi, serving

pytestmark = pytest.mark.scenario

KILLS = int(os.environ.get("FILE_CDK_KILLS", "10"))
WAIT_S = 120.0
DAYS = 20


@dataclass
class Shop:
    folder: Path
    api: PacedApi

    @property
    def database(self) -> Path:
        return self.folder / "shop.duckdb"

    @property
    def arguments(self) -> list[str | Path]:
        manifest = self.folder / "shop.yaml"
        manifest.write_text(MANIFEST)
        until = max((each["at"] for each in self.api.records("orders")), default="2024-01-01")
        config = write_json(self.folder / "config.json", {"url": self.api.url, "until": until})
        return ["sync", manifest, "--config", config, "--to", self.database]

    def run(self, *options: str, code: int = 0) -> str:
        done = run("file-cdk", *self.arguments, *options)
        assert done.returncode == code, done.stderr
        return done.stderr

    def killed(self, chance: random.Random, *, source: bool) -> int:
        """Of the command or its source, some time after the first request. The exit code."""
        asked = self.api.asked.total()
        command = [str(BIN / "file-cdk"), *map(str, self.arguments)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as process:
            until = time.monotonic() + WAIT_S
            while self.api.asked.total() == asked and process.poll() is None and time.monotonic() < until:
                time.sleep(0.02)
            pause = time.monotonic() + chance.uniform(0, 6)
            while time.monotonic() < pause and process.poll() is None:
                time.sleep(0.02)
            children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            found = [each for each in children if source and "manifest_source" in " ".join(_words(each))]
            for each in found:
                each.kill()
            if not found:
                process.send_signal(signal.SIGKILL)
            process.wait(WAIT_S)
        psutil.wait_procs(children, WAIT_S)
        return process.returncode

    def check(self) -> None:
        for name in ("notes", "customers", "events"):
            expected = [(each["id"], each["round"]) for each in self.api.records(name)]
            assert query(self.database, f"SELECT id, round FROM {name} ORDER BY id, round") == expected, name
        payments = [
            each["id"] for n in range(PacedApi.CUSTOMERS) for each in self.api.records(f"customers/{n}/payments")
        ]
        assert [row for (row,) in query(self.database, "SELECT id FROM payments ORDER BY id")] == payments
        orders = [each["id"] for each in self.api.records("orders")]
        assert [row for (row,) in query(self.database, "SELECT id FROM orders ORDER BY id")] == orders

    def slices(self, stream: str) -> list[tuple[Any, ...]]:
        sql = f"SELECT slice, pages, records, rejected FROM _file_cdk_slices WHERE stream = '{stream}' ORDER BY slice"
        return query(self.database, sql)


def _words(process: psutil.Process) -> list[str]:
    try:
        words: list[str] = process.cmdline()
    except psutil.Error:
        return []
    return words


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with serving(PacedApi(pause_s=0.0)) as api:
        api.days = DAYS
        yield Shop(tmp_path, api)


def test_each_record_is_there_once(shop: Shop) -> None:
    chance, kills, needed, asked = random.Random(7), 0, 0, 0
    while kills < KILLS:
        # A round: what is new, and what is otherwise, until a run comes to its end.
        shop.api.round += 1
        shop.api.days += DAYS
        shop.api.pause_s = 0.15
        shop.api.asked.clear()
        while kills < KILLS:
            code = shop.killed(chance, source=chance.random() < 0.3)
            if code == 0:
                break
            kills += 1
        shop.api.pause_s = 0.0
        shop.run()
        shop.check()
        needed += len(shop.api.asked)
        asked += shop.api.asked.total()
    print(f"{kills} kills, {asked} requests for {needed} pages, {(asked - needed) / kills:.1f} repeated a kill")
