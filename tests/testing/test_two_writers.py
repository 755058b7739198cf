"""Several syncs into one destination of each kind: refused in words or one after another, and each row there once."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import warm

from file_cdk.core.ledger import LedgerKeeper
from file_cdk.destinations.registry import destination_for
from file_cdk.testing.servers.postgres import PostgresServer

FILES, ROWS = 6, 50

LOCAL = {
    "duckdb": "x.duckdb",
    "sqlite": "x.sqlite",
    "folder": "lake/",
    "delta": "delta:lake/",
    "iceberg": "iceberg:lake/",
}


@pytest.fixture(params=[*LOCAL, "postgres", "bucket"])
def to(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    if request.param == "bucket":
        return str(request.getfixturevalue("s3_lake"))
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
        assert isinstance(server, PostgresServer)
        return server.url(server.create_database())
    return LOCAL[request.param]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "orders"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number}.csv").write_text("row\n" + "".join(f"{row}\n" for row in range(ROWS)))
    return folder


class Running:
    """A sync in a process of its own. stderr: to be read while it runs. code: once it has ended."""

    def __init__(self, threads: ThreadPoolExecutor, folder: Path, to: str, *options: str) -> None:
        reading, writing = os.pipe()
        self.stderr = open(reading, encoding="utf-8")  # noqa: SIM115 - as long as it runs
        arguments = ["sync", str(folder), "--to", to, "--workers", "0", *options]
        self.code: Future[int] = threads.submit(self._run, writing, arguments)

    @staticmethod
    def _run(writing: int, arguments: list[str]) -> int:
        with open(writing, "wb") as stderr, open(os.devnull, "wb") as nowhere:
            return warm.run("file-cdk", *arguments, stdout=nowhere, stderr=stderr, timeout_s=300)

    def ended(self) -> tuple[str, int]:
        """What it said that was not read, and its exit code."""
        with self.stderr:
            return self.stderr.read(), self.code.result()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as pool:
        yield pool


def test_writers_are_refused_or_take_turns(folder: Path, to: str, threads: ThreadPoolExecutor) -> None:
    first = destination_for(to)
    first.open()
    try:
        refused = Running(threads, folder, to)
        waiting = [Running(threads, folder, to, "--wait", "300") for _ in range(2)]
        said, code = refused.ended()
        assert code == 3, said
        assert "in use by another run" in said
        assert f"process {os.getpid()} " in said
        assert "--wait" in said
        for each in waiting:
            assert "waiting for up to 300 s" in each.stderr.readline()
    finally:
        first.close()
    ends = [each.ended() for each in waiting]
    assert [code for _, code in ends] == [0, 0], ends
    assert sorted(f"({FILES} already loaded)" in said for said, _ in ends) == [False, True], ends
    asked = destination_for(to)
    assert isinstance(asked, LedgerKeeper)
    assert [(each.files, each.rows) for each in asked.streams()] == [(FILES, FILES * ROWS)]
    assert asked.mismatches() == []
