"""`file-cdk preview` on real folders: what it shows, what it reads, and how it ends."""

import gzip
import json
import os
import pty
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import warm
from in_process import Run, command_with


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return command_with(capsys)


def put(name: str, data: str | bytes, at: int = 0) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    os.utime(path, (1_704_110_400 + at, 1_704_110_400 + at))


def test_rows_types_and_the_dialect_with_its_reason(run: Run) -> None:
    put("orders/a.csv", "id;name;price\n1;Äpfel;1,50\n2;Birne;2,25\n".encode("cp1252"), 2)
    put("orders/b.csv", "id;name;price\n3;Quitte;3,75\n".encode("cp1252"), 1)
    put("orders/notes.txt", "-")
    ran = run("preview", "orders")
    assert ran.code == 0
    assert ran.out[:8] == [
        "orders: 2 files, 68 bytes; skipped: 1 unknown extension",
        "file     a.csv, the latest",
        "format   csv, by its name",
        "dialect  delimiter ';', quote \", decimal commas, encoding cp1252: 3 of 3 rows",
        "         have 3 values; the encoding is a guess",
        '         to keep it, configure format: {"filetype": "csv", "delimiter": ";",',
        '         "encoding": "cp1252", "decimal_mark": ","}',
        "shown    all 2 rows, 3 columns",
    ]
    assert [line.split() for line in ran.out[12:]] == [["1", "Äpfel", "1.50"], ["2", "Birne", "2.25"]]
    assert ran.out[9].split() == ["id", "name", "price"]
    assert ran.out[10].startswith("int64  string  decimal128(")
    assert ran.err == []


def test_json_has_the_same_with_all_digits(run: Run) -> None:
    put("a.csv", "id,price\n1,1.50\n2,0.10\n3,7\n")
    ran = run("preview", "a.csv", "--json", "-n", "2")
    assert '"rows": [{"id":1,"price":1.50}, {"id":2,"price":0.10}]}' in ran.out[0]
    document = ran.document
    assert document["file"] == "a.csv"
    assert document["dialect"]["options"] == {"filetype": "csv"}
    assert [column["name"] for column in document["columns"]] == ["id", "price"]
    assert (document["files"], document["rejected"], document["error"]) == (1, 0, None)


def test_wide_tables_are_cut_to_the_screen(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"column_{number}" for number in range(30)]
    put("wide.csv", ",".join(names) + "\n" + ",".join(["a long value, no"[:12].replace(",", "")] * 30) + "\n")
    put("long.jsonl", json.dumps({"text": "x" * 5000, "ja": "日本語" * 40}) + "\n", 1)
    for width in (80, 33):
        monkeypatch.setenv("COLUMNS", str(width))
        wide = run("preview", "wide.csv").out
        assert max(map(len, wide)) <= width
        assert sum(line.count("column_") for line in wide) > 20
        assert any("columns more: " in line for line in wide)
        long = run("preview", "long.jsonl").out
        assert max(len(line) + sum(line.count(char) for char in "日本語") for line in long) <= width


def test_rows_that_need_wider_types_than_the_sample_widen_them(run: Run) -> None:
    # The sample of a file is its first MB or so; the value that does not fit is among the rows that are shown.
    many = "".join(f'{{"a":{number}}}\n' for number in range(300_000))
    put("a.jsonl", many + '{"a":"text"}\n')
    ran = run("preview", "a.jsonl", "--json", "-n", "300001")
    assert ran.document["columns"] == [{"name": "a", "type": "string"}]
    assert ran.document["rows"][-1] == {"a": "text"}
    assert ran.document["rows"][0] == {"a": "0"}


def test_only_the_beginning_of_a_large_file_is_read(run: Run, tmp_path: Path) -> None:
    rows = b"".join(b"%d,name of %d\n" % (number, number) for number in range(100_000))
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.write(b"id,name\n" + rows)
        file.truncate(50 << 30)  # a hole: reading it would take minutes
    ran = run("preview", "large.csv", "-n", "3", "--json")
    assert ran.code == 0
    assert ran.document["rows"] == [{"id": n, "name": f"name of {n}"} for n in range(3)]
    assert ran.document["size_bytes"] == 50 << 30


def test_compressed_files_and_members_of_archives(run: Run) -> None:
    put("a.csv.gz", gzip.compress(b"id\n1\n"))
    assert run("preview", "a.csv.gz", "--json").document["rows"] == [{"id": 1}]
    import zipfile

    with zipfile.ZipFile("x.zip", "w") as archive:
        archive.writestr("in/b.jsonl", '{"b":true}\n')
    assert run("preview", "x.zip", "--json").document["rows"] == [{"b": True}]


def test_nested_values_nulls_and_nothing_at_all(run: Run) -> None:
    table = pa.table({"id": [1, 2], "tags": [["a", "b"], None], "none": pa.array([None, None], pa.string())})
    pq.write_table(table, "a.parquet")
    assert run("preview", "a.parquet", "--json").document["rows"] == [
        {"id": 1, "tags": ["a", "b"], "none": None},
        {"id": 2, "tags": None, "none": None},
    ]
    assert run("preview", "a.parquet").out[-2:] == [
        '    1  ["a", "b"]          null',
        "    2  null                null",
    ]
    put("empty.csv", "")
    assert run("preview", "empty.csv").code == 0
    put("header.csv", "id,name\n")
    assert run("preview", "header.csv").out[-2].split() == ["string", "string"]


def test_rejected_records_are_counted(run: Run) -> None:
    put("a.csv", "id,name\n1,a\n2,b,more\n3,c\n")
    ran = run("preview", "a.csv")
    assert any("2 rows, 2 columns, 1 record rejected: 1 " in line for line in ran.out)


def test_key_folders_and_names_that_act_on_terminals(run: Run) -> None:
    put("t/country=de/a\x1b[2J.csv", "id\n1\n")
    ran = run("preview", "t")
    assert "\x1b" not in "".join(ran.out)
    assert ran.out[-1].split() == ["1", "de"]
    assert any("folders named key=value" in line for line in ran.err)


def test_a_file_that_cannot_be_read_is_named(run: Run) -> None:
    put("bad.parquet", b"PAR1 no parquet")
    ran = run("preview", "bad.parquet")
    assert ran.code == 5
    assert "bad.parquet" in ran.err[-1]
    assert ran.err[-1].startswith("error: ")


@pytest.mark.parametrize(
    ("source", "code", "told"),
    [
        ("nosuch", 3, "no such file or folder: nosuch"),
        ("none", 3, "no file matches '**'"),
        ("odd", 3, "Say what they are with --format"),
        ("a.dat", 2, "a.dat has no known extension. Say what it is with --format"),
    ],
)
def test_what_is_wrong_is_said(run: Run, source: str, code: int, told: str) -> None:
    Path("none").mkdir()
    put("odd/x.dat", "-")
    put("a.dat", "-")
    ran = run("preview", source)
    assert (ran.code, ran.out) == (code, [])
    assert told in ran.err[-1]


def test_a_configuration_is_shown_stream_by_stream(run: Run) -> None:
    put("data/a.csv", "id\n1\n")
    put("data/b.csv", "no\nx\n")
    put("two.yaml", "path: data\nstreams:\n" + "".join(
        f"  - {{name: {name}, globs: [{name}.csv], format: {{filetype: csv}}}}\n" for name in "ab"
    ))  # fmt: skip
    ran = run("preview", "two.yaml", "--json")
    assert [(each["stream"], each["rows"], each["dialect"]) for each in ran.documents] == [
        ("a", [{"id": 1}], None),
        ("b", [{"no": "x"}], None),
    ]
    assert "format   csv, as is said" in run("preview", "two.yaml").out


def test_on_a_terminal_it_is_as_wide_as_that(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\n1," + "x" * 500 + "\n")
    screen, terminal = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    command = ["file-cdk", "preview", "a.csv"]
    with warm.Process(*command, cwd=tmp_path, stdout=terminal, stderr=terminal, env=environment) as process:
        os.close(terminal)
        seen = b""
        try:
            while chunk := os.read(screen, 4096):
                seen += chunk
        except OSError:  # the other end is closed
            pass
        assert process.wait(timeout=60) == 0
    os.close(screen)
    lines = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", seen).decode().splitlines()
    assert max(map(len, lines)) == 60
