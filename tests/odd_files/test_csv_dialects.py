"""CSV files of which nobody said how they are written, through `sync` and into a table: each value as the file has it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from said import Said

from file_cdk import FileCdkError, SyncOptions, sync
from file_cdk.pipeline.rejects import MaxRejects


@dataclass
class Loaded:
    """What a sync left in the table, and what it said."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    warnings: list[str]
    failures: list[FileCdkError]
    rejects: list[tuple[int, str]]

    @property
    def said(self) -> str:
        return "\n".join(self.warnings)


def load(folder: Path, *, max_rejects: int = 0) -> Loaded:
    said, database = Said(), folder.parent / "x.duckdb"
    options = SyncOptions(workers=0, stream="t", max_rejects=MaxRejects(max_rejects))
    result = sync(folder, database, options, said)
    with duckdb.connect(str(database)) as connection:
        exists = connection.sql("select 1 from duckdb_tables() where table_name = 't'").fetchall()
        rejects = connection.sql("select row, reason from _file_cdk_rejects order by url, row").fetchall()
        columns, rows = list[str](), list[tuple[Any, ...]]()
        if exists:
            found = connection.sql(
                "select * exclude (_file_url, _file_modified_at, _file_row) from t order by _file_url, _file_row"
            )
            columns, rows = found.columns, found.fetchall()
    return Loaded(columns, rows, said.warnings, list(result.failures), rejects)


def load_one(tmp_path: Path, data: bytes | str, *, max_rejects: int = 0, name: str = "a.csv") -> Loaded:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return load(folder, max_rejects=max_rejects)


def text(loaded: Loaded) -> list[tuple[str | None, ...]]:
    return [tuple(None if value is None else str(value) for value in row) for row in loaded.rows]


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (
            'id,name,path\r\n1,O\\\'Hara,D:\\new\\x\r\n2,"Lee, A",E:\\y\r\n3,Kim,F:\\z\r\n',
            ["D:\\new\\x", "E:\\y", "F:\\z"],
        ),
        ('id,n,t\n1,a,"\\beta, \\gamma"\n2,b,\\sqrt{x}\n3,c,"y, \\""q"\n', ["\\beta, \\gamma", "\\sqrt{x}", 'y, \\"q']),
        (
            'id,n,t\n1,a,"says \\"hi\\", twice"\n2,b,"a \\"b\\" c"\n3,c,plain\n',
            ['says "hi", twice', 'a "b" c', "plain"],
        ),
        ("id,n,t\n1,a,\\\\host\\one\n2,b,\\\\host\\two\n3,c,x\n", ["\\\\host\\one", "\\\\host\\two", "x"]),
    ],
    ids=["apostrophes", "latex", "escapes", "network paths"],
)
def test_backslashes_are_text_unless_they_escape_quotes(tmp_path: Path, data: str, rows: list[str]) -> None:
    assert [row[2] for row in load_one(tmp_path, data).rows] == rows


@pytest.mark.parametrize(
    ("data", "titles"),
    [
        ('id\ttitle\n1\tA\n2\t"\n3\tB\n4\t!\n5\t"?"\n6\t""\n7\tC\n', ["A", '"', "B", "!", '"?"', '""', "C"]),
        (
            "id\ttitle\n" + "".join(f"{n}\tSong {n}\n" for n in range(30)) + '30\t"Blue" hour\n31\tPlain "x"\n',
            [*(f"Song {n}" for n in range(30)), '"Blue" hour', 'Plain "x"'],
        ),
    ],
    ids=["few", "text after a quote"],
)
def test_quotes_that_quote_nothing_are_text(tmp_path: Path, data: str, titles: list[str]) -> None:
    loaded = load_one(tmp_path, data, name="a.tsv")
    assert [row[1] for row in loaded.rows] == titles
    assert "no quotes" in loaded.said
    assert not loaded.rejects


def test_text_after_a_closing_quote_is_rejected_where_quotes_are_used(tmp_path: Path) -> None:
    lines = [f'{n},"part {n}, steel",{n}' for n in range(40)]
    lines[20] = '20,"pipe "2in", steel",20'
    loaded = load_one(tmp_path, "id,name,qty\n" + "\n".join(lines) + "\n", max_rejects=5)
    assert [row[0] for row in loaded.rows] == [n for n in range(40) if n != 20]
    assert loaded.rejects == [(21, "text follows a closing quote")]


@pytest.mark.parametrize("end", ['"\n', '"', ';"\n', ';"\n\n', ';"\n"\n'])
def test_a_quote_open_at_the_end_with_nothing_in_it_costs_nothing(tmp_path: Path, end: str) -> None:
    rows = "".join(f'"a{n}";"{n}";"x, {n}"\n' for n in range(9))
    loaded = load_one(
        tmp_path, '"Name";"N";"Text"\n' + (rows + end if end.startswith('"') else rows.rstrip("\n") + end)
    )
    assert [row[:3] for row in loaded.rows] == [(f"a{n}", n, f"x, {n}") for n in range(9)]
    assert not loaded.rejects
    of_its_own = end.startswith('"')
    assert any("skipped: a quote at the end of the file" in said for said in loaded.warnings) == of_its_own


@pytest.mark.parametrize("place", [0, 20, 38, 39])
def test_a_quote_too_many_costs_its_own_row(tmp_path: Path, place: int) -> None:
    lines = [f'{n},"part, {n}",{n}' for n in range(40)]
    lines[place] = f'{place},part {place},"{place}'
    loaded = load_one(tmp_path, "id,name,qty\n" + "\n".join(lines) + "\n", max_rejects=1)
    assert [row[0] for row in loaded.rows] == [n for n in range(40) if n != place]
    assert [row for row, _ in loaded.rejects] == [place + 1]


@pytest.mark.parametrize(
    ("data", "columns", "rows"),
    [
        (
            "Invoices paid in June,,,,\n,,,,\nUnit,Who,Paid,Total,\nRoads,Ann,02/06/2015,10.5,\nParks,Bob,03/06/2015,7,\n",
            ["Unit", "Who", "Paid", "Total"],
            2,
        ),
        ("Travel of the year,\n,\nItem,Sum\nFees,9.75\nHotel,120.00\n", ["Item", "Sum"], 2),
        (
            "Ministry of Fish,,,,,,\nTrips abroad,,,,,,\nFrom 1 May to 3 June,,,,,,\nName,Date,Place,Why,How,With,Cost\n"
            "Ann,14-May,Rome,Talks,Air,2,£584\nBob,none,,,,,\n",
            ["Name", "Date", "Place", "Why", "How", "With", "Cost"],
            2,
        ),
        (
            "Meetings,,,,,,,,\nMinister,Day,Who,Why,,,,,\nAnn,Oct-14,Fish Ltd,Nets,,,,,\n,,Boats Ltd,,,,,,\n,,Crew Union,,,,,,\n",
            ["Minister", "Day", "Who", "Why"],
            3,
        ),
        ('Water used,,\nTotal (m3),Per head,Cost (k)\n"44,761",13.9,68\n', ["Total (m3)", "Per head", "Cost (k)"], 1),
        (",,Report of 2024,,\n,,,,\nid,a,b,c,d\n1,2,3,4,5\n", ["id", "a", "b", "c", "d"], 1),
    ],
    ids=["council", "two columns", "three titles", "sparse", "one row", "in the middle"],
)
def test_padded_titles_are_above_the_header(tmp_path: Path, data: str, columns: list[str], rows: int) -> None:
    loaded = load_one(tmp_path, data)
    assert loaded.columns == columns
    assert len(loaded.rows) == rows
    assert "above the header" in loaded.said
    assert not loaded.failures


def test_values_that_come_late_in_columns_without_a_name(tmp_path: Path) -> None:
    """Two tables in one file: the first has fewer columns, and both are as wide as a spreadsheet made them."""
    data = (
        "Meetings,,,,,,\nMinister,Day,Who,,,,\nAnn,Oct-14,Fish Ltd,,,,\n,,Boats Ltd,,,,\n,,,,,,\nTravel,,,,,,\n"
        "Minister,Day,Place,How,Cost,,\nAnn,12 Oct,Rome,Air,32.5,,\n"
    )
    loaded = load_one(tmp_path, data)
    assert loaded.columns == ["Minister", "Day", "Who", "Unnamed: 3", "Unnamed: 4"]
    assert len(loaded.rows) == 6
    assert loaded.rows[-1] == ("Ann", "12 Oct", "Rome", "Air", "32.5")


def test_files_of_one_reading_each_lose_none(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.csv").write_text(f"2024-01-0{number + 1}T00:00:00,2{number}.5,{number}\n")
    loaded = load(folder)
    assert loaded.columns == ["f0", "f1", "f2"]
    assert [row[2] for row in loaded.rows] == [0, 1, 2, 3]


def test_one_bad_byte_among_utf8_is_a_rejected_record(tmp_path: Path) -> None:
    data = "id,name\n1,Jörg\n".encode() + b"2,J\xf6rg\n" + "3,Chloé\n".encode()
    loaded = load_one(tmp_path, data, max_rejects=1)
    assert [row[1] for row in loaded.rows] == ["Jörg", "Chloé"]
    assert loaded.rejects == [(2, "not valid utf8")]


@pytest.mark.parametrize(
    ("data", "seems"),
    [
        ("<!DOCTYPE html>\n<html><body><h1>Log in, please</h1></body></html>\n", "an HTML page"),
        ('<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code></Error>', "an XML document"),
        ("<Error><Code>Denied</Code>\n<Message>no, never</Message></Error>\n", "an XML document"),
        ('{"error": {"code": 403, "message": "no, never"}}\n', "a JSON document"),
        ('{"a": 1, "b": 2}\n{"a": 3, "b": 4}\n', "a JSON document"),
        ("\ufeff\n <html lang='en'><head></head></html>", "an HTML page"),
    ],
)
def test_markup_is_no_table(tmp_path: Path, data: str, seems: str) -> None:
    loaded = load_one(tmp_path, data)
    assert not loaded.rows
    [failure] = loaded.failures
    assert f"is no table: it seems to be {seems}" in str(failure)


def test_names_and_values_in_angle_brackets_are_a_table(tmp_path: Path) -> None:
    loaded = load_one(tmp_path, "<TICKER>;<PER>;<CLOSE>\nABC;D;1.5\nDEF;D;2.5\n")
    assert loaded.columns == ["<TICKER>", "<PER>", "<CLOSE>"]
    assert len(loaded.rows) == 2


def test_comments_above_below_and_between(tmp_path: Path) -> None:
    data = "# made 2024-01-01\n# by bob, it's said\nid;name\n# first \"part\n1;ann\n2;bob\n# second part\n3;cid\n"
    loaded = load_one(tmp_path, data)
    assert loaded.columns == ["id", "name"]
    assert loaded.rows == [(1, "ann"), (2, "bob"), (3, "cid")]
    assert "comments after #" in loaded.said


def test_values_that_begin_with_the_mark_of_comments_are_values(tmp_path: Path) -> None:
    loaded = load_one(tmp_path, "colour,n\n#fff,1\n#000,2\nred,3\n")
    assert loaded.rows == [("#fff", 1), ("#000", 2), ("red", 3)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blanks_before_quotes(tmp_path: Path, end: str) -> None:
    lines = ["id, name, note", '1, "Lee, A", "x"', '2, "Kim", "y ""z"""', '3, "Ray", "z"']
    loaded = load_one(tmp_path, end.join(lines) + end)
    assert loaded.columns == ["id", "name", "note"]
    assert loaded.rows == [(1, "Lee, A", "x"), (2, "Kim", 'y "z"'), (3, "Ray", "z")]
    assert "blanks before values" in loaded.said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("sep=;\r\nOne;Two\r\n1;2\r\n4;5\r\n", "delimiter ';'"),
        ('"sep=;"\nOne;Two\n1;2\n4;5\n', "delimiter ';'"),
        ("SEP=\t\nOne\tTwo\n1\t2\n4\t5\n", "delimiter tab"),
        ("\ufeffsep=|\nOne|Two\n1|2\n4|5\n", "delimiter '|'"),
        ("sep=;,\nOne,Two\n1,2\n4,5\n", "not ';' as its first line says"),
        ("sep=;\nOne,Two\n1,2\n4,5\n", "not ';' as its first line says"),
        ("sep=,\nOne,Two\n1,2\n4,5\n", "1 line above the header"),
    ],
)
def test_the_line_that_names_the_delimiter(tmp_path: Path, data: str, said: str) -> None:
    loaded = load_one(tmp_path, data)
    assert loaded.columns == ["One", "Two"]
    assert loaded.rows == [(1, 2), (4, 5)]
    assert said in loaded.said


@pytest.mark.parametrize(
    ("data", "columns"),
    [
        ("day,101,102\n2024-01-01,TRUE,FALSE\n2024-01-02,FALSE,TRUE\n", ["day", "101", "102"]),
        ("Town,2012,2011\nRoma,2043,1987\nOslo,1975,2051\nBern,1931,1990\n", ["Town", "2012", "2011"]),
        ("Town,2012,2013\nRoma,1.5,2\nOslo,3,4.5\n", ["Town", "2012", "2013"]),
        ("a,2024-01-01,2024-02-01\nx,1,2\ny,3,4\n", ["a", "2024-01-01", "2024-02-01"]),
    ],
)
def test_labels_that_are_numbers_or_dates_name_columns(tmp_path: Path, data: str, columns: list[str]) -> None:
    assert load_one(tmp_path, data).columns == columns


@pytest.mark.parametrize(
    "data",
    [
        "x,2012,2013\ny,2013,2014\nz,2014,2015\n",
        "1,2\n3,4\n",
        "true,5\nfalse,6\n",
        "2024-01-01,a,1\n2024-01-02,b,2\n",
    ],
)
def test_a_first_row_like_the_others_is_data(tmp_path: Path, data: str) -> None:
    assert len(load_one(tmp_path, data).rows) == data.count("\n")


def test_decimal_commas(tmp_path: Path) -> None:
    loaded = load_one(tmp_path, "day;price;n\n01.02.2024;1,5;1\n02.02.2024;12,25;2\n03.02.2024;0,75;3\n")
    assert [float(row[1]) for row in loaded.rows] == [1.5, 12.25, 0.75]
    assert "decimal commas" in loaded.said


@pytest.mark.parametrize("data", ["a\tb\n1,234\tx\n12,345\ty\n999,000\tz\n", "a;b\n1,5;2.5\n2,5;3.5\n"])
def test_commas_that_may_be_of_thousands_are_left_alone(tmp_path: Path, data: str) -> None:
    loaded = load_one(tmp_path, data)
    assert [row[0] for row in loaded.rows] == [line.split(";")[0].split("\t")[0] for line in data.split("\n")[1:-1]]


@pytest.mark.parametrize("delimiter", ["||", "::", "§", "~|~", "¦", "^|^"])
def test_odd_delimiters(tmp_path: Path, delimiter: str) -> None:
    rows = [["id", "when", "text"], *([str(n), f"1{n}:00", f"a, b; {n}"] for n in range(9))]
    loaded = load_one(tmp_path, "".join(delimiter.join(row) + "\n" for row in rows))
    assert loaded.columns == rows[0]
    assert [row[2] for row in loaded.rows] == [row[2] for row in rows[1:]]


FILLER = "".join(f"{n},plain {n}\n" for n in range(30_000))
"""More than is looked at of a file's beginning."""


@pytest.mark.parametrize(
    ("tail", "last", "said"),
    [
        (b'1,"x \\"y\\", z"\n2,"p \\"q\\" r"\n', ['x "y", z', 'p "q" r'], "escape"),
        ("1,Jörg\n2,Chloé\n".encode("cp1252"), ["Jörg", "Chloé"], "encoding cp1252"),
        (b'1,"\n2,x\n3,"\n4,"?" y\n', ['"', "x", '"', '"?" y'], "no quotes"),
        (b'1,"a, b"\n2,"c ""d"""\n', ["a, b", 'c "d"'], None),
        (b'1,"a\nb"\n2,"c, d\n"\n', ["a\nb", "c, d\n"], None),
        ("1,Jörg\n2,Chloé\n".encode(), ["Jörg", "Chloé"], None),
    ],
    ids=["escapes", "encoding", "no quotes", "quotes", "values over lines", "utf-8"],
)
def test_what_comes_late_in_a_file_is_read_as_it_is(
    tmp_path: Path, tail: bytes, last: list[str], said: str | None
) -> None:
    loaded = load_one(tmp_path, b"id,t\n" + FILLER.encode() + tail + FILLER.encode())
    assert [row[1] for row in loaded.rows[30_000 : 30_000 + len(last)]] == last
    assert len(loaded.rows) == 60_000 + len(last)
    assert not loaded.rejects
    assert ("is read again" in loaded.said) == (said is not None)
    assert said is None or said in loaded.said


def test_names_that_the_beginning_showed_wrongly_become_no_columns(tmp_path: Path) -> None:
    damaged = b"1,J\xf6rg\n2,\xfcber\n3,Gr\xe4fin\n4,\xdcbung\n"
    tail = "1,Jörg\n2,Chloé\n".encode() * 3000
    loaded = load_one(tmp_path, "größe,t\n".encode() + damaged + FILLER.encode() + tail, max_rejects=4)
    assert "is read again" in loaded.said
    assert (len(loaded.rejects), len(loaded.rows)) == (4, 36_000)
    assert [name for name in loaded.columns if not name.startswith("_file")] == ["größe", "t"]


def test_a_file_is_read_three_times_at_most(tmp_path: Path) -> None:
    """Each part of it is written in another way: nothing is lost without a word."""
    parts = [
        "id,t\n",
        FILLER,
        '1,"x \\"y\\" z"\n',
        FILLER,
        '2,"\n3,a" b\n' * 50,
        FILLER,
        '4,"c ""d"", e"\n' * 50,
        FILLER,
    ]
    loaded = load_one(tmp_path, "".join(parts), max_rejects=1000)
    assert loaded.said.count("is read again") <= 2
    assert len([row for row in loaded.rows if str(row[1]).startswith("plain")]) == 120_000


def test_compressed_files_are_held_against_the_guess_too(tmp_path: Path) -> None:
    import gzip

    data = gzip.compress(b"id,t\n" + FILLER.encode() + b'1,"\n2,x\n3,"\n4,"?" y\n')
    loaded = load_one(tmp_path, data, name="a.csv.gz")
    assert [row[1] for row in loaded.rows[30_000:]] == ['"', "x", '"', '"?" y']


@pytest.mark.parametrize(
    ("data", "columns", "rows"),
    [
        ('"Name";"Time";"Value"\n"a";"1";"2";"\n"\n', ["Name", "Time", "Value"], 1),
        ('"Name";"Time"\n"a";"1"\n"b";"2"\n"\n"\n', ["Name", "Time"], 2),
        (
            "day,shop,sum\n01/02/2016,A,10.5\n02/02/2016,B,13\n,,\n,,\nAll sums are net of tax,,\n",
            ["day", "shop", "sum"],
            5,
        ),
        ('"Dept","Unit","Grade","Min (£)"\n', ["Dept", "Unit", "Grade", "Min (£)"], 0),
        ("T;Cp;H\n5.00;0.0354;0.0260\n10.00;0.28;1.01087e+006\n", ["T", "Cp", "H"], 2),
        (
            'Org,"Kind \nof",Staff,,,Cost,\n,,A,B,C,,\n,,n,n,n,k,\n' + 'X,Y,1,2,3,"£1,200",\n' * 8 + ",,,,,,\n" * 9,
            ["Org", "Kind \nof", "Staff", "Cost"],
            10,
        ),
        ("Row,Sum,\nFees,9.5,x\nHotel,1,\n", ["Row", "Sum"], 2),
        (",a,b\n0,x,1\n1,y,2\n2,z,3\n", ["a", "b"], 3),
    ],
    ids=[
        "ends of R",
        "blank record",
        "notes",
        "header alone",
        "science",
        "merged names",
        "nameless at the end",
        "pandas",
    ],
)
def test_shapes_of_files_of_public_bodies(tmp_path: Path, data: str, columns: list[str], rows: int) -> None:
    loaded = load_one(tmp_path, data, max_rejects=3)
    assert not loaded.failures
    assert [name for name in loaded.columns if name in columns] == columns
    filled = [row for row in loaded.rows if any(value not in (None, "") for value in row)]
    assert len(filled) + len(loaded.rejects) >= min(rows, 1) * (rows - 2)
    assert len(loaded.rows) + len(loaded.rejects) >= rows


def test_each_file_of_a_folder_is_corrected_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    tails = ['1,"\n2,x\n3,"\n4,"?" y\n', "", '1,"x \\"y\\", z"\n2,"p \\"q\\" r"\n', '1,"a, b"\n']
    for number, tail in enumerate(tails):
        (folder / f"{number}.csv").write_text("id,t\n" + FILLER + tail)
    loaded = load(folder)
    assert len(loaded.rows) == 4 * 30_000 + 4 + 2 + 1
    assert [message.split("'")[1] for message in loaded.warnings if "is read again" in message] == ["0.csv", "2.csv"]
    late = [row[1] for row in loaded.rows if not str(row[1]).startswith("plain")]
    assert late == ['"', "x", '"', '"?" y', 'x "y", z', 'p "q" r', "a, b"]
