"""Bad input of every kind, beside good files: said clearly, never loaded, never in the way of the others."""

import gzip
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
import warm
from commands import BIN, FIXTURES, ledger, local_config, query, run, sync, write_json

pytestmark = pytest.mark.scenario

GOOD = "id,name\n1,a\n2,b\n"

BAD_CSV = {
    "blank header": (b",,\n1,2,3\n", "no column name", 5),
    "too many fields": (b"id,name\n1,a\n2,b,c\n", "row 2", 4),
    "too few fields": (b"id,name\n1,a\n2\n", "row 2", 4),
    "quote never closed": (b'id,name\n1,a\n2,"b\n', "never closed", 4),
    "invalid utf-8": ("id,name\n1,Zoë Müller\n".encode() + b"2,b\xff\n", "row 2", 4),
    "cut gzip": (gzip.compress(GOOD.encode() * 9, mtime=0)[:-9], "bad.csv", 5),
    "noise": (random.Random(1).randbytes(5000), "bad.csv", 5),
}


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize(("content", "said", "code"), BAD_CSV.values(), ids=BAD_CSV.keys())
def test_bad_csv(tmp_path: Path, content: bytes, said: str, code: int, workers: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text(GOOD)
    (folder / "bad.csv").write_bytes(content)
    (folder / "z.csv").write_text(GOOD)
    done = sync(folder, "--to", tmp_path / "x.duckdb", "--table", "t", "--workers", workers)
    assert done.returncode == code, done.stderr
    assert "bad.csv" in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert query(tmp_path / "x.duckdb", "select _file_url, id from t") == [
        ("a.csv", 1),
        ("a.csv", 2),
        ("z.csv", 1),
        ("z.csv", 2),
    ]
    assert ledger(tmp_path / "x.duckdb") == {"a.csv": "loaded", "bad.csv": "failed", "z.csv": "loaded"}


def test_a_header_alone_is_no_rows_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,name\n")
    done = sync(tmp_path / "a.csv", "--to", tmp_path / "x.duckdb")
    assert done.returncode == 0, done.stderr
    assert query(tmp_path / "x.duckdb", "select rows, status from _file_cdk_files") == [(0, "loaded")]


def test_a_json_line_cut_in_half(tmp_path: Path) -> None:
    lines = [f'{{"id": {number}, "name": "n{number}"}}' for number in range(100)]
    (tmp_path / "good.jsonl").write_text("\n".join(lines))
    lines[50] = lines[50][:9]
    (tmp_path / "bad.jsonl").write_text("\n".join(lines) + "\n")
    done = sync(tmp_path / "*.jsonl", "--to", tmp_path / "x.duckdb", "--table", "t")
    assert done.returncode == 4, done.stderr
    offset = sum(len(line) + 1 for line in lines[:50])
    assert "bad.jsonl" in done.stderr
    assert "row 51" in done.stderr
    assert f"byte {offset}" in done.stderr
    assert query(tmp_path / "x.duckdb", "select count(*) from t") == [(100,)]
    assert ledger(tmp_path / "x.duckdb") == {"bad.jsonl": "failed", "good.jsonl": "loaded"}


def test_parquet_truncated_and_text_named_parquet(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FIXTURES / "planes", tmp_path / "planes"))
    whole = (folder / "planes-1.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(whole[:-100])
    (folder / "text.parquet").write_text(GOOD)
    done = sync(folder, "--to", tmp_path / "x.duckdb")
    assert done.returncode == 5, done.stderr
    assert "cut.parquet" in done.stderr
    assert "text.parquet" in done.stderr
    assert query(tmp_path / "x.duckdb", "select count(*) from planes") == [(3322,)]
    assert ledger(tmp_path / "x.duckdb") == {
        "cut.parquet": "failed",
        "planes-1.parquet": "loaded",
        "planes-2.parquet": "loaded",
        "text.parquet": "failed",
    }


def test_an_unreadable_file(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text(GOOD)
    (folder / "secret.csv").write_text(GOOD)
    (folder / "secret.csv").chmod(0)
    command: list[str | Path] = [BIN / "file-cdk", "sync", folder, "--to", tmp_path / "x.duckdb", "--table", "t"]
    if os.geteuid() == 0:  # root may read anything, unless it gives that up
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 5, done.stderr
    assert "secret.csv" in done.stderr
    assert ledger(tmp_path / "x.duckdb") == {"a.csv": "loaded", "secret.csv": "failed"}


def test_a_config_with_an_unknown_key(tmp_path: Path) -> None:
    config = local_config(FIXTURES, flights="csv")
    config["streams"][0]["gloobs"] = ["*"]
    (tmp_path / "c.yaml").write_text(str(config).replace("'", '"'))
    done = sync(tmp_path / "c.yaml", "--to", tmp_path / "x.duckdb")
    assert done.returncode == 2
    assert "streams[0].gloobs" in done.stderr
    # The protocol's users may have keys of other connectors' making: there it is a warning.
    done = run("source-local", "check", "--config", write_json(tmp_path / "c.json", config))
    assert done.returncode == 0
    assert "streams[0].gloobs" in done.stdout
    assert "SUCCEEDED" in done.stdout


def test_a_destination_that_is_no_duckdb_file(tmp_path: Path) -> None:
    (tmp_path / "x.duckdb").write_text("something of mine\n" * 1000)
    done = sync(FIXTURES / "flights", "--to", tmp_path / "x.duckdb")
    assert done.returncode == 3, done.stderr
    assert "x.duckdb" in done.stderr
    assert (tmp_path / "x.duckdb").read_text().startswith("something of mine")


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    done = sync(tmp_path / "nowhere", "--to", tmp_path / "x.duckdb")
    assert done.returncode == 3
    assert "nowhere" in done.stderr


def test_a_folder_of_several_formats_says_which_tables_it_becomes(tmp_path: Path) -> None:
    done = sync(FIXTURES, "--to", tmp_path / "x.duckdb")
    assert done.returncode == 0
    assert "the files are of several formats" in done.stderr
    tables = {name for (name,) in query(tmp_path / "x.duckdb", "SELECT stream FROM _file_cdk_streams")}
    assert {name.rpartition("_")[2] for name in tables} == {"avro", "csv", "excel", "jsonl", "parquet"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A real file system of 3 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        if os.environ.get("CI") or os.geteuid() == 0:
            pytest.fail(f"cannot mount a small disk to fill: {mounted.stderr}")
        pytest.skip("mounting a small disk needs root")
    return disk


def test_a_disk_that_fills_up(small_disk: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        rows = "".join(f"{number},{row},{(row * 7919 + number) ** 7}\n" for row in range(60_000))
        (folder / f"{number}.csv").write_text("file,row,noise\n" + rows)
    try:
        done = sync(folder, "--to", small_disk / "x.duckdb", "--table", "t")
        assert done.returncode == 3, done.stderr
        assert "x.duckdb" in done.stderr
        assert "Traceback" not in done.stderr
        shutil.copy(small_disk / "x.duckdb", tmp_path / "x.duckdb")
        if (small_disk / "x.duckdb.wal").exists():
            shutil.copy(small_disk / "x.duckdb.wal", tmp_path / "x.duckdb.wal")
    finally:
        subprocess.run(["umount", small_disk], check=True)
    done = sync(folder, "--to", tmp_path / "x.duckdb", "--table", "t")
    assert done.returncode == 0, done.stderr
    assert query(tmp_path / "x.duckdb", "select file, count(*) from t group by 1 order by 1") == [
        (number, 60_000) for number in range(4)
    ]


def test_stdout_that_is_full(tmp_path: Path) -> None:
    config = write_json(tmp_path / "config.json", local_config(FIXTURES, flights="csv"))
    stream = {"name": "flights", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
    entry = {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
    catalog = write_json(tmp_path / "catalog.json", {"streams": [entry]})
    with open("/dev/full", "w") as full:
        command = ["source-local", "read", "--config", str(config), "--catalog", str(catalog)]
        with warm.Process(*command, stdout=full, stderr=warm.PIPE, text=True) as process:
            _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the disk is full" in said
    assert "Traceback" not in said
