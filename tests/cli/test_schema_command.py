"""`file-cdk schema`: the same columns and types as a sync makes, in every form."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import warm
from in_process import Run, command_with

KINDS = {
    "i": pa.array([1, None]),
    "u": pa.array([2**64 - 1, 0], pa.uint64()),
    "f": pa.array([1.5, float("nan")]),
    "money": pa.array([Decimal("1.50"), None]),
    "at": pa.array([datetime(2024, 1, 1), None], pa.timestamp("us")),  # noqa: DTZ001 - the column has no zone
    "at_utc": pa.array([datetime(2024, 1, 1, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
    "day": pa.array([date(2024, 1, 1), None]),
    "hour": pa.array([time(1, 2, 3), None]),
    "bytes": pa.array([b"\xff\x00", None]),
    "flag": pa.array([True, None]),
    "inside": pa.array([{"a": 1, "d": Decimal("2.5")}, None]),
    "list": pa.array([[1, 2], None]),
    "none": pa.array([None, None], pa.null()),
    "I": pa.array(["told apart by case alone", None]),
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    Path("kinds").mkdir()
    pq.write_table(pa.table(KINDS), "kinds/a.parquet")
    return command_with(capsys)


def test_sql_is_what_a_sync_into_duckdb_makes(run: Run) -> None:
    ran = run("schema", "kinds", "--as", "sql")
    assert (ran.code, ran.err) == (0, ["kinds: 14 columns, found in 1 file"])
    assert run("sync", "kinds", "--to", "x.duckdb", "--quiet").code == 0
    with duckdb.connect("x.duckdb") as made, duckdb.connect() as told:
        told.execute("\n".join(ran.out))
        assert told.execute("DESCRIBE kinds").fetchall() == made.execute("DESCRIBE kinds").fetchall()


def test_sql_is_what_a_sync_into_sqlite_makes(run: Run) -> None:
    ran = run("schema", "kinds", "--as", "sql", "--for", "sqlite")
    assert run("sync", "kinds", "--to", "x.sqlite", "--quiet").code == 0
    asked = "SELECT name, type FROM pragma_table_info('kinds') ORDER BY cid"
    with closing(sqlite3.connect("x.sqlite")) as made, closing(sqlite3.connect(":memory:")) as told:
        told.execute("\n".join(ran.out))
        assert told.execute(asked).fetchall() == made.execute(asked).fetchall()


def test_columns_of_files_that_differ_are_those_of_a_sync(run: Run) -> None:
    Path("logs").mkdir()
    for number in range(12):
        value = "text" if number == 3 else number
        Path(f"logs/{number:02}.jsonl").write_text(json.dumps({"id": number, "v": value, f"c{number}": 1.5}) + "\n")
    ran = run("schema", "logs", "--as", "sql")
    assert run("sync", "logs", "--to", "logs.duckdb", "--quiet").code == 0
    with duckdb.connect("logs.duckdb") as made, duckdb.connect() as told:
        told.execute("\n".join(ran.out))
        types = {name: kind for name, kind, *_ in made.execute("DESCRIBE logs").fetchall()}
        for name, kind, *_ in told.execute("DESCRIBE logs").fetchall():
            assert types[name] == kind


def test_rows_conform_to_their_json_schema(run: Run) -> None:
    schema = run("schema", "kinds", "--as", "json-schema").document
    rows = [json.loads(line) for line in on_stdout("json").splitlines()]
    assert schema["title"] == "kinds"
    assert set(rows[0]) == set(schema["properties"])
    for row in rows:
        for name, value in row.items():
            check(value, schema["properties"][name], name)
    assert schema["properties"]["at_utc"]["format"] == "date-time"
    assert schema["properties"]["inside"]["properties"]["d"]["type"] == ["null", "string"]


def check(value: Any, schema: dict[str, Any], name: str) -> None:
    kinds: dict[str, Any] = {
        "null": type(None), "boolean": bool, "integer": int, "number": (int, float), "string": str,
        "object": dict, "array": list,
    }  # fmt: skip
    assert isinstance(
        value, tuple(kinds[kind] if isinstance(kinds[kind], type) else float for kind in schema["type"])
    ), name
    assert not (isinstance(value, bool) and "boolean" not in schema["type"]), name
    if isinstance(value, dict):
        for key, each in value.items():
            check(each, schema["properties"][key], f"{name}.{key}")
    if isinstance(value, list):
        for each in value:
            check(each, schema["items"], f"{name}[]")
    if schema.get("format") == "date-time" and isinstance(value, str):
        assert datetime.fromisoformat(value).tzinfo is not None


def test_arrow_is_that_of_the_arrow_stream(run: Run) -> None:
    told = run("schema", "kinds", "--as", "arrow", "-q").out
    stream = pa.ipc.open_stream(on_stdout("arrow"))
    assert told == [f"{field.name}: {field.type}" for field in stream.schema]


def on_stdout(output_format: str) -> bytes:
    """What a sync writes to stdout, where pytest does not see it."""
    command = ["file-cdk", "sync", "kinds", "--to", "-", "-q", "--output-format", output_format]
    with warm.Process(*command, stdout=warm.PIPE) as process:
        written: bytes = process.communicate()[0]
    assert process.returncode == 0
    return written


def test_the_table_has_names_types_and_those_of_the_database(run: Run) -> None:
    Path("a.csv").write_text("id,Id,price\n1,x,1.5\n")
    ran = run("schema", "a.csv", "--for", "postgres")
    assert [line.split() for line in ran.out] == [
        ["column", "type", "postgres"],
        ["-----------------", "-----------------", "--------------"],
        ["id", "int64", "BIGINT"],
        ["Id_2", "string", "TEXT"],
        ["price", *ran.out[4].split()[1:]],
        ["_file_url", "TEXT"],
        ["_file_modified_at", "TIMESTAMP"],
        ["_file_row", "BIGINT"],
    ]
    assert ran.out[4].split()[1].startswith("decimal128(")
    columns = run("schema", "a.csv", "--json").document["columns"]
    assert columns[1] == {"name": "Id_2", "source": "Id", "type": "string", "declared": "VARCHAR"}
    assert columns[-1] == {"name": "_file_row", "source": None, "type": None, "declared": "BIGINT"}
    texts = run("schema", "a.csv", "--all-text", "--json").document["columns"]
    assert [column["declared"] for column in texts[:3]] == ["VARCHAR"] * 3


def test_rules_and_stated_types_of_a_configuration_count(run: Run) -> None:
    Path("a.csv").write_text("id,name,price\n1,x,1.5\n")
    Path("a.yaml").write_text(
        "path: .\nstreams:\n  - name: a\n    globs: [a.csv]\n    format: {filetype: csv}\n"
        "    columns: {drop: [name], rename: {price: cost}}\n    input_schema: {id: string}\n"
    )
    columns = run("schema", "a.yaml", "--json").document["columns"][:-3]
    assert [(column["name"], column["declared"].partition("(")[0]) for column in columns] == [
        ("id", "VARCHAR"),
        ("cost", "DECIMAL"),
    ]


def test_what_cannot_be_read_or_asked_for(run: Run) -> None:
    Path("bad.parquet").write_bytes(b"PAR1 no parquet")
    ran = run("schema", "bad.parquet")
    assert (ran.code, ran.out) == (5, [])
    assert "bad.parquet" in ran.err[0]
    ran = run("schema", "kinds", "--as", "sql", "--json")
    assert (ran.code, ran.out) == (2, [])
    assert "Leave one of them out" in ran.err[0]
