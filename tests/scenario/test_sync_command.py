"""`file-cdk sync` of the fixtures into DuckDB, from first load to nothing to do."""

import csv
import shutil
from pathlib import Path

import pytest
from commands import FIXTURES, ledger, query, run, sync

pytestmark = pytest.mark.scenario


@pytest.fixture
def flights(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FIXTURES / "flights", tmp_path / "flights"))


def source_rows(folder: Path) -> int:
    """Counted with the standard library alone."""
    total = 0
    for path in folder.glob("*.csv"):
        with path.open(newline="") as file:
            total += sum(1 for _ in csv.reader(file)) - 1
    return total


def test_first_load_second_load_and_a_changed_file(flights: Path, tmp_path: Path) -> None:
    database = tmp_path / "flights.duckdb"
    first = sync(flights, "--to", database)
    assert first.returncode == 0, first.stderr
    assert first.stdout == ""
    assert f"{source_rows(flights):,}" in first.stderr
    assert query(database, "select count(*) from flights") == [(source_rows(flights),)]
    assert ledger(database) == dict.fromkeys(("2013-01-01.csv", "2013-01-02.csv", "2013-01-03.csv"), "loaded")

    second = sync(flights, "--to", database)
    assert second.returncode == 0, second.stderr
    assert "0 files" in second.stderr
    before = query(database, "select _file_url, _file_row, flight from flights where _file_url <> '2013-01-02.csv'")

    changed = flights / "2013-01-02.csv"
    lines = changed.read_text().splitlines(keepends=True)
    changed.write_text("".join(lines[:101]))
    third = sync(flights, "--to", database)
    assert third.returncode == 0, third.stderr
    assert query(database, "select count(*), max(_file_row) from flights where _file_url = '2013-01-02.csv'") == [
        (100, 100)
    ]
    assert (
        query(database, "select _file_url, _file_row, flight from flights where _file_url <> '2013-01-02.csv'")
        == before
    )
    assert query(database, "select count(*) from flights") == [(source_rows(flights),)]


def test_types_are_those_a_person_expects(flights: Path, tmp_path: Path) -> None:
    database = tmp_path / "flights.duckdb"
    assert sync(flights, "--to", database).returncode == 0
    types = dict(query(database, "select column_name, data_type from duckdb_columns() where table_name = 'flights'"))
    assert types["dep_delay"] == "BIGINT"
    assert types["carrier"] == "VARCHAR"
    assert types["time_hour"].startswith("TIMESTAMP")
    assert types["_file_row"] == "BIGINT"
    assert types["_file_modified_at"] == "TIMESTAMP"
    text = tmp_path / "text.duckdb"
    assert sync(flights, "--to", text, "--all-text").returncode == 0
    types = dict(query(text, "select column_name, data_type from duckdb_columns() where table_name = 'flights'"))
    assert {kind for name, kind in types.items() if not name.startswith("_file_")} == {"VARCHAR"}
    missing = "select count(*) from flights where dep_time is null"
    assert query(text, missing) == query(database, missing)
    assert query(text, missing) > [(0,)]


@pytest.mark.parametrize("name", ["flights", "weather", "planes", "observations"])
def test_any_number_of_workers_gives_the_same_table_in_the_same_order(name: str, tmp_path: Path) -> None:
    tables = []
    for workers in ("0", "1", "4"):
        database = tmp_path / f"{workers}.duckdb"
        done = sync(FIXTURES / name, "--to", database, "--workers", workers)
        assert done.returncode == 0, done.stderr
        tables.append(query(database, f"select * from {name}"))
    assert len(tables[0]) > 500
    assert tables[0] == tables[1] == tables[2]


def test_a_value_that_does_not_fit_widens_its_column_and_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "numbers"
    folder.mkdir()
    database = tmp_path / "n.duckdb"
    (folder / "a.csv").write_text("id,size\n1,10\n2,20\n")
    assert sync(folder, "--to", database).returncode == 0
    (folder / "b.csv").write_text("id,size,extra\n3,30,x\n4,large,y\n")
    done = sync(folder, "--to", database)
    assert done.returncode == 0, done.stderr
    assert "size" in done.stderr
    assert query(database, "select id, size, extra from numbers order by id") == [
        (1, "10", None),
        (2, "20", None),
        (3, "30", "x"),
        (4, "large", "y"),
    ]


def test_a_yaml_file_names_several_streams(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(
        f"""
path: {FIXTURES}
streams:
  - name: flights
    globs: ["flights/*.csv"]
    format: {{filetype: csv}}
  - name: weather
    globs: ["weather/*.jsonl"]
    format: {{filetype: jsonl}}
  - name: planes
    globs: ["planes/**"]
    format: {{filetype: parquet}}
"""
    )
    database = tmp_path / "all.duckdb"
    done = sync(tmp_path / "all.yaml", "--to", f"duckdb:///{database}")
    assert done.returncode == 0, done.stderr
    counts = [query(database, f"select count(*) from {table}")[0][0] for table in ("flights", "weather", "planes")]
    assert counts == [source_rows(FIXTURES / "flights"), 576, 3322]


@pytest.mark.parametrize("source", ["{}/2013-01-01.csv", "{}/2013-01-0[12].csv", "file://{}", "{}/**/*-{{02,03}}.csv"])
def test_sources_may_be_files_globs_and_urls(flights: Path, tmp_path: Path, source: str) -> None:
    done = sync(source.format(flights), "--to", tmp_path / "x.duckdb", "--table", "t")
    assert done.returncode == 0, done.stderr
    expected = {"{}/2013-01-01.csv": 1, "file://{}": 3}.get(source, 2)
    assert len(ledger(tmp_path / "x.duckdb")) == expected


def test_help_and_version() -> None:
    for arguments in (["--help"], ["sync", "--help"], ["--version"]):
        done = run("file-cdk", *arguments)
        assert done.returncode == 0
        assert done.stdout
        assert not done.stderr
