import csv
import io

import pytest

from file_cdk.formats.csv.lexer import without_padding


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
