"""JSON files that no line of is one object: loaded by the command, and emitted by a connector."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from source_local.source import connector

from file_cdk import MaxRejects, SyncOptions, sync
from file_cdk.pipeline.discovery import discover
from file_cdk.pipeline.read import read_streams

ONE, TWO, THREE = {"id": 1, "v": "a"}, {"id": 2, "v": "b}{"}, {"id": 3, "v": "c"}
ALL = [ONE, TWO, THREE]
TEXTS = [json.dumps(value) for value in ALL]

WHOLE = {
    "firehose": "".join(TEXTS),
    "blanks": "  ".join(TEXTS) + " ",
    "commas": ",".join(TEXTS),
    "commas at line ends": ",\n".join(TEXTS) + ",\n",
    "cr": "\r".join(TEXTS) + "\r",
    "cr and blank lines": "\r\r" + "\r\r".join(TEXTS),
    "separators": "".join(f"\x1e{text}\n" for text in TEXTS),
    "documents": "".join(json.dumps(value, indent=2) for value in ALL),
    "documents and commas": ",\n".join(json.dumps(value, indent=2) for value in ALL),
    "marks": "".join(f"\ufeff{text}\n" for text in TEXTS),
    "array with a comma too much": f"[{', '.join(TEXTS)},]",
    "zero bytes behind": "\n".join(TEXTS) + "\n" + "\0" * 4096,
    "zero bytes before": "\0" * 4096 + "\n".join(TEXTS),
}
ENCODED = {
    **{name: text.encode() for name, text in WHOLE.items()},
    "utf-16": "\r\n".join(TEXTS).encode("utf-16"),
    "utf-16 array": json.dumps(ALL, indent=1).encode("utf-16-le"),
    "utf-32": "\n".join(TEXTS).encode("utf-32"),
}
BROKEN = {
    "cut line": ("\n".join(TEXTS[:2]) + "\n" + TEXTS[2][:-4], 3),
    "cut firehose": ("".join(TEXTS)[:-4], 3),
    "cut cr": ("\r".join(TEXTS)[:-4], 3),
    "cut array": (json.dumps(ALL)[:-5], 3),
    "cut pretty array": (json.dumps(ALL, indent=2)[:-8], 3),
    "cut in zero bytes": ("\n".join(TEXTS)[:-4] + "\0" * 4096, 3),
    "cut array in zero bytes": (json.dumps(ALL)[:-5] + "\0" * 4096, 3),
    "cut document": ("".join(json.dumps(value, indent=2) for value in ALL)[:-5], 3),
    "number on one line": ("".join([TEXTS[0], TEXTS[1], '{"id":NaN}']), 3),
    "comment": ("\n".join([TEXTS[0], TEXTS[1], "// the end"]), 3),
    "leading zero": ("".join([TEXTS[0], TEXTS[1], '{"id":01}']), 3),
    "too deep": ("".join([TEXTS[0], TEXTS[1], '{"id":' + "[" * 5000 + "]" * 5000 + "}"]), 3),
    "one of them": ("".join([TEXTS[0], '{"id":tru}', TEXTS[1]]), 2),
}


def put(folder: Path, data: bytes) -> Path:
    (folder / "files").mkdir()
    (folder / "files" / "a.json").write_bytes(data)
    return folder / "files" / "a.json"


def loaded(source: Path, max_rejects: int = 0) -> list[tuple[Any, ...]]:
    database = source.parents[1] / "x.duckdb"
    options = SyncOptions(workers=0, stream="t", max_rejects=MaxRejects(records=max_rejects))
    (stream,) = sync(source, database, options).streams
    assert stream.files_failed == 0
    return query(source, "select * exclude (_file_url, _file_modified_at, _file_row) from t order by _file_row")


def query(source: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(source.parents[1] / "x.duckdb")) as connection:
        return connection.execute(sql).fetchall()


def emitted(source: Path) -> tuple[list[Any], list[str]]:
    """Records, and warnings."""
    config = {
        "path": str(source.parent),
        "streams": [{"name": "t", "globs": ["*"], "format": {"filetype": "jsonl"}}],
    }
    (catalog,) = [found["catalog"] for found in map(json.loads, discover(connector, config)) if "catalog" in found]
    chosen = {"stream": catalog["streams"][0], "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
    with (source.parents[1] / "out").open("w+b") as out:
        assert read_streams(connector, config, {"streams": [chosen]}, None, out.fileno(), 0) == 0
        out.seek(0)
        sent = [json.loads(line) for line in out]
    data = [message["record"]["data"] for message in sent if message["type"] == "RECORD"]
    records = [{name: value for name, value in each.items() if not name.startswith("_ab_")} for each in data]
    return records, [m["log"]["message"] for m in sent if m["type"] == "LOG" and m["log"]["level"] == "WARN"]


@pytest.mark.parametrize("name", ENCODED)
def test_every_object_is_a_row(name: str, tmp_path: Path) -> None:
    assert loaded(put(tmp_path, ENCODED[name])) == [tuple(value.values()) for value in ALL]


@pytest.mark.parametrize("name", ENCODED)
def test_every_object_is_a_record(name: str, tmp_path: Path) -> None:
    assert emitted(put(tmp_path, ENCODED[name]))[0] == ALL


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_one_reject(name: str, tmp_path: Path) -> None:
    text, row = BROKEN[name]
    source = put(tmp_path, text.encode())
    assert loaded(source, max_rejects=1) == [tuple(value.values()) for value in ALL[:2]]
    assert query(source, "select row from _file_cdk_rejects") == [(row,)]


@pytest.mark.parametrize("name", BROKEN)
def test_a_connector_names_what_is_broken(name: str, tmp_path: Path) -> None:
    text, row = BROKEN[name]
    records, warnings = emitted(put(tmp_path, text.encode()))
    assert records == ALL[:2]
    assert any(f"row {row} at byte" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("1\n2\n3\n", [(1,), (2,), (3,)]),
        ("[1, 2, 3]", [(1,), (2,), (3,)]),
        ('"a"\r"b"\r', [("a",), ("b",)]),
        ("[1,2]\n[3]\n", [([1, 2],), ([3],)]),
        ('[\n "a",\n "b"\n]\n', [("a",), ("b",)]),
        ("null\ntrue\n", [(None,), (True,)]),
    ],
)
def test_plain_values_are_rows_of_the_column_value(text: str, rows: list[tuple[Any, ...]], tmp_path: Path) -> None:
    source = put(tmp_path, text.encode())
    assert loaded(source) == rows
    assert query(source, "select column_name from duckdb_columns() where table_name = 't' limit 1") == [("value",)]


def test_a_connector_rejects_plain_values_with_a_reason(tmp_path: Path) -> None:
    records, warnings = emitted(put(tmp_path, b'{"id":1}\n2\n"x"\r{"id":3}\n'))
    assert records == [{"id": 1}, {"id": 3}]
    assert any("line is JSON, but not an object (2: row 2 at byte 9, row 3 at byte 11)" in text for text in warnings)


def test_what_is_passed_over_or_given_up_is_said(tmp_path: Path) -> None:
    source = put(tmp_path, b'{"id":1,"id":2}\n\0\0{"id":3}')
    told: list[str] = []

    class Listening:
        def warned(self, message: str) -> None:
            told.append(message)

        def __getattr__(self, name: str) -> Any:
            return lambda *_: None

    sync(source, tmp_path / "x.duckdb", SyncOptions(workers=0, stream="t"), Listening())
    assert query(source, "select id from t order by id") == [(2,), (3,)]
    assert any("an object has a key twice: the last value counts" in text for text in told)
    assert any("zero bytes between records" in text for text in told)
