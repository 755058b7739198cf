"""CSV files as strangers make them, through `sync` and into a table: loaded, or refused by the true reason."""

from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import duckdb
import pytest
from said import Said

from file_cdk import FileCdkError, SyncOptions, sync
from file_cdk.pipeline.rejects import MaxRejects


@dataclass
class Loaded:
    """What one sync of a folder left in the table, and what it said."""

    rows: list[Any]
    warnings: list[str] = field(default_factory=list)
    failures: list[FileCdkError] = field(default_factory=list)
    status: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    rejects: list[tuple[int, str, str]] = field(default_factory=list)


def load(folder: Path, *, columns: str = "* exclude (_file_modified_at)", **options: Any) -> Loaded:
    said, database = Said(), folder.parent / "x.duckdb"
    settings: dict[str, Any] = {"workers": 0, "stream": "t", "max_rejects": MaxRejects(100)} | options
    result = sync(folder, database, SyncOptions(**settings), said)
    with duckdb.connect(str(database)) as connection:

        def rows(query: str) -> list[Any]:
            return connection.sql(query).fetchall()

        exists = rows("select 1 from duckdb_tables() where table_name = 't'")
        return Loaded(
            rows(f"select {columns} from t order by _file_url, _file_row") if exists else [],
            said.warnings,
            list(result.failures),
            {url: tuple(rest) for url, *rest in rows("select url, status, rows, rejected from _file_cdk_files")},
            rows("select row, reason, raw from _file_cdk_rejects order by url, row"),
        )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "in"
    made.mkdir()
    return made


def test_a_blank_name_as_pandas_writes_it(folder: Path) -> None:
    lines = ["".join(f"{i},{i * 2.5},name {i}\n") for i in range(12)]
    (folder / "a.csv").write_text(",price,name\n" + "".join(lines))
    found = load(folder, columns='"Unnamed: 0", price, name')
    assert [(n, float(p), name) for n, p, name in found.rows] == [(i, i * 2.5, f"name {i}") for i in range(12)]
    assert [w for w in found.warnings if "Unnamed: 0" in w] == [
        "file 'a.csv': columns without a name in the header are called 'Unnamed: 0'"
    ]


def test_names_met_twice_lose_nothing(folder: Path) -> None:
    (folder / "a.csv").write_text("id,x,X,x,x_2\n" + "".join(f"{i},a{i},b{i},c{i},d{i}\n" for i in range(9)))
    found = load(folder, columns="* exclude (_file_url, _file_modified_at, _file_row)")
    assert found.rows == [(i, f"a{i}", f"b{i}", f"c{i}", f"d{i}") for i in range(9)]
    assert any("more than once" in warning for warning in found.warnings)


def test_a_delimiter_at_the_end_of_every_row(folder: Path) -> None:
    (folder / "a.csv").write_text("day,open,close\n" + "".join(f"2024-01-{i:02},{i}.5,{i},\n" for i in range(1, 30)))
    found = load(folder, columns="close")
    assert found.rows == [(i,) for i in range(1, 30)]
    assert not found.rejects
    assert [w for w in found.warnings if "blank values" in w] == [
        "file 'a.csv': blank values beyond the columns of the header are left out"
    ]


def test_files_without_rows_are_loaded_once(folder: Path) -> None:
    for name, data in {"zero": b"", "blank": b"\n\r\n\n", "mark": b"\xef\xbb\xbf", "header": b"id,name\n"}.items():
        (folder / f"{name}.csv").write_bytes(data)
    (folder / "good.csv").write_bytes(b"id,name\n1,a\n2,b\n")
    found = load(folder, columns="id, name")
    assert found.rows == [(1, "a"), (2, "b")]
    assert {status for status, _, _ in found.status.values()} == {"loaded"}
    assert sum("is empty" in warning for warning in found.warnings) == 3
    again = load(folder, columns="id, name")
    assert (again.rows, again.warnings) == (found.rows, [])


def test_nothing_but_a_file_without_bytes(folder: Path) -> None:
    (folder / "a.csv").write_bytes(b"")
    found = load(folder, columns="*")
    assert (found.rows, found.failures, found.status) == ([], [], {"a.csv": ("loaded", 0, 0)})
    (folder / "b.csv").write_bytes(b"id\n1\n")
    assert load(folder, columns="id").rows == [(1,)]


@pytest.mark.parametrize("filetype", [None, "csv"])
def test_nul_bytes_are_values_as_any(folder: Path, filetype: str | None) -> None:
    (folder / "a.csv").write_bytes(b"id,name\n1,ab\0\0\0\0c\n2,d\n")
    assert load(folder, columns="id, name", filetype=filetype).rows == [(1, "ab\0\0\0\0c"), (2, "d")]


@pytest.mark.parametrize("data", [bytes(3000), bytes(range(256)) * 20])
def test_bytes_that_are_no_text_are_refused_without_naming_an_option_that_was_given(folder: Path, data: bytes) -> None:
    (folder / "a.csv").write_bytes(data)
    [error] = load(folder, filetype="csv").failures
    assert "is not text" in str(error)
    assert "--format" not in str(error)


AS_TOLD = {"filetype": "csv", "dialect": "default"}
"""The dialect is not detected: quotes are quotes, whatever they do."""

ROWS = "".join(f"{i},name {i},{i * 3}\n" for i in range(1, 31))


def with_line(number: int, line: str) -> str:
    """A header and thirty rows, of which one is another."""
    lines = ROWS.splitlines(keepends=True)
    lines[number - 1] = line + "\n"
    return "id,name,amount\n" + "".join(lines)


def test_text_after_a_closing_quote_is_never_dropped(folder: Path) -> None:
    (folder / "a.csv").write_text(with_line(7, '7,"Pipe "2in" long",21'))
    found = load(folder, columns="id", **AS_TOLD)
    assert [id for (id,) in found.rows] == [i for i in range(1, 31) if i != 7]
    assert found.rejects == [(7, "text follows a closing quote", '7,"Pipe "2in" long",21')]
    (folder / "a.csv").write_text(with_line(7, '7,2in" pipe,21').replace("name 8", '"8" '))
    found = load(folder, columns="id, name", **AS_TOLD)
    assert (found.rows[6:8], found.rejects) == ([(7, '2in" pipe'), (8, "8 ")], [])


@pytest.mark.parametrize("line", ['30,"name,90', '30,name,"90', '"30,name,90'])
@pytest.mark.parametrize("number", [30, 10])
def test_a_quote_that_never_closes_costs_one_record(folder: Path, number: int, line: str) -> None:
    (folder / "a.csv").write_text(with_line(number, line))
    found = load(folder, columns="id", **AS_TOLD)
    assert [id for (id,) in found.rows] == [i for i in range(1, 31) if i != number]
    assert found.rejects == [(number, "a quote opened in this record is never closed", line)]
    assert found.status == {"a.csv": ("loaded", 29, 1)}


def test_a_record_that_a_file_breaks_off_in_is_one_reject(folder: Path) -> None:
    (folder / "a.csv").write_text(f'id,name,amount\n{ROWS}31,"a text\nof several\nlines that')
    found = load(folder, columns="id", **AS_TOLD)
    assert len(found.rows) == 30
    assert [raw for _, _, raw in found.rejects] == ['31,"a text\nof several\nlines that']


def test_a_quote_that_another_one_closes_lines_later_swallows_none(folder: Path) -> None:
    text = with_line(3, '3,"stray,9').replace("29,name 29", '29,name"29').replace("27,name 27,", '27,"name, 27",')
    (folder / "a.csv").write_text(text)
    found = load(folder, columns="id, name", **AS_TOLD)
    assert [id for id, _ in found.rows] == [i for i in range(1, 31) if i != 3]
    assert dict(found.rows)[27] == "name, 27"
    assert [(row, raw) for row, _, raw in found.rejects] == [(3, '3,"stray,9')]

    (folder / "a.csv").write_text(with_line(3, '3,"stray,9').replace("20,name 20,60", '20,name 20,60"'))
    found = load(folder, columns="id", **AS_TOLD)
    assert [id for (id,) in found.rows] == [i for i in range(1, 31) if i != 3]
    assert [reason for _, reason, _ in found.rejects] == [
        "a quote opened in this record joins it to lines that are records of their own"
    ]


def test_a_text_of_many_lines_is_one_value(folder: Path) -> None:
    text = "Dear Sir, or Madam,\nplease find enclosed:\n- one, two\n- three\n\nYours, truly"
    (folder / "a.csv").write_text(with_line(4, f'4,"{text}",12'))
    found = load(folder, columns="id, name", **AS_TOLD)
    assert (found.rows[3], len(found.rows), found.rejects) == ((4, text), 30, [])


def test_quotes_astray_where_a_file_is_read_in_parts(folder: Path) -> None:
    """Over 4 MB: the quote that never closes is in the first part, and one that swallows lines where two of them meet."""
    rows = [f"{i},name {i},{'x' * 80}" for i in range(60_000)]
    rows[100] = '100,"stray,x'
    near = next(i for i, end in enumerate(accumulate(len(row) + 1 for row in rows)) if end > (4 << 20))
    rows[near - 20] = f'{near - 20},"stray,x'
    rows[near + 20] = f'{near + 20},x,"closes"'
    (folder / "a.csv").write_text("id,name,text\n" + "\n".join(rows) + "\n")
    found = load(folder, columns="id", **AS_TOLD)
    assert [id for (id,) in found.rows] == [i for i in range(60_000) if i not in (100, near - 20)]
    assert [raw for _, _, raw in found.rejects] == [rows[100], rows[near - 20]]


def test_a_million_columns_are_refused_by_a_stated_limit(folder: Path) -> None:
    names = ",".join(f"c{i}" for i in range(1_000_000))
    (folder / "a.csv").write_text(f"{names}\n{'1,' * 999_999}1\n")
    (folder / "b.csv").write_text("id\n1\n")
    found = load(folder, columns="id")
    assert found.rows == [(1,)]
    [error] = found.failures
    assert str(error).startswith("has 1,000,000 columns, and the limit is 20,000 (file 'a.csv')")


def test_no_value_that_a_type_cannot_hold_becomes_null(folder: Path) -> None:
    """Each stands far below rows that settle the column's type."""
    odd = [
        "9223372036854775808",
        "1" * 60,
        "1e400",
        "1e-400",
        "nan",
        "2024-02-30",
        "10000-01-01",
        "25:00",
        "tru",
        "a\0b",
        "0x1f",
    ]
    names = ["i", "f", "d", "t", "b"]
    lines = [f"{n},{n}.5e3,2024-01-0{1 + n % 9},10:0{n % 6},{'true' if n % 2 else 'false'}" for n in range(3000)]
    lines += [",".join([value] * len(names)) for value in odd]
    (folder / "a.csv").write_text(",".join(names) + "\n" + "\n".join(lines) + "\n")
    found = load(folder, columns=", ".join(f"{name}::varchar" for name in names), **AS_TOLD)
    assert len(found.rows) == 3000 + len(odd)
    assert found.rows[3000:] == [(value,) * len(names) for value in odd]


def test_bytes_that_are_no_text_are_rejects(folder: Path) -> None:
    (folder / "a.csv").write_bytes(with_line(5, "5,\xff,15").encode("latin-1"))
    found = load(folder, columns="id", **AS_TOLD)
    assert (len(found.rows), [(row, reason) for row, reason, _ in found.rejects]) == (29, [(5, "not valid utf8")])


def test_text_that_ends_in_a_record_whose_quotes_are_astray_is_told_by_its_place(tmp_path: Path) -> None:
    """Whether the record is right all the same, the lines after it tell; and they end in half a character."""
    (tmp_path / "in").mkdir()
    text = 'a,b\n1,2\n"x"y,"3\n4,5\n'.encode("utf-16-le")
    (tmp_path / "in" / "a.csv").write_bytes(text + b"\0")
    stream = "{name: t, globs: ['*'], format: {filetype: csv, encoding: utf-16-le}}"
    (tmp_path / "x.yaml").write_text(f"path: {tmp_path / 'in'}\nstreams:\n- {stream}\n")
    [failure] = sync(tmp_path / "x.yaml", tmp_path / "x.duckdb", SyncOptions(workers=0)).failures
    assert (failure.message, failure.uri, failure.row) == ("not valid utf-16-le", "a.csv", 2)
    assert failure.byte == len(text)
