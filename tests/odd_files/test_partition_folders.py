"""`key=value` folders of files that a path names: columns where all files have them, said once, and only then."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from said import Said

from file_cdk import ConfigError, SyncOptions, sync


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def load(source: Path, database: Path, columns: str, **options: Any) -> tuple[list[Any], list[str]]:
    said = Said()
    result = sync(source, database, SyncOptions(workers=0, stream="t", **options), said)
    assert not result.failures
    with duckdb.connect(str(database)) as connection:
        return connection.sql(f"select {columns} from t order by id").fetchall(), said.warnings


def csv_of(n: int) -> str:
    return f"id,name\n{n},a\n"


def test_folders_that_all_files_have_become_columns_and_are_said_once(tmp_path: Path) -> None:
    for n in (1, 2):
        put(tmp_path / f"in/year=202{n}/month=0{n}/part=9.csv", csv_of(n))
    rows, said = load(tmp_path / "in", tmp_path / "x.duckdb", "* exclude (_file_modified_at)")
    assert rows == [(n, "a", f"202{n}", f"0{n}", f"year=202{n}/month=0{n}/part=9.csv", 1) for n in (1, 2)]
    note = "folders named key=value give every file the columns 'month', 'year'; --no-partitions leaves them out"
    assert said == [note]
    put(tmp_path / "in/year=2023/month=03/x.csv", csv_of(3))
    rows, said = load(tmp_path / "in", tmp_path / "x.duckdb", "id, year")
    assert (rows, said) == ([(1, "2021"), (2, "2022"), (3, "2023")], [])


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.jsonl", '{"id": 1, "name": "a"}\n'), ("a.csv", csv_of(1)), ("a.csv", "id;name\n1;a\n2;b\n")],
)
def test_files_of_any_format(tmp_path: Path, name: str, text: str) -> None:
    put(tmp_path / "in/day=2024-01-02" / name, text)
    rows, _ = load(tmp_path / "in", tmp_path / "x.duckdb", "id, day")
    assert rows[0] == (1, "2024-01-02")


def test_one_file_elsewhere_and_there_are_no_such_columns(tmp_path: Path) -> None:
    put(tmp_path / "in/year=2021/zone=a/a.csv", csv_of(1))
    put(tmp_path / "in/year=2022/b.csv", csv_of(2))
    rows, _ = load(tmp_path / "in", tmp_path / "x.duckdb", "* exclude (_file_url, _file_modified_at, _file_row)")
    assert rows == [(1, "a", "2021"), (2, "a", "2022")], "the key that all files have"
    put(tmp_path / "in/c.csv", csv_of(3))
    rows, said = load(tmp_path / "in", tmp_path / "y.duckdb", "* exclude (_file_url, _file_modified_at, _file_row)")
    assert (rows, said) == ([(1, "a"), (2, "a"), (3, "a")], [])


def test_a_column_of_the_files_is_kept(tmp_path: Path) -> None:
    put(tmp_path / "in/Name=folder/kind=k/a.csv", csv_of(1))
    rows, said = load(tmp_path / "in", tmp_path / "x.duckdb", "id, name, kind")
    assert rows == [(1, "a", "k")]
    assert said == ["folders named key=value give every file the column 'kind'; --no-partitions leaves them out"]


def test_a_table_that_was_made_without_gets_them_later(tmp_path: Path) -> None:
    put(tmp_path / "in/year=2021/a.csv", csv_of(1))
    rows, said = load(tmp_path / "in", tmp_path / "x.duckdb", "id", partitions=False)
    assert (rows, said) == ([(1,)], [])
    put(tmp_path / "in/year=2022/b.csv", csv_of(2))
    rows, said = load(tmp_path / "in", tmp_path / "x.duckdb", "id, year")
    assert rows == [(1, None), (2, "2022")]
    assert said == [
        "folders named key=value give every file the column 'year'; --no-partitions leaves them out",
        "column 'year' (string) is new, from newer files",
    ]
    put(tmp_path / "in/c.csv", csv_of(3))
    assert load(tmp_path / "in", tmp_path / "x.duckdb", "id, year") == ([*rows, (3, None)], [])


def test_a_configuration_says_itself_whether_paths_give_columns(tmp_path: Path) -> None:
    put(tmp_path / "in/year=2021/a.csv", csv_of(1))
    streams = [{"name": "t", "globs": ["**"], "format": {"filetype": "csv"}}]
    put(tmp_path / "c.yaml", json.dumps({"path": str(tmp_path / "in"), "streams": streams}))
    sync(tmp_path / "c.yaml", tmp_path / "x.duckdb", SyncOptions(workers=0))
    with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
        assert "year" not in connection.sql("select * from t").columns
    with pytest.raises(ConfigError, match="path_partitions"):
        sync(tmp_path / "c.yaml", tmp_path / "x.duckdb", SyncOptions(workers=0, partitions=False))


def test_a_file_elsewhere_takes_the_values_of_no_other_away(tmp_path: Path) -> None:
    put(tmp_path / "in/year=2021/a.csv", csv_of(1))
    put(tmp_path / "in/year=2022/b.csv", csv_of(2))
    assert load(tmp_path / "in", tmp_path / "x.duckdb", "id, year")[0] == [(1, "2021"), (2, "2022")]
    put(tmp_path / "in/c.csv", csv_of(3))
    put(tmp_path / "in/year=2021/a.csv", "id,name\n1,another\n")
    assert load(tmp_path / "in", tmp_path / "x.duckdb", "id, year")[0] == [(1, "2021"), (2, "2022"), (3, None)]


def test_all_files_are_those_that_are_loaded_as_well(tmp_path: Path) -> None:
    """Which files come first makes no difference."""
    put(tmp_path / "in/c.csv", csv_of(3))
    load(tmp_path / "in", tmp_path / "x.duckdb", "id")
    put(tmp_path / "in/year=2021/a.csv", csv_of(1))
    rows, said = load(tmp_path / "in", tmp_path / "x.duckdb", "* exclude (_file_url, _file_modified_at, _file_row)")
    assert (rows, said) == ([(1, "a"), (3, "a")], [])


def test_a_column_that_the_table_has_keeps_its_type_where_it_holds_what_folders_say(tmp_path: Path) -> None:
    put(tmp_path / "in/year=2021/a.csv", "id,name,year\n1,a,2021\n")
    load(tmp_path / "in", tmp_path / "x.duckdb", "id")
    put(tmp_path / "in/year=2022/b.csv", csv_of(2))
    assert load(tmp_path / "in", tmp_path / "x.duckdb", "id, year") == ([(1, 2021), (2, 2022)], [])
    put(tmp_path / "in/year=late/b.csv", csv_of(3))
    rows, said = load(tmp_path / "in", tmp_path / "x.duckdb", "id, year")
    assert rows == [(1, "2021"), (2, "2022"), (3, "late")]
    assert "column 'year' was int64 and is now string" in said[0]
