import io

import pytest

from file_cdk.formats.csv.dialect import Dialect
from file_cdk.formats.csv.header import Header
from file_cdk.formats.csv.lines import ForwardReader
from file_cdk.formats.csv.pieces import Boundaries, guess_start

BOUNDARIES = Boundaries(b"\n", b'"')
HEADER = Header(("a", "b", "c"), 0, 0, 1, b"\n")


def guess(data: bytes, start: int, limit: int = 1 << 20) -> int:
    return guess_start(ForwardReader(io.BytesIO(data)), start, Dialect(), HEADER, limit)


@pytest.mark.parametrize(
    ("buffer", "expected"),
    [
        (b"1,2\n3,4\n5", [8]),
        (b"1,2\n3,4\n", [8]),
        (b'1,"2\n3\n4', [7]),
        (b'1,"2"\n3,"4\n5', [11, 6]),
        (b'1,"a""b"\n3,"4\n5",6\n7', [19]),
        (b"1,2", []),
        (b"", []),
    ],
)
def test_last_boundaries_in_order_of_likelihood(buffer: bytes, expected: list[int]) -> None:
    found = list(BOUNDARIES.last(buffer, count_first=False))
    assert found == expected
    assert sorted(BOUNDARIES.last(buffer, count_first=True)) == sorted(found)


def test_counting_comes_first_once_it_was_needed() -> None:
    assert list(BOUNDARIES.last(b'1,"2"\n3,"4\n5', count_first=True)) == [6, 11]


def test_first_boundary_by_parity() -> None:
    assert BOUNDARIES.first(b'x,y\n",z"\n', 0, inside=False) == 4
    assert BOUNDARIES.first(b'x,y\n",zz\n', 0, inside=True) == 9
    assert BOUNDARIES.first(b'x,y\n",z"\n', 0, inside=True) == 0
    assert BOUNDARIES.first(b'"x\ny"\nz\n', 0, inside=False) == 6


def test_a_line_end_just_before_the_start_makes_it_a_record() -> None:
    data = b"1,2,3\n4,5,6\n7,8,9\n"
    assert [guess(data, start) for start in range(1, 19)] == [6] * 6 + [12] * 6 + [18] * 6


def test_a_start_within_quotes_is_recognised_by_the_rows_that_follow() -> None:
    record = b'1,"first\nsecond, third\nfourth\n",x\n'
    data = record * 20
    expected = [len(record) * (1 + (start - 1) // len(record)) for start in range(1, len(record) * 10)]
    assert [guess(data, start) for start in range(1, len(record) * 10)] == expected


def test_stray_quotes_do_not_hide_the_next_line_end() -> None:
    data = b'1,5" pipe,x\n2,y,z\n3,6" pipe,x\n' * 5
    assert guess(data, 2) == 12


def test_no_line_end_at_all_gives_the_end_of_the_file() -> None:
    assert guess(b"x" * 200_000, 5) == 200_000


def test_the_search_is_given_up_at_the_limit() -> None:
    assert guess(b"x" * 1_000_000, 5, limit=100_000) == 4 + (128 << 10)
