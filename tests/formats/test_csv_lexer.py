import csv
import gc
import io
import weakref

import pytest

from file_cdk.formats.csv.dialect import Dialect
from file_cdk.formats.csv.lexer import Lexed, Lexer, UnlexableError, without_padding


def lex(piece: bytes, *, width: int = 2, at_file_end: bool = False, dialect: Dialect | None = None) -> Lexed:
    lexer = Lexer(dialect or Dialect(), width)
    return lexer.read(lexer.prepare(piece, at_file_end=at_file_end), lexer.strings)


def odd_rows(lexed: Lexed) -> list[tuple[int, int, str]]:
    """Number, width and text of each."""
    return [(row.number, row.actual_columns, row.text) for row in lexed.odd]


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
    assert odd_rows(lex(b",,\n1,2\n,,\n")) == [(1, 3, ",,"), (3, 3, ",,")]
    assert not lex(b',,\n1,"2\n,,\n').closed


def test_rows_of_other_widths_are_told_with_their_numbers() -> None:
    lexed = lex(b'1\r\n1,2\r\n\r\n1,"2\r\n",3\r\n"2"\r\n')
    assert lexed.table.to_pydict() == {"0": ["1"], "1": ["2"]}
    assert odd_rows(lexed) == [(1, 1, "1"), (3, 3, '1,"2\r\n",3'), (4, 1, '"2"')]
    assert lexed.closed


def test_a_lexer_is_freed_when_it_is_done() -> None:
    lexer = Lexer(Dialect(), 2)
    lexer.read(lexer.prepare(b"1,2\n1\n"), lexer.strings)
    kept = weakref.ref(lexer)
    del lexer
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("delimiter", ["||", "\t|\t", "::", "§", "\U0001f680", "|\x1f"])
def test_a_delimiter_of_several_bytes_has_a_stand_in(delimiter: str) -> None:
    text = f'1{delimiter}"2{delimiter}3"\n\x1f{delimiter}4|\n5{delimiter}6\n7\n'
    lexed = lex(text.encode(), dialect=Dialect(delimiter=delimiter))
    assert lexed.table.to_pydict() == {"0": ["1", "\x1f", "5"], "1": [f"2{delimiter}3", "4|", "6"]}
    assert (odd_rows(lexed), lexed.closed, lexed.delimiter_in_values) == ([(4, 1, "7")], True, True)
    assert not lex(f"1{delimiter}2\n".encode(), dialect=Dialect(delimiter=delimiter)).delimiter_in_values


def test_a_piece_with_every_control_character_is_not_lexed() -> None:
    lexer = Lexer(Dialect(delimiter="||"), 2)
    with pytest.raises(UnlexableError) as caught:
        lexer.prepare(bytes(range(0x20)) + b"||x\n")
    assert caught.value.at is None


@pytest.mark.parametrize(
    ("encoding", "piece", "at"), [("utf-8", "é".encode() + b"\xff\n", 2), ("cp1252", b"\xe9\x81\n", 1)]
)
def test_bytes_that_are_no_text_are_told_before_reading(encoding: str, piece: bytes, at: int) -> None:
    with pytest.raises(UnlexableError) as caught:
        Lexer(Dialect(encoding=encoding), 1).prepare(piece)
    assert caught.value.at == at


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


@pytest.mark.parametrize(
    ("piece", "stripped"),
    [
        (b"a,b\n", b"a,b\n"),
        (b'  a, b ,   "c, d"\n "e" , \n', None),
        (b'  a, b ,   "c, d"\r\n "e", \n', b'a,b ,"c, d"\r\n"e",\n'),
        (b'"a, ""b"" ", ""\n', b'"a, ""b"" ",""\n'),
        (b"a," + b" " * 1000 + b"b\n", b"a,b\n"),
        (b"a,b\n   \nc,d\n", None),
        (b'a, 5" b\n', None),
        (b'a, "b\n', None),
    ],
)
def test_blanks_before_values(piece: bytes, stripped: bytes | None) -> None:
    assert without_padding(piece, b",", b'"', doubled=True) == stripped
    if stripped is not None:
        rows = csv.reader(io.StringIO(piece.decode(), newline=""), skipinitialspace=True)
        assert list(rows) == list(csv.reader(io.StringIO(stripped.decode(), newline="")))


def test_without_quotes_any_blank_after_a_delimiter_is_one() -> None:
    assert without_padding(b'a, "b, c"\n', b",", None, doubled=True) == b'a,"b,c"\n'
