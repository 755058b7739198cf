import pytest

from file_cdk.formats.csv_dialect import Dialect
from file_cdk.formats.csv_lexer import Lexed, Lexer


def lex(piece: bytes, *, width: int = 2, at_file_end: bool = False, dialect: Dialect | None = None) -> Lexed:
    lexer = Lexer(dialect or Dialect(), width)
    return lexer.read(lexer.prepare(piece, at_file_end=at_file_end), lexer.strings())


@pytest.mark.parametrize(
    "piece",
    [b"1,2\n", b'1,"2\n3"\n', b"\n\n", b"", b",,\n,,\n", b'x"y,"\n', b"1\n", b"1,2,3\n", b'"""",\n'],
)
def test_a_piece_of_whole_records_is_closed(piece: bytes) -> None:
    assert lex(piece).closed or piece == b'x"y,"\n'


@pytest.mark.parametrize("piece", [b'"', b'1,"2\n', b'1,2\n"3\n,,\n', b'1,"2""\n', b'x,"\n,,\n,,\n'])
def test_a_piece_that_ends_in_quotes_is_open(piece: bytes) -> None:
    assert not lex(piece).closed


def test_rows_that_look_like_the_one_appended_are_not_taken_for_it() -> None:
    assert lex(b",,\n1,2\n,,\n").odd_widths == {3: 2}
    assert not lex(b',,\n1,"2\n,,\n').closed


def test_rows_of_other_widths_are_counted() -> None:
    lexed = lex(b"1\n1,2\n\n1,2,3\n2\n")
    assert lexed.table.to_pydict() == {"0": ["1"], "1": ["2"]}
    assert lexed.odd_widths == {1: 2, 3: 1}
    assert lexed.closed


def test_the_last_line_of_a_file_needs_no_line_end() -> None:
    assert lex(b"1,2", at_file_end=True).table.num_rows == 1
    assert not lex(b'1,"2', at_file_end=True).closed


def test_a_byte_order_mark_within_the_file_is_a_value_s() -> None:
    assert lex("\ufeffa,b\n".encode()).table.column("0").to_pylist() == ["\ufeffa"]


def test_more_rows_than_arrow_reads_at_a_time() -> None:
    lexed = lex(b"1\n" * 250_000, width=1)
    assert (lexed.table.num_rows, lexed.closed) == (250_000, True)


def test_single_byte_encodings() -> None:
    lexed = lex("é;b\n".encode("latin-1"), dialect=Dialect(delimiter=";", encoding="iso8859-1"))
    assert lexed.table.to_pydict() == {"0": ["é"], "1": ["b"]}
