import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_cdk.core.errors import MalformedFileError
from file_cdk.formats.csv.dialect import Dialect
from file_cdk.formats.csv.lines import (
    ByteLines,
    FootlessReader,
    ForwardReader,
    RecordTooLargeError,
    TextLines,
    lines_of_file,
)


class ShortReads(io.BytesIO):
    """Gives less than asked for, as sockets do, and counts what it was asked."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.seeks = 0
        self.given = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(min(size or 0, 3))
        self.given += len(data)
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self.seeks += 1
        return super().seek(offset, whence)


def test_bytes_just_read_are_not_fetched_again() -> None:
    stream = ShortReads(b"0123456789")
    reader = ForwardReader(stream)
    assert reader.read_exactly(7) == b"0123456"
    reader.seek(2)
    assert reader.read(100) == b"23456"
    assert reader.position == 7
    assert reader.read_exactly(100) == b"789"
    assert reader.read(5) == b""
    assert (stream.seeks, stream.given) == (1, 10)


def test_seeking_elsewhere_fetches_from_there() -> None:
    reader = ForwardReader(io.BytesIO(b"0123456789"))
    assert reader.read(2) == b"01"
    reader.seek(7)
    assert reader.read(9) == b"789"
    reader.seek(1)
    assert reader.read(2) == b"12"


def with_offsets(lines: ByteLines | TextLines) -> Iterator[tuple[int, str]]:
    start = lines.offset
    for line in lines:
        yield start, line
        start = lines.offset


@given(
    st.text(alphabet="aé\r\n\u2028\x85", max_size=20),
    st.integers(1, 4),
    st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "utf-32-le"]),
)
def test_lines_and_offsets_do_not_depend_on_the_reads(text: str, piece_bytes: int, encoding: str) -> None:
    data = text.encode(encoding)
    reader = ForwardReader(io.BytesIO(data), piece_bytes)
    lines = lines_of_file(reader, Dialect(encoding=encoding), 1 << 20)
    assert isinstance(lines, ByteLines | TextLines)
    expected, offset = [], 0
    for line in io.StringIO(text, newline=""):
        expected.append((offset, line))
        offset += len(line.encode(encoding))
    assert list(with_offsets(lines)) == expected
    assert (lines.exhausted, lines.offset, lines.count) == (True, len(data), len(expected))


def test_a_record_larger_than_the_limit_is_not_collected() -> None:
    data = b"a\n" * 10 + b"x" * 1000
    lines = ByteLines(ForwardReader(io.BytesIO(data), 10), 0, "utf-8", 100)
    iterator = iter(lines)
    for _ in range(10):
        lines.begin_record()
        assert next(iterator) == "a\n"
    lines.begin_record()
    with pytest.raises(RecordTooLargeError):
        next(iterator)


@pytest.mark.parametrize("piece_bytes", [1, 3, 100])
def test_lines_before_bytes_that_are_no_text_are_handed_out(piece_bytes: int) -> None:
    good = "a,b\n1,".encode("utf-16-le")
    data = good + b"\x00\xd8" + "x\n".encode("utf-16-le")
    lines = TextLines(ForwardReader(io.BytesIO(data), piece_bytes), "utf-16-le", 1 << 20)
    iterator = iter(lines)
    assert next(iterator) == "a,b\n"
    with pytest.raises(UnicodeDecodeError) as caught:
        next(iterator)
    assert lines.offset + caught.value.start == len(good)


@given(st.text(alphabet="ab \r\n", max_size=30), st.integers(1, 3), st.integers(1, 5))
def test_the_last_lines_are_left_out_however_they_arrive(text: str, count: int, piece_bytes: int) -> None:
    lines = text.encode().splitlines(keepends=True)
    left = count
    while lines and left:
        left -= bool(lines.pop().strip())
    footless = FootlessReader(ForwardReader(io.BytesIO(text.encode()), piece_bytes), count, 1 << 20, "a.csv")
    assert b"".join(iter(lambda: footless.read(piece_bytes), b"")) == b"".join(lines)
    assert footless.end() == len(text)
    utf_16 = TextLines(
        ForwardReader(io.BytesIO(text.encode("utf-16-le")), piece_bytes), "utf-16-le", 1 << 20, footer_lines=count
    )
    found = "".join(utf_16)
    assert found.strip() == b"".join(lines).decode().strip()
    assert utf_16.offset == 2 * len(text)


def test_a_footer_is_not_collected_without_limit() -> None:
    footless = FootlessReader(ForwardReader(io.BytesIO(b"x" * 1000), 10), 1, 100, "a.csv")
    with pytest.raises(MalformedFileError, match="lines to skip at the end are too large"):
        footless.read(10)


@pytest.mark.parametrize(
    ("encoding", "bad"),
    [
        ("utf-8", b"a\xff,\xc3\r\n"),
        ("ascii", b"\xe9\r\n"),
        ("cp1252", b"\x81\r\n"),
        ("shift_jis", b"a\xff,b\r\n"),
        ("gb18030", b"\xffa,b\r\n"),
        ("utf-16-le", b"\x00\xd8" + "x\r\n".encode("utf-16-le")),
    ],
)
def test_lenient_lines_tell_which_record_is_no_text_and_its_bytes(encoding: str, bad: bytes) -> None:
    good = ["1,2\n", "3,4\n"]
    data = good[0].encode(encoding) + bad + good[1].encode(encoding)
    reader = ForwardReader(io.BytesIO(data), 3)
    lines: ByteLines | TextLines
    if Dialect(encoding=encoding).is_line_safe:
        lines = ByteLines(reader, 0, encoding, 1 << 20, lenient=True)
    else:
        lines = TextLines(reader, encoding, 1 << 20, lenient=True)
    found = []
    iterator = iter(lines)
    for _ in range(3):
        lines.begin_record()
        next(iterator)
        found.append((lines.is_text, lines.raw_record(), lines.offset))
    line_end = len("\r\n".encode(encoding))
    second = len(good[0].encode(encoding))
    assert found == [
        (True, "1,2".encode(encoding), second),
        (False, bad[:-line_end], second + len(bad)),
        (True, "3,4".encode(encoding), len(data)),
    ]
