"""`file-cdk init`: what it writes syncs as it is, into the tables that it says."""

import gzip
import json
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from in_process import Run, command_with


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return command_with(capsys)


def put(name: str, data: str | bytes) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def drafted(run: Run, source: str, *more: str) -> list[dict[str, Any]]:
    streams: list[dict[str, Any]] = [
        each["settings"] for each in run("init", source, "--json", *more).document["streams"]
    ]
    return streams


def globs(run: Run, source: str) -> dict[str, list[str]]:
    return {stream["name"]: stream["globs"] for stream in drafted(run, source)}


def test_what_it_writes_syncs_as_it_is(run: Run) -> None:
    put("shop/orders/2024-01.csv", "id;name;price\n1;a;1,5\n")
    put("shop/orders/2024-02.csv.gz", gzip.compress(b"id;name;price\n2;b;2,5\n"))
    put("shop/cities/eu/list.csv", "id,city\n1,Ulm\n")
    put("shop/cities/us/list.csv", "id,city\n2,NY\n")
    put("shop/events/day=2024-01-01/1.jsonl", '{"a":1}\n')
    put("shop/events/day=2024-01-02/1.jsonl", '{"a":2,"b":"x"}\n')
    put("shop/map.tsv", "k\tv\n1\t2\n")
    put("shop/notes.txt", "-")
    with zipfile.ZipFile("shop/old.zip", "w") as archive:
        archive.writestr("users-2022.csv", "user,mail\n1,a@b\n")
        archive.writestr("users-2023.csv", "user,mail\n2,c@d\n")
    ran = run("init", "shop")
    assert (ran.code, ran.out) == (0, [])
    assert ran.err == [
        "cities: 2 files, csv, cities/**/*.csv",
        "events: 2 files, jsonl, events/day=*/*.jsonl",
        "note: events: folders give the column day",
        "map: 1 file, csv, map.tsv",
        "users: 2 files, csv, old.zip!*.csv",
        "orders: 2 files, csv, orders/*.csv, orders/*.csv.gz",
        "left out: 1 unknown extension",
        "shop.yaml is written: file-cdk sync shop.yaml --to shop.duckdb",
    ]
    text = Path("shop.yaml").read_text()
    assert "# CSV with delimiter ';', quote \", decimal commas" in text
    assert "# Left out: 1 file, unknown extension: notes.txt" in text
    assert yaml.safe_load(text)["path"] == "shop"
    assert run("sync", "shop.yaml", "--to", "shop.duckdb", "-q").code == 0
    with duckdb.connect("shop.duckdb") as made:
        assert made.execute("SELECT id, name, price::DOUBLE FROM orders ORDER BY id").fetchall() == [
            (1, "a", 1.5),
            (2, "b", 2.5),
        ]
        assert made.execute("SELECT id, city FROM cities ORDER BY id").fetchall() == [(1, "Ulm"), (2, "NY")]
        assert made.execute('SELECT a, b, "day" FROM events ORDER BY a').fetchall() == [
            (1, None, "2024-01-01"),
            (2, "x", "2024-01-02"),
        ]
        assert made.execute('SELECT "user" FROM users ORDER BY 1').fetchall() == [(1,), (2,)]
        assert made.execute("SELECT k, v FROM map").fetchall() == [(1, 2)]
    again = run("sync", "shop.yaml", "--to", "shop.duckdb")
    assert again.err[-1].startswith("done: 0 rows")


def test_tables_in_one_folder_are_told_by_names_and_columns(run: Run) -> None:
    for month in (1, 2):
        put(f"in/orders_2024-0{month}.csv", "id,total\n1,2\n")
        put(f"in/users_2024-0{month}.csv", "id,name,mail\n1,a,b\n")
    put("in/orders_eu_2024-01.csv", "id,total\n3,4\n")
    assert globs(run, "in") == {"orders": ["orders_*.csv"], "users": ["users_*.csv"]}


def test_files_of_other_dialects_are_streams_of_their_own(run: Run) -> None:
    put("in/x/a.csv", "id,total\n1,2\n")
    put("in/x/b.csv", "id;total\n3;4\n")
    streams = drafted(run, "in/x")
    assert [(stream["globs"], stream["format"]) for stream in streams] == [
        (["a.csv"], {"filetype": "csv"}),
        (["b.csv"], {"filetype": "csv", "delimiter": ";"}),
    ]


def test_formats_without_columns_in_common_are_kept_apart(run: Run) -> None:
    put("in/a.csv", "1,2\n3,4\n")
    put("in/a.jsonl", '{"x":1}\n')
    put("in/b.jsonl", '{"y":1}\n')
    assert sorted(map(tuple, globs(run, "in").values())) == [("a.csv",), ("a.jsonl",), ("b.jsonl",)]


def test_odd_names_mean_themselves(run: Run) -> None:
    names = ["a [x]{y}*.csv", "ä\n\u2028🦆.csv", "!no.csv", "${HOME}.csv", 'quote".csv', "- dash: #.csv"]
    for number, name in enumerate(names):
        put(f"odd/{name}", f"col{number},other{number}\n1,2\n")
    assert run("init", "odd", "-q").code == 0
    assert run("sync", "odd.yaml", "--to", "odd.duckdb", "-q").code == 0
    with duckdb.connect("odd.duckdb") as made:
        loaded = {url for (url,) in made.execute("SELECT url FROM _file_cdk_files").fetchall()}
        assert len(made.execute("SELECT stream FROM _file_cdk_streams").fetchall()) == len(names)
    assert loaded == set(names)


def test_a_bucket_of_many_groups_and_files_is_told_in_bounded_work(run: Run) -> None:
    for number in range(150):
        put(f"many/table{'abcdefghijklmnopqrstuvwxyz'[number % 26]}{'xyzuvw'[number // 26]}/f.jsonl", '{"a":1}\n')
    streams = drafted(run, "many")
    assert len(streams) <= 100


def test_nothing_is_overwritten_unless_that_is_said(run: Run) -> None:
    put("in/a.csv", "id\n1\n")
    put("in.yaml", "mine")
    ran = run("init", "in")
    assert ran.code == 2
    assert ran.err == ["error: in.yaml is there already. Name another file with --output, or give --force"]
    assert Path("in.yaml").read_text() == "mine"
    assert run("init", "in", "--output", "other.yaml", "-q").code == 0
    assert run("init", "in", "--force", "-q").code == 0
    assert Path("in.yaml").read_text() == Path("other.yaml").read_text().replace("other.yaml", "in.yaml")
    assert sorted(path.name for path in Path().iterdir()) == ["in", "in.yaml", "other.yaml"]
    assert stat.S_IMODE(Path("in.yaml").stat().st_mode) & 0o111 == 0


def test_stdout_takes_it_too(run: Run) -> None:
    put("in/a.csv", "id\n1\n")
    ran = run("init", "in", "-o", "-", "-q")
    assert yaml.safe_load("\n".join(ran.out))["streams"] == [
        {"name": "in", "globs": ["a.csv"], "format": {"filetype": "csv"}}
    ]
    assert not Path("in.yaml").exists()


@pytest.mark.parametrize(
    ("source", "code", "told"),
    [
        ("nosuch", 3, "no such file or folder: nosuch"),
        ("empty", 3, "no file matches"),
        ("odd", 3, "Say what they are with --format"),
        ("x.yaml", 2, "SOURCE is a configuration already"),
        ("x.yaml", 2, "Name the bucket or folder"),
    ],
)
def test_what_is_wrong_is_said(run: Run, source: str, code: int, told: str) -> None:
    Path("empty").mkdir()
    put("odd/x.dat", "-")
    put("x.yaml", "path: .\nstreams: [{name: a, format: {filetype: csv}}]\n")
    ran = run("init", source)
    assert (ran.code, ran.out) == (code, [])
    assert told in ran.err[-1]


def test_files_of_a_format_that_is_said(run: Run) -> None:
    put("odd/x.dat", "a;b\n1;2\n")
    streams = drafted(run, "odd", "--format", "csv")
    assert streams == [{"name": "odd", "globs": ["x.dat"], "format": {"filetype": "csv", "delimiter": ";"}}]


def test_a_file_that_cannot_be_read_is_noted_and_an_archive_left_out(run: Run) -> None:
    put("in/bad.parquet", b"PAR1 no parquet")
    put("in/bad.zip", b"no archive")
    put("in/a.csv", "id\n1\n")
    ran = run("init", "in", "--json")
    document = ran.document
    [bad] = [each for each in document["streams"] if each["settings"]["format"]["filetype"] == "parquet"]
    assert "cannot be read" in bad["notes"][0]
    assert "bad.parquet" in bad["notes"][0]
    assert list(document["left_out"].values()) == [1]


def test_passwords_of_the_url_become_references(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from file_cdk.core.config import parse_config
    from file_cdk.pipeline.drafting.plain import Referring, plain
    from file_cdk.pipeline.sources import connector_for

    connector = connector_for("sftp")
    raw = {
        **connector.location("sftp://me:s3cret@host/data/").config,
        "streams": [{"name": "a", "format": {"filetype": "csv"}}],
    }
    referring = Referring("sftp")
    settings = plain(parse_config(connector.config_class, raw), referring)
    assert "s3cret" not in json.dumps(settings)
    assert settings["credentials"] == {"auth_type": "password", "password": "${SFTP_PASSWORD}"}
    assert referring.variables == {"SFTP_PASSWORD": "credentials.password"}


def test_help_is_there_without_what_it_needs() -> None:
    program = (
        "import sys\nfrom file_cdk.cli import main\n"
        "for name in ('preview', 'schema', 'init', 'new', 'convert', 'completion'):\n"
        "    try: main([name, '--help'])\n    except SystemExit: pass\n"
        "print([m for m in ('pyarrow', 'duckdb', 'rich', 'yaml', 'multiprocessing', 'asyncio') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "[]"
    assert shown.count("examples:") == 6
    assert shown.count("exit codes:") == 6
    assert max(map(len, shown.splitlines())) <= 130
