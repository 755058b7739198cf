"""Data files of CSV and JSON lines: each value is there, text can be told from NULL, and rows of other files stay as they are."""

import json
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from file_cdk.core.errors import ConfigError, RowsRefusedError
from file_cdk.core.ports import TableName
from file_cdk.destinations.files.destination import FilesDestination
from file_cdk.destinations.files.folder import Folder
from file_cdk.destinations.files.formats import FORMATS
from file_cdk.destinations.files.manifest import latest
from file_cdk.destinations.files.rewriting import rows_by_file
from file_cdk.destinations.files.text import TextWriter
from file_cdk.destinations.registry import destination_for
from file_cdk.pipeline.tables.options import SyncOptions
from file_cdk.pipeline.tables.sync import sync
from file_cdk.testing.landing import load_whole, version

T = TableName("t")
AWKWARD = ['a"b', "", None, "x,y\r\nz", "żółć 🦆", "\\\\n", '",', "\x01\x7f", "null", " a "]
ROWS: list[dict[str, Any]] = [
    {"s": text, "n": number, "m": Decimal(number) / 4} for number, text in enumerate(AWKWARD, -3)
]


def load(path: Path, output_format: str | None, uri: str, *rows: dict[str, Any], number: int = 0) -> None:
    destination = FilesDestination(path, output_format=output_format)
    destination.open()
    try:
        load_whole(destination, destination.table(T), version(uri, number), list(rows))
    finally:
        destination.close()


def data_files(path: Path) -> list[Path]:
    return [Path(path, file.path) for file in latest(Folder(str(path))).tables.get("t", [])]


def text(path: Path) -> str:
    return "".join(each.read_bytes().decode() for each in data_files(path))


@pytest.mark.parametrize("output_format", FORMATS)
def test_our_own_formats_read_the_same_values(tmp_path: Path, output_format: str) -> None:
    rows = [{**row, "d": date(2024, 1, 2), "t": datetime(2024, 1, 2, 3, 4, 5, 6, UTC), "f": 1.0} for row in ROWS]
    load(tmp_path / "lake", output_format, "a", *rows)
    assert all(each.name.endswith(f".{output_format}") for each in data_files(tmp_path / "lake"))
    result = sync(tmp_path / "lake" / "t", tmp_path / "x.duckdb", SyncOptions(stream="t", workers=0))
    assert result.failures == ()
    with duckdb.connect(str(tmp_path / "x.duckdb")) as db:
        found = db.execute("SELECT s, n, CAST(m AS DECIMAL(18, 2)), d, t, f FROM t ORDER BY n").fetchall()
    assert found == [(row["s"], row["n"], row["m"], row["d"], row["t"], row["f"]) for row in rows]


@pytest.mark.parametrize("output_format", ["csv", "jsonl"])
def test_other_readers_find_all_rows(tmp_path: Path, output_format: str) -> None:
    load(tmp_path, output_format, "a", *ROWS)
    read = "read_csv(?)" if output_format == "csv" else "read_json(?)"
    found = duckdb.execute(f"SELECT s, n FROM {read} ORDER BY n", [str(data_files(tmp_path)[0])]).fetchall()
    assert [(text or "", number) for text, number in found] == [(row["s"] or "", row["n"]) for row in ROWS]


@pytest.mark.parametrize("output_format", FORMATS)
def test_what_is_replaced_goes_and_the_rest_stays_as_it_is(tmp_path: Path, output_format: str) -> None:
    urls = ["b", 'a,"b', '"', 'x\n",""', "ż"]
    destination = FilesDestination(tmp_path, output_format=output_format)
    destination.open()
    for uri in urls:
        load_whole(destination, destination.table(T), version(uri), ROWS)
    destination.table(T).flush()
    [before] = data_files(tmp_path)
    load_whole(destination, destination.table(T), version("b", 1), [{"s": "new", "n": 1, "m": Decimal(1)}])
    destination.table(T).remove(["ż"])
    counts = [dict(rows_by_file(Folder(str(tmp_path)), f"t/{each.name}")) for each in data_files(tmp_path)]
    destination.close()
    assert counts == [dict.fromkeys(urls[1:-1], len(ROWS)), {"b": 1}]
    assert before.exists()  # for whoever has begun to read it
    if output_format == "csv":
        whole, left = before.read_bytes(), data_files(tmp_path)[0].read_bytes()
        header = whole[: whole.index(b"\n") + 1]
        assert left.startswith(header)
        assert left[len(header) :] in whole


def test_many_files_are_made_one(tmp_path: Path) -> None:
    for number in range(16):
        load(tmp_path, "csv.gz", f"f{number}", *ROWS)
    [path] = data_files(tmp_path)
    assert sum(count for _, count in rows_by_file(Folder(str(tmp_path)), f"t/{path.name}")) == 16 * len(ROWS)


def test_columns_that_grow(tmp_path: Path) -> None:
    for output_format in ("csv", "jsonl"):
        path = tmp_path / output_format
        load(path, output_format, "a", {"n": 1, "f": True, "i": 7, "big": 2**53 + 1})
        load(path, output_format, "b", {"n": "x", "f": "maybe", "i": 0.5, "big": 0.5, "more": [1, None]})
    assert [line.partition(',"a"')[0] for line in text(tmp_path / "csv").splitlines()[:2]] == [
        '"n","f","i","big","_file_url","_file_modified_at","_file_row"',
        f"1,true,7,{2**53 + 1}",
    ]
    rows = [json.loads(line) for line in text(tmp_path / "jsonl").splitlines()]
    assert [(row["n"], row["f"], row["i"], row["big"], row.get("more")) for row in rows] == [
        ("1", "true", 7, str(2**53 + 1), None),
        ("x", "maybe", 0.5, "0.5", [1, None]),
    ]


def test_bytes_become_no_text(tmp_path: Path) -> None:
    load(tmp_path, "csv", "a", {"b": b"\xff"})
    with pytest.raises(RowsRefusedError, match="base64") as caught:
        load(tmp_path, "csv", "b", {"b": "text"})
    assert (caught.value.uri, caught.value.column) == ("b", "b")
    assert '"/w=="' in text(tmp_path)


def test_a_table_keeps_its_format(tmp_path: Path) -> None:
    load(tmp_path, "jsonl", "a", {"n": 1})
    load(tmp_path, None, "b", {"n": 2})
    assert [each.suffix for each in data_files(tmp_path)] == [".jsonl", ".jsonl"]
    with pytest.raises(ConfigError, match="has files with --output-format jsonl") as caught:
        load(tmp_path, "parquet", "c", {"n": 3})
    assert "--full-refresh" in (caught.value.remedy or "")
    assert len(data_files(tmp_path)) == 2


def test_a_full_refresh_changes_the_format(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.csv").write_text("n\n1\n")
    lake = f"{tmp_path}/lake/"
    sync(source, lake, SyncOptions(stream="t", workers=0, output_format="csv"))
    for output_format in ("jsonl.zst", None, "parquet"):
        sync(source, lake, SyncOptions(stream="t", workers=0, full_refresh=True, output_format=output_format))
        [path] = data_files(tmp_path / "lake")
        assert path.name.endswith(output_format or "jsonl.zst")


@pytest.mark.parametrize("pause_s", [0, 0.05])
def test_a_file_of_the_target_size_is_followed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pause_s: float
) -> None:
    """The same number of files, whether they are written fast or slowly."""
    write = TextWriter.write_table

    def write_slowly(self: TextWriter, table: pa.Table, row_group_size: int | None = None) -> None:
        time.sleep(pause_s)
        write(self, table, row_group_size)

    monkeypatch.setattr(TextWriter, "write_table", write_slowly)
    source = tmp_path / "source"
    source.mkdir()
    random = Random(7)
    (source / "a.csv").write_text("n\n" + "".join(f"{random.randbytes(50).hex()}\n" for _ in range(200_000)))
    options = SyncOptions(stream="t", workers=0, output_format="csv", target_file_bytes=5_000_000)
    sync(source, f"{tmp_path}/lake/", options)
    sizes = [path.stat().st_size for path in data_files(tmp_path / "lake")]
    assert len(sizes) == 3
    assert max(sizes) < 20_000_000
    assert sum(path.read_bytes().count(b"\n") - 1 for path in data_files(tmp_path / "lake")) == 200_000


@pytest.mark.parametrize("to", ["x.duckdb", "x.sqlite", "postgres://h/d"])
def test_what_is_no_folder_has_no_output_format(to: str) -> None:
    with pytest.raises(ConfigError, match="neither a folder"):
        destination_for(to, output_format="csv")


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no files of the format"):
        destination_for(f"{tmp_path}/", output_format="xml")


def test_doubles_and_numbers_as_json_has_them(tmp_path: Path) -> None:
    values = [1.0, -0.5, 1e300, float("nan"), float("inf"), float("-inf"), None]
    load(tmp_path, "jsonl", "a", *({"f": value, "m": Decimal("0.0000001")} for value in values))
    rows = [json.loads(line) for line in text(tmp_path).splitlines()]
    assert [row["f"] for row in rows] == [1.0, -0.5, 1e300, "NaN", "Infinity", "-Infinity", None]
    assert {row["m"] for row in rows} == {"0.0000001"}
