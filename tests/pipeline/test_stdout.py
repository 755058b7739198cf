"""`--to -`: rows on stdout."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import warm

from file_cdk import ConfigError, DestinationError, SyncOptions, sync
from file_cdk.core.config import ColumnRules
from file_cdk.destinations.stdout import destination
from file_cdk.pipeline.tables.deletes import MaxDeletes
from file_cdk.pipeline.tables.report import SyncResult

OUT = pytest.CaptureFixture[bytes]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()


def put(name: str, text: str, second: int) -> None:
    Path("in", name).write_text(text)
    os.utime(Path("in", name), (second, second))


def out(**options: Any) -> SyncResult:
    return sync("in", "-", SyncOptions(workers=0, **options))


def rows(captured: bytes) -> list[Any]:
    assert captured.endswith(b"\n")
    return list(map(json.loads, captured.splitlines()))


def test_rows_come_in_the_order_of_files_each_run_anew(capfdbinary: OUT) -> None:
    put("b.csv", "id,amount\n1,1.50\n2,\n", 10)
    put("a.csv", "id,amount,note\n3,2.00,x\n", 20)
    for _ in range(2):
        assert out().exit_code == 0
        assert (
            capfdbinary.readouterr().out
            == b'{"id":1,"amount":1.50}\n{"id":2,"amount":null}\n{"id":3,"amount":2.00,"note":"x"}\n'
        )


def test_lines_of_several_streams_say_whose_they_are(capfdbinary: OUT) -> None:
    put("a.csv", "id\n1\n", 10)
    streams = "".join(f"- {{name: {name}, globs: ['*.csv'], format: {{filetype: csv}}}}\n" for name in ("s", "t"))
    Path("c.yaml").write_text(f"path: in\nstreams:\n{streams}")

    sync("c.yaml", "-", SyncOptions(workers=0))

    assert rows(capfdbinary.readouterr().out) == [{"_stream": "s", "id": 1}, {"_stream": "t", "id": 1}]
    with pytest.raises(ConfigError, match="several streams"):
        sync("c.yaml", "-", SyncOptions(workers=0, output_format="arrow"))


def test_an_arrow_stream_has_one_schema(capfdbinary: OUT) -> None:
    put("a.csv", "id,born\n1,2024-01-02\n", 10)
    put("b.csv", "id,new\n2,x\n", 20)
    out(output_format="arrow")

    with pa.ipc.open_stream(capfdbinary.readouterr().out) as reader:
        table = reader.read_all()
    assert table.schema.names == ["id", "born", "new"]
    assert [(row["id"], str(row["born"]), row["new"]) for row in table.to_pylist()] == [
        (1, "2024-01-02", None),
        (2, "None", "x"),
    ]


def test_a_file_that_needs_another_schema_ends_an_arrow_stream(capfdbinary: OUT) -> None:
    for number in range(12):  # of which the first two are not sampled
        put(f"{number:02}.csv", f"id\n{'x' if number == 1 else number}\n", 10 + number)

    with pytest.raises(DestinationError) as ended:
        out(output_format="arrow")

    assert (ended.value.uri, ended.value.column) == ("01.csv", "id")
    with pa.ipc.open_stream(capfdbinary.readouterr().out) as reader:
        assert [batch.to_pydict() for batch in reader] == [{"id": [0]}]


def test_nothing_of_a_file_goes_out_that_fails(capfdbinary: OUT) -> None:
    put("a.csv", "id,k\n1,2\n2,x\n", 10)
    put("b.csv", "id,k\n3,4\n", 20)

    result = out(columns=ColumnRules(cast={"k": "integer"}))

    assert result.streams[0].files_failed == 1
    assert rows(capfdbinary.readouterr().out) == [{"id": 3, "k": 4}]


def test_what_went_out_of_a_large_file_is_told_when_it_fails(
    capfdbinary: OUT, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(destination, "HELD_BYTES", 1 << 20)
    count = 300_000
    put("a.csv", "id\n" + "".join(f"{n}\n" for n in range(count)) + "x\n", 10)

    result = out(columns=ColumnRules(cast={"id": "integer"}))

    assert result.streams[0].files_failed == 1
    found = [row["id"] for row in rows(capfdbinary.readouterr().out)]
    assert found == list(range(len(found)))
    assert 0 < len(found) <= count
    assert f"failed when {len(found):,} of its rows had been written" in caplog.text


def test_rows_that_went_out_are_not_written_again_for_wider_columns(
    capfdbinary: OUT, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(destination, "HELD_BYTES", 1 << 18)
    count = 300_000
    put("a.csv", "id\n" + "".join(f"{n}\n" for n in range(count)) + "x\n", 10)

    assert out().streams[0].rows == count + 1

    assert [str(row["id"]) for row in rows(capfdbinary.readouterr().out)] == [*map(str, range(count)), "x"]


def test_what_makes_no_sense_is_refused() -> None:
    put("a.csv", "id\n1\n", 10)
    with pytest.raises(ConfigError, match="stdout"):
        sync("in", "x.duckdb", SyncOptions(output_format="json"))
    with pytest.raises(ConfigError, match="full-refresh"):
        out(full_refresh=True)
    from file_cdk.cli.command import main

    assert main(["sync", "in", "--to", "-", "--report", "-"]) == 2


@pytest.mark.parametrize(
    ("options", "given"),
    [
        ({"full_refresh": True}, "--full-refresh"),
        ({"mode": "replace"}, "--mode replace"),
        ({"mode": "merge", "key": ("id",)}, "--mode merge"),
        ({"on_delete": "remove"}, "--on-delete remove"),
        ({"max_deletes": MaxDeletes.parse("5")}, "--max-deletes"),
        ({"retry_rejects": True}, "--retry-rejects"),
        ({"partition_by": "id"}, "--partition-by"),
        ({"target_file_bytes": 1 << 20, "partition_by": "id"}, "--partition-by and --target-file-size"),
    ],
)
def test_what_is_of_tables_is_refused_by_the_name_that_was_given(
    options: dict[str, Any], given: str, capfdbinary: OUT
) -> None:
    put("a.csv", "id\n1\n", 10)
    with pytest.raises(ConfigError) as refused:
        out(**options)
    assert (refused.value.remedy or "").removesuffix(", or load into a database or a folder") == f"Leave out {given}"
    assert capfdbinary.readouterr().out == b""


@pytest.mark.parametrize("mode", ["mode: replace", "mode: merge, key: [id]"])
def test_a_mode_of_the_configuration_is_refused_as_that(mode: str, capfdbinary: OUT) -> None:
    put("a.csv", "id\n1\n", 10)
    Path("c.yaml").write_text(
        f"path: in\nstreams: [{{name: s, globs: ['*.csv'], format: {{filetype: csv}}, {mode}}}]\n"
    )
    with pytest.raises(ConfigError) as refused:
        sync("c.yaml", "-", SyncOptions(workers=0))
    assert "configuration" in (refused.value.remedy or "")
    assert mode.split(",")[0].replace(":", "") in (refused.value.remedy or "")
    assert capfdbinary.readouterr().out == b""


# Processes

COMMAND = ["file-cdk", "sync", "in", "--to", "-"]


def many() -> None:
    text = "".join(f"{n},some text that is long enough to fill a pipe\n" for n in range(300_000))
    for file in range(3):
        put(f"{file}.csv", f"id,text\n{text}", 10 + file)


@pytest.mark.process
def test_a_closed_pipe_ends_quietly() -> None:
    many()
    with warm.Process(*COMMAND, "-q", stdout=warm.PIPE, stderr=warm.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["id"] == 0
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


@pytest.mark.process
def test_an_interruption_leaves_whole_lines() -> None:
    many()
    with warm.Process(*COMMAND, stdout=warm.PIPE, stderr=warm.DEVNULL) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        found = rows(first + process.stdout.read())
        assert process.wait(60) == 130
    assert [row["id"] for row in found] == [n % 300_000 for n in range(len(found))]


@pytest.mark.process
def test_workers_give_the_same_bytes() -> None:
    many()
    one, two = (warm.captured(*COMMAND, "--workers", n) for n in ("0", "2"))
    assert (one.returncode, two.returncode) == (0, 0)
    assert one.stdout == two.stdout
    assert one.stdout.count("\n") == 900_000
