"""Bytes in the order they lie, and the lines of text in them, with the offset of each."""

import codecs
import io
from collections.abc import Iterator
from typing import IO, Protocol

from file_cdk.formats.csv_dialect import Dialect

PIECE_BYTES = 512 << 10
"""Bytes of one read, and of one piece decoded: larger ones leave the processor's cache, smaller ones pay for each call."""


_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


class ForwardReader:
    """A stream read forwards, from which bytes just read can be read again without asking the store a second time."""

    def __init__(self, stream: IO[bytes], piece_bytes: int = PIECE_BYTES) -> None:
        self.piece_bytes = piece_bytes
        self._stream = stream
        self._stream_at: int | None = None
        self._kept = b""
        self._kept_at = 0
        self.position = 0

    def seek(self, offset: int) -> None:
        self.position = offset

    def read(self, size: int) -> bytes:
        """Between 1 and `size` bytes; none at the end of the file only."""
        if 0 <= (skip := self.position - self._kept_at) < len(self._kept):
            data = self._kept[skip : skip + size]
        else:
            if self._stream_at != self.position:
                self._stream.seek(self.position)
            data = self._kept = self._stream.read(size)
            self._kept_at = self.position
            self._stream_at = self.position + len(data)
        self.position += len(data)
        return data

    def read_exactly(self, size: int) -> bytes:
        """`size` bytes, or as many as there are; all of them can be read again."""
        parts = []
        while size > 0 and (part := self.read(size)):
            parts.append(part)
            size -= len(part)
        data = b"".join(parts)
        self.push_back(data)
        self.position += len(data)
        return data

    def push_back(self, data: bytes) -> None:
        """`data`, which ends at the position, is read again next."""
        if self._stream_at == self.position and len(data) > len(self._kept):
            self._kept, self._kept_at = data, self.position - len(data)
        self.position -= len(data)


class RecordTooLargeError(Exception):
    """Internal to the row reader, which knows the row and tells the user."""


class Lines(Protocol):
    """One iteration over lines with their ends (LF, CR or CRLF).

    offset: where the next line begins. count: lines handed out. record: the lines since `begin_record`.
    exhausted: whether the end of the file was met; `offset` then is where it lies.
    """

    offset: int
    count: int
    record: list[str]
    exhausted: bool

    def __iter__(self) -> Iterator[str]: ...

    def begin_record(self) -> None: ...


class ByteLines:
    """Lines cut as bytes and decoded one by one: for encodings in which a line end's bytes mean nothing else.

    Raises UnicodeDecodeError at the line in question, whose beginning `offset` then is.
    """

    def __init__(self, reader: ForwardReader, offset: int, encoding: str, max_record_bytes: int) -> None:
        self._reader = reader
        self._encoding = encoding
        self._limit = max_record_bytes
        self._record_at = offset
        self.offset = offset
        self.count = 0
        self.record: list[str] = []
        self.exhausted = False
        self._iterator = self._lines()
        reader.seek(offset)

    def begin_record(self) -> None:
        self._record_at = self.offset
        self.record.clear()

    def __iter__(self) -> Iterator[str]:
        return self._iterator

    def _lines(self) -> Iterator[str]:
        pending = b""
        while chunk := self._reader.read(max(self._reader.piece_bytes, len(pending))):
            lines = (pending + chunk).splitlines(keepends=True)
            # A line may go on in the next chunk, and a CR may turn out to be a CRLF.
            pending = b"" if lines[-1].endswith(b"\n") else lines.pop()
            yield from self._decoded(lines)
            if self.offset + len(pending) - self._record_at > self._limit:
                raise RecordTooLargeError
        if pending:
            yield from self._decoded([pending])
        self.exhausted = True

    def _decoded(self, lines: list[bytes]) -> Iterator[str]:
        for line in lines:
            if self.offset + len(line) - self._record_at > self._limit:
                raise RecordTooLargeError
            text = line.decode(self._encoding)
            self.offset += len(line)
            self.count += 1
            self.record.append(text)
            yield text


class TextLines:
    """Lines cut after decoding: for encodings such as UTF-16, always from the beginning of the file.

    Raises UnicodeDecodeError after the last good line before the bytes in question, whose `start` then counts from `offset`.
    """

    def __init__(self, reader: ForwardReader, encoding: str, max_record_bytes: int) -> None:
        self._reader = reader
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._encoding = encoding
        self._mark_bytes = len("".encode(encoding))
        self._limit = max_record_bytes
        self._record_at = 0
        self.offset = 0
        self.count = 0
        self.record: list[str] = []
        self.exhausted = False
        self._iterator = self._lines()
        reader.seek(0)

    def begin_record(self) -> None:
        self._record_at = self.offset
        self.record.clear()

    def __iter__(self) -> Iterator[str]:
        return self._iterator

    def _lines(self) -> Iterator[str]:
        pending = ""
        fault: UnicodeDecodeError | None = None
        while not fault and not self.exhausted:
            chunk = self._reader.read(self._reader.piece_bytes)
            self.exhausted = not chunk
            at_beginning = self._reader.position == len(chunk)
            text, fault = self._decode(chunk)
            if at_beginning:
                text = self._without_mark(text, chunk)
            lines = list(io.StringIO(pending + text, newline=""))
            pending = lines.pop() if lines and not self.exhausted and not lines[-1].endswith("\n") else ""
            for line in lines:
                yield self._handed_out(line)
            if self._size(pending) + self.offset - self._record_at > self._limit:
                raise RecordTooLargeError
        if fault:
            fault.start += self._size(pending)
            raise fault
        self.offset = self._reader.position

    def _decode(self, chunk: bytes) -> tuple[str, UnicodeDecodeError | None]:
        """The text, as far as it is good, and what is wrong after it, with `start` counted from that text's end."""
        try:
            return self._decoder.decode(chunk, final=not chunk), None
        except UnicodeDecodeError as exc:
            held_back = len(exc.object) - len(chunk)
            good = chunk[: max(0, exc.start - held_back)]
            exc.start = exc.end = 0
            return (self._decoder.decode(good) if good else ""), exc

    def _without_mark(self, text: str, chunk: bytes) -> str:
        """A byte order mark is no text; some codecs take it for themselves."""
        if text.startswith("\ufeff"):
            self.offset = self._size("\ufeff")
            return text[1:]
        if self._mark_bytes and chunk.startswith(_MARKS):
            self.offset = self._mark_bytes
        return text

    def _handed_out(self, line: str) -> str:
        if not line.isascii():
            line.encode("utf-8")  # a lone surrogate, which some codecs let pass, is no text
        self.offset += self._size(line)
        self.count += 1
        self.record.append(line)
        return line

    def _size(self, text: str) -> int:
        return len(text.encode(self._encoding, "replace")) - self._mark_bytes


def lines_of_file(reader: ForwardReader, dialect: Dialect, max_record_bytes: int) -> Lines:
    """All lines, a byte order mark left out."""
    if not dialect.is_line_safe:
        return TextLines(reader, dialect.encoding, max_record_bytes)
    reader.seek(0)
    has_mark = dialect.encoding == "utf-8" and reader.read_exactly(3) == codecs.BOM_UTF8
    return ByteLines(reader, 3 if has_mark else 0, dialect.encoding, max_record_bytes)
