import pytest

from file_cdk.core.config import CsvConfig
from file_cdk.formats.csv.dialect import Dialect
from file_cdk.formats.csv.rows import regular_rows


@pytest.mark.parametrize("at_file_end", [False, True])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_rows_as_the_csv_module_has_them(end: bytes, at_file_end: bool) -> None:
    piece = b'1,"x, y"' + end + end + b'5" pipe,"a' + end + b'b"' + end + b",\x00" + end
    rows = [["1", "x, y"], ['5" pipe', "a" + end.decode() + "b"], ["", "\x00"]]
    assert regular_rows(piece, Dialect(), 2, at_file_end=at_file_end) == rows


def test_only_the_end_of_the_file_ends_a_row_without_a_line_end() -> None:
    assert regular_rows(b"1,2\n3,4", Dialect(), 2, at_file_end=True) == [["1", "2"], ["3", "4"]]
    assert regular_rows(b"1,2\n3,4", Dialect(), 2, at_file_end=False) is None


@pytest.mark.parametrize(
    "piece",
    [b'1,"2\n', b'1,2\n3,"\n,,\n', b"1\n", b"1,2,3\n", b"1,2\n,,\n", b"1,\xff\n"],
    ids=["open quote", "open quote before what looks like the end", "narrow", "wide", "wide and empty", "no text"],
)
def test_what_is_not_regular_is_left_to_others(piece: bytes) -> None:
    assert regular_rows(piece, Dialect(), 2, at_file_end=False) is None
    assert regular_rows(piece, Dialect(), 2, at_file_end=True) is None


def test_marks_and_encoding_are_the_dialects() -> None:
    dialect = Dialect.of(CsvConfig(delimiter=";", quote_char="'", encoding="cp1252", double_quote=False))
    assert regular_rows(b"\x80;'a;b'\n", dialect, 2, at_file_end=False) == [["€", "a;b"]]
    assert regular_rows(b"1||2\n", Dialect(delimiter="||"), 2, at_file_end=False) is None
