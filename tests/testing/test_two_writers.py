"""Several syncs into one destination of each kind: refused in words or one after another, and each row there once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from file_cdk.core.ledger import LedgerKeeper
from file_cdk.destinations.registry import destination_for
from file_cdk.testing.servers.postgres import PostgresServer

FILES, ROWS = 6, 50

COMMAND = Path(sys.executable).with_name("file-cdk")

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


def started(folder: Path, to: str, *options: str) -> "subprocess.Popen[str]":
    command = [str(COMMAND), "sync", str(folder), "--to", to, "--workers", "0", *options]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_writers_are_refused_or_take_turns(folder: Path, to: str) -> None:
    first = destination_for(to)
    first.open()
    try:
        refused = started(folder, to)
        waiting = [started(folder, to, "--wait", "300") for _ in range(2)]
        _, said = refused.communicate(timeout=60)
        assert refused.returncode == 3, said
        assert "in use by another run" in said
        assert f"process {os.getpid()} " in said
        assert "--wait" in said
        for each in waiting:
            assert each.stderr is not None
            assert "waiting for up to 300 s" in each.stderr.readline()
    finally:
        first.close()
    ends = [(each.communicate(timeout=300)[1], each.returncode) for each in waiting]
    assert [code for _, code in ends] == [0, 0], ends
    assert sorted(f"({FILES} already loaded)" in said for said, _ in ends) == [False, True], ends
    asked = destination_for(to)
    assert isinstance(asked, LedgerKeeper)
    assert [(each.files, each.rows) for each in asked.streams()] == [(FILES, FILES * ROWS)]
    assert asked.mismatches() == []
