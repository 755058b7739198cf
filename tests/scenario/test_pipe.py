"""`file-cdk pipe` as a person runs it, with a source that is a program of its own."""

import json
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
import warm
from lakes import Lake

pytestmark = pytest.mark.scenario

SOURCE = Path(__file__).with_name("counting_source.py")
PASSWORD = "sesame-open-42"


class Pipe:
    def __init__(self, folder: Path, to: str = "t.duckdb", **config: Any) -> None:
        self.folder, self.to = folder, folder / to
        self.config: dict[str, Any] = {"begun": str(folder / "begun"), "password": PASSWORD, **config}

    @property
    def arguments(self) -> list[str]:
        (self.folder / "config.json").write_text(json.dumps(self.config))
        command = f"{sys.executable} {SOURCE}"
        to = f"{self.to}/" if self.to.suffix == "" else str(self.to)
        return ["file-cdk", "pipe", command, "--config", str(self.folder / "config.json"), "--to", to]

    def run(self, *options: str, code: int = 0) -> str:
        """What was said."""
        ran = warm.captured(*self.arguments, *options)
        assert ran.returncode == code, ran.stderr
        assert ran.stdout == ""
        assert PASSWORD not in ran.stderr
        return ran.stderr

    @property
    def begun(self) -> list[dict[str, int]]:
        """What the source went on from, in each run."""
        return [json.loads(line) for line in (self.folder / "begun").read_text().splitlines()]

    def ids(self, stream: str) -> list[int]:
        return [number for (number,) in self.query(f'SELECT id FROM "{stream}" ORDER BY id')]

    def query(self, sql: str) -> Sequence[tuple[Any, ...]]:
        if self.to.suffix == ".sqlite":
            with closing(sqlite3.connect(self.to)) as database:
                return database.execute(sql).fetchall()
        if self.to.suffix == "":
            sql = sql.replace('"numbers"', f"read_parquet('{self.to}/numbers/*.parquet')")
            with duckdb.connect() as connection:
                return connection.execute(sql).fetchall()
        with duckdb.connect(str(self.to), read_only=True) as connection:
            return connection.execute(sql).fetchall()


def upto(last: int) -> list[int]:
    return [*range(1, last + 1)]


@pytest.mark.parametrize("to", ["t.duckdb", "t.sqlite", "lake"])
def test_runs_go_on_from_each_other(tmp_path: Path, to: str) -> None:
    pipe = Pipe(tmp_path, to, streams={"numbers": 250})
    said = pipe.run()
    assert "numbers: 250 records" in said
    assert "source: the password is ***" in said
    assert "warning: counting_source.py: token ***" in said
    pipe.config["streams"]["numbers"] = 730
    pipe.run()
    assert "numbers: 0 records" in pipe.run()
    assert pipe.begun == [{}, {"numbers": 250}, {"numbers": 730}]
    assert pipe.ids("numbers") == upto(730)


@pytest.mark.parametrize("states", ["STREAM", "GLOBAL", "LEGACY"])
def test_each_kind_of_state(tmp_path: Path, states: str) -> None:
    pipe = Pipe(tmp_path, streams={"numbers": 250, "others": 90}, states=states)
    pipe.run()
    pipe.config["streams"] = {"numbers": 310, "others": 101}
    pipe.run()
    assert pipe.begun == [{}, {"numbers": 250, "others": 90}]
    assert (pipe.ids("numbers"), pipe.ids("others")) == (upto(310), upto(101))


@pytest.mark.parametrize("states", ["STREAM", "GLOBAL", "LEGACY"])
def test_of_some_streams_alone_the_others_lose_nothing(tmp_path: Path, states: str) -> None:
    pipe = Pipe(tmp_path, streams={"numbers": 250, "others": 90}, states=states)
    pipe.run()
    pipe.config["streams"] = {"numbers": 310, "others": 101}
    pipe.run("--stream", "numbers")
    assert (pipe.ids("numbers"), pipe.ids("others")) == (upto(310), upto(90))
    pipe.config["streams"] = {"numbers": 320, "others": 110}
    pipe.run()
    assert (pipe.ids("numbers"), pipe.ids("others")) == (upto(320), upto(110))


def test_keys_are_merged_and_whole_streams_replaced(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path, streams={"numbers": 120, "colours": 30}, keyed=["numbers"], whole=["colours"])
    pipe.run()
    pipe.config["streams"] = {"numbers": 200, "colours": 20}
    pipe.run()
    assert pipe.begun == [{}, {"numbers": 120}]
    assert (pipe.ids("numbers"), pipe.ids("colours")) == (upto(200), upto(20))
    [(rules,)] = pipe.query("SELECT count(*) FROM _file_cdk_merges WHERE stream = 'numbers'")
    assert rules == 1


@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_keys_are_merged_in_lakes(tmp_path: Path, kind: str) -> None:
    lake = Lake(kind, tmp_path / "lake")
    pipe = Pipe(tmp_path, streams={"numbers": 120}, keyed=["numbers"], last_state=False)
    for last in (120, 200, 200):
        pipe.config["streams"]["numbers"] = last
        ran = warm.captured(*pipe.arguments[:-1], lake.url)
        assert ran.returncode == 0, ran.stderr
        rows = lake.rows("numbers")
        assert rows is not None
        assert sorted(rows["id"].to_pylist()) == upto(last)
    assert pipe.begun == [{}, {"numbers": 100}, {"numbers": 200}]


@pytest.mark.parametrize("keyed", [[], ["numbers"]])
def test_a_full_refresh_replaces_what_is_there(tmp_path: Path, keyed: list[str]) -> None:
    pipe = Pipe(tmp_path, streams={"numbers": 300}, keyed=keyed)
    pipe.run()
    pipe.config |= {"streams": {"numbers": 150}, "fails_at": 120}
    pipe.run("--full-refresh", code=3)
    assert pipe.ids("numbers") == upto(300)
    del pipe.config["fails_at"]
    pipe.run("--full-refresh")
    assert pipe.ids("numbers") == upto(150)
    pipe.config["streams"] = {"numbers": 180}
    pipe.run()
    assert pipe.begun == [{}, {}, {}, {"numbers": 150}]
    assert pipe.ids("numbers") == upto(180)


def test_a_source_that_fails_keeps_what_its_states_stand_for(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path, streams={"first": 50, "numbers": 500}, fails_at=333)
    said = pipe.run(code=5)
    assert "error: the source's read ended with exit code 1: no more with ***" in said
    assert pipe.ids("numbers") == upto(300)
    del pipe.config["fails_at"]
    pipe.run()
    assert pipe.begun[1] == {"first": 50, "numbers": 300}
    assert (pipe.ids("first"), pipe.ids("numbers")) == (upto(50), upto(500))


def test_a_report_and_logs_for_a_scheduler(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path, streams={"first": 50, "numbers": 500}, fails_at=333)
    report = tmp_path / "report.json"
    options = "--report", str(report), "--log-format", "json"
    said = [json.loads(line) for line in pipe.run(*options, code=5).splitlines()]
    assert {line["level"] for line in said} == {"info", "warning", "error"}
    failed = json.loads(report.read_text())
    assert (failed["exit_code"], failed["rows"], failed["streams"]) == (5, 0, [])
    assert "the source's read ended with exit code 1: no more with ***" in failed["error"]
    assert said[-1]["message"] == failed["error"]
    del pipe.config["fails_at"]
    pipe.run(*options)
    document = json.loads(report.read_text())
    assert (document["exit_code"], document["error"], document["source"]) == (0, None, "counting_source.py")
    assert document["rows"] == sum(stream["rows"] for stream in document["streams"])
    assert {stream["stream"] for stream in document["streams"]} == {"first", "numbers"}
    assert document["lines_passed_over"] == {}
    assert PASSWORD not in report.read_text()


def test_without_a_last_state_rows_are_read_again_and_not_doubled(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path, streams={"numbers": 250}, last_state=False)
    for _ in range(3):
        pipe.run()
        assert pipe.ids("numbers") == upto(250)
    assert pipe.begun == [{}, {"numbers": 200}, {"numbers": 200}]


def test_a_table_that_was_dropped_is_read_anew(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path, streams={"numbers": 250, "others": 90})
    pipe.run()
    with duckdb.connect(str(pipe.to)) as connection:
        connection.execute("DROP TABLE numbers")
    pipe.run()
    assert pipe.begun == [{}, {"others": 90}]
    assert (pipe.ids("numbers"), pipe.ids("others")) == (upto(250), upto(90))


def test_a_source_without_statuses_is_complete_when_it_exits_well(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path, streams={"numbers": 250}, statuses=False)
    pipe.run()
    assert pipe.ids("numbers") == upto(250)
    pipe.config |= {"streams": {"numbers": 500}, "fails_at": 420}
    pipe.run(code=3)
    assert pipe.ids("numbers") == upto(400)


def test_a_token_that_can_be_used_once_is_the_next_runs(tmp_path: Path) -> None:
    used = tmp_path / "tokens"
    used.touch()
    pipe = Pipe(tmp_path, streams={"numbers": 250}, tokens=str(used), refresh_token="token-0")
    arguments = pipe.arguments
    (tmp_path / "config.json").chmod(0o600)
    for commands in (2, 4):
        ran = warm.captured(*arguments)
        assert ran.returncode == 0, ran.stderr
        assert json.loads((tmp_path / "config.json").read_text())["refresh_token"] == f"token-{commands}"
    assert (tmp_path / "config.json").stat().st_mode & 0o777 == 0o600
    assert pipe.begun == [{}, {"numbers": 250}]


def test_mistakes_are_told(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path, streams={"numbers": 250})
    assert "Did you mean 'numbers'?" in pipe.run("--stream", "nubers", code=2)
    assert not pipe.to.exists()
    pipe.run()
    assert "holds the files of" in pipe.run("--name", "another", code=2)
    assert pipe.ids("numbers") == upto(250)


def test_source_local_needs_no_platform(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "a.csv").write_text("id,text\n1,x\n2,y\n")
    stream = {"name": "numbers", "globs": ["*.csv"], "format": {"filetype": "csv"}}
    (tmp_path / "config.json").write_text(json.dumps({"path": str(files), "streams": [stream]}))
    pipe = Pipe(tmp_path)
    command = ["pipe", f"{sys.executable} -m source_local", "--config", str(tmp_path / "config.json")]
    for rows in (2, 2, 3):
        if rows == 3:
            (files / "b.csv").write_text("id,text\n3,z\n")
        ran = warm.captured("file-cdk", *command, "--to", str(pipe.to))
        assert ran.returncode == 0, ran.stderr
        assert len(pipe.query("SELECT * FROM numbers")) == rows
